"""Documents, contexts and hostile values, made by a seeded generator and, with it, by Hypothesis.

``Author`` writes valid documents that use every feature, in short and canonical forms alike; ``Crowd`` makes
contexts that such documents tell apart. Both draw from a ``Random`` alone: the same seed, the same thing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from random import Random
from typing import Any

from hypothesis import strategies as st

from flagstaff.core.context import Context

__all__ = ["HONEST", "LIARS", "TRAPS", "Author", "Crowd", "contexts", "documents", "moments", "randoms"]

INSTANTS = (
    "2026-01-31T09:00:00Z",
    "2026-03-01T00:00:00+01:00",
    "2026-06-30t23:59:59.999999z",
    "2026-12-24 18:00:00-05:00",
)
SECONDS = (1_769_850_000.0, 1_772_319_600.0, 1_782_863_999.999999, 1_798_153_200.0)
UNITS = ("targeting_key", "org", ["user", "id"], ["targeting_key"])
PEOPLE = tuple(f"user-{number}" for number in range(24))

OPERANDS: dict[str, Sequence[Any]] = {
    "country": ("NL", "BE", "DE", "", "Ω", "nl"),
    "plan": ("pro", "free", True, False, 1, 0, 1.0),
    "seats": (0, 1, 2, 3.5, -1, 10**20, 1.0),
    "version": ("1.0.0", "4.2.0", "4.2.0-rc.1", "4.10.0", "4.2.0+build.7"),
    "since": INSTANTS,
    "address": ("10.0.0.0/8", "10.1.2.3", "2001:db8::/32", "::/0"),
    "tags": ("beta", "staff", 7),
    "email": ("@shop.test", "ann", ".test", ""),
}
PATTERNS = ("^ann", "[0-9]+", "test$", "a|o", "", "^$")
TEXT_OPERATORS = ("contains", "starts_with", "ends_with", "matches")

HONEST: dict[str, Sequence[Any]] = {
    "country": ("NL", "BE", "DE", "FR", "", "Ω", 5, None, ["NL"]),
    "plan": ("pro", "free", "PRO", True, False, 1, 0, 1.0, "1", None),
    "seats": (
        0,
        1,
        2,
        3,
        3.5,
        -1,
        True,
        "3",
        10**20,
        10**400,
        float("inf"),
        float("-inf"),
        float("nan"),
        None,
    ),
    "version": (
        "1.0.0",
        "4.2.0",
        "4.2.0-rc.1",
        "4.2.0-rc.1.1",
        "4.10.0",
        "4.2.0+x",
        "v4.2.0",
        "4.2",
        "01.0.0",
        4,
    ),
    "since": (
        *INSTANTS,
        datetime(2026, 6, 30, tzinfo=UTC),
        datetime(2026, 3, 1, tzinfo=timezone(timedelta(hours=1))),
        datetime(2026, 6, 30),  # noqa: DTZ001  # without a zone it is no point in time
        "2026-06-30",
        "2026-06-30T24:00:00Z",
        1_782_863_999,
    ),
    "address": (
        "10.1.2.3",
        "10.1.2.4",
        "11.0.0.1",
        "::ffff:10.1.2.3",
        "2001:db8::1",
        "fe80::1",
        "10.1",
        167_838_211,
    ),
    "tags": (
        ["beta"],
        ["staff", 7],
        [],
        ["beta", None, ["staff"]],
        ("staff",),
        {"beta"},
        frozenset({7}),
        "beta",
        "xstaffx",
    ),
    "email": ("ann@shop.test", "bob@shop.test", "ann@other.test", "", "a" * 300),
    "org": ("acme", "umbrella", "", 7, -7, 0, True, 1.5, None, "\ud800", "a\0b", 10**40),
    "user": ({"id": "u1"}, {"id": 5}, {"id": None}, {}, "u1", None, [], {"id": {"id": "u1"}}),
}
KEYS: Sequence[Any] = (
    *PEOPLE, "", None, 0, 42, -1, 10**30, 10**5000, True, False, 1.5, float("nan"),
    "\ud800", "a\0b", "😀", "e\u0301", "x" * 1000, b"user-1", ["user-1"], {"id": 1}, ("user-1",),
)  # fmt: skip


# -- values that nobody should hand in -----------------------------------------------------------------


def _raise(*_: object) -> Any:
    raise RuntimeError("not to be looked at")


class Untouchable:
    """Raises whatever is done to it."""

    __eq__ = __hash__ = __repr__ = __str__ = __bool__ = __len__ = __iter__ = _raise
    __lt__ = __gt__ = __contains__ = __getitem__ = __format__ = _raise


class Unhashable:
    """Is equal to nothing and can't be a key."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return False


