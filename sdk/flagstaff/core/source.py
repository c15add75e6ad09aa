"""Functions in the making, and the one place where text becomes code.

Whoever writes such a function writes fixed phrases and names that ``Source`` hands out; whatever comes from
a document is a constant, which is passed in. Functions of one shape share one code object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from .context import Context, as_context
from .rules import Condition

__all__ = ["Source"]


class Source:
    """A function in the making: its lines, and the constants that they name.

    Where each condition is asked twice, whether it holds and whether it fails, ``keeps`` makes the answers of
    whatever is worth it be kept in between: asked twice on every level, a chain of segments would take for
    ever.
    """

    def __init__(self, *, keeps: bool = False) -> None:
        self._lines: list[str] = []
        self._constants: list[Any] = []
        self._depth = 2
        self._reads_attributes = False
        self._reads_key = False
        self._hands_on = False
        self._lacks: dict[str, str] = {}
        self._names = 0
        self.keeps: bool = keeps
        self._kept: dict[int, str] = {}

    def constant(self, value: Any) -> str:
        """The name under which the function knows a value."""
        self._constants.append(value)
        return f"k{len(self._constants) - 1}"

    def name(self) -> str:
        """A name of a variable that nobody else has."""
        self._names += 1
        return f"t{self._names}"

    def context(self) -> str:
        """An expression for the whole context, to hand on."""
        self._hands_on = True
        return "c"

    def attribute(self, name: str) -> str:
        """An expression for the value of one attribute."""
        self._reads_attributes = True
        return f"a.get({self.constant(name)})"

    def lacks(self, name: str) -> str:
        """An expression that is true if there is no such attribute: looked for once, at the beginning."""
        self._reads_attributes = True
        return self._lacks.setdefault(name, f"l{len(self._lacks)}")

    def targeting_key(self) -> str:
        """An expression for the targeting key."""
        self._reads_key = True
        return _KEY

    def answer(self, node: Condition, write: Callable[[], str]) -> str:
        """An expression for the answer to a condition; ``write`` gives the one that works it out."""
        if not self.keeps:
            return write()
        if id(node) not in self._kept:
            name = f"v{len(self._kept)}"
            self._kept[id(node)] = f"({name} if {name} is not ... else ({name} := {write()}))"
        return self._kept[id(node)]

    def line(self, text: str) -> None:
        self._lines.append("    " * self._depth + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        self.line(head)
        self._depth += 1
        yield
        self._depth -= 1

    def function(self) -> Callable[[Context], Any]:
        kept = [f"        v{index} = ..." for index in range(len(self._kept))]
        body = "\n".join(self._door() + kept + self._lines)
        if self._hands_on:
            body = body.replace(_KEY, "c.targeting_key")
        names = ", ".join(f"k{index}" for index in range(len(self._constants)))
        text = f"def make({names}):\n    def function(c):\n{body}\n    return function\n"
        made: Callable[[Context], Any] = _factory(text)(*self._constants)
        return made

    def _door(self) -> list[str]:
        """How the function begins, so that a plain dictionary passes for a context.

        It is read where it is; but if anybody is handed the whole context, one is made of it.
        """
        if self._hands_on:
            head = [f"if c.__class__ is dict: c = {self.constant(as_context)}(c)"]
        else:
            head = ["p = c.__class__ is dict"] if self._reads_attributes or self._reads_key else []
        if self._reads_attributes:
            head.append("a = c.attributes" if self._hands_on else "a = c if p else c.attributes")
        head += [f"{lacks} = {self.constant(name)} not in a" for name, lacks in self._lacks.items()]
        return ["        " + line for line in head]


_KEY = "(c.get('targetingKey') if p else c.targeting_key)"


@lru_cache(maxsize=1024)
def _factory(text: str) -> Callable[..., Callable[[Context], Any]]:
    namespace: dict[str, Any] = {}
    exec(compile(text, "<flagstaff rules>", "exec"), namespace)  # noqa: S102  # fixed phrases and numbers only: see above
    factory: Callable[..., Callable[[Context], Any]] = namespace["make"]
    return factory
