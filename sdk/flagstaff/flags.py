"""The getters: what a client, an asynchronous client and a bound view have in common.

Deciding is one dictionary look-up and at most one call. ``_answers`` holds, of each flag, the decision if no
context can change it, else the compiled flag; it fills as flags are first asked for, and holds only flags
that no override names. Whatever is not plain sailing (a flag asked for the first time, unknown, overridden;
rules that are not there yet; a hostile context) raises out of that look-up and is dealt with in
``_carefully``.

The four getters repeat those lines: a call between them and the look-up would cost a fifth of the whole.
``exposure`` may be given by position, though nobody should: no call of a function with a keyword-only default
is among those that the interpreter makes fast, and that is a sixth of what a static flag costs.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock

from .core.context import ANONYMOUS, Context, as_context
from .core.decision import Decision, Reason, shared
from .errors import OverrideError
from .overrides import OVERRIDE, Forced, Overrides

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any, TypeVar, overload

    from .core.context import Whom
    from .core.evaluate import Snapshot
    from .core.explain import Explanation
    from .overrides.ladder import Frame, Wanted

    T = TypeVar("T")
__all__ = ["BoundFlags", "Flags", "variant_named"]


class _Table:
    """A snapshot and what has been asked of it: a new one for every version of the rules."""

    __slots__ = ("answers", "snapshot")

    def __init__(self, snapshot: Snapshot | None) -> None:
        self.snapshot = snapshot
        self.answers: dict[str, Any] = {}  # a Decision, or a function that makes one for a context


class Flags:
    """Flags that can be asked for, over rules that can be replaced at any moment. Evaluation never raises."""

    def __init__(self, overrides: Overrides, expose: Callable[[Decision, Whom], None] | None) -> None:
        """``expose`` is told of every decision that is an exposure; it must neither raise nor wait."""
        self._overrides = overrides
        self._expose = expose
        self._guard = Lock()  # no flag is published while an override is being put in force
        self._adopt(None)

    def _adopt(self, snapshot: Snapshot | None) -> None:
        """From now on decide by these rules."""
        self._table = table = _Table(snapshot)
        self._answers = table.answers

    def _attend(self) -> None:
        """See to what has been left lying, now that somebody passes by off the fast path."""

    # -- the getters ---------------------------------------------------------------------------------

    def enabled(
        self,
        flag: str,
        context: Whom = ANONYMOUS,
        default: bool = False,
        exposure: bool = True,
    ) -> bool:
        """Whether the context's variant is enabled; ``default`` where the flag can't be decided."""
        try:
            answer = self._answers[flag]
            decision: Decision = answer if type(answer) is Decision else answer(context)
        except Exception:  # noqa: BLE001  # first use, an unknown flag, or a hostile context
            decision = self._carefully(flag, context, default)
        if decision.experiment is not None and exposure and self._expose is not None:
            self._expose(decision, context)
        return decision.enabled or (default is True and decision._defers and decision.variant is None)

    if TYPE_CHECKING:

        @overload
        def value(
            self,
            flag: str,
            context: Whom = ...,
            default: None = None,
            *,
            exposure: bool = True,
        ) -> Any: ...
        @overload
        def value(self, flag: str, context: Whom, default: T, *, exposure: bool = True) -> T: ...
        @overload
        def value(self, flag: str, context: Whom = ..., *, default: T, exposure: bool = True) -> T: ...

    def value(
        self,
        flag: str,
        context: Whom = ANONYMOUS,
        default: Any = None,
        exposure: bool = True,
    ) -> Any:
        """The value of the variant that the context gets.

        A ``default`` that is not None fixes the type: a value of another type counts as an error, and the
        default is returned. An int is good enough where the default is a float.
        """
        try:
            answer = self._answers[flag]
            decision: Decision = answer if type(answer) is Decision else answer(context)
        except Exception:  # noqa: BLE001  # first use, an unknown flag, or a hostile context
            decision = self._carefully(flag, context, default)
        value = decision.value
        if default is not None and value.__class__ is not default.__class__:
            decision = _typed(decision, default)
            value = decision.value
        if decision.experiment is not None and exposure and self._expose is not None:
            self._expose(decision, context)
        return value

    def variant(self, flag: str, context: Whom = ANONYMOUS, exposure: bool = True) -> str | None:
        """The name of the variant that the context gets; None where the flag can't be decided."""
        try:
            answer = self._answers[flag]
            decision: Decision = answer if type(answer) is Decision else answer(context)
        except Exception:  # noqa: BLE001  # first use, an unknown flag, or a hostile context
            decision = self._carefully(flag, context, None)
        if decision.experiment is not None and exposure and self._expose is not None:
            self._expose(decision, context)
        return decision.variant

    def decide(
        self,
        flag: str,
        context: Whom = ANONYMOUS,
        default: Any = None,
        exposure: bool = True,
    ) -> Decision:
        """The whole decision: value, variant, reason, rule, experiment. ``default`` is as in ``value``."""
        try:
            answer = self._answers[flag]
            decision: Decision = answer if type(answer) is Decision else answer(context)
        except Exception:  # noqa: BLE001  # first use, an unknown flag, or a hostile context
            decision = self._carefully(flag, context, default)
        if default is not None and decision.value.__class__ is not default.__class__:
            decision = _typed(decision, default)
        if decision.experiment is not None and exposure and self._expose is not None:
            self._expose(decision, context)
        return decision

    def decide_all(self, context: Whom = ANONYMOUS) -> dict[str, Decision]:
        """The decision of every flag, by key. Records no exposures."""
        self._attend()
        table = self._table  # one for all of them: rules may be replaced meanwhile
        snapshot = table.snapshot
        if snapshot is None:
            return {}
        context, decide, named = as_context(context), snapshot.decide, self._overrides.names()
        return {
            key: (key in named and self._forced(table, key)) or decide(key, context)
            for key in snapshot.flag_keys()
        }

    def bootstrap(self, context: Whom = ANONYMOUS, *, flags: Iterable[str] | None = None) -> str:
        """What a front end needs to begin with, as JSON that is safe in a page's ``<script>``.

        It has the form of OFREP's answer to a bulk request: key, value, variant and reason of every flag, or
        of ``flags``; nothing of the rules, their metadata or experiments. Flags that can't be decided are
        left out. Records no exposures.
        """
        from .ofrep import bootstrap

        found = self.decide_all(context)
        wanted = found if flags is None else flags
        return bootstrap(found[key] for key in wanted if key in found)

    def explain(self, flag: str, context: Whom = ANONYMOUS, default: Any = None) -> Explanation:
        """The decision with every rule tried, value compared and bucket drawn. Records no exposure.

        ``str()`` of it is for people, ``to_dict()`` for machines.
        """
        from .core.explain import Explanation, Step

        table, context = self._table, as_context(context)
        snapshot = table.snapshot
        try:
            forced = self._forced(table, flag)
        except Exception:  # noqa: BLE001  # a hostile key; the snapshot says so
            forced = None
        if forced is not None:
            text = f"forced to {forced.variant} by {forced.metadata['override']}"
            explanation = Explanation(forced, context, (Step("override", 0, text, True, {}),))
        elif snapshot is None:
            explanation = Explanation(_not_ready(flag, default), context, ())
        else:
            explanation = snapshot.explain(flag, context, default)
        if default is None:
            return explanation
        return Explanation(_typed(explanation.decision, default), context, explanation.steps)

    def bind(self, context: Whom) -> BoundFlags:
        """The same flags for one context: what a request carries about."""
        return BoundFlags(self, as_context(context))

    @contextmanager
    def override(self, overrides: Mapping[str, Wanted] | None = None, /, **named: Wanted) -> Iterator[None]:
        """Force variants within a ``with`` block, in this thread or task only.

        A value is the name of a variant, or True or False for the variant with that value. Decisions then
        have the reason OVERRIDE and are no exposures. OverrideError where the rules have no such flag or
        variant.
        """
        wanted = {**(overrides or {}), **named}
        self._check_overrides(wanted)
        frame = self._force(wanted)
        try:
            yield
        finally:
            self._overrides.pop(frame)

    def _force(self, wanted: Mapping[str, Wanted], rung: str = OVERRIDE, token: str | None = None) -> Frame:
        """Put overrides in force here, until the frame is popped."""
        with self._guarded():
            frame = self._overrides.push(wanted, rung, token)
            self._withdraw(wanted)
        return frame

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        guard = self._guard
        if not guard.acquire(timeout=1.0):
            self._guard = guard = Lock()  # held by a thread that a fork has left in the parent
            guard.acquire()
        try:
            yield
        finally:
            guard.release()

    # -- off the beaten track ------------------------------------------------------------------------

    def _carefully(self, flag: str, context: Whom, default: Any) -> Decision:
        from .core.evaluate import failure

        try:
            self._attend()
            table = self._table
            if table.snapshot is None:
                return _not_ready(flag, default)
            forced = self._forced(table, flag)
            if forced is not None:
                return forced
            self._publish(table, flag)
            return table.snapshot.decide(flag, as_context(context), default)
        except Exception as error:  # noqa: BLE001  # the last guard: whatever was handed in, nothing is raised
            return failure(flag, default, Reason.GENERAL, f"evaluation failed: {type(error).__name__}")

    def _publish(self, table: _Table, flag: Any) -> None:
        """Let the getters find the flag by themselves, unless an override names it."""
        snapshot = table.snapshot
        if snapshot is None or not isinstance(flag, str) or self._overrides.named(flag):
            return
        settled, function = snapshot.fixed(flag), snapshot.function(flag)
        guard = self._guard
        if not guard.acquire(blocking=False):
            return  # evaluation waits for nobody: whoever asks next can do it
        try:
            if self._overrides.named(flag):
                return
            answer = settled or function
            if answer is not None:
                table.answers[flag] = answer
        finally:
            guard.release()

    def _withdraw(self, flags: Iterable[str]) -> None:
        table = self._table  # which may be about to be put in the place of what the getters look at
        for flag in flags:
            for answers in (table.answers, self._answers):
                answers.pop(flag, None)

    def _forced(self, table: _Table, flag: Any) -> Decision | None:
        """The decision that an override forces, if one names the flag and the rules can serve it."""
        forced = self._overrides.find(flag) if isinstance(flag, str) else None
        if forced is None or table.snapshot is None:
            return None
        found = table.snapshot.rules.flags.get(flag)
        if found is None:
            return None
        name = variant_named(forced, found.variants)
        if name is None:
            return None
        variant, metadata = found.variants[name], {**found.metadata, "override": forced.rung}
        return shared(
            Decision(
                flag,
                enabled=variant.enabled,
                value=variant.value,
                variant=variant.name or name,
                reason=Reason.OVERRIDE,
                metadata=metadata,
                defers=not variant.valued,
            )
        )

    def _check_overrides(self, wanted: Mapping[str, Wanted], rung: str = "override") -> None:
        """OverrideError for the first override that the rules can't serve; rules not yet there serve any."""
        snapshot = self._table.snapshot
        if snapshot is None:
            return
        from .formats.suggest import did_you_mean

        for flag, want in wanted.items():
            found = snapshot.rules.flags.get(flag)
            if found is None:
                raise OverrideError(f"{rung}: no such flag: {flag}{did_you_mean(flag, snapshot.rules.flags)}")
            if variant_named(Forced(want, rung), found.variants) is None:
                hint = did_you_mean(str(want), found.variants) or f"; there are {', '.join(found.variants)}"
                raise OverrideError(f"{rung}: no such variant of {flag}: {want}{hint}")


