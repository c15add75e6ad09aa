"""How a flag is decided, sentence by sentence; the oracle's tests go through the combinations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flagstaff.core import stale
from flagstaff.core.context import ANONYMOUS, Context
from flagstaff.core.decision import Reason
from flagstaff.core.evaluate import Snapshot, failure
from flagstaff.core.rules import Rules
from flagstaff.formats import load
from tests.strategies import Explosive, Locked, Mask, Untouchable, Yes

THREE = {"variants": {"a": "A", "b": "B", "z": ""}, "default": "z"}


def snapshot(flag: dict[str, Any] | None = None, *, now: float = 0.0, **parts: Any) -> Snapshot:
    """Rules with a flag `f` of three variants, `z` being the default."""
    flags = {**({} if flag is None else {"f": {**THREE, **flag}}), **parts.pop("flags", {})}
    return Snapshot(load({"version": 1, "flags": flags, **parts}).rules, lambda: now)


def told(rules: Snapshot, context: Context = ANONYMOUS, flag: str = "f") -> tuple[Any, ...]:
    decision = rules.decide(flag, context)
    return decision.variant, str(decision.reason), decision.rule


YES: dict[str, Any] = {"all": []}
NO: dict[str, Any] = {"any": []}
DONT_KNOW: dict[str, Any] = {"attribute": "nobody", "op": "eq", "value": 1}


# -- the order of things -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "wanted"),
    [
        ({}, ("z", "STATIC", None)),
        ({"rules": [{"serve": "a"}]}, ("a", "STATIC", "0")),
        ({"rules": [{"when": YES, "serve": "a"}]}, ("a", "TARGETING_MATCH", "0")),
        ({"rules": [{"when": NO, "serve": "a"}]}, ("z", "DEFAULT", None)),
        ({"rules": [{"when": DONT_KNOW, "serve": "a"}]}, ("z", "DEFAULT", None)),
        ({"rules": [{"when": {"not": DONT_KNOW}, "serve": "a"}]}, ("z", "DEFAULT", None)),
        ({"rules": [{"when": [], "serve": "a"}]}, ("a", "STATIC", "0")),
        ({"rules": [{"when": [YES, NO], "serve": "a"}]}, ("z", "DEFAULT", None)),
        ({"rules": [{"when": NO, "serve": "a"}, {"serve": "b"}]}, ("b", "TARGETING_MATCH", "1")),
        ({"rules": [{"serve": "a", "id": "one"}, {"serve": "b"}]}, ("a", "STATIC", "one")),
        ({"rules": [{"rollout": 100, "serve": "a"}]}, ("a", "SPLIT", "0")),
        ({"rules": [{"rollout": 0, "serve": "a"}]}, ("z", "DEFAULT", None)),
        ({"rules": [{"rollout": 0, "serve": "a"}, {"serve": "b"}]}, ("b", "TARGETING_MATCH", "1")),
        ({"rules": [{"split": {"b": 100}}]}, ("b", "SPLIT", "0")),
        ({"rules": [{"split": {"b": 100}, "rollout": 0}]}, ("z", "DEFAULT", None)),
        ({"enabled": False}, ("z", "DISABLED", None)),
        ({"enabled": False, "off": "b", "pins": {"u": "a"}, "gates": [YES]}, ("b", "DISABLED", None)),
        ({"gates": [YES]}, ("z", "DEFAULT", None)),
        ({"gates": [YES], "rules": [{"serve": "a"}]}, ("a", "TARGETING_MATCH", "0")),
        ({"gates": [YES, NO], "off": "b", "pins": {"u": "a"}}, ("b", "PREREQUISITE_FAILED", None)),
        ({"gates": [DONT_KNOW], "off": "b"}, ("b", "PREREQUISITE_FAILED", None)),
        ({"pins": {"u": "a"}, "rules": [{"serve": "b"}]}, ("a", "TARGETING_MATCH", None)),
        ({"pins": {"other": "a"}, "rules": [{"serve": "b"}]}, ("b", "TARGETING_MATCH", "0")),
        ({"pins": {"other": "a"}}, ("z", "DEFAULT", None)),
    ],
)
def test_the_first_that_answers_is_the_decision(flag: dict[str, Any], wanted: tuple[Any, ...]) -> None:
    assert told(snapshot(flag), Context("u")) == wanted


def test_a_pin_is_found_by_the_text_of_the_key() -> None:
    rules = snapshot({"pins": {"7": "a", "None": "a", "True": "a"}})
    served = [(7, "a"), ("7", "a"), (None, "z"), (True, "z"), (7.0, "z"), ("None", "a"), ("", "z")]
    for key, variant in served:
        assert rules.decide("f", Context(key)).variant == variant  # type: ignore[arg-type]


def test_off_is_the_variant_off_where_there_is_one_and_else_the_default() -> None:
    variants = {"on": 1, "off": 0, "x": 2}
    assert told(snapshot({"variants": variants, "default": "x", "enabled": False}))[0] == "off"
    assert told(snapshot({"variants": variants, "default": "x", "off": "on", "enabled": False}))[0] == "on"
    assert told(snapshot({"enabled": False}))[0] == "z"


@pytest.mark.parametrize(
    ("value", "given", "enabled"),
    [(True, None, True), (False, None, False), ("", None, False), ("x", None, True), (0, None, False),
     ([], None, False), (None, None, False), (5, False, False), (0, True, True)],
)  # fmt: skip
def test_a_variant_is_enabled_if_it_says_so_or_else_if_its_value_is_true(
    value: Any, given: bool | None, enabled: bool
) -> None:
    worth = {"value": value} | ({} if given is None else {"enabled": given})
    decision = snapshot(flags={"g": {"variants": {"v": worth}, "default": "v"}}).decide("g", ANONYMOUS)
    assert (decision.value, decision.enabled) == (value, enabled)


def test_metadata_goes_with_every_decision() -> None:
    rules = snapshot({"metadata": {"team": "x"}, "gates": [{"flag": "other"}]}, flags={"other": {}})
    assert rules.decide("f", ANONYMOUS).metadata == {"team": "x", "prerequisite": "other"}
    assert snapshot({"metadata": {"team": "x"}}).decide("f", ANONYMOUS).metadata == {"team": "x"}


def test_a_gate_that_is_no_prerequisite_names_none() -> None:
    assert snapshot({"gates": [NO]}).decide("f", ANONYMOUS).metadata == {}


# -- units -------------------------------------------------------------------------------------------------

HUGE = pytest.param(10**5000, id="huge")
MASK = pytest.param(Mask(), id="mask")
MISSING = "a rule draws a unit that the context does not have, so the rule did not serve"


@pytest.mark.parametrize("rule", [{"rollout": 100, "serve": "a"}, {"split": {"a": 100}}, {"experiment": "e"}])
@pytest.mark.parametrize("unit", [None, "", True, False, 1.5, b"u", ["u"], {"id": "u"}, HUGE, MASK])
def test_a_rule_that_draws_does_not_serve_without_a_unit_and_says_so(rule: Any, unit: Any) -> None:
    rules = snapshot({"rules": [rule]}, experiments={"e": {"split": {"a": 100}}})
    decision = rules.decide("f", Context(unit))
    assert (decision.variant, decision.reason, decision.error) == ("z", "TARGETING_KEY_MISSING", MISSING)
    then = snapshot({"rules": [rule, {"serve": "b"}]}, experiments={"e": {"split": {"a": 100}}})
    assert told(then, Context(unit)) == ("b", "TARGETING_MATCH", "1")


@pytest.mark.parametrize("unit", ["u", "\ud800", "a\0b", "😀", "x" * 10_000, 0, -5, 10**300])
def test_every_text_and_every_int_is_a_unit(unit: Any) -> None:
    rules = snapshot({"rules": [{"rollout": 100, "serve": "a", "unit": "org"}]})
    assert told(rules, Context(None, org=unit)) == ("a", "SPLIT", "0")
    assert rules.explain("f", Context(None, org=unit)).decision.variant == "a"


def test_an_int_draws_as_its_decimal_text() -> None:
    rules = snapshot({"rules": [{"split": {"a": 50, "b": 50}}]})
    for number in range(50):
        assert told(rules, Context(number)) == told(rules, Context(str(number)))


# -- experiments -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("experiment", "pinned", "others"),
    [
        ({"status": "running"}, ("b", "TARGETING_MATCH", "0"), ("a", "SPLIT", "0")),
        ({"status": "qa"}, ("b", "TARGETING_MATCH", "0"), ("z", "DEFAULT", None)),
        ({"status": "draft"}, ("z", "DEFAULT", None), ("z", "DEFAULT", None)),
        ({"status": "stopped"}, ("z", "DEFAULT", None), ("z", "DEFAULT", None)),
        ({"status": "decided", "winner": "b"}, ("b", "STATIC", "0"), ("b", "STATIC", "0")),
        ({"traffic": 0}, ("b", "TARGETING_MATCH", "0"), ("z", "DEFAULT", None)),
    ],
)
def test_the_status_of_an_experiment_says_who_is_served(
    experiment: Any, pinned: tuple[Any, ...], others: tuple[Any, ...]
) -> None:
    spec = {"split": {"a": 100, "b": 0}, "pins": {"tester": "b"}, **experiment}
    rules = snapshot({"rules": [{"experiment": "e"}]}, experiments={"e": spec})
    assert told(rules, Context("tester")) == pinned
    assert told(rules, Context("u")) == others


def test_only_what_an_experiment_draws_is_measured() -> None:
    spec = {"split": {"a": 100, "b": 0}, "pins": {"tester": "b"}, "revision": 3, "unit": "org"}
    rules = snapshot(
        {"rules": [{"experiment": "e"}]},
        experiments={"e": spec},
        holdouts={"h": {"size": 1, "experiments": ["e"], "unit": "org"}},
    )
    drawn = rules.decide("f", Context(None, org="u"))
    assert (drawn.experiment, drawn.variant) == ("e", "a")
    assert drawn._exposed is not None
    assert (drawn._exposed.unit_type, drawn._exposed.revision, drawn._exposed.unit) == ("org", 3, ("org",))
    pinned = rules.decide("f", Context(None, org="tester"))
    assert (pinned.variant, pinned.experiment, pinned._exposed) == ("b", None, None)


def test_who_is_held_out_gets_the_default_whatever_the_traffic() -> None:
    for traffic in (0, 100):
        rules = snapshot(
            {"rules": [{"experiment": "e"}, {"serve": "a"}], "metadata": {"team": "x"}},
            experiments={"e": {"split": {"b": 100}, "traffic": traffic}},
            holdouts={"nobody": {"size": 0, "experiments": ["e"]}, "h": {"size": 100, "experiments": ["e"]}},
        )
        decision = rules.decide("f", Context("u"))
        assert told(rules, Context("u")) == ("z", "HOLDOUT", "0")
        assert (decision.experiment, decision.metadata) == (None, {"team": "x", "holdout": "h"})


def test_one_experiment_serves_several_flags_alike() -> None:
    rules = snapshot(
        {"rules": [{"experiment": "e"}]},
        experiments={"e": {"split": {"a": 50, "b": 50}}},
        flags={"g": {**THREE, "rules": [{"experiment": "e"}]}},
    )
    for number in range(30):
        context = Context(f"u{number}")
        assert rules.decide("f", context).variant == rules.decide("g", context).variant


# -- prerequisites -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "served", "verdict"),
    [
        ({}, "a", True),
        ({}, "z", False),
        ({"enabled": True}, "b", True),
        ({"enabled": False}, "z", True),
        ({"enabled": False}, "a", False),
        ({"variant": "a"}, "a", True),
        ({"variant": "a"}, "b", False),
        ({"variant": ["a", "z"]}, "z", True),
        ({"variant": ["a", "z"], "enabled": True}, "z", False),
        ({"variant": ["a", "z"], "enabled": False}, "z", True),
        ({"variant": ["b"], "enabled": True}, "b", True),
    ],
)
def test_a_prerequisite_is_what_another_flag_serves_the_same_context(
    wanted: Any, served: str, verdict: bool
) -> None:
    rules = snapshot(
        {"gates": [{"flag": "other", **wanted}], "rules": [{"serve": "a"}]},
        flags={
            "other": {
                **THREE,
                "rules": [{"when": {"attribute": "v", "op": "eq", "value": v}, "serve": v} for v in "abz"],
            },
        },
    )
    assert (told(rules, Context("u", v=served))[0] == "a") is verdict


def test_a_prerequisite_that_lacks_a_unit_serves_its_default_and_that_counts() -> None:
    rules = snapshot(
        {"gates": [{"flag": "other", "variant": "z"}], "rules": [{"serve": "a"}]},
        flags={"other": {**THREE, "rules": [{"rollout": 100, "serve": "b"}]}},
    )
    assert told(rules)[0] == "a"
    assert told(rules, Context("u"))[0] == "z"


def test_a_prerequisite_that_cannot_be_decided_is_unknown() -> None:
    gated = {**THREE, "gates": [{"flag": "broken", "enabled": False}]}
    negated = {**THREE, "gates": [{"not": {"flag": "broken"}}]}
    either = {**THREE, "gates": [{"any": [{"flag": "broken"}, YES]}], "rules": [{"serve": "a"}]}
    loaded = load(
        {
            "version": 1,
            "flags": {"gated": gated, "negated": negated, "either": either, "broken": {"rules": 5}},
        },
        strict=False,
    )
    rules = Snapshot(loaded.rules, lambda: 0.0)
    reasons = {flag: str(rules.decide(flag, ANONYMOUS).reason) for flag in rules.flag_keys()}
    assert reasons == {
        "gated": "PREREQUISITE_FAILED",
        "negated": "PREREQUISITE_FAILED",
        "either": "TARGETING_MATCH",
        "broken": "MALFORMED",
    }


# -- time --------------------------------------------------------------------------------------------------


def test_the_last_step_that_has_begun_holds() -> None:
    steps = [
        {"at": f"1970-01-01T00:00:{second}Z", "percent": share}
        for second, share in [(10, 0), (20, 100), (30, 0)]
    ]
    flag = {"rules": [{"serve": "a", "rollout": steps}]}
    variants = {
        now: told(snapshot(flag, now=now), Context("u"))[0] for now in (0.0, 10.0, 19.9, 20.0, 29.9, 30.0)
    }
    assert variants == {0.0: "z", 10.0: "z", 19.9: "z", 20.0: "a", 29.9: "a", 30.0: "z"}


def test_steps_narrow_a_split_too() -> None:
    steps = [{"at": "1970-01-01T00:00:10Z", "percent": 100}]
    flag = {"rules": [{"split": {"a": 50, "b": 50}, "rollout": steps}]}
    assert told(snapshot(flag, now=9.0), Context("u"))[1] == "DEFAULT"
    assert told(snapshot(flag, now=10.0), Context("u"))[1] == "SPLIT"


# -- what goes wrong ---------------------------------------------------------------------------------------


def test_a_flag_that_is_not_there_serves_the_callers_default() -> None:
    decision = snapshot({}).decide("g", ANONYMOUS, default=5)
    assert (decision.flag, decision.value, decision.variant, decision.enabled) == ("g", 5, None, False)
    assert (decision.reason, decision.error) == (Reason.FLAG_NOT_FOUND, "the rules have no flag 'g'")


def test_a_flag_that_is_malformed_says_what_is_wrong_with_it() -> None:
    rules = Snapshot(Rules({}, malformed={"g": "it is crooked"}), lambda: 0.0)
    decision = rules.decide("g", ANONYMOUS, default=True)
    assert (decision.reason, decision.error, decision.enabled) == (Reason.MALFORMED, "it is crooked", True)
    assert rules.function("g") is None
    assert rules.fixed("g") is None
    assert list(rules.flag_keys()) == ["g"]


def test_asking_for_flags_that_are_not_there_leaves_nothing_behind() -> None:
    rules = snapshot({})
    for number in range(100):
        assert rules.fixed(f"g{number}") is None
        assert rules.function(f"g{number}") is None
        rules.decide(f"g{number}", ANONYMOUS)
    assert (len(rules._fixed), len(rules._functions)) == (0, 0)


def test_a_function_is_compiled_once() -> None:
    rules = snapshot({"rules": [{"segment": "s", "serve": "a"}]}, segments={"s": YES})
    assert rules.function("f") is rules.function("f")
    assert rules.segment("s") is rules.segment("s")


@pytest.mark.parametrize(
    ("make", "name"),
    [(lambda: 5, "int"), (lambda: None, "NoneType"), (Mask, "Mask"), (lambda: Explosive("f"), "f")],
)
def test_a_failure_names_the_flag_however_odd_it_is(make: Callable[[], Any], name: str) -> None:
    decision = failure(make(), None, Reason.GENERAL, "something")
    assert decision.flag == name
    assert type(decision.flag) is str


@pytest.mark.parametrize("make", [Mask, lambda: Explosive("f"), Untouchable])
def test_an_odd_key_gets_a_decision_and_an_explanation_that_can_be_read(make: Callable[[], Any]) -> None:
    rules = snapshot({})
    assert rules.decide(make(), ANONYMOUS, default=3).value == 3
    assert "= 3 (" in str(rules.explain(make(), ANONYMOUS, default=3))


# -- hostile contexts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [Untouchable, Mask, Locked, lambda: Explosive("x"), list, dict, object])
def test_a_hostile_attribute_harms_the_tests_of_it_alone(make: Callable[[], Any]) -> None:
    trap = make()
    texts = [
        {"attribute": "x", "op": op, "value": value} for op, value in [("in", ["p", "q"]), ("matches", "p")]
    ]
    rules = snapshot(
        {
            "rules": [
                {"when": {"any": texts}, "serve": "b"},
                {"rollout": 100, "unit": "x", "serve": "b"},
                {"when": {"attribute": "y", "op": "eq", "value": 1}, "serve": "a"},
            ]
        }
    )
    context = Context("u", x=trap, y=1)
    if type(trap) is Explosive:
        assert told(rules, context) == ("b", "SPLIT", "1")  # text all the same: it can be hashed
    else:
        assert told(rules, context) == ("a", "TARGETING_MATCH", "2")


def test_of_attributes_that_give_nothing_away_nothing_is_known() -> None:
    rules = snapshot(
        {
            "rules": [
                {"when": {"attribute": "x", "op": "exists", "value": False}, "serve": "a"},
                {"serve": "b"},
            ]
        }
    )
    assert told(rules, Context("u", Locked(x=1)))[0] == "b"
    assert told(rules, Context("u", 5))[0] == "a"  # type: ignore[arg-type]
    assert told(rules, Context("u", {}))[0] == "a"


def test_who_claims_to_be_equal_is_believed_both_ways() -> None:
    rules = snapshot({"rules": [{"when": {"attribute": "x", "op": "eq", "value": "p"}, "serve": "a"}]})
    context = Context("u", x=Yes())
    assert told(rules, context)[0] == rules.explain("f", context).decision.variant == "a"


def test_a_clock_that_fails_makes_a_general_error() -> None:
    loaded = load(
        {"version": 1, "flags": {"f": {"rules": [{"start": "2026-01-01T00:00:00Z", "serve": "on"}]}}}
    )

    def stopped() -> float:
        raise OSError("the clock has stopped")

    decision = Snapshot(loaded.rules, stopped).decide("f", ANONYMOUS, default=1)
    assert (decision.reason, decision.value) == (Reason.GENERAL, 1)
    assert decision.error == "evaluation failed: OSError"


@pytest.mark.parametrize("most_kept", [10_000, 1, 0])
def test_a_stale_decision_is_the_fresh_one_with_that_reason(
    most_kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stale, "_MOST_KEPT", most_kept)
    fresh = snapshot({"rules": [{"split": {"a": 50, "b": 50}}]})
    aged = stale.StaleSnapshot(fresh)
    for unit in [*map(str, range(20))] * 2:
        then, now = fresh.decide("f", Context(unit)), aged.decide("f", Context(unit))
        assert now == then.replace(reason=Reason.STALE)
        assert now.metadata == {"reason": "SPLIT"}
        assert aged.explain("f", Context(unit)).decision == now
