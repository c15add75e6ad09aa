"""JsonLogic into Python.

An expression becomes one piece of Python, so that evaluating it costs a call for hardly more than it has
iterations. As in ``core.source`` its text is made of fixed phrases and running numbers alone: whatever comes
from a document is a constant, passed in by reference. What would nest too deep for Python's parser becomes a
function of its own.

Documents may be hostile: an expression has at most ``MOST_NODES`` nodes, ``DEEPEST`` levels, and takes at
most ``BUDGET`` steps an evaluation, each item of an iteration being as many as there are nodes in its body.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, lru_cache, partial
from typing import Any, TypeAlias

from flagstaff.core.context import Context
from flagstaff.formats.javascript import text

from .iterations import ITERATIONS, compared, weighed
from .operations import COMPARISONS, PLAIN, absent, fail, walk

__all__ = ["BUDGET", "DEEPEST", "MOST_NODES", "Logic", "Operator", "Writer", "logic"]

MOST_NODES = 20_000
DEEPEST = 180
BUDGET = 500_000

_OUTLINED = 8
"""Levels of Python's own nesting."""
_PARAMETERS = "c, a, now, d, b"

_NUMBERS = frozenset({int, float})

Now: TypeAlias = Callable[[], float]
Logic: TypeAlias = Callable[[Context, Now], Any]
Operator: TypeAlias = "Callable[[Writer, Any], str]"
"""Writes an operator: from its operands as they are in the document to an expression."""


def logic(
    expression: Any,
    operators: Mapping[str, Operator],
    data: Callable[[Context, Now], Mapping[str, Any]],
    roots: Mapping[str, str] | None = None,
    finish: Callable[[Any], Any] | None = None,
) -> Callable[[], Logic]:
    """What makes a function of an expression, once it is needed.

    What is wrong with the expression is said at once: ValueError.

    ``operators`` are those of a dialect, by name; ``data`` gives a context's whole data, and ``roots`` how
    some of its names are written shorter. What is neither text nor None in the end goes through ``finish``.
    The function raises Undecidable where the expression can't be worked out.
    """
    _check(expression, operators)

    @cache
    def compiled() -> Logic:
        return Writer(operators, data, roots or {}, finish).function(expression)

    return compiled


def _check(expression: Any, operators: Mapping[str, Operator]) -> None:
    """ValueError where an expression is too large, too deep, or has an operator that isn't known."""
    nodes, waiting = 0, [(expression, 0)]
    while waiting:
        node, depth = waiting.pop()
        nodes += 1
        if depth > DEEPEST or nodes > MOST_NODES:
            raise ValueError("is too deep" if depth > DEEPEST else "is too large")
        if isinstance(node, list | tuple):
            waiting += [(item, depth + 1) for item in node]
        elif isinstance(node, Mapping) and node:
            if len(node) > 1:
                raise ValueError(f"has an object of {len(node)} operators where one is expected")
            ((name, operands),) = node.items()
            if name not in _WRITERS and name not in operators:
                raise ValueError(f"has an operator that is not known: {str(name)[:100]!r}")
            waiting.append((operands, depth + 1))