class Mask:
    """Says that it is text."""

    __class__ = str  # type: ignore[assignment]


class Locked(dict[str, Any]):
    """A mapping that gives nothing away."""

    get = __getitem__ = __contains__ = __iter__ = keys = items = _raise


class Name(str):
    """Text of a class of its own, as an enumeration's is."""

    __slots__ = ()


class Number(int):
    """A number of a class of its own."""


class Explosive(str):
    """Text that can't be compared or printed."""

    __slots__ = ()
    __eq__ = __hash__ = __repr__ = __str__ = __format__ = _raise


class Yes:
    """Claims to be equal to everything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash("NL")


class Contrary(str):
    """Text that is equal to all but itself."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return not str.__eq__(self, other)

    def __hash__(self) -> int:
        return str.__hash__(self)


TRAPS: Sequence[Callable[[], Any]] = (
    Untouchable, Unhashable, Mask, lambda: Locked(id="u1"), lambda: Name("NL"), lambda: Name("user-1"),
    lambda: Number(3), object, lambda: b"NL", lambda: {"NL"}, lambda: datetime.now(UTC), lambda: "\ud800NL\0",
    lambda: 10**5000, lambda: [[[]]], lambda: Ellipsis, lambda: int, lambda: 1j,
)  # fmt: skip
"""Hostile values with nothing to say: a test of one is unknown, or sees through it."""

LIARS: Sequence[Callable[[], Any]] = (
    Yes, lambda: Contrary("NL"), lambda: Contrary("user-1"),
    lambda: Explosive("NL"), lambda: Explosive("user-1"),
)  # fmt: skip
"""Hostile values that answer wrongly, or not at all; what a test of one says is its own fault."""


# -- contexts ------------------------------------------------------------------------------------------


class Crowd:
    """Makes contexts; ``traps`` is the share of those with a hostile value in them."""

    def __init__(self, random: Random, *, traps: float = 0.0, liars: bool = False) -> None:
        self._random = random
        self._traps = traps
        self._hostile = (*TRAPS, *LIARS) if liars else TRAPS

    def context(self) -> Context:
        random = self._random
        key = random.choice(PEOPLE if random.random() < 0.7 else KEYS)
        attributes = {
            name: random.choice(values) for name, values in HONEST.items() if random.random() < 0.75
        }
        if random.random() < self._traps:
            return self._trapped(key, attributes)
        return Context(key, attributes)

    def _trapped(self, key: Any, attributes: dict[str, Any]) -> Context:
        random, trap = self._random, self._random.choice(self._hostile)
        where = random.random()
        if where < 0.2:
            return Context(trap(), attributes)
        if where < 0.25:
            return Context(key, Locked(attributes))
        if where < 0.3:
            return Context(key, trap())
        if where < 0.4:
            return Context(key, attributes | {"user": {"id": trap()}})
        return Context(key, attributes | {random.choice(list(HONEST)): trap()})


# -- documents -------------------------------------------------------------------------------------------


