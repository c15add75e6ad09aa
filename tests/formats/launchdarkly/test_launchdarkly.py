"""LaunchDarkly's rules where its published suite is silent, and documents that are none."""

from __future__ import annotations

from typing import Any

import pytest

from flagstaff import Client, ConfigError, Context, RulesError, Secret
from flagstaff.formats import NATIVE, check_format, load
from flagstaff.formats.launchdarkly import context

ALICE = {"kind": "user", "key": "alice"}


def client(segments: dict[str, Any] | None = None, **flag: Any) -> Client:
    whole = {
        "on": True,
        "salt": "s",
        "variations": ["a", "b", "c"],
        "offVariation": 2,
        "fallthrough": {"variation": 0},
    }
    document = {"flags": {"f": whole | flag}, "segments": segments or {}}
    return Client.from_document(document, format="launchdarkly")


def rule(*clauses: dict[str, Any], **outcome: Any) -> dict[str, Any]:
    return {"clauses": list(clauses), **(outcome or {"variation": 1})}


def serves(flags: Client, given: dict[str, Any] | None = None) -> str | None:
    return flags.variant("f", context(given or ALICE))


# -- found by comparing with the SDK ---------------------------------------------------------------


def test_users_are_listed_by_the_first_target_of_the_variation() -> None:
    targets = [{"values": [], "variation": 1}, {"values": ["alice"], "variation": 1}]
    assert serves(client(targets=targets)) == "1"
    by_kind = [{"contextKind": "user", "values": ["alice"], "variation": 1}]
    assert serves(client(targets=targets, contextTargets=by_kind)) == "0"
    assert serves(client(targets=targets[1:], contextTargets=by_kind)) == "1"


def test_an_arm_without_a_variation_is_met_by_those_without_the_unit_too() -> None:
    arms = [{"variation": 7, "weight": 1}, {"variation": 1, "weight": 99_999}]
    flags = client(fallthrough={"rollout": {"variations": arms, "bucketBy": "nothing"}})
    assert str(flags.decide("f", context(ALICE)).reason) == "MALFORMED"


def test_what_else_is_wrong_with_a_prerequisite_fails_it_alone() -> None:
    flags = {
        "f": {
            "on": True,
            "variations": ["a", "b"],
            "offVariation": 1,
            "prerequisites": [{"key": "g", "variation": 0}],
        },
        "g": {
            "on": False,
            "variations": [1],
            "offVariation": 9,
            "prerequisites": [{"key": "h", "variation": 0}],
        },
        "h": {"on": False, "variations": [1], "prerequisites": [{"key": "g", "variation": 0}]},
    }
    decision = Client.from_document({"flags": flags}, format="launchdarkly").decide("f", context(ALICE))
    assert (decision.variant, str(decision.reason)) == ("1", "PREREQUISITE_FAILED")


def asking(flag: dict[str, Any], **segments: Any) -> Client:
    """``f`` asks for ``g``, which is so, and that for ``h``, the flag given."""
    plain = {"on": True, "variations": ["a", "b"], "offVariation": 1, "fallthrough": {"variation": 0}}
    gates = {name: {"prerequisites": [{"key": name, "variation": 0}]} for name in ("g", "h")}
    flags = {"f": plain | gates["g"], "g": plain | gates["h"], "h": plain | flag}
    return Client.from_document({"flags": flags, "segments": segments}, format="launchdarkly")


NOWHERE = {"contextKind": "user", "attribute": "//", "op": "in", "values": ["x"]}


