from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable
from copy import copy, deepcopy
from typing import Any

import pytest

from flagstaff.core.decision import NO_METADATA, Decision, Exposed, Reason, fresh, is_flat


def decision(**changes: Any) -> Decision:
    fields: dict[str, Any] = {
        "enabled": True,
        "value": "Buy",
        "variant": "a",
        "reason": Reason.SPLIT,
        "rule": "0",
    }
    return Decision("cta", **(fields | changes))


EXPOSED = Exposed(
    flag="cta",
    experiment="wording",
    variant="a",
    unit=("user", "id"),
    unit_type="user.id",
    rule="0",
    revision=2,
)


@pytest.mark.parametrize("name", [*Decision.__slots__, "anything"])
def test_a_decision_cannot_be_changed(name: str) -> None:
    made = decision()
    with pytest.raises(AttributeError, match=f"a Decision can't be changed: {name}"):
        setattr(made, name, 1)
    with pytest.raises(AttributeError, match=f"a Decision can't be changed: {name}"):
        delattr(made, name)


def test_metadata_is_empty_where_none_is_given_and_cannot_be_changed() -> None:
    assert decision().metadata is NO_METADATA
    with pytest.raises(TypeError):
        NO_METADATA["x"] = 1  # type: ignore[index]


def test_a_copy_differs_in_what_was_asked_for() -> None:
    made = decision(experiment="wording", exposed=EXPOSED)
    changed = made.replace(value=5, metadata={"x": 1})
    assert (changed.value, changed.metadata, changed.variant, changed.rule) == (5, {"x": 1}, "a", "0")
    assert changed._exposed is EXPOSED
    assert (made.value, made.metadata) == ("Buy", {})


def test_without_its_experiment_a_decision_is_no_exposure() -> None:
    made = decision(experiment="wording", exposed=EXPOSED)
    assert made.replace(experiment=None)._exposed is None


@pytest.mark.parametrize("again", [lambda made: pickle.loads(pickle.dumps(made)), copy, deepcopy])
def test_a_copy_and_a_pickle_are_plain_data(again: Callable[[Decision], Decision]) -> None:
    made = decision(experiment="wording", exposed=EXPOSED, metadata={"owner": "payments"}, defers=True)
    found = again(made)
    assert found == made
    assert (found.metadata, found.reason, found._exposed, found._defers) == (
        {"owner": "payments"}, Reason.SPLIT, None, True,
    )  # fmt: skip
    with pytest.raises(TypeError):
        found.metadata["x"] = 1  # type: ignore[index]


def test_decisions_are_equal_if_they_say_the_same() -> None:
    assert decision() == decision(metadata={"x": 1}, exposed=EXPOSED)
    for change in (
        {"value": "buy"},
        {"variant": "b"},
        {"reason": Reason.STATIC},
        {"rule": None},
        {"error": "x"},
    ):
        assert decision() != decision(**change)
    assert decision() != "cta"
    with pytest.raises(TypeError):
        hash(decision())


def test_a_decision_shows_what_it_has_to_say() -> None:
    assert (
        repr(decision()) == "Decision('cta', enabled=True, value='Buy', variant='a', reason=SPLIT, rule='0')"
    )
    failed = Decision("x", enabled=False, value=None, variant=None, reason=Reason.GENERAL, error="no")
    assert repr(failed) == "Decision('x', enabled=False, reason=GENERAL, error='no')"


def test_a_fresh_value_is_the_same_value_and_nobody_elses() -> None:
    value = {"a": [1, {"b": [2]}], "c": "text"}
    made = decision(value=value, experiment="wording", exposed=EXPOSED)
    copy = fresh(made)
    assert copy == made
    assert copy._exposed is EXPOSED
    copy.value["a"][1]["b"].append(3)
    assert value == {"a": [1, {"b": [2]}], "c": "text"}


@pytest.mark.parametrize(
    ("value", "flat"),
    [
        ({}, True),
        ([], True),
        ({"a": 1, "b": "text"}, True),
        ([1, None], True),
        ({"a": []}, False),
        ([1, {}], False),
        (OrderedDict(a=1), False),
    ],
)
def test_a_flat_value_is_a_plain_container_of_what_cannot_be_changed(value: Any, flat: bool) -> None:
    assert is_flat(value) is flat


@pytest.mark.parametrize("value", ["text", 5, 1.5, True, None])
def test_what_cannot_be_changed_need_not_be_copied(value: Any) -> None:
    made = decision(value=value)
    assert fresh(made) is made


def test_a_reason_is_text() -> None:
    assert Reason.SPLIT == "SPLIT"
    assert f"{Reason.SPLIT}" == "SPLIT"
    assert [reason for reason in Reason if reason.value != reason.name] == []


def test_exposures_of_one_arm_share_what_tells_them_apart() -> None:
    assert EXPOSED.unit_type == "user.id"
    assert EXPOSED.key == "wording\x002\x00a\x00user.id"


@pytest.mark.parametrize("value", [{"a": [1]}, [{"a": 1}]])
def test_a_fresh_decision_is_the_same_with_a_value_of_its_own(value: Any) -> None:
    exposed = Exposed(
        flag="f", experiment="e", variant="v", unit=("id",), unit_type="id", rule="r", revision=1
    )
    known: dict[str, Any] = {
        "rule": "r",
        "experiment": "e",
        "error": "no",
        "metadata": {"a": 1},
        "defers": True,
    }
    made = Decision(
        "f", enabled=True, value=value, variant="v", reason=Reason.SPLIT, exposed=exposed, **known
    )

    copy = fresh(made)

    assert type(copy) is Decision
    assert copy == made
    assert all(getattr(copy, name) == getattr(made, name) for name in Decision.__slots__)
    assert copy.value is not made.value
    with pytest.raises(AttributeError, match="can't be changed"):
        copy.value = 1