class Author:
    """Writes valid documents. Segments and flags refer only to what was written before them."""

    FAMILIES = (("off", "on"), ("a", "b", "c"), tuple(f"v{number}" for number in range(12)))

    def __init__(self, random: Random) -> None:
        self._random = random
        self._segments: dict[str, Any] = {}
        self._flags: dict[str, Any] = {}
        self._layers: dict[str, Any] = {}
        self._experiments: dict[str, Any] = {}
        self._families: dict[str, int] = {}
        self._named = 100  # above the indices that stand in for ids
        self._salts = ["shared", "a:b", "Ω"]

    def document(self, flags: int = 6) -> dict[str, Any]:
        random = self._random
        for number in range(random.randint(0, 2)):
            self._layers[f"layer-{number}"] = self._layer()
        for number in range(random.randint(0, 5)):
            self._experiments[f"experiment-{number}"] = self._experiment(f"experiment-{number}")
        holdouts = {f"holdout-{number}": self._holdout() for number in range(random.randint(0, 2))}
        for number in range(flags):
            if random.random() < 0.5:
                self._segments[f"segment-{number}"] = self._conditions(2)
            self._flags[f"flag-{number}"] = self._flag()
        written = {
            "version": 1,
            "shared_salts": [*self._salts, *(f"{salt}:traffic" for salt in self._salts)],
            "segments": self._segments,
            "layers": {name: layer for name, (layer, _) in self._layers.items()},
            "holdouts": holdouts,
            "experiments": self._experiments,
            "flags": self._flags,
        }
        return {name: part for name, part in written.items() if part or self._maybe(0.3)}

    # -- small decisions -----------------------------------------------------------------------------

    def _maybe(self, chance: float) -> bool:
        return self._random.random() < chance

    def _one(self, options: Sequence[Any]) -> Any:
        return self._random.choice(options)

    def _some(self, options: Sequence[Any]) -> list[Any]:
        return self._random.sample(options, self._random.randint(1, len(options)))

    def _percent(self) -> float:
        return self._random.choice([0, 100, 50, 25.5, 0.001, 99.999, self._random.randint(0, 100_000) / 1000])

    def _cuts(self, parts: int) -> list[int]:
        inner = [
            self._random.choice([0, 100_000, self._random.randint(0, 100_000)]) for _ in range(parts - 1)
        ]
        return sorted([0, *inner, 100_000])

    # -- conditions ------------------------------------------------------------------------------------

    def _conditions(self, depth: int) -> Any:
        if self._maybe(0.3):
            return [self._condition(depth) for _ in range(self._random.randint(0, 3))]
        return self._condition(depth)

    def _condition(self, depth: int) -> dict[str, Any]:
        kinds: list[Callable[[int], dict[str, Any]]] = [self._leaf] * 6
        kinds += [self._draw, self._time]
        kinds += [self._segment] * bool(self._segments)
        kinds += [self._prerequisite] * bool(self._flags)
        kinds += [self._junction, self._junction, self._not] * (depth > 0)
        made: dict[str, Any] = self._one(kinds)(depth)
        return made

    def _junction(self, depth: int) -> dict[str, Any]:
        items = [self._condition(depth - 1) for _ in range(self._random.randint(0, 3))]
        return {self._one(["all", "any"]): items}

    def _not(self, depth: int) -> dict[str, Any]:
        return {"not": self._condition(depth - 1)}

    def _segment(self, _: int) -> dict[str, Any]:
        return {"segment": self._one(list(self._segments))}

    def _prerequisite(self, _: int) -> dict[str, Any]:
        flag = self._one(list(self._flags))
        variants = list(self._flags[flag].get("variants") or self.FAMILIES[0])
        wanted: dict[str, Any] = {"flag": flag}
        if self._maybe(0.6):
            wanted["variant"] = self._one(variants) if self._maybe(0.5) else self._some(variants)
        if self._maybe(0.4):
            wanted["enabled"] = self._maybe(0.7)
        return wanted

    def _draw(self, _: int) -> dict[str, Any]:
        cuts = sorted({*self._cuts(3)})
        slots = [[low / 1000, high / 1000] for low, high in pairwise(cuts)]
        bucket = {"salt": self._one(self._salts)} | self._unit(0.4)
        return {"bucket": bucket, "in": self._some(slots) if self._maybe(0.9) else []}

    def _time(self, _: int) -> dict[str, Any]:
        return {"time": self._window()}

    def _window(self) -> dict[str, Any]:
        first, last = sorted(self._random.sample(range(len(INSTANTS)), 2))
        window = {"start": INSTANTS[first], "end": INSTANTS[last]}
        return {name: instant for name, instant in window.items() if self._maybe(0.7)}

    def _unit(self, chance: float) -> dict[str, Any]:
        return {"unit": self._one(UNITS)} if self._maybe(chance) else {}

    def _leaf(self, _: int) -> dict[str, Any]:
        name = self._one(list(OPERANDS))
        attribute = self._one([name, name, name, [name], ["user", "id"], "targeting_key", "nobody"])
        if self._maybe(0.1):
            return {"attribute": attribute, "op": "exists"} | ({"value": False} if self._maybe(0.5) else {})
        op = self._one(self._operators(name))
        return {"attribute": attribute, "op": op, "value": self._operand(name, op)}

    def _operators(self, name: str) -> Sequence[str]:
        return {
            "seats": ("eq", "ne", "in", "lt", "le", "gt", "ge", "contains"),
            "version": tuple(f"semver_{sign}" for sign in ("eq", "ne", "lt", "le", "gt", "ge")),
            "since": ("before", "after"),
            "address": ("in_cidr",),
            "email": TEXT_OPERATORS,
        }.get(name, ("eq", "ne", "in", "not_in", "contains"))

    def _operand(self, name: str, op: str) -> Any:
        if op == "matches":
            return self._one(PATTERNS)
        if op in ("in", "not_in"):
            return self._some(OPERANDS[name])
        if op in ("contains", "starts_with", "ends_with", "in_cidr") and self._maybe(0.5):
            return self._some(OPERANDS[name])
        return self._one(OPERANDS[name])

    # -- experiments -------------------------------------------------------------------------------------

    def _split(self, variants: Sequence[str]) -> Any:
        arms = self._some(variants)
        cuts = self._cuts(len(arms))
        weights = {arm: (high - low) / 1000 for arm, (low, high) in zip(arms, pairwise(cuts), strict=True)}
        if self._maybe(0.5):
            return weights
        return [{"variant": arm, "weight": weight} for arm, weight in weights.items()]

    def _layer(self) -> tuple[dict[str, Any], list[list[float]]]:
        cuts = sorted({*self._cuts(4)})
        free = [[low / 1000, high / 1000] for low, high in pairwise(cuts)]
        return self._unit(0.3), free

    def _experiment(self, name: str) -> dict[str, Any]:
        family = self._families[name] = self._random.randrange(len(self.FAMILIES))
        variants = self.FAMILIES[family]
        made: dict[str, Any] = {"split": self._split(variants)}
        arms = made["split"] if isinstance(made["split"], dict) else [arm["variant"] for arm in made["split"]]
        made["status"] = self._one(["draft", "qa", "running", "running", "running", "stopped", "decided"])
        if made["status"] == "decided" or self._maybe(0.1):
            made["winner"] = self._one(list(arms))
        if made["status"] == "running" and self._maybe(0.5):
            del made["status"]
        if self._maybe(0.4):
            made["pins"] = {unit: self._one(list(arms)) for unit in self._some(PEOPLE[:4])}
        if self._maybe(0.2):
            made["revision"] = self._random.randint(1, 9)
        return made | self._share_of(name)

    def _share_of(self, name: str) -> dict[str, Any]:
        layer = self._one([*self._layers, None])
        if layer is not None and (free := self._layers[layer][1]):
            slots = [free.pop() for _ in range(self._random.randint(1, len(free)))]
            return {"layer": layer, "slots": slots, **self._layers[layer][0]}
        salt = {"salt": f"salt of {name}"} if self._maybe(0.2) else {}
        traffic = {"traffic": self._percent()} if self._maybe(0.6) else {}
        return self._unit(0.3) | salt | traffic

    def _holdout(self) -> dict[str, Any]:
        units = [experiment.get("unit", "targeting_key") for experiment in self._experiments.values()]
        unit = self._one([*units, "targeting_key"])
        held = [name for name, own in zip(self._experiments, units, strict=True) if own == unit]
        chosen = self._some(held) if held else []
        return {"size": self._percent(), "experiments": chosen, "unit": unit}

    # -- flags -------------------------------------------------------------------------------------------

    def _flag(self) -> dict[str, Any]:
        family = self._random.randrange(len(self.FAMILIES))
        variants = self.FAMILIES[family]
        made: dict[str, Any] = {"rules": [self._rule(family) for _ in range(self._random.randint(0, 4))]}
        if family or self._maybe(0.3):
            made["variants"] = {name: self._worth() for name in variants}
            made["default"] = self._one(variants)
        if self._maybe(0.2):
            made["off"] = self._one(variants)
        if self._maybe(0.2):
            made["pins"] = {unit: self._one(variants) for unit in self._some(PEOPLE[:4])}
        if self._maybe(0.25):
            made["gates"] = [self._condition(1) for _ in range(self._random.randint(1, 2))]
        if self._maybe(0.1):
            made["enabled"] = False
        if self._maybe(0.2):
            made["metadata"] = {"team": "payments", "tier": 1, "share": 0.5, "legacy": True}
        return made

    def _worth(self) -> Any:
        value = self._one(
            ["text", "", 1, 0, -1.5, True, False, None, [1, [2]], [], {"a": {"b": [None]}}, {}, 10**30]
        )
        if not isinstance(value, dict) and self._maybe(0.6):
            return value
        return {"value": value} | ({"enabled": self._maybe(0.5)} if self._maybe(0.4) else {})

    def _rule(self, family: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if self._maybe(0.6):
            made["when"] = self._conditions(2)
        if self._segments and self._maybe(0.2):
            made["segment"] = self._one(list(self._segments))
        if self._maybe(0.1):
            made |= self._window()
        if self._maybe(0.3):
            self._named += 1
            made["id"] = f"rule {self._named}"
        return made | self._outcome(family)

    def _outcome(self, family: int) -> dict[str, Any]:
        variants = self.FAMILIES[family]
        measured = [name for name, own in self._families.items() if own == family]
        kind = self._one(["serve", "rollout", "split", "split", *["experiment"] * (3 * bool(measured))])
        if kind == "experiment":
            return {"experiment": self._one(measured)}
        if kind == "serve":
            return {"serve": self._one(variants)}
        drawn = self._unit(0.3) | ({"salt": self._one(self._salts)} if self._maybe(0.2) else {})
        if kind == "split":
            drawn |= {"split": self._split(variants)} | (self._rollout() if self._maybe(0.3) else {})
            return drawn
        implied = family == 0 and self._maybe(0.5)
        return drawn | self._rollout() | ({} if implied else {"serve": self._one(variants)})

    def _rollout(self) -> dict[str, Any]:
        if self._maybe(0.7):
            return {"rollout": self._percent()}
        times = sorted(self._random.sample(range(len(INSTANTS)), self._random.randint(1, 3)))
        return {"rollout": [{"at": INSTANTS[time], "percent": self._percent()} for time in times]}


# -- for Hypothesis --------------------------------------------------------------------------------------


def randoms() -> st.SearchStrategy[Random]:
    """Seeded generators: a tenth of the time of Hypothesis's own, at the price of shrinking."""
    return st.integers(0, 2**32 - 1).map(Random)


def documents(flags: int = 6) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda random, size: Author(random).document(size), randoms(), st.integers(1, flags))


def contexts(*, traps: float = 0.0, liars: bool = False) -> st.SearchStrategy[Context]:
    return randoms().map(lambda random: Crowd(random, traps=traps, liars=liars).context())


def moments() -> st.SearchStrategy[float]:
    """Points in time on, just before and far from those that documents speak of."""
    edges = [*SECONDS, *(second - 1e-6 for second in SECONDS), 0.0, 4e9]
    return st.sampled_from(edges)
