"""Whole decisions: small documents in canonical form, and who is decided in them.

Each document draws in one way of its own, so that a port that goes wrong sees where.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any, TypeAlias

__all__ = ["EDGES", "scenes"]

Asked: TypeAlias = "tuple[str, Any, dict[str, Any]]"
Scene: TypeAlias = "tuple[str, float, dict[str, Any], Iterable[Asked]]"
Json: TypeAlias = "dict[str, Any]"

_USERS = [f"user-{number}" for number in range(1, 41)]
EDGES = ["abxYXuL", "abek4wB", "ai0XX2P", "a0yl3b5", "agtAQeG", "azj3mMF"]
"""Under the salt ``edge`` they have the first hash, the last below 25 percent, the first from there on, the
same at 50 percent, and the last hash of all. (MurmurHash3 can be run backwards: that is how they were found.)
"""

_NEW_YEAR = 1_767_225_600
_DAY = 86_400


def scenes() -> Iterator[Scene]:
    """Name, time in seconds since the epoch, document, and what is asked: flag, targeting key, attributes."""
    yield "rollout", _NEW_YEAR, _rollouts(), _everyone(_rollouts())
    for day in (-1, 0, 7, 14):
        yield f"steps, day {day}", _NEW_YEAR + day * _DAY, _steps(), _everyone(_steps(), _USERS[:12])
    yield "split", _NEW_YEAR, _splits(), _everyone(_splits())
    yield "edges", _NEW_YEAR, _edges(), _everyone(_edges(), EDGES)
    yield "experiment", _NEW_YEAR, _experiments(), _everyone(_experiments(), _USERS[:25])
    yield "layer", _NEW_YEAR, _layers(), _everyone(_layers())
    yield "holdout", _NEW_YEAR, _holdouts(), _everyone(_holdouts())
    yield "bucket condition", _NEW_YEAR, _conditions(), _everyone(_conditions(), [*_USERS[:20], None])
    yield "unit", _NEW_YEAR, _units(), _odd_units()


def _everyone(document: Json, users: Iterable[Any] = _USERS) -> Iterator[Asked]:
    return product(document["flags"], users, [{}])


# -- parts of documents ----------------------------------------------------------------------------


def _document(**parts: Any) -> Json:
    return {"version": 1, **parts}


def _on_off(*rules: Json, **more: Any) -> Json:
    variants = {"on": {"value": True, "enabled": True}, "off": {"value": False, "enabled": False}}
    return {"variants": variants, "default": "off", "off": "off", "rules": _numbered(rules), **more}


def _choice(names: str, *rules: Json) -> Json:
    variants = {name: {"value": name, "enabled": True} for name in names}
    return {"variants": variants, "default": names[0], "off": names[0], "rules": _numbered(rules)}


def _numbered(rules: Iterable[Json]) -> list[Json]:
    return [{"id": str(number), **rule} for number, rule in enumerate(rules)]


def _weights(**weights: float) -> list[Json]:
    return [{"variant": name, "weight": weight} for name, weight in weights.items()]


def _experiment(weights: list[Json], **more: Any) -> Json:
    traffic = {} if "layer" in more else {"traffic": 100}
    return {"split": weights, "status": "running", **traffic, **more}


_HALVES = _weights(a=50, b=50)
_THIRDS = _weights(c=34, a=33, b=33)


# -- the documents ---------------------------------------------------------------------------------


def _rollouts() -> Json:
    return _document(
        flags={
            "none": _on_off({"serve": "on", "rollout": 0}),
            "tenth": _on_off({"serve": "on", "rollout": 10}),
            "third": _on_off({"serve": "on", "rollout": 33.333}),
            "half": _on_off({"serve": "on", "rollout": 50}),
            "nearly-all": _on_off({"serve": "on", "rollout": 99.999}),
            "all": _on_off({"serve": "on", "rollout": 100}),
            "own-salt": _on_off({"serve": "on", "rollout": 50}, salt="half-again"),
            "rule-salt": _on_off({"serve": "on", "rollout": 50, "salt": "half: the rule's"}, salt="unused"),
            "two-rules": _choice(
                "abc", {"serve": "b", "rollout": 20}, {"serve": "c", "rollout": 60}, {"serve": "a"}
            ),
        }
    )


def _steps() -> Json:
    steps = [
        {"at": "2026-01-01T00:00:00Z", "percent": 10},
        {"at": "2026-01-08T00:00:00Z", "percent": 62.5},
        {"at": "2026-01-15T01:00:00+01:00", "percent": 100},
    ]
    return _document(flags={"new-checkout": _on_off({"serve": "on", "rollout": steps})})


def _splits() -> Json:
    tenths = [{"variant": name, "weight": 10} for name in "jihgfedcba"]
    crumbs = _weights(a=0, b=0.001, c=49.999, d=50)
    return _document(
        flags={
            "halves": _choice("ab", {"split": _HALVES}),
            "thirds": _choice("abc", {"split": _THIRDS}),
            "tenths": _choice("abcdefghij", {"split": tenths}),
            "crumbs": _choice("abcd", {"split": crumbs}),
            "everything": _choice("ab", {"split": _weights(b=100)}),
            "some": _choice("abcd", {"split": _THIRDS, "rollout": 40}, {"serve": "d"}),
            "some-salted": _choice("ab", {"split": _HALVES, "rollout": 40, "salt": "summer"}),
        }
    )


def _edges() -> Json:
    draw = {"bucket": {"salt": "edge"}, "in": [[25, 50]]}
    steps = [{"at": "2026-01-01T00:00:00Z", "percent": 25}]
    crumbs = dict.fromkeys("cdefghijkl", 5)
    return _document(
        shared_salts=["edge"],
        layers={"edge": {}},
        experiments={"slot": _experiment(_HALVES, layer="edge", slots=[[25, 50]])},
        flags={
            "edge": _choice("abc", {"split": _weights(a=25, b=25, c=50)}),
            "many": {**_choice("abcdefghijkl", {"split": _weights(a=25, b=25, **crumbs)}), "salt": "edge"},
            "first": _on_off({"serve": "on", "rollout": 25}, salt="edge"),
            "stepped": _on_off({"serve": "on", "rollout": steps}, salt="edge"),
            "second": _on_off({"serve": "on", "when": draw}),
            "layered": _choice("ab", {"experiment": "slot"}),
        },
    )


def _experiments() -> Json:
    experiments = {
        "everyone": _experiment(_THIRDS),
        "few": _experiment(_THIRDS, traffic=20),
        "more": _experiment(_THIRDS, traffic=60, salt="few-again"),
        "pinned": _experiment(_HALVES, traffic=50, pins={"user-1": "a", "user-2": "b"}),
        "in-qa": _experiment(_HALVES, status="qa", pins={"user-1": "b"}),
        "draft": _experiment(_HALVES, status="draft", pins={"user-1": "b"}),
        "stopped": _experiment(_HALVES, status="stopped", pins={"user-1": "b"}),
        "decided": _experiment(_HALVES, status="decided", winner="b", pins={"user-1": "a"}),
    }
    flags = {f"try-{name}": _choice("abc", {"experiment": name}) for name in experiments}
    return _document(
        experiments=experiments,
        flags={**flags, "fallback": _choice("abcd", {"experiment": "few"}, {"serve": "d", "rollout": 50})},
    )


def _layers() -> Json:
    experiments = {
        "button": _experiment(_HALVES, layer="checkout", slots=[[0, 30]]),
        "colour": _experiment(_THIRDS, layer="checkout", slots=[[30, 45.5], [70, 100]]),
        "price": _experiment(_HALVES, layer="salted", slots=[[0, 50]]),
    }
    return _document(
        layers={"checkout": {}, "salted": {"salt": "checkout-2026"}},
        experiments=experiments,
        flags={f"try-{name}": _choice("abc", {"experiment": name}) for name in experiments},
    )


def _holdouts() -> Json:
    experiments = {
        "button": _experiment(_HALVES, pins={"user-2": "b", "user-4": "b"}),
        "colour": _experiment(_THIRDS, traffic=70),
        "price": _experiment(_HALVES, layer="checkout", slots=[[0, 60]]),
        "free": _experiment(_HALVES),
    }
    return _document(
        layers={"checkout": {}},
        holdouts={
            "quarter": {"size": 20, "experiments": ["button", "colour"]},
            "year": {"size": 15, "experiments": ["colour", "price"], "salt": "held out in 2026"},
        },
        experiments=experiments,
        flags={f"try-{name}": _choice("abc", {"experiment": name}) for name in experiments},
    )


def _conditions() -> Json:
    panel = {"segment": "panel"}
    return _document(
        segments={"panel": {"bucket": {"salt": "panel"}, "in": [[10, 25], [60, 90.5]]}},
        flags={
            "inside": _on_off({"serve": "on", "when": panel}),
            "outside": _on_off({"serve": "on", "when": {"not": panel}}),
            "half": _on_off({"serve": "on", "when": panel, "rollout": 50}),
            "own": _on_off({"serve": "on", "when": {"bucket": {"salt": "own: 1"}, "in": [[0, 40]]}}),
        },
    )


def _units() -> Json:
    return _document(
        experiments={
            "by-user": _experiment(_HALVES),
            "by-org": _experiment(_HALVES, unit="org_id", traffic=80),
            "by-path": _experiment(_HALVES, unit=["org", "id"], pins={"7": "b"}),
        },
        flags={
            "user": _choice("abc", {"experiment": "by-user"}, {"serve": "c", "when": _EMPLOYED}),
            "org": _choice("ab", {"experiment": "by-org"}),
            "path": _choice("ab", {"experiment": "by-path"}),
        },
    )


_EMPLOYED = {"attribute": "employee", "op": "eq", "value": True}


def _odd_units() -> Iterator[Asked]:
    texts = [
        "user-1",
        "1",
        " ",
        "caf\u00e9",
        "cafe\u0301",
        "\U0001f600",
        "\0",
        "\ud800",
        "\udc80x",
        "x" * 1_000,
    ]
    numbers = [
        {"int": text} for text in ("0", "1", "-1", "9007199254740993", "123456789012345678901234567890")
    ]
    nothing = [
        None,
        "",
        True,
        False,
        {"float": "1.0"},
        {"float": "nan"},
        ["user-1"],
        {"int": {"repeat": ["9", 4_301]}},
    ]
    yield from product(["user"], [*texts, *numbers, *nothing], [{}])
    yield "user", None, {"employee": True}
    for org in ("acme", "1", 1, -7, 0, "", True, 1.5, None, ["acme"], {"id": "acme"}):
        yield "org", "user-1", {"org_id": org}
    yield "org", "user-1", {}
    for nested in ({"id": "acme"}, {"id": 7}, {"id": None}, {}, "acme", ["id"], {"id": {"id": "acme"}}):
        yield "path", None, {"org": nested}
