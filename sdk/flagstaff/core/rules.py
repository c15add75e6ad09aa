"""What rules are, once read: immutable, with every name resolved to what it means or left to look up.

These are the engine's own nouns, the same for every format. ``formats`` makes them; ``compiler`` turns them
into functions. Ranges are half-open and count buckets (0 … 100,000); points in time are seconds since the
epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from .context import Context
from .decision import Reason
from .prepared import Prepared
from .schemes import NATIVE, Number, Rank, Scheme
from .subjects import TARGETING_KEY, Subject

__all__ = [
    "LAST",
    "NEXT",
    "STOP",
    "AllOf",
    "AnyOf",
    "Arm",
    "Between",
    "Broken",
    "Bucket",
    "Computed",
    "Condition",
    "Drawn",
    "Experiment",
    "Flag",
    "InSegment",
    "Known",
    "Leaf",
    "Measure",
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

Ranges: TypeAlias = tuple[tuple[Number, Number], ...]


@dataclass(frozen=True, slots=True)
class Bucket:
    """Who is drawn, and by which text before (and after) the unit's own, under which scheme."""

    prefix: str
    unit: Subject = TARGETING_KEY
    suffix: str = ""
    scheme: Scheme = NATIVE

    @classmethod
    def salted(cls, salt: str, unit: Subject = TARGETING_KEY) -> Bucket:
        """The native draw: salt, a colon, unit."""
        return cls(f"{salt}:", unit)

    @property
    def salt(self) -> str:
        """What is hashed beside the unit."""
        return self.prefix.removesuffix(":") + self.suffix

    def rank(self, unit: str) -> Rank:
        """What a unit is drawn by."""
        return self.scheme.rank(f"{self.prefix}{unit}{self.suffix}")


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

    def includes(self, rank: Rank, now: float) -> bool:
        """Whether a unit that is drawn by this takes part at a point in time."""
        cut = self.bucket.scheme.cut
        return any(cut(start) <= rank < cut(stop) for start, stop in self.ranges_at(now))


# -- conditions: true, false or unknown ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Leaf:
    """A test of one value: an attribute, mostly."""

    attribute: Subject
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
class Known:
    """False where the item is unknown."""

    item: Condition


@dataclass(frozen=True, slots=True)
class InSegment:
    """A condition that has a name."""

    name: str


@dataclass(frozen=True, slots=True)
class Prerequisite:
    """What another flag decides for the same context: one of its variants, or its being enabled.

    ``that`` is a condition on the decision itself, whose attributes are ``value``, ``variant``, ``enabled``
    and ``reason``. Where flags go in circles, which other dialects allow until somebody gets there, each
    prerequisite on the way names in ``inside`` the flag that it is asked for.
    """

    flag: str
    variants: tuple[str, ...] | None = None
    enabled: bool | None = None
    that: Condition | None = None
    inside: str | None = None


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


@dataclass(frozen=True, slots=True)
class Broken:
    """Whoever gets here learns that the flag is malformed, and why. A condition, and an outcome too."""

    error: str


Condition: TypeAlias = (
    Leaf | AllOf | AnyOf | Not | Known | InSegment | Prerequisite | Drawn | Between | Broken
)


# -- outcomes --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Serve:
    """One variant (None: the caller's default), to everyone or to a share."""

    variant: str | None
    share: Share | None = None


@dataclass(frozen=True, slots=True)
class Arm:
    """One variant's part of a split: the buckets in [start, stop)."""

    variant: str
    start: Number
    stop: Number


@dataclass(frozen=True, slots=True)
class Split:
    """Variants by bucket, to everyone or to a share. Buckets between the arms, or beyond them, get nothing.

    ``absent`` is the bucket of a context without the unit; None: it gets nothing.
    """

    bucket: Bucket
    arms: tuple[Arm, ...]
    share: Share | None = None
    absent: Number | None = None


@dataclass(frozen=True, slots=True)
class Computed:
    """A variant that an expression names, in the language of another dialect; None: nothing.

    ``compiled`` makes the function, once it is needed; that is given a context and a function that tells the
    time. A variant that the flag doesn't have is an error.
    """

    language: str
    expression: Any
    compiled: Callable[[], Callable[[Context, Callable[[], float]], str | None]] = field(
        compare=False, repr=False
    )


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


Outcome: TypeAlias = Serve | Split | Experiment | Computed | Broken


# -- flags -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Variant:
    """What a variant is worth.

    Without ``valued`` the caller's default takes the place of the value; without ``named`` decisions don't
    tell its name. ``name`` is what it is told as: several rules may each have a "control" of their own.
    """

    value: Any
    enabled: bool
    valued: bool = True
    named: bool = True
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """What makes the decisions of a rule exposures: the experiment that they belong to, and the unit.

    Those that are not ``exposed`` belong to it too, and are none: a person forced them.
    """

    experiment: str
    unit: Subject = TARGETING_KEY
    revision: int = 1
    exposed: bool = True


NEXT, STOP, LAST = "next", "stop", "last"


@dataclass(frozen=True, slots=True)
class Rule:
    """When its condition is true (None: always), its outcome may serve; else the next rule is tried.

    ``miss`` says what follows where the condition was true and the outcome served nothing: the next rule, the
    flag's default, or the next of the rules that are ``last``. ``reason`` takes the place of the one that
    would be told. ``id`` is None where decisions don't tell it.
    """

    id: str | None
    when: Condition | None
    outcome: Outcome
    reason: Reason | None = None
    measure: Measure | None = None
    miss: str = NEXT
    last: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Flag:
    """A named decision. Tried in this order: ``enabled``, ``gates``, ``pins``, ``rules``, ``default``.

    ``off`` is served when the flag is disabled or a gate isn't true; None, of it or of ``default``, is the
    caller's default. ``pins`` maps targeting keys to variants.
    """

    key: str
    variants: Mapping[str, Variant]
    default: str | None
    off: str | None
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