@pytest.mark.parametrize(
    "flag",
    [
        {"rules": [rule({"attribute": "", "op": "segmentMatch", "values": ["circle"]})]},
        {"rules": [rule({"attribute": "", "op": "segmentMatch", "values": ["stray"]})]},
        {"rules": [rule({"attribute": "", "op": "segmentMatch", "values": ["astray"]})]},
        {"rules": [rule(NOWHERE)]},
        {
            "fallthrough": {
                "rollout": {"contextKind": "user", "bucketBy": "//", "variations": [{"weight": 1}]}
            }
        },
    ],
    ids=["circle", "segment", "segment in segment", "clause", "rollout"],
)
def test_a_prerequisite_that_cannot_be_worked_out_makes_the_asker_malformed(flag: dict[str, Any]) -> None:
    to_circle = {"attribute": "", "op": "segmentMatch", "values": ["circle"]}
    to_stray = {"attribute": "", "op": "segmentMatch", "values": ["stray"]}
    segments = {
        "circle": {"rules": [{"clauses": [to_circle]}]},
        "stray": {"rules": [{"clauses": [NOWHERE]}]},
        "astray": {"rules": [{"clauses": [to_stray]}]},
    }
    decision = asking(flag, **segments).decide("f", context(ALICE))
    assert (decision.variant, str(decision.reason)) == (None, "MALFORMED")


def test_a_prerequisite_that_fails_before_another_cannot_be_worked_out_is_what_counts() -> None:
    flag = {"prerequisites": [{"key": "nowhere", "variation": 0}], "rules": [rule(NOWHERE)]}
    decision = asking(flag).decide("f", context(ALICE))
    assert (decision.variant, str(decision.reason)) == ("1", "PREREQUISITE_FAILED")
    assert decision.metadata["prerequisite"] == "g"


def test_a_variation_is_asked_for_by_its_number() -> None:
    gate = {"prerequisites": [{"key": "h", "variation": 0.0}]}
    plain = {"on": True, "variations": ["a", "b"], "offVariation": 1, "fallthrough": {"variation": 0}}
    document = {"flags": {"f": plain | gate, "h": plain}}
    assert serves(Client.from_document(document, format="launchdarkly")) == "0"


def test_rules_of_a_big_segment_hold_for_contexts_of_its_kind() -> None:
    rules = [{"clauses": [{"attribute": "plan", "op": "in", "values": ["pro"]}]}]
    big = {"unbounded": True, "generation": 1, "rules": rules}
    flag = {"rules": [rule({"attribute": "", "op": "segmentMatch", "values": ["big"]})]}
    pro = ALICE | {"plan": "pro"}
    assert serves(client({"big": big}, **flag), pro) == "1"
    of_orgs = client({"big": big | {"unboundedContextKind": "org"}}, **flag)
    assert serves(of_orgs, pro) == "0"
    both = {"kind": "multi", "user": {"key": "alice", "plan": "pro"}, "org": {"key": "o"}}
    assert serves(of_orgs, both) == "1"
    assert serves(client({"big": big | {"generation": None}}, **flag), pro) == "0"


# -- contexts --------------------------------------------------------------------------------------


def test_a_context_by_hand_decides_like_the_vendors_own() -> None:
    clause = {"contextKind": "org", "attribute": "plan", "op": "in", "values": ["pro"]}
    flags = client(rules=[rule(clause)])
    assert flags.variant("f", Context("o1", kind="org", plan="pro")) == "1"
    assert flags.variant("f", Context("o1", plan="pro")) == "0"
    assert flags.variant("f", Context("u", kind="multi", org={"key": "o1", "plan": "pro"})) == "1"


def test_users_from_before_kinds_have_custom_attributes() -> None:
    flags = client(rules=[rule({"attribute": "plan", "op": "in", "values": ["pro"]})])
    assert serves(flags, {"key": "alice", "custom": {"plan": "pro"}}) == "1"


def test_without_a_key_rules_about_attributes_hold() -> None:
    flags = client(rules=[rule({"attribute": "plan", "op": "in", "values": ["pro"]})])
    assert flags.variant("f", Context(None, plan="pro")) == "1"


# -- experiments -----------------------------------------------------------------------------------