class Writer:
    """Writes one expression."""

    def __init__(
        self,
        operators: Mapping[str, Operator],
        data: Callable[[Context, Now], Mapping[str, Any]],
        roots: Mapping[str, str],
        finish: Callable[[Any], Any] | None,
    ) -> None:
        self._operators = operators
        self._data = data
        self._roots = roots
        self._finish = finish
        self._constants: list[Any] = []
        self._functions: list[str] = []
        self._numbers = 0
        self._depth = 0
        self._inside = False
        self._iterates = False

    def function(self, expression: Any) -> Logic:
        """The whole expression as a function."""
        body = "\n".join(self._returning(expression, self._finished))
        names = ", ".join(f"k{index}" for index in range(len(self._constants)))
        head = f"    def function(c, now):\n        a = c.attributes\n{self._head()}"
        source = f"def make({names}):\n{''.join(self._functions)}{head}{body}\n    return function\n"
        made: Logic = _factory(source)(*self._constants)
        return made

    # -- for operators ----------------------------------------------------------------------------------

    def constant(self, value: Any) -> str:
        """The name under which the expression knows a value."""
        self._constants.append(value)
        return f"k{len(self._constants) - 1}"

    def name(self) -> str:
        """A name of a variable that nobody else has."""
        self._numbers += 1
        return f"t{self._numbers}"

    def write(self, node: Any) -> str:
        """An expression for what a node comes to."""
        if isinstance(node, list | tuple):
            return self._list(node)
        if not isinstance(node, Mapping) or not node:
            return self.constant(node)
        if self._depth >= _OUTLINED:
            return self._outlined(node)
        self._depth += 1
        try:
            ((name, operands),) = node.items()
            return f"({(self._operators.get(name) or _WRITERS[name])(self, operands)})"
        finally:
            self._depth -= 1

    def values(self, operands: Any) -> str:
        """An expression for the list of an operator's operands; what is no list is the only one."""
        if isinstance(operands, list | tuple):
            listed = self._list(operands)
        elif isinstance(operands, Mapping):
            listed = f"{self.constant(_listed)}({self.write(operands)})"
        else:
            return self.constant([operands])
        return f"{self.constant(weighed)}(b, {listed})" if self._inside else listed

    def failing(self, why: str) -> str:
        """An expression that fails."""
        return f"{self.constant(fail)}({self.constant(why)})"

    def _head(self) -> str:
        budget = f"[{BUDGET}]" if self._iterates else "None"
        return f"        d, b = None, {budget}\n" if self._functions else ""

    # -- parts ---------------------------------------------------------------------------------------------

    def _list(self, nodes: Any) -> str:
        if all(_is_plain(node) for node in nodes):
            return self.constant(nodes)
        return f"[{', '.join(map(self.write, nodes))}]"

    def _outlined(self, node: Any) -> str:
        return f"{self._defined(node)}({_PARAMETERS})"

    def _defined(self, node: Any) -> str:
        """The name of a function of the node's own."""
        depth, self._depth = self._depth, 0
        lines = self._returning(node, self.write)
        self._depth = depth
        self._numbers += 1
        name = f"f{self._numbers}"
        self._functions.append(f"    def {name}({_PARAMETERS}):\n" + "\n".join(lines) + "\n")
        return name

    def _returning(self, node: Any, write: Callable[[Any], str]) -> list[str]:
        """Lines that return what a node comes to: a choice is written as statements."""
        lines = []
        while isinstance(node, Mapping) and len(node) == 1 and next(iter(node)) in ("if", "?:"):
            (parts,) = node.values()
            if not isinstance(parts, list | tuple) or len(parts) < 2:
                break
            for index in range(0, len(parts) - 1, 2):
                lines.append(f"        if {self.write(parts[index])}:")
                lines.append(f"            return {write(parts[index + 1])}")
            node = parts[-1] if len(parts) % 2 else None
        return [*lines, f"        return {write(node)}"]

    def _finished(self, node: Any) -> str:
        """An expression for what a node comes to in the end."""
        written = self.write(node)
        if self._finish is None or node is None or isinstance(node, str):
            return written
        name = self.name()
        plain = f"({name} := {written}).__class__ is str or {name} is None"
        return f"{name} if {plain} else {self.constant(self._finish)}({name})"

    @contextmanager
    def _each(self) -> Iterator[None]:
        inside, self._inside = self._inside, True
        yield
        self._inside = inside

    # -- operators -------------------------------------------------------------------------------------------

    def _choice(self, operands: Any) -> str:
        if not isinstance(operands, list | tuple):
            return self.failing("if takes a list")
        if len(operands) < 2:
            return self.write(operands[0]) if operands else "None"
        if len(operands) > _OUTLINED:
            return self._outlined({"if": operands})
        parts = [
            f"{self.write(operands[index + 1])} if {self.write(operands[index])} else "
            for index in range(0, len(operands) - 1, 2)
        ]
        return "".join(parts) + (self.write(operands[-1]) if len(operands) % 2 else "None")

    def _joined(self, word: str, operands: Any) -> str:
        if not isinstance(operands, list | tuple):
            return self.failing(f"{word} takes a list")
        return f" {word} ".join(map(self.write, operands)) or "None"

    def _compared(self, sign: str, operands: Any) -> str:
        if not isinstance(operands, list | tuple) or len(operands) < 2:
            return self.failing(f"{sign} takes a list of two values")
        if len(operands) == 2:
            return self._pair(sign, operands[0], operands[1])
        names = [self.name() for _ in operands]
        firsts = [f"({name} := {self.write(node)})" for name, node in zip(names, operands, strict=True)]
        pairs = [self._test(sign, firsts[0], firsts[1])]
        pairs += [self._test(sign, names[at], firsts[at + 1]) for at in range(1, len(names) - 1)]
        return " and ".join(pairs)

    def _pair(self, sign: str, left: Any, right: Any) -> str:
        python = sign[:2]
        if isinstance(left, str) and sign[0] in "!=":
            left, right = right, left
        name, bound = self.name(), self.write(right)
        value = f"({name} := {self.write(left)}).__class__"
        if isinstance(right, str) and sign[0] in "!=":
            fast = f"{value} is str"
        elif type(right) in (int, float) and abs(right) < 2**53:
            fast = f"{value} in {self.constant(_NUMBERS)}"
        else:
            return self._test(sign, self.write(left), bound)
        return f"{name} {python} {bound} if {fast} else {self._test(sign, name, bound)}"

    def _plain(self, name: str, operands: Any) -> str:
        return f"{self.constant(PLAIN[name])}({self.values(operands)})"

    def _test(self, sign: str, left: str, right: str) -> str:
        if self._inside:
            return f"{self.constant(partial(compared, COMPARISONS[sign]))}(b, {left}, {right})"
        return f"{self.constant(COMPARISONS[sign])}({left}, {right})"

    def _within(self, operands: Any) -> str:
        if isinstance(operands, list | tuple) and len(operands) == 2:
            items = operands[1]
            if isinstance(items, list | tuple) and items and all(isinstance(item, str) for item in items):
                name = self.name()
                found = f"{name} in {self.constant(frozenset(items))}"
                first = f"({name} := {self.write(operands[0])})"
                slow = f"{self.constant(PLAIN['in'])}([{name}, {self.constant(items)}])"
                return f"{found} if {first}.__class__ is str else {slow}"
        return self._plain("in", operands)

    def _negated(self, operands: Any, word: str) -> str:
        if isinstance(operands, list | tuple):
            operands = operands[0] if operands else None
        return f"{word} {self.write(operands)}"

    def _variable(self, operands: Any) -> str:
        parts = [*operands] if isinstance(operands, list | tuple) else [operands]
        key, otherwise = [*parts, None, None][:2]
        if isinstance(key, Mapping | list | tuple):
            found = f"{self.constant(_dynamic)}({self._scope()}, {self.values([key])})"
        else:
            found = self._path("" if key is None else text(key))
        if otherwise is None:
            return found
        name = self.name()
        return f"{name} if ({name} := {found}) is not None else {self.write(otherwise)}"

    def _path(self, key: str) -> str:
        if not key:
            return self._scope()
        first, *rest = path = tuple(key.split("."))
        if self._inside:
            return f"{self.constant(walk)}(d, {self.constant(path)})"
        if key in self._roots:
            return self._roots[key]
        if any(root.partition(".")[0] == first for root in self._roots):
            return f"{self.constant(walk)}({self._scope()}, {self.constant(path)})"
        found = f"a.get({self.constant(first)})"
        return f"{self.constant(walk)}({found}, {self.constant(tuple(rest))})" if rest else found

    def _scope(self) -> str:
        return "d" if self._inside else f"{self.constant(self._data)}(c, now)"

    def _missing(self, operands: Any) -> str:
        return f"{self.constant(absent)}({self.values(operands)}, {self._scope()})"

    def _missing_some(self, operands: Any) -> str:
        return f"{self.constant(_too_few)}({self.values(operands)}, {self._scope()})"

    def _iterated(self, kind: str, operands: Any) -> str:
        if not isinstance(operands, list | tuple):
            return self.failing(f"{kind} takes a list")
        self._iterates = True
        items, body, start = [*operands, None, None, None][:3]
        run = self.constant(ITERATIONS[kind])
        listed = self.write(items)
        begin = ""
        if kind == "reduce":
            begin = f", ({self.write(start)},)" if len(operands) > 2 else ", ()"
        with self._each():
            visit = self._defined(body)
        return f"{run}(b, {_size(body)}, {listed}, lambda d: {visit}({_PARAMETERS}){begin})"