def variant_named(forced: Forced, variants: Mapping[str, Any]) -> str | None:
    """The variant, among these, that is forced; None where there is none such."""
    wanted: Any = forced.wanted  # whatever a caller makes of it
    if isinstance(wanted, bool):
        return next((name for name, variant in variants.items() if variant.value is wanted), None)
    return wanted if isinstance(wanted, str) and wanted in variants else None


def _not_ready(flag: str, default: Any) -> Decision:
    from .core.evaluate import failure

    return failure(flag, default, Reason.NOT_READY, "no rules have arrived yet")


def _typed(decision: Decision, default: Any) -> Decision:
    """The decision if its value is of the default's type, else the default with the reason why."""
    if decision._defers:
        return decision.replace(value=default)
    if _is_of_type(decision.value, default):
        return decision
    wanted, got = type(default).__name__, type(decision.value).__name__
    return decision.replace(
        value=default,
        enabled=default is True,
        variant=None,
        experiment=None,
        reason=Reason.TYPE_MISMATCH,
        error=f"variant {decision.variant} is of type {got}, the default of type {wanted}",
    )


def _is_of_type(value: Any, default: Any) -> bool:
    if isinstance(value, bool) or isinstance(default, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    if isinstance(default, float):
        return isinstance(value, int | float)
    return any(isinstance(default, kind) and isinstance(value, kind) for kind in (str, int, list, dict))


class BoundFlags:
    """The getters for one context."""

    __slots__ = ("_flags", "context")

    def __init__(self, flags: Flags, context: Context) -> None:
        self._flags = flags
        self.context: Context = context

    def enabled(self, flag: str, default: bool = False, exposure: bool = True) -> bool:
        """As ``Client.enabled``."""
        return self._flags.enabled(flag, self.context, default, exposure=exposure)

    if TYPE_CHECKING:

        @overload
        def value(self, flag: str, default: None = None, *, exposure: bool = True) -> Any: ...
        @overload
        def value(self, flag: str, default: T, *, exposure: bool = True) -> T: ...

    def value(self, flag: str, default: Any = None, exposure: bool = True) -> Any:
        """As ``Client.value``."""
        return self._flags.value(flag, self.context, default, exposure=exposure)

    def variant(self, flag: str, exposure: bool = True) -> str | None:
        """As ``Client.variant``."""
        return self._flags.variant(flag, self.context, exposure=exposure)

    def decide(self, flag: str, default: Any = None, exposure: bool = True) -> Decision:
        """As ``Client.decide``."""
        return self._flags.decide(flag, self.context, default, exposure=exposure)

    def decide_all(self) -> dict[str, Decision]:
        """As ``Client.decide_all``."""
        return self._flags.decide_all(self.context)

    def bootstrap(self, *, flags: Iterable[str] | None = None) -> str:
        """As ``Client.bootstrap``."""
        return self._flags.bootstrap(self.context, flags=flags)

    def explain(self, flag: str, default: Any = None) -> Explanation:
        """As ``Client.explain``."""
        return self._flags.explain(flag, self.context, default)

    def __repr__(self) -> str:
        return f"BoundFlags({self.context!r})"
