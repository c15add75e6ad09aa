"""What should have happened: shares by arithmetic on the rules, exposures by deciding once more, offline."""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from visitors import PINNED, Visitor, visitor

from flagstaff import Client
from flagstaff.core.buckets import BUCKETS
from flagstaff.core.rules import Arm, Experiment, Rules, Serve, Share


class Exposure(NamedTuple):
    flag: str
    experiment: str
    variant: str
    unit: str


# -- exposures -------------------------------------------------------------------------------------


def expected_exposures(rules: Path, visitors: int) -> set[Exposure]:
    """Every exposure that there should be: the rules are read from the file and nothing is sent."""
    expected = set()
    with Client.from_file(rules) as client:
        for who in map(visitor, range(visitors)):
            for decision in client.decide_all(who.context()).values():
                if decision.experiment is not None and decision.variant is not None:
                    unit = who.org_id if decision.flag == "volume-discount" else who.key
                    expected.add(Exposure(decision.flag, decision.experiment, decision.variant, str(unit)))
    return expected


def stored_exposures(events: Path) -> Counter[Exposure]:
    """What the collector holds, and how often on one day; once is right."""
    asked = """
        SELECT flag, experiment, variant, subject, count(*) FROM events
        WHERE type = 'flagstaff.exposure'
        GROUP BY flag, experiment, variant, subject, substr(time, 1, 10)
    """
    stored: Counter[Exposure] = Counter()
    connection = sqlite3.connect(events)
    try:
        for *exposure, count in connection.execute(asked):
            key = Exposure(*exposure)
            stored[key] = max(stored[key], count)
    finally:
        connection.close()
    return stored


# -- shares ----------------------------------------------------------------------------------------


class Group(NamedTuple):
    """Whom the last rule of a flag is for, said without the rules; ``after`` is a flag that must be on."""

    flag: str
    whom: str
    unit: Callable[[Visitor], str | None]
    after: str | None = None


def _everybody(who: Visitor) -> str | None:
    return who.key


def _benelux(who: Visitor) -> str | None:
    return who.key if who.country in ("NL", "BE", "LU") else None


def _benelux_plus(who: Visitor) -> str | None:
    return _benelux(who) if who.plan == "plus" else None


def _new_app(who: Visitor) -> str | None:
    # 4.2.0-beta.1 comes before 4.2.0
    return who.key if who.app_version in ("4.2.0", "4.3.1", "5.0.0") else None


def _organisation(who: Visitor) -> str | None:
    return who.org_id


GROUPS = (
    Group("new-checkout", "in the Benelux", _benelux),
    Group("one-click", "there, on plan plus", _benelux_plus, after="new-checkout"),
    Group("search", "everybody", _everybody),
    Group("checkout-cta", "on app 4.2.0 or later", _new_app),
    Group("delivery-promise", "everybody", _everybody),
    Group("volume-discount", "organisations", _organisation),
)


class Row(NamedTuple):
    """One variant: from how many units it is drawn, with what chance, and how many got it."""

    flag: str
    variant: str
    whom: str
    units: int
    chance: float
    got: int

    @property
    def due(self) -> float:
        return self.units * self.chance

    @property
    def deviation(self) -> float:
        """In standard errors of a binomial draw."""
        error = math.sqrt(self.due * (1 - self.chance))
        return (self.got - self.due) / error if error else 0.0


def shares(
    rules: Rules,
    now: float,
    visitors: int,
    met: Mapping[tuple[str, str | None], int],
    stored: Collection[Exposure],
) -> Iterator[Row]:
    """A row for each variant that is drawn; measured ones are counted at the collector, others where met."""
    measured: Counter[tuple[str, str | None]] = Counter()
    measured.update((exposure.flag, exposure.variant) for exposure in stored)
    everyone = [visitor(number) for number in range(visitors) if number != PINNED]
    for group in GROUPS:
        units = len({group.unit(who) for who in everyone} - {None})
        on = 1.0 if group.after is None else _chances(rules, group.after, now)["on"]
        is_measured = isinstance(rules.flags[group.flag].rules[-1].outcome, Experiment)
        counts = measured if is_measured else met
        for variant, chance in _chances(rules, group.flag, now).items():
            got = counts.get((group.flag, variant), 0)
            yield Row(group.flag, variant, group.whom, units, on * chance, got)


def _chances(rules: Rules, flag: str, now: float) -> dict[str, float]:
    """How likely each variant is for a unit that a flag's last rule is for."""
    match rules.flags[flag].rules[-1].outcome:
        case Serve(variant, share):
            return {variant: _width(share, now)}
        case Experiment(arms=arms, share=share, holdouts=holdouts):
            kept = math.prod(1 - _width(holdout, now) for _, holdout in holdouts)
            return _arms(arms, kept * _width(share, now))
        case split:
            return _arms(split.arms, _width(split.share, now))


def _arms(arms: tuple[Arm, ...], chance: float) -> dict[str, float]:
    return {arm.variant: chance * (arm.stop - arm.start) / BUCKETS for arm in arms}


def _width(share: Share | None, now: float) -> float:
    if share is None:
        return 1.0
    return sum(stop - start for start, stop in share.ranges_at(now)) / BUCKETS
