"""What was decided, and why."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, ClassVar

    from .subjects import Subject

__all__ = [
    "NO_METADATA",
    "Decision",
    "Exposed",
    "Reason",
    "Undecidable",
    "own",
    "shared",
]


class Reason(StrEnum):
    """Why a decision fell as it did.

    The last six are errors: the decision then carries the caller's default (except
    ``TARGETING_KEY_MISSING``, where the flag's own default is served) and a sentence in ``error``.
    """

    STATIC = "STATIC"  # no context could get anything else
    TARGETING_MATCH = "TARGETING_MATCH"  # a rule held
    SPLIT = "SPLIT"  # a rule held and a bucket was drawn
    DEFAULT = "DEFAULT"  # no rule served
    DISABLED = "DISABLED"  # the flag is switched off
    OVERRIDE = "OVERRIDE"  # a person forced it
    PREREQUISITE_FAILED = "PREREQUISITE_FAILED"  # a gate does not hold
    HOLDOUT = "HOLDOUT"  # the unit is kept out of the experiment
    STALE = "STALE"  # the rules are older than allowed
    FLAG_NOT_FOUND = "FLAG_NOT_FOUND"
    NOT_READY = "NOT_READY"
    TARGETING_KEY_MISSING = "TARGETING_KEY_MISSING"
    TYPE_MISMATCH = "TYPE_MISMATCH"
    MALFORMED = "MALFORMED"
    GENERAL = "GENERAL"


class Undecidable(Exception):  # noqa: N818 - an answer that is no decision, not a fault of the program
    """Raised where an evaluation gets to something broken: the caller's default is served, and this said."""

    def __init__(self, error: str, reason: Reason = Reason.MALFORMED) -> None:
        super().__init__(error)
        self.reason: Reason = reason


NO_METADATA: Mapping[str, Any] = MappingProxyType({})


class Exposed:
    """What every exposure of one arm of one experiment has in common; made once, when rules are loaded.

    ``key`` tells two of them apart over reloads: experiment, revision, variant and unit type.
    """

    __slots__ = ("experiment", "flag", "key", "revision", "rule", "unit", "unit_type", "variant")

    def __init__(
        self,
        *,
        flag: str,
        experiment: str,
        variant: str,
        unit: Subject,
        unit_type: str,
        rule: str | None,
        revision: int,
    ) -> None:
        self.flag: str = flag
        self.experiment: str = experiment
        self.variant: str = variant
        self.unit: Subject = unit
        self.unit_type: str = unit_type
        self.rule: str | None = rule
        self.revision: int = revision
        self.key: str = f"{experiment}\0{revision}\0{variant}\0{self.unit_type}"


class Decision:
    """One answer: what a flag is for a context, and why. Immutable; most are made once and shared.

    ``value`` is the variant's value (of a container, a copy for whoever looks) or the caller's own
    default, ``variant`` the variant's name or None where that default was served, ``rule`` the id of
    the rule that served (its index as text where it has no id), ``experiment`` the experiment that
    served it: only then is there an exposure. ``error`` is a sentence for people, None unless
    ``reason`` is an error.
    """

    __slots__ = (
        "_defers",
        "_exposed",
        "enabled",
        "error",
        "experiment",
        "flag",
        "metadata",
        "reason",
        "rule",
        "value",
        "variant",
    )

    flag: str
    enabled: bool
    value: Any
    variant: str | None
    reason: Reason
    rule: str | None
    experiment: str | None
    error: str | None
    metadata: Mapping[str, Any]
    _defers: bool  # the value is for the caller's default to give
    _exposed: Exposed | None

    def __init__(
        self,
        flag: str,
        *,
        enabled: bool,
        value: Any,
        variant: str | None,
        reason: Reason,
        rule: str | None = None,
        experiment: str | None = None,
        error: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        exposed: Exposed | None = None,
        defers: bool = False,
    ) -> None:
        put = object.__setattr__
        put(self, "flag", flag)
        put(self, "enabled", enabled)
        put(self, "value", value)
        put(self, "variant", variant)
        put(self, "reason", reason)
        put(self, "rule", rule)
        put(self, "experiment", experiment)
        put(self, "error", error)
        put(self, "metadata", NO_METADATA if metadata is None else metadata)
        put(self, "_exposed", exposed)
        put(self, "_defers", defers)

    def replace(self, **changes: Any) -> Decision:
        """A copy with some fields changed; without ``experiment`` it is no exposure any more."""
        fields = {name: getattr(self, name) for name in _PUBLIC}
        fields.update(changes)
        exposed = None if fields["experiment"] is None else self._exposed
        return Decision(fields.pop("flag"), exposed=exposed, defers=self._defers, **fields)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are plain data: no exposure comes of them."""
        fields = {name: getattr(self, name) for name in _PUBLIC}
        return _restored, (fields | {"metadata": dict(self.metadata)}, self._defers)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Decision can't be changed: {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Decision can't be changed: {name}")

    def __repr__(self) -> str:
        shown = (
            f"{name}={getattr(self, name)!s}" if name == "reason" else f"{name}={getattr(self, name)!r}"
            for name in ("enabled", "value", "variant", "reason", "rule", "experiment", "error")
            if getattr(self, name) is not None
        )
        return f"Decision({self.flag!r}, {', '.join(shown)})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Decision):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in _COMPARED)

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # values may be lists


def _restored(fields: dict[str, Any], defers: bool) -> Decision:
    metadata = MappingProxyType(fields.pop("metadata"))
    return shared(Decision(fields.pop("flag"), metadata=metadata, defers=defers, **fields))


_PUBLIC = tuple(name for name in Decision.__slots__ if not name.startswith("_"))
_COMPARED = tuple(name for name in _PUBLIC if name != "metadata")


_CONTAINERS = (dict, list)  # a union would be put together again whenever it is asked for
_stored_value: Any = Decision.__dict__["value"].__get__


class _Deep(Decision):
    """A decision whose value holds what can be changed: whoever looks gets a copy."""

    __slots__ = ()

    @property
    def value(self) -> Any:
        return own(_stored_value(self))


class _Flat(Decision):
    """The same for a value that holds no containers itself, and is copied in one step."""

    __slots__ = ()

    @property
    def value(self) -> Any:
        return _stored_value(self).copy()


def shared(decision: Decision) -> Decision:
    """The decision, which was just made, as one that can be given to any number of people."""
    value = decision.value
    if isinstance(value, _CONTAINERS):
        items = value.values() if type(value) is dict else value
        is_flat = type(value) in _CONTAINERS and not any(isinstance(item, _CONTAINERS) for item in items)
        object.__setattr__(decision, "__class__", _Flat if is_flat else _Deep)
    return decision


def own(value: Any) -> Any:
    """The same JSON, in containers of its own."""
    if isinstance(value, dict):
        made: Any = {**value}
        for key, item in value.items():
            if isinstance(item, _CONTAINERS):
                made[key] = own(item)
        return made
    if isinstance(value, list):
        return [own(item) if isinstance(item, _CONTAINERS) else item for item in value]
    return value
