"""The decisions that a flag can come to, made before anybody asks."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from .decision import Decision, Exposed, Reason, Undecidable, shared
from .rules import Condition, Experiment, Flag, Measure, Prerequisite, Rule, Serve
from .subjects import label

__all__ = ["Choices", "Verdicts", "fixed"]


def fixed(flag: Flag) -> Decision | None:
    """The decision that every context gets, if there is one; None where it depends on anything."""
    verdicts = Verdicts(flag)
    if not flag.enabled:
        decision = verdicts.disabled()
    elif flag.gates or flag.pins:
        return None
    elif not flag.rules:
        decision = verdicts.default()
    else:
        match flag.rules[0]:
            case Rule(when=None, outcome=Serve(variant, share=None)):
                decision = verdicts.served(flag.rules[0], variant)
            case _:
                return None
    return decision if type(decision) is Decision else None  # as the getters expect


class Verdicts:
    """Every decision of one flag, by what leads to it."""

    def __init__(self, flag: Flag) -> None:
        self._flag = flag

    def disabled(self) -> Decision:
        return self._make(self._flag.off, Reason.DISABLED)

    def default(self) -> Decision:
        flag = self._flag
        varies = flag.rules or flag.gates or flag.pins
        return self._make(flag.default, Reason.DEFAULT if varies else Reason.STATIC)

    def without_unit(self) -> Decision:
        error = "a rule draws a unit that the context does not have, so the rule did not serve"
        return self._make(self._flag.default, Reason.TARGETING_KEY_MISSING, error=error)

    def gated(self, gate: Condition) -> Decision:
        extra = {"prerequisite": gate.flag} if isinstance(gate, Prerequisite) else {}
        return self._make(self._flag.off, Reason.PREREQUISITE_FAILED, extra)

    def held_out(self, rule: Rule, holdout: str) -> Decision:
        extra = {**rule.metadata, "holdout": holdout}
        return self._make(self._flag.default, Reason.HOLDOUT, extra, rule=rule.id)

    def pinned(self, variant: str, rule: Rule | None = None) -> Decision:
        return self._make(variant, Reason.TARGETING_MATCH, rule=rule.id if rule else None)

    def served(self, rule: Rule, variant: str | None) -> Decision:
        """What a rule comes to that serves without a draw."""
        flag = self._flag
        first = rule is flag.rules[0] and rule.when is None and not flag.gates and not flag.pins
        plain = isinstance(rule.outcome, Serve) and rule.outcome.share is None
        return self._by(rule, variant, Reason.STATIC if first and plain else Reason.TARGETING_MATCH)

    def drawn(self, rule: Rule, variant: str | None) -> Decision:
        """What a rule comes to by a draw."""
        return self._by(rule, variant, Reason.SPLIT)

    def _by(self, rule: Rule, variant: str | None, reason: Reason) -> Decision:
        measure = None if variant is None else _measure(rule)
        return self._make(
            variant,
            rule.reason or reason,
            rule.metadata,
            rule=rule.id,
            experiment=measure.experiment if measure else None,
            exposed=self._exposed(rule, variant, measure) if variant and measure else None,
        )

    def _exposed(self, rule: Rule, variant: str, measure: Measure) -> Exposed | None:
        if not measure.exposed:
            return None
        return Exposed(
            flag=self._flag.key,
            experiment=measure.experiment,
            variant=self._flag.variants[variant].name or variant,
            unit=measure.unit,
            unit_type=label(measure.unit),
            rule=rule.id,
            revision=measure.revision,
        )

    def _make(
        self, name: str | None, reason: Reason, extra: Mapping[str, Any] | None = None, **known: Any
    ) -> Decision:
        flag = self._flag
        metadata = MappingProxyType({**flag.metadata, **extra} if extra else flag.metadata)
        if name is None:
            return Decision(
                flag.key,
                enabled=False,
                value=None,
                variant=None,
                reason=reason,
                metadata=metadata,
                defers=True,
                **known,
            )
        variant = flag.variants[name]
        return shared(
            Decision(
                flag.key,
                enabled=variant.enabled,
                value=variant.value,
                variant=(variant.name or name) if variant.named else None,
                reason=reason,
                metadata=metadata,
                defers=not variant.valued,
                **known,
            )
        )


def _measure(rule: Rule) -> Measure | None:
    match rule.outcome:
        case Experiment() as made:
            return Measure(made.key, made.bucket.unit, made.revision)
        case _:
            return rule.measure


class Choices(dict[str, Decision]):
    """Decisions by the name of their variant, for names that are worked out."""

    def __missing__(self, name: object) -> Decision:
        raise Undecidable(f"no such variant: {name}", Reason.GENERAL)
