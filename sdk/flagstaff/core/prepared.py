"""Operators with their operands, ready to be asked, and how the engine may write them out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["MAX_TEXT", "Memo", "Predicate", "Prepared"]

Predicate = Callable[[Any], bool | None]
"""Whether a value passes; None where that is unknown."""

MAX_TEXT = 256
"""Longest text, in characters, that is read as a version, an address or a point in time, or remembered."""


class Prepared(NamedTuple):
    """An operator with its operand.

    ``form`` says how the engine may write the test out in place of a call:

    - ``"=="`` or ``"in"``: what equals the ``operand``, text or one of a set of texts, passes, and nothing
      else does; other text fails.
    - ``"text in"``, ``"text not in"``: text passes or fails by its being in ``operand``, a set of texts.
      Everything else is for ``test`` to answer.
    - ``"memo"``: the answer depends on nothing but the value, and is worth keeping. ``"text memo"``: of text
      it is, while values that can't be keys are common.
    - ``"absent"``: without a value, ``operand`` is the answer; there seldom is one.
    - ``"exists"``: whether there is a value; or, where ``operand`` is false, none.
    - ``""``: a plain call.
    """

    test: Predicate
    form: str = ""
    operand: Any = None


class Memo(dict[Any, bool | None]):
    """Answers of one predicate, kept by value; bounded, and never for long texts.

    ``true`` and ``others`` hold the same values by what they came to: where only *true* counts, a set says it
    in half the time that a subclass of ``dict`` takes.
    """

    __slots__ = ("_test", "others", "true")
    LIMIT = 1024

    def __init__(self, test: Predicate) -> None:
        super().__init__()
        self._test = test
        self.true: set[Any] = set()
        self.others: set[Any] = set()

    def __missing__(self, value: Any) -> bool | None:
        answer = self._test(value)
        # Only what is equal to nothing but itself: a subclass of str may answer for others.
        if value is None or (type(value) is str and len(value) <= MAX_TEXT):
            if len(self) >= self.LIMIT:
                for kept in (self, self.true, self.others):
                    kept.clear()
            self[value] = answer
            (self.true if answer else self.others).add(value)
        return answer
