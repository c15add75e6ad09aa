from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable
from copy import copy, deepcopy
from typing import Any

import pytest

from flagstaff.core.decision import NO_METADATA, Decision, Exposed, Reason, shared


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


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, {"b": [2]}], "c": "text"},
        {"a": 1, "b": "text"},
        [1, None],
        [{"a": 1}],
        OrderedDict(a=1),
        {},
        [],
    ],
)
def test_whoever_looks_at_a_shared_value_gets_a_copy(value: Any) -> None:
    before = deepcopy(value)
    made = shared(decision(value=value, experiment="wording", exposed=EXPOSED))

    seen = made.value

    assert seen == before
    assert seen is not made.value
    _spoil(seen)
    assert made.value == value == before


def _spoil(value: Any) -> None:
    """Change all that can be changed in it."""
    for item in [*value.values()] if isinstance(value, dict) else value:
        if isinstance(item, dict | list):
            _spoil(item)
    value.clear()


@pytest.mark.parametrize("value", [{"a": [1]}, {"a": 1}])
def test_a_shared_decision_is_the_same_decision(value: Any) -> None:
    known: dict[str, Any] = {"error": "no", "metadata": {"a": 1}, "defers": True}
    known |= {"rule": "r", "experiment": "e", "exposed": EXPOSED}
    made = Decision("f", enabled=True, value=value, variant="v", reason=Reason.SPLIT, **known)
    alike = Decision("f", enabled=True, value=value, variant="v", reason=Reason.SPLIT, **known)

    assert shared(made) is made
    assert isinstance(made, Decision)
    assert made == alike
    assert repr(made) == repr(alike)
    assert made.replace(rule=None) == alike.replace(rule=None)
    assert all(getattr(made, name) == getattr(alike, name) for name in Decision.__slots__)
    with pytest.raises(AttributeError, match="can't be changed"):
        made.value = 1


def test_a_copy_of_a_decision_is_as_safe_to_hand_on() -> None:
    made = shared(decision(value={"a": [1]}))
    for other in (deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert other == made
        other.value["a"].append(2)
        assert other == made


@pytest.mark.parametrize("value", ["text", 5, 1.5, True, None])
def test_what_cannot_be_changed_need_not_be_copied(value: Any) -> None:
    assert type(shared(decision(value=value))) is Decision


def test_a_reason_is_text() -> None:
    assert Reason.SPLIT == "SPLIT"
    assert f"{Reason.SPLIT}" == "SPLIT"
    assert [reason for reason in Reason if reason.value != reason.name] == []


def test_exposures_of_one_arm_share_what_tells_them_apart() -> None:
    assert EXPOSED.unit_type == "user.id"
    assert EXPOSED.key == "wording\x002\x00a\x00user.id"
