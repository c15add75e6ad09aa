"""The rules and the users that every SDK gets: generated, so that nobody's are better suited."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

__all__ = [
    "ARMS",
    "EXPERIMENT",
    "STATIC",
    "SWITCH",
    "TARGETED",
    "VERSION",
    "Flag",
    "User",
    "make_flags",
    "make_users",
]

Kind: TypeAlias = Literal["on", "off", "targeted", "experiment", "rollout"]

STATIC: Final = "static-flag"
TARGETED: Final = "targeted-flag"
EXPERIMENT: Final = "experiment-flag"
SWITCH: Final = "switch-flag"
"""Off in the first version of the rules and on in the second: the one flag of the lot that changes."""

ARMS: Final = (("control", 34), ("blue", 33), ("green", 33))
"""The variants of every experiment and their shares in percent."""

VERSION: Final = 7_000_000
"""The version of documents that have one: a number that is nowhere else in them."""

_MIX: Final[tuple[Kind, ...]] = (
    *("on", "on", "on", "off"),
    *("targeted", "targeted", "targeted"),
    *("experiment", "experiment", "rollout"),
)
_TARGETS: Final = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "SE", "NO", "DK")
_ELSEWHERE: Final = ("BR", "IN", "JP", "AU", "CA", "MX", "PL", "PT")


@dataclass(frozen=True)
class Flag:
    """One flag, said without any SDK's words.

    ``on`` and ``off`` are the same for everybody; ``rollout`` is on for ``percent``; ``experiment`` divides
    everybody among ``ARMS``. ``targeted`` has three rules: on if the country is one of ``countries``; on if
    the plan is ``plan``; on for ``percent`` if the version is at least ``version``; else off.
    """

    key: str
    kind: Kind
    percent: int = 100
    countries: tuple[str, ...] = ()
    plan: str = ""
    version: str = ""


class User(NamedTuple):
    """What a web request knows of somebody."""

    key: str
    country: str
    plan: str
    version: str
    email: str


def make_flags(count: int, *, switched: bool = False) -> list[Flag]:
    """``count`` flags of mixed shape, always the same ones."""
    dice = random.Random(7)
    watched = [
        Flag(STATIC, "on"),
        Flag(TARGETED, "targeted", 25, _TARGETS, "pro", "2.5.0"),
        Flag(EXPERIMENT, "experiment"),
        Flag(SWITCH, "on" if switched else "off"),
    ]
    return watched + [_make_flag(number, dice) for number in range(count - len(watched))]


def _make_flag(number: int, dice: random.Random) -> Flag:
    key, kind = f"flag-{number:05d}", _MIX[number % len(_MIX)]
    match kind:
        case "targeted":
            countries = tuple(dice.sample(_TARGETS + _ELSEWHERE, 10))
            plan = dice.choice(("pro", "team", "enterprise"))
            version = f"{dice.randint(1, 4)}.{dice.randint(0, 9)}.0"
            return Flag(key, kind, dice.choice((5, 10, 25, 50)), countries, plan, version)
        case "rollout":
            return Flag(key, kind, dice.choice((1, 10, 50, 90)))
        case _:
            return Flag(key, kind)


def make_users(count: int, name: str = "user") -> Iterator[User]:
    """Users whom the targeted flag's first two rules miss and whose version meets its third."""
    for number in range(count):
        yield User(
            f"{name}-{number}",
            country=_ELSEWHERE[number % len(_ELSEWHERE)],
            plan="team" if number % 3 == 0 else "free",
            version=f"3.{number % 10}.{number % 7}",
            email=f"{name}-{number}@example.com",
        )
