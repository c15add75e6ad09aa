"""Deciding: rules that can be asked.

A snapshot is one version of the rules, compiled flag by flag as flags are first asked for, and then never
changed: whoever holds it gets the same answers for ever. It has no clock but the one that it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from .compiler import Decide, compile_flag
from .context import Context, as_context
from .decision import Decision, Reason, Undecidable
from .dialect import Plain, Test
from .explain import Explanation, Trace, Traced, nested
from .logic import compile_condition, compile_member
from .prerequisites import compile_prerequisite
from .rules import Condition, Prerequisite, Rules
from .verdicts import fixed

__all__ = ["Snapshot", "failure"]


def failure(flag: object, default: Any, reason: Reason, error: str) -> Decision:
    """The decision that serves the caller's default because of an error."""
    kind = type(flag)  # which, unlike isinstance, can't be lied to
    key = str.__str__(flag) if issubclass(kind, str) else kind.__name__
    return Decision(
        key, enabled=default is True, value=default, variant=None, reason=reason, error=error, defers=True
    )


class Snapshot:
    """One version of the rules, ready to decide. Safe to share between threads; evaluation never raises."""

    def __init__(self, rules: Rules, now: Callable[[], float]) -> None:
        """``now`` gives the wall time in seconds since the epoch; only conditions on time ask for it."""
        self.rules = rules
        self.now = now
        self._functions: dict[str, Decide] = {}
        self._asking: set[str] = set()  # the flags whose functions ask for other flags
        self._fixed: dict[str, Decision] = {}
        self._segments: dict[str, tuple[Test, bool]] = {}
        self._members: dict[str, tuple[Test, bool]] = {}

    def take_over(self, before: Snapshot, changed: Collection[str]) -> None:
        """Decide the flags that haven't ``changed`` by what was compiled for them before.

        Those that ask for other flags are compiled anew: their functions would keep the old rules alive.
        """
        self._fixed = {key: made for key, made in before._fixed.copy().items() if key not in changed}
        self._functions = {
            key: function
            for key, function in before._functions.copy().items()
            if key not in changed and key not in before._asking
        }

    # -- asking -------------------------------------------------------------------------------------

    def flag_keys(self) -> list[str]:
        """The keys of all flags, those that can't be decided included."""
        return [*self.rules.flags, *(key for key in self.rules.malformed if key not in self.rules.flags)]

    def fixed(self, key: str) -> Decision | None:
        """The decision that every context gets for a flag, if there is one."""
        self.function(key)
        return self._fixed.get(key)

    def function(self, key: str) -> Decide | None:
        """The compiled flag: a function that may raise for a hostile context; None if it can't be decided."""
        function = self._functions.get(key)
        if function is None:
            flag = None if key in self.rules.malformed else self.rules.flags.get(key)
            if flag is None:
                return None  # not kept: anybody may ask for any name, and for any number of them
            settled, linking = fixed(flag), _Linking(self)
            function = compile_flag(flag, Plain(linking))
            if settled is not None:
                self._fixed[key] = settled
            if linking.asks:
                self._asking.add(key)
            self._functions[key] = function
        return function

    def decide(self, key: str, context: Context, default: Any = None) -> Decision:
        """The decision; whatever is wrong with flag or context, it says so and carries ``default``."""
        try:
            function = self._functions.get(key) or self.function(key)
            if function is not None:
                return function(context)
        except Undecidable as error:
            return failure(key, default, error.reason, str(error))
        except Exception:  # noqa: BLE001, S110  # a hostile context: the traced way finds out which part
            pass
        return self.explain(key, context, default).decision

    def explain(self, key: str, context: Context, default: Any = None) -> Explanation:
        """The decision with every step to it."""
        trace, context = Trace(self.now), as_context(context)
        try:
            decision = _Tracing(self, trace).decide(key, context, default)
        except Undecidable as error:
            decision = failure(key, default, error.reason, str(error))
        except Exception as error:  # noqa: BLE001  # a hostile context or mapping; evaluation never raises
            decision = failure(key, default, Reason.GENERAL, f"evaluation failed: {type(error).__name__}")
        return Explanation(decision, context, tuple(trace.steps))

    # -- what compiled flags refer to ------------------------------------------------------------------

    def segment(self, name: str) -> tuple[Test, bool]:
        """A segment's test, and whether it asks for other flags."""
        found = self._segments.get(name)
        if found is None:
            linking = _Linking(self)
            test = compile_condition(self.rules.segments[name], Plain(linking))
            found = self._segments[name] = (test, linking.asks)
        return found

    def member(self, name: str) -> tuple[Test, bool]:
        """The same for whether a segment's condition holds, and no more."""
        found = self._members.get(name)
        if found is None:
            linking = _Linking(self)
            test = compile_member(self.rules.segments[name], Plain(linking))
            found = self._members[name] = (test, linking.asks)
        return found


