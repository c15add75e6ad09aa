"""What rules are, once read: immutable, with every name resolved to what it means or left to look up.

These are the engine's own nouns, the same for every format. ``formats`` makes them; ``compiler`` turns them
into functions. Ranges are half-open and count buckets (0 … 100,000); points in time are seconds since the
epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from .buckets import cut
from .conditions import Prepared

__all__ = [
    "TARGETING_KEY",
    "AllOf",
    "AnyOf",
    "Arm",
    "Between",
    "Bucket",
    "Condition",
    "Drawn",
    "Experiment",
    "Flag",
    "InSegment",
    "Leaf",
    "Not",
    "Outcome",
    "Prerequisite",
    "Ranges",
    "Rule",
    "Rules",
    "Serve",
    "Share",
    "Split",
    "Variant",
]

Ranges: TypeAlias = tuple[tuple[int, int], ...]
TARGETING_KEY = ("targeting_key",)
"""The path that stands for a context's targeting key; any other path leads through its attributes."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Who is drawn (the path of the unit) and under which salt."""

    salt: str
    unit: tuple[str, ...] = TARGETING_KEY


@dataclass(frozen=True, slots=True)
class Share:
    """Whether a unit takes part: its bucket lies in one of the ranges.

    With ``steps``, (from when, up to which bucket), the range is [0, bound of the last step begun).
    """

    bucket: Bucket
    ranges: Ranges = ()
    steps: tuple[tuple[float, int], ...] = ()

    def ranges_at(self, now: float) -> Ranges:
        """The ranges that hold at a point in time."""
        if not self.steps:
            return self.ranges
        begun = [bound for begins, bound in self.steps if begins <= now]
        return ((0, begun[-1]),) if begun and begun[-1] else ()

    def includes(self, hashed: int, now: float) -> bool:
        """Whether a unit with this hash takes part at a point in time."""
        return any(cut(start) <= hashed < cut(stop) for start, stop in self.ranges_at(now))


# -- conditions: true, false or unknown ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Leaf:
    """A test of one attribute."""

    attribute: tuple[str, ...]
    op: str
    operand: Any
    prepared: Prepared = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class AllOf:
    """True if every item is; false if one is."""

    items: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True if one item is; false if every item is."""

    items: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The other way round; unknown stays unknown."""

    item: Condition


@dataclass(frozen=True, slots=True)
class InSegment:
    """A condition that has a name."""

    name: str


@dataclass(frozen=True, slots=True)
class Prerequisite:
    """What another flag decides for the same context: one of its variants, or its being enabled."""

    flag: str
    variants: tuple[str, ...] | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class Drawn:
    """Whether the unit's bucket lies in the share; unknown without a unit."""

    share: Share


@dataclass(frozen=True, slots=True)
class Between:
    """Whether it is a time in [start, end); an end that is None is open."""

    start: float | None
    end: float | None

    def includes(self, now: float) -> bool:
        """Whether a point in time lies in the window."""
        return (self.start is None or self.start <= now) and (self.end is None or now < self.end)


Condition: TypeAlias = Leaf | AllOf | AnyOf | Not | InSegment | Prerequisite | Drawn | Between


# -- outcomes --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Serve:
    """One variant, to everyone or to a share."""

    variant: str
    share: Share | None = None


@dataclass(frozen=True, slots=True)
class Arm:
    """One variant's part of a split: the buckets in [start, stop)."""

    variant: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Split:
    """Variants by bucket, to everyone or to a share; nobody asks which did better."""

    bucket: Bucket
    arms: tuple[Arm, ...]
    share: Share | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    """A split that is measured: its decisions are exposures.

    A pinned unit gets its variant, unmeasured. Then ``holdouts``, (name, share), keep units out; then
    ``share`` says who takes part (traffic, or slots of a layer); then ``bucket`` which arm. Only pins serve
    where
    ``running`` is false.
    """

    key: str
    revision: int
    bucket: Bucket
    arms: tuple[Arm, ...]
    share: Share | None = None
    holdouts: tuple[tuple[str, Share], ...] = ()
    pins: Mapping[str, str] = field(default_factory=dict)
    running: bool = True


Outcome: TypeAlias = Serve | Split | Experiment


# -- flags -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Variant:
    """What a variant is worth."""

    value: Any
    enabled: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """When its condition is true (None: always), its outcome may serve; else the next rule is tried."""

    id: str
    when: Condition | None
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Flag:
    """A named decision. Tried in this order: ``enabled``, ``gates``, ``pins``, ``rules``, ``default``.

    ``off`` is served when the flag is disabled or a gate isn't true. ``pins`` maps targeting keys to
    variants.
    """

    key: str
    variants: Mapping[str, Variant]
    default: str
    off: str
    enabled: bool = True
    gates: tuple[Condition, ...] = ()
    pins: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rules:
    """A whole document. ``malformed`` says of each flag that can't be decided what is wrong with it."""

    flags: Mapping[str, Flag]
    segments: Mapping[str, Condition] = field(default_factory=dict)
    malformed: Mapping[str, str] = field(default_factory=dict)
    project: str = "default"
    environment: str = "default"
    revision: int | None = None
