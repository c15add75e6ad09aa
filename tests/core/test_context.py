from __future__ import annotations

import pytest

from flagstaff.core.context import ANONYMOUS, Context


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
