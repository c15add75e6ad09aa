"""A plain mapping in the place of a context: the same answers, whatever reads it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from flagstaff import Context
from flagstaff.shell import Shell
from flagstaff.testing import MemoryClient
from tests.client.lab import Basket, Maker


def leaf(attribute: str | list[str], op: str, value: Any) -> dict[str, Any]:
    return {"attribute": attribute, "op": op, "value": value}


RULES: dict[str, Any] = {
    "version": 1,
    "segments": {
        "staff": leaf("email", "ends_with", "@shop.test"),
        "half": {"bucket": {"salt": "half"}, "in": [[0, 50]]},
    },
    "experiments": {
        "wording": {"split": {"a": 50, "b": 50}},
        "by-org": {"split": {"a": 50, "b": 50}, "unit": "org"},
    },
    "flags": {
        "static": {"default": "on"},
        "country": {"rules": [{"when": leaf("country", "in", ["NL"]), "serve": "on"}]},
        "not-country": {"rules": [{"when": leaf("country", "ne", "NL"), "serve": "on"}]},
        "nested": {"rules": [{"when": leaf(["org", "plan"], "eq", "pro"), "serve": "on"}]},
        "key": {"rules": [{"when": leaf("targeting_key", "starts_with", "u"), "serve": "on"}]},
        "version": {
            "rules": [
                {"when": leaf("version", "semver_ge", "2.0.0"), "rollout": 50},
                {"when": leaf("version", "matches", "^1"), "serve": "on"},
            ]
        },
        "segment": {"rules": [{"segment": "staff", "serve": "on"}, {"segment": "half", "serve": "on"}]},
        "gated": {"gates": [{"flag": "country"}], "rules": [{"rollout": 50}]},
        "pinned": {"pins": {"u1": "on"}},
        "wording": {
            "variants": {"a": "A", "b": "B"},
            "default": "a",
            "rules": [{"experiment": "wording"}],
        },
        "by-org": {"variants": {"a": [1], "b": [2]}, "default": "a", "rules": [{"experiment": "by-org"}]},
    },
}


class Remote(Mapping[str, Any]):
    """A mapping of somebody's own."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given

    def __getitem__(self, name: str) -> Any:
        return self._given[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)


PEOPLE: list[dict[str, Any]] = [
    {},
    {"targetingKey": "u1", "country": "NL", "version": "2.1.0"},
    {"targetingKey": "u2", "country": "BE", "version": "1.0.0", "email": "ann@shop.test", "org": "acme"},
    {"targetingKey": 7, "version": "3.0.0-rc.1", "org": 12},
    {"targetingKey": "", "country": 5, "version": None},
    {"targetingKey": ["u"], "country": ["NL"], "org": {"plan": "pro"}},
    {"targetingKey": "\ud800", "country": "\ud800", "org": {"plan": ["pro"]}},
    {"country": "NL", "email": 3, "org": "\ud800"},
]


@pytest.fixture
def flags(make: Maker) -> Shell:
    return make.from_document(RULES).flags


@pytest.mark.parametrize("wrap", [dict, OrderedDict, MappingProxyType, Remote])
def test_a_mapping_is_the_context_of_its_key_and_itself(
    flags: Shell, wrap: Callable[[dict[str, Any]], Mapping[str, Any]]
) -> None:
    for person in PEOPLE:
        plain, context = wrap(person), Context(person.get("targetingKey"), person)
        for _ in range(2):  # the second time each flag is found on the short way
            for flag in RULES["flags"]:
                assert flags.decide(flag, plain) == flags.decide(flag, context), (flag, person)
                assert flags.enabled(flag, plain) is flags.enabled(flag, context)
                assert flags.value(flag, plain) == flags.value(flag, context)
                assert flags.variant(flag, plain) == flags.variant(flag, context)
                assert str(flags.explain(flag, plain)) == str(flags.explain(flag, context))
        assert flags.decide_all(plain) == flags.decide_all(context)
        assert flags.bootstrap(plain) == flags.bootstrap(context)
        assert flags.bind(plain).context == context


class Twin:
    """A key that is mistaken for another one, and can't be compared."""

    def __hash__(self) -> int:
        return hash("targetingKey")

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError


def test_a_dictionary_that_gives_nothing_away_raises_nothing(flags: Shell) -> None:
    for flag in RULES["flags"]:
        plain: Any = {Twin(): 1}
        assert flags.explain(flag, plain).decision == flags.decide(flag, plain)
        assert flags.bind(plain).enabled(flag) is flags.enabled(flag, plain)
    assert flags.decide_all({Twin(): 1}).keys() == RULES["flags"].keys()  # type: ignore[dict-item]


def test_they_do_not_all_get_the_same(flags: Shell) -> None:
    for flag in ("country", "not-country", "nested", "key", "version", "segment", "gated", "pinned"):
        assert {flags.enabled(flag, person) for person in PEOPLE} == {True, False}, flag


def test_a_mapping_is_exposed_and_tracked() -> None:
    with MemoryClient(RULES) as client:
        for person in (PEOPLE[1], Remote(PEOPLE[2]), PEOPLE[0]):
            client.variant("wording", person)
            client.variant("by-org", person)
            client.track("order-placed", person)

        exposed = [(exposure.experiment, exposure.unit) for exposure in client.exposures]
        assert sorted(exposed) == [("by-org", "acme"), ("wording", "u1"), ("wording", "u2")]
        assert [tracked.unit for tracked in client.exposures.tracked] == ["u1", "u2", None]


def test_an_event_of_a_mapping_has_its_unit(make: Maker) -> None:
    basket = Basket()
    driver = make.from_document(RULES, events=basket)
    for person in (PEOPLE[1], Remote(PEOPLE[2])):
        driver.flags.variant("wording", person)
        driver.flags.variant("by-org", person)
        driver.flags.track("order-placed", person)
    assert driver.flush()
    assert sorted(basket.units) == ["acme", "u1", "u2"]
    assert sorted(event["subject"] for event in basket.of_type("track")) == ["u1", "u2"]
