from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from flagstaff.core.context import ANONYMOUS, Context, as_context
from tests.core.lab import flag, snapshot


def test_attributes_come_by_name_in_a_mapping_or_both() -> None:
    assert Context("u", country="NL").attributes == {"country": "NL"}
    assert Context("u", {"app-version": "4.2.0"}).attributes == {"app-version": "4.2.0"}
    assert Context("u", {"a": 1, "b": 1}, b=2, c=2).attributes == {"a": 1, "b": 2, "c": 2}
    assert Context("u").attributes == {}


def test_a_lone_mapping_is_kept_as_it_is_and_others_are_copied() -> None:
    attributes = {"a": 1}
    assert Context("u", attributes).attributes is attributes
    assert Context("u", attributes, b=2).attributes is not attributes
    assert attributes == {"a": 1}


def test_the_targeting_key_is_given_by_position_so_that_any_name_is_free() -> None:
    context = Context("u", targeting_key="t", attributes="a", self="s")
    assert (context.targeting_key, context.attributes) == (
        "u",
        {"targeting_key": "t", "attributes": "a", "self": "s"},
    )


def test_contexts_are_equal_if_key_and_attributes_are() -> None:
    assert Context("u", country="NL") == Context("u", {"country": "NL"})
    assert Context("u", country="NL") != Context("u", country="BE")
    assert Context("u") != Context("v")
    assert Context("u") != "u"
    with pytest.raises(TypeError):
        hash(Context("u"))


def test_a_context_shows_what_it_was_made_of() -> None:
    assert repr(Context("u", {"app-version": "4.2.0"}, plan="pro")) == (
        "Context('u', {'app-version': '4.2.0', 'plan': 'pro'})"
    )
    assert repr(ANONYMOUS) == "Context(None, {})"


def test_a_context_has_no_room_for_anything_else() -> None:
    with pytest.raises(AttributeError):
        Context("u").country = "NL"  # type: ignore[attr-defined]


class Broken(dict[str, Any]):
    def get(self, *_: Any) -> Any:
        raise RuntimeError


def test_a_mapping_says_its_key_and_is_kept_as_it_is() -> None:
    attributes = {"targetingKey": "u", "plan": "pro"}
    context = as_context(attributes)
    assert context == Context("u", attributes)
    assert context.attributes is attributes
    assert as_context({}) == ANONYMOUS
    assert as_context(Broken(targetingKey="u")).targeting_key is None


@pytest.mark.parametrize("given", [Context("u"), "u", None, [("targetingKey", "u")]])
def test_what_is_no_mapping_comes_back_as_it_is(given: Any) -> None:
    assert as_context(given) is given


class Lazy(Context, Mapping[str, Any]):
    """A context that is its own attributes."""

    @property
    def attributes(self) -> Mapping[str, Any]:  # type: ignore[override]
        return self

    def __getitem__(self, name: str) -> Any:
        return {"plan": "pro", "targetingKey": "another"}[name]

    def __iter__(self) -> Iterator[str]:
        return iter(("plan", "targetingKey"))

    def __len__(self) -> int:
        return 2


def _lazy(unit: str) -> Lazy:
    context = Lazy.__new__(Lazy)
    context.targeting_key = unit
    return context


def test_a_context_that_is_its_own_attributes_has_a_key_of_its_own() -> None:
    pro = {"attribute": "plan", "op": "eq", "value": "pro"}
    for rule in (
        {"when": pro, "split": {"a": 50, "b": 50}},
        {"when": {"segment": "pro"}, "split": {"a": 50, "b": 50}},
    ):
        rules = snapshot(flags={"f": flag(rule)}, segments={"pro": pro})
        lazy = [rules.decide("f", _lazy(unit)).variant for unit in map(str, range(20))]
        assert lazy == [rules.decide("f", Context(unit, plan="pro")).variant for unit in map(str, range(20))]