def _is_plain(node: Any) -> bool:
    """Whether a node stands for itself."""
    if isinstance(node, list | tuple):
        return all(map(_is_plain, node))
    return not (isinstance(node, Mapping) and node)


def _size(node: Any) -> int:
    if isinstance(node, list | tuple):
        return 1 + sum(map(_size, node))
    return 1 + sum(map(_size, node.values())) if isinstance(node, Mapping) else 1


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


def _dynamic(data: Any, keys: list[Any]) -> Any:
    """The value of a name, or of a name and what stands in for it, that was worked out."""
    key, otherwise = keys[0], None
    if isinstance(key, list | tuple):
        key, otherwise = [*key, None, None][:2]
    if key is None or key == "":
        return data
    found = walk(data, tuple(text(key).split(".")))
    return otherwise if found is None else found


def _too_few(operands: Any, data: Any) -> list[Any]:
    need, names = [*operands, None, None][:2]
    missing = absent(names, data)
    return [] if need is None or len(names) - len(missing) >= need else missing


def _written(method: Callable[[Writer, str, Any], str], name: str) -> Operator:
    return lambda writer, operands: method(writer, name, operands)


_WRITERS: Mapping[str, Operator] = {
    **{name: _written(Writer._plain, name) for name in PLAIN},
    **{sign: _written(Writer._compared, sign) for sign in COMPARISONS},
    **{kind: _written(Writer._iterated, kind) for kind in ITERATIONS},
    "in": Writer._within,
    "and": _written(Writer._joined, "and"),
    "or": _written(Writer._joined, "or"),
    "if": Writer._choice,
    "?:": Writer._choice,
    "!": lambda writer, operands: writer._negated(operands, "not"),
    "!!": lambda writer, operands: writer._negated(operands, "not not"),
    "var": Writer._variable,
    "missing": Writer._missing,
    "missing_some": Writer._missing_some,
}


@lru_cache(maxsize=1024)
def _factory(source: str) -> Callable[..., Any]:
    namespace: dict[str, Any] = {}
    exec(compile(source, "<flagstaff targeting>", "exec"), namespace)  # noqa: S102  # fixed phrases and numbers only: see above
    made: Callable[..., Any] = namespace["make"]
    return made
