from __future__ import annotations

from typing import Any

import pytest

from flagstaff import Client, Context, RulesError
from flagstaff.formats import load
from flagstaff.testing import MemorySink

USER = Context("user-42", plan="pro")


def document_of(rules: list[dict[str, Any]]) -> dict[str, Any]:
    """A flag with two variants that are both told as "control"."""
    variants = {
        "control": {"value": 1, "enabled": True},
        "second/control": {"value": 2, "enabled": True, "name": "control"},
        "hidden": {"value": 3, "enabled": True, "named": False},
    }
    return {
        "version": 1,
        "flags": {"page-size": {"variants": variants, "default": "control", "rules": rules}},
    }


def test_several_variants_are_told_by_one_name() -> None:
    rule = {"id": "second", "serve": "second/control", "measure": {"experiment": "sizes"}}
    sink = MemorySink()

    with Client.from_document(document_of([rule]), events=sink) as client:
        decision = client.decide("page-size", USER)
        client.flush()

    assert (decision.value, decision.variant, decision.experiment) == (2, "control", "sizes")
    assert [event["data"]["variant"] for event in sink.events] == ["control"]


def test_an_override_goes_by_a_variants_own_name() -> None:
    with Client.from_document(document_of([])) as client, client.override({"page-size": "second/control"}):
        decision = client.decide("page-size", USER)

    assert (decision.value, decision.variant) == (2, "control")


def test_what_was_forced_belongs_to_an_experiment_and_is_no_exposure() -> None:
    rule = {"serve": "hidden", "measure": {"experiment": "sizes", "exposed": False}}
    sink = MemorySink()

    with Client.from_document(document_of([rule]), events=sink) as client:
        decision = client.decide("page-size", USER)
        client.flush()

    assert (decision.value, decision.variant, decision.experiment) == (3, None, "sizes")
    assert sink.events == []


def test_names_and_measures_are_canonical_as_they_are() -> None:
    rules = [{"serve": "hidden", "measure": {"experiment": "sizes", "exposed": False}}]
    canonical = load(document_of(rules)).canonical

    assert load(canonical).canonical == canonical
    flag = canonical["flags"]["page-size"]
    assert flag["variants"]["second/control"]["name"] == "control"
    assert flag["rules"][0]["measure"] == {"experiment": "sizes", "exposed": False}


def test_parts_of_one_rule_share_its_id() -> None:
    pinned = {"attribute": "targeting_key", "op": "in", "value": ["user-1"]}
    rules = [
        {"id": "sizes", "when": pinned, "serve": "second/control"},
        {"id": "sizes", "serve": "hidden", "measure": {"experiment": "sizes"}},
    ]

    with Client.from_document(document_of(rules)) as client:
        assert client.decide("page-size", Context("user-1")).rule == "sizes"
        assert client.decide("page-size", USER).rule == "sizes"


def test_two_rules_of_a_person_have_ids_of_their_own() -> None:
    rules = [{"id": "sizes", "serve": "control"}, {"id": "sizes", "serve": "hidden"}]

    with pytest.raises(RulesError, match=r"rules\[1\]\.id: is used twice: sizes"):
        load(document_of(rules))