def test_an_experiment_measures_the_arms_that_count() -> None:
    arms = [{"variation": 1, "weight": 50_000}, {"variation": 2, "weight": 50_000, "untracked": True}]
    flags = client(fallthrough={"rollout": {"kind": "experiment", "variations": arms, "seed": 61}})
    seen = {flags.decide("f", context({"kind": "user", "key": f"u{n}"})).experiment for n in range(40)}
    told = {
        (decision.variant, decision.experiment)
        for decision in (flags.decide("f", context({"kind": "user", "key": f"u{n}"})) for n in range(40))
    }
    assert seen == {"f-fallthrough", None}
    assert told == {("1", "f-fallthrough"), ("2", None)}
    assert flags.decide("f", context({"kind": "org", "key": "o"})).experiment is None


# -- what is told ----------------------------------------------------------------------------------


def warnings(document: dict[str, Any]) -> str:
    return "\n".join(map(str, load(document, format="launchdarkly").warnings))


def test_what_is_not_decided_as_it_looks_is_told() -> None:
    flag = {"on": True, "variations": [1], "fallthrough": {"variation": 0}}
    odd = {**flag, "rules": [rule({"attribute": "a", "op": "sounds_like", "values": ["x"]})], "shade": 1}
    asks = {**flag, "prerequisites": [{"key": "nowhere", "variation": 0}]}
    told = warnings(
        {"flags": {"odd": odd, "asks": asks}, "segments": {"big": {"unbounded": True, "generation": 1}}}
    )
    for part in ("sounds_like", "flags.odd.shade", "nowhere", "segments.big: is a big segment"):
        assert part in told


def test_a_broken_flag_harms_no_other() -> None:
    good = {"on": True, "variations": ["a"], "fallthrough": {"variation": 0}}
    document = {"flags": {"good": good, "bad": {**good, "rules": 7}, "worse": 7, "": good}}
    flags = Client.from_document(document, format="launchdarkly")
    assert flags.value("good") == "a"
    assert str(flags.decide("bad", context(ALICE)).reason) == "MALFORMED"
    assert str(flags.decide("worse", context(ALICE)).reason) == "MALFORMED"
    told = "\n".join(flags.status().problems)
    assert "flags.bad.rules: must be a list" in told
    assert "flags.worse: must be an object" in told


@pytest.mark.parametrize("document", [{}, {"flags": []}, {"flags": {}, "segments": [1]}, {"features": {}}])
def test_a_document_of_something_else_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(RulesError, match="LaunchDarkly"):
        load(document, format="launchdarkly")


def test_a_thousand_segments_that_name_each_other_are_no_trouble() -> None:
    names = [f"s{number}" for number in range(1000)]
    clauses = [{"op": "segmentMatch", "attribute": "", "values": names}]
    segments = {name: {"rules": [{"clauses": clauses}] * 2} for name in names}
    assert serves(client(segments, rules=[rule(clauses[0])])) is None


# -- the server ------------------------------------------------------------------------------------


def test_the_server_is_asked_as_its_own_sdk_asks() -> None:
    place = check_format("launchdarkly").endpoint("https://sdk.test", Secret("sdk-1"))
    assert (place.url, place.headers) == ("https://sdk.test/sdk/latest-all", {"Authorization": "sdk-1"})
    file = check_format("launchdarkly").endpoint("https://files.test/flags.json", None)
    assert (file.url, file.headers) == ("https://files.test/flags.json", {})
    with pytest.raises(ConfigError, match="SDK key"):
        check_format("launchdarkly").endpoint("https://sdk.test", None)
    assert NATIVE.is_ours
    assert not check_format("launchdarkly").is_ours


def test_fields_that_are_not_known_are_told_wherever_they_stand() -> None:
    clause = {"attribute": "a", "op": "in", "values": ["x"], "negated": True}
    flag = {"on": True, "variations": [1], "fallthrough": {"variation": 0}, "rules": [rule(clause)]}
    segment = {"rules": [{"clauses": [], "wait": 5}], "include": ["u1"]}
    told = warnings({"flags": {"f": flag}, "segments": {"s": segment}})
    for part in (
        "clauses[0].negated: is no field that is known here, and was not read; did you mean negate?",
        "segments.s.include: is no field",
        "segments.s.rules[0].wait: is no field",
    ):
        assert part in told