class _Linking:
    """Finds what one flag or segment refers to, and takes note whether that is other flags."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.now = snapshot.now
        self.asks = False
        self._snapshot = snapshot

    def segment(self, name: str) -> Test:
        return self._noted(*self._snapshot.segment(name))

    def member(self, name: str) -> Test:
        return self._noted(*self._snapshot.member(name))

    def _noted(self, test: Test, asks: bool) -> Test:
        self.asks = self.asks or asks
        return test

    def condition(self, name: str) -> Condition:
        return self._snapshot.rules.segments[name]

    def prerequisite(self, node: Prerequisite) -> Test:
        self.asks = True
        return compile_prerequisite(node, Plain(self), self._snapshot.decide)


class _Tracing:
    """One traced evaluation: finds what a traced flag refers to, and has it traced too."""

    def __init__(self, snapshot: Snapshot, trace: Trace) -> None:
        self.now = snapshot.now
        self._snapshot = snapshot
        self._rules = snapshot.rules
        self._trace = trace
        self._dialect = Traced(self, trace)
        self._flags: dict[str, Decide] = {}
        self._segments: dict[str, Test] = {}

    def decide(self, key: Any, context: Any, default: Any) -> Decision:
        if not isinstance(key, str):
            return failure(key, default, Reason.GENERAL, f"a flag's key is text, not {type(key).__name__}")
        if key in self._rules.malformed:
            return failure(key, default, Reason.MALFORMED, self._rules.malformed[key])
        if key not in self._rules.flags:
            return failure(key, default, Reason.FLAG_NOT_FOUND, f"the rules have no flag {key!r}")
        if not isinstance(context, Context):
            return self._decide_without(key, context, default)
        if key not in self._flags:
            self._flags[key] = compile_flag(self._rules.flags[key], self._dialect)
        return self._flags[key](context)

    def _decide_without(self, key: str, context: Any, default: Any) -> Decision:
        """What the flag comes to if it gets along without a context, since this is none."""
        try:
            return compile_flag(self._rules.flags[key], Plain(_Linking(self._snapshot)))(context)
        except Exception:  # noqa: BLE001  # whatever was handed in
            wrong = type(context).__name__
            return failure(key, default, Reason.GENERAL, f"a context is a flagstaff.Context, not {wrong}")

    def segment(self, name: str) -> Test:
        if name not in self._segments:
            test = compile_condition(self._rules.segments[name], self._dialect)
            self._segments[name] = nested(self._trace, "segment", name, test)
        return self._segments[name]

    def prerequisite(self, node: Prerequisite) -> Test:
        test = compile_prerequisite(node, self._dialect, self._prior)
        return nested(self._trace, "prerequisite", node.flag, test)

    def _prior(self, key: str, context: Context) -> Decision:
        try:
            return self.decide(key, context, None)
        except Undecidable as error:
            return failure(key, None, error.reason, str(error))
