from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import pytest

from flagstaff import Client, ConfigError, Context, Decision, RulesError
from flagstaff.formats import load
from flagstaff.formats.endpoint import endpoint
from flagstaff.formats.optimizely import context
from flagstaff.settings import Secret
from tests.formats.oddities import odd

ALL = [{"entityId": "1", "endOfRange": 10_000}]
NONE: list[dict[str, Any]] = []


def rule(key: str, **given: Any) -> dict[str, Any]:
    """A rule that gives everybody the variation "on"."""
    plain = {
        "id": f"id of {key}",
        "key": key,
        "status": "Running",
        "layerId": "1",
        "audienceIds": [],
        "forcedVariations": {},
        "variations": [variation("1", "on")],
        "trafficAllocation": ALL,
    }
    return plain | given


def variation(number: str, key: str, *, enabled: bool = True, **values: str) -> dict[str, Any]:
    used = [{"id": name, "value": value} for name, value in values.items()]
    return {"id": number, "key": key, "featureEnabled": enabled, "variables": used}


def variable(name: str, kind: str, default: str) -> dict[str, Any]:
    return {"id": name, "key": name, "type": kind, "defaultValue": default}


def datafile(
    *, rollout: Sequence[Mapping[str, Any]] = (), experiments: Sequence[Mapping[str, Any]] = (), **given: Any
) -> dict[str, Any]:
    """One flag, "checkout"."""
    flag = {
        "id": "1",
        "key": "checkout",
        "rolloutId": "r",
        "experimentIds": [experiment["id"] for experiment in experiments],
        "variables": given.pop("variables", []),
    }
    plain = {
        "version": "4",
        "revision": "42",
        "projectId": "shop",
        "environmentKey": "staging",
        "featureFlags": [flag],
        "rollouts": [{"id": "r", "experiments": [*rollout]}],
        "experiments": [*experiments],
        "groups": [],
        "audiences": [],
    }
    return plain | given


def decided(document: Mapping[str, Any], flag: str = "checkout", **user: Any) -> Decision:
    with Client.from_document(document, format="optimizely") as client:
        return client.decide(flag, context({"user_id": "user-1", **user}))


def warned(document: Mapping[str, Any]) -> list[str]:
    return [str(problem) for problem in load(document, format="optimizely").warnings]


# -- decisions -------------------------------------------------------------------------------------


def test_an_experiment_is_measured_and_a_delivery_is_not() -> None:
    tested = decided(datafile(experiments=[rule("test")], rollout=[rule("delivery")]))
    delivered = decided(datafile(rollout=[rule("delivery")]))

    assert (tested.rule, tested.experiment) == ("test", "test")
    assert (delivered.rule, delivered.experiment) == ("delivery", None)


def test_variables_have_their_types() -> None:
    variables = [
        variable("title", "string", "Buy"),
        variable("size", "integer", "20"),
        variable("ratio", "double", "2"),
        variable("open", "boolean", "true"),
        variable("theme", "json", '{"dark": false}'),
        {**variable("old", "string", "[1]"), "subType": "json"},
    ]
    on = variation("1", "on", title="Buy now", size="7", open="True")

    decision = decided(datafile(variables=variables, rollout=[rule("delivery", variations=[on])]))

    kept = {"theme": {"dark": False}, "old": [1]}
    assert decision.value == {"title": "Buy now", "size": 7, "ratio": 2.0, "open": False, **kept}
    assert isinstance(decision.value["ratio"], float)


def test_without_a_variation_variables_have_their_defaults() -> None:
    decision = decided(datafile(variables=[variable("size", "integer", "20")]))

    assert (decision.value, decision.variant, decision.rule) == ({"size": 20}, None, None)
    assert not decision.enabled


def test_a_disabled_variation_has_the_defaults_too() -> None:
    off = variation("1", "off", enabled=False, size="7")
    rules = [rule("delivery", variations=[off])]

    decision = decided(datafile(variables=[variable("size", "integer", "20")], rollout=rules))

    assert (decision.variant, decision.enabled, decision.value) == ("off", False, {"size": 20})


@pytest.mark.parametrize(
    ("kind", "text"), [("integer", "7.5"), ("double", "nan"), ("json", "{"), ("json", "NaN")]
)
def test_a_value_of_another_type_is_null_and_told(kind: str, text: str) -> None:
    document = datafile(variables=[variable("size", kind, text)])

    assert decided(document).value == {"size": None}
    assert warned(document) == [f"featureFlags[0].variables[0]: is no value of type {kind}: it reads as null"]


def test_two_rules_have_a_variation_of_the_same_name_each() -> None:
    first = rule("first", variations=[variation("1", "on", size="1")], audienceIds=["a"])
    second = rule("second", variations=[variation("2", "on", size="2")])
    second["trafficAllocation"] = [{"entityId": "2", "endOfRange": 10_000}]
    pro = {"type": "custom_attribute", "name": "plan", "match": "exact", "value": "pro"}
    document = datafile(
        variables=[variable("size", "integer", "0")],
        rollout=[first, second],
        typedAudiences=[{"id": "a", "name": "Pro", "conditions": ["or", pro]}],
    )

    told = [decided(document, attributes={"plan": plan}) for plan in ("pro", "free")]

    assert [(decision.variant, decision.value["size"]) for decision in told] == [("on", 1), ("on", 2)]
    assert [*load(document, format="optimizely").canonical["segments"]] == ["Pro"]


def test_who_is_listed_gets_a_variation_before_any_audience() -> None:
    test = rule("test", forcedVariations={"user-1": "on", "user-2": "gone"}, audienceIds=["nobody"])
    document = datafile(experiments=[test])

    assert decided(document).variant == "on"
    assert decided(document, user_id="user-2").variant is None
    assert decided(datafile(rollout=[test])).variant is None


def test_who_is_not_drawn_goes_on_to_the_last_rule() -> None:
    skipped = rule("skipped")
    last = rule("everyone else", variations=[variation("1", "last")])
    document = datafile(rollout=[rule("none", trafficAllocation=NONE), skipped, last])

    assert decided(document).variant == "last"


def test_a_held_out_user_gets_the_holdouts_variation() -> None:
    held = rule("holdout", variations=[variation("1", "off", enabled=False)])
    decision = decided(datafile(experiments=[rule("test")], holdouts=[held]))

    assert (decision.variant, decision.rule, decision.reason) == ("off", "holdout", "HOLDOUT")


def test_a_holdout_may_leave_targeted_deliveries_alone() -> None:
    held = rule("holdout", excludeTargetedDeliveries=True)
    targeted = rule("targeted", type="td")
    document = datafile(experiments=[rule("test"), targeted], holdouts=[held])

    assert decided(document).rule == "targeted"
    assert decided(document | {"holdouts": []}).rule == "test"


def test_a_local_holdout_holds_for_its_rules() -> None:
    held = rule("holdout", includedRules=["id of test"])
    document = datafile(experiments=[rule("test")], localHoldouts=[held])

    assert decided(document).rule == "holdout"


def test_experiments_of_a_group_exclude_each_other() -> None:
    slots = [{"entityId": "id of one", "endOfRange": 0}, {"entityId": "id of two", "endOfRange": 10_000}]
    inside = [rule("one"), rule("two")]
    group = {"id": "g", "policy": "random", "experiments": inside, "trafficAllocation": slots}
    document = datafile(groups=[group])
    document["featureFlags"][0]["experimentIds"] = ["id of one", "id of two"]

    assert decided(document).rule == "two"
    group["policy"] = "overlapping"
    assert decided(document).rule == "one"


def test_what_a_remote_service_decides_is_nothing_without_it() -> None:
    adaptive = rule("bandit", cmab={"attributeIds": [], "trafficAllocation": 10_000})
    document = datafile(experiments=[adaptive], rollout=[rule("delivery")])

    decision = decided(document)

    assert (decision.variant, decision.rule, decision.enabled) == (None, None, False)
    assert warned(document) == [
        (
            "experiments[0].cmab: is decided by a remote service: without it, users in its traffic "
            "get no variation"
        )
    ]


def test_an_experiment_without_a_flag_goes_by_its_own_key() -> None:
    document = datafile()
    document["experiments"] = [rule("old-test")]

    decision = decided(document, "old-test")

    assert (decision.variant, decision.value, decision.experiment) == ("on", "on", "old-test")


def test_every_experiment_can_be_asked_for() -> None:
    document = datafile(experiments=[rule("test")])

    assert decided(document, "test").reason == "FLAG_NOT_FOUND"
    options = {"experiments": True}
    with Client.from_document(document, format="optimizely", format_options=options) as client:
        assert client.decide("test", Context("user-1")).variant == "on"


def test_the_document_says_whose_it_is() -> None:
    canonical = load(datafile(), format="optimizely").canonical

    told = {name: canonical[name] for name in ("project", "environment", "revision")}
    assert told == {"project": "shop", "environment": "staging", "revision": 42}


def test_of_variations_of_one_key_the_last_is_there() -> None:
    twice = [variation("1", "on", size="1"), variation("2", "on", size="2")]
    listed = rule("test", variations=twice, forcedVariations={"user-1": "on"})
    document = datafile(variables=[variable("size", "integer", "0")], experiments=[listed])

    assert decided(document).value == {"size": 2}
    assert decided(document, user_id="user-2").variant is None


# -- contexts --------------------------------------------------------------------------------------


def test_a_bucketing_id_is_drawn_in_place_of_the_users_own() -> None:
    half = rule("delivery", trafficAllocation=[{"entityId": "1", "endOfRange": 5_000}])
    document = datafile(rollout=[half])
    with Client.from_document(document, format="optimizely") as client:
        users = [f"user-{number}" for number in range(100)]
        own = [client.enabled("checkout", context({"user_id": user})) for user in users]
        by_id = [
            client.enabled("checkout", context({"user_id": "x", "attributes": {"$opt_bucketing_id": user}}))
            for user in users
        ]
        no_text = context({"user_id": users[0], "attributes": {"$opt_bucketing_id": 7}})

        assert by_id == own
        assert 30 < sum(own) < 70
        assert client.enabled("checkout", no_text) is own[0]


def test_a_segment_is_known_from_the_context_alone() -> None:
    asked = {"type": "third_party_dimension", "name": "odp.audiences", "match": "qualified", "value": "vip"}
    audience = {"id": "a", "name": "VIPs", "conditions": asked}
    document = datafile(rollout=[rule("delivery", audienceIds=["a"])], typedAudiences=[audience])

    assert decided(document, qualified_segments=["vip"]).enabled
    assert not decided(document, qualified_segments=["other"]).enabled
    assert not decided(document).enabled
    assert any("only a context can say" in text for text in warned(document))


@pytest.mark.parametrize("name", ["targeting_key", "", "a\nb", "x" * 300])
def test_attributes_may_have_any_name(name: str) -> None:
    asked = {"type": "custom_attribute", "name": name, "match": "exact", "value": "x"}
    audience = {"id": "a", "name": "Some", "conditions": asked}
    document = datafile(rollout=[rule("delivery", audienceIds=["a"])], typedAudiences=[audience])

    assert decided(document, attributes={name: "x"}).enabled
    assert not decided(document, user_id="x").enabled


# -- versions --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("match", "target", "version", "expected"),
    [
        ("semver_eq", "2.0", "2.0.9", True),
        ("semver_lt", "2.0.1", "2.0", True),
        ("semver_gt", "2.0.0-beta", "2.0.0", True),
        ("semver_lt", "2.0.0", "2.0.0-beta", True),
        ("semver_gt", "2.0.0+7", "2.0.0", True),
        ("semver_gt", "9.9", "10.0", True),
        ("semver_ge", "2.0.0-alpha", "2.0.0-beta", True),
        ("semver_eq", "2.0", "2.0.0.1", False),
        ("semver_eq", "2.0", "v2.0", False),
        ("semver_eq", "2-x", "2.1", False),
        ("semver_eq", "2", "²", False),
        ("semver_eq", "2.0", 2.0, False),
    ],
)
def test_versions(match: str, target: str, version: Any, expected: bool) -> None:
    asked = {"type": "custom_attribute", "name": "app", "match": match, "value": target}
    audience = {"id": "a", "name": "Some", "conditions": json.dumps(asked)}
    document = datafile(rollout=[rule("delivery", audienceIds=["a"])], audiences=[audience])

    assert decided(document, attributes={"app": version}).enabled is expected


# -- documents that are wrong ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"flags": {}}, r'version: must be "2", "3" or "4" in a datafile of Optimizely, not None'),
        ({"version": 4}, r"version: must be .* not 4"),
        ({"version": "4", "featureFlags": {}}, "featureFlags: of a document of Optimizely must be a list"),
        ({"version": "4", "groups": 7}, "groups: of a document of Optimizely must be a list, not a number"),
    ],
)
def test_a_foreign_document_is_refused(document: dict[str, Any], said: str) -> None:
    with pytest.raises(RulesError, match=said):
        load(document, format="optimizely")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"trafficAllocation": 7}, "experiments[0].trafficAllocation: must be a list, not a number"),
        ({"variations": [7]}, "experiments[0].variations[0]: must be an object, not a number"),
        ({"variations": [{"id": "1"}]}, "experiments[0].variations[0].key: is missing"),
        ({"variations": [variation("1", "")]}, "experiments[0].variations[0].key: must have 1 to 256"),
        ({"trafficAllocation": [{"entityId": "1", "endOfRange": "x"}]}, "endOfRange: must be a number"),
        ({"audienceIds": [[[]]] * 40, "audienceConditions": json.loads("[" * 40 + "]" * 40)}, "nested more"),
    ],
)
def test_a_broken_flag_harms_itself_alone(broken: dict[str, Any], said: str) -> None:
    document = datafile(experiments=[rule("test", **broken)], rollout=[rule("delivery")])
    document["featureFlags"].append({**document["featureFlags"][0], "key": "other", "experimentIds": []})

    decision = decided(document)

    assert decision.reason == "MALFORMED"
    assert said in str(decision.error)
    assert any(said in text for text in warned(document))
    assert decided(document, "other").variant == "on"


def test_a_broken_audience_is_told_by_those_who_ask() -> None:
    audience = {"id": "a", "name": "Some", "conditions": "{"}
    document = datafile(rollout=[rule("delivery", audienceIds=["a"])], audiences=[audience])

    decision = decided(document)

    assert (decision.reason, decision.error) == ("MALFORMED", "audiences[0].conditions: is no JSON")


def test_what_is_not_known_is_told() -> None:
    strange = {"type": "custom_attribute", "name": "x", "match": "near", "value": 1}
    document = datafile(
        rollout=[rule("delivery", audienceIds=["a", "gone"], colour="red")],
        typedAudiences=[{"id": "a", "name": "Some", "conditions": strange}],
        region="EU",
        newThing=[],
    )
    document["featureFlags"][0]["experimentIds"] = ["gone"]

    assert decided(document).variant is None
    assert warned(document) == [
        "newThing: is no field that is known here, and was not read",
        "rollouts[0].experiments[0].colour: is no field that is known here, and was not read",
        "featureFlags[0].experimentIds[0]: no such experiment: 'gone'",
        (
            "typedAudiences[0].conditions: is a test of a kind that is not known here: "
            "'custom_attribute', 'near'"
        ),
        "rollouts[0].experiments[0].audienceIds[1]: no such audience: 'gone'; nobody is known to be in it",
    ]


def test_whatever_stands_anywhere_is_no_surprise() -> None:
    pro = {"type": "custom_attribute", "name": "plan", "match": "exact", "value": "pro"}
    inside = [rule("inside", cmab={"attributeIds": []}), rule("other", type="fr")]
    whole = datafile(
        variables=[variable("size", "integer", "20")],
        experiments=[rule("test", audienceConditions=["or", "a"], forcedVariations={"user-1": "on"})],
        rollout=[rule("delivery", variations=[variation("1", "on", size="7")]), rule("last")],
        typedAudiences=[{"id": "a", "name": "Pro", "conditions": ["not", pro]}],
        groups=[{"id": "g", "policy": "random", "experiments": inside, "trafficAllocation": ALL}],
        holdouts=[rule("holdout", excludeTargetedDeliveries=True)],
        localHoldouts=[rule("local", includedRules=["id of test"])],
    )
    for document in odd(whole):
        with suppress(RulesError), Client.from_document(document, format="optimizely") as client:
            client.decide_all(context({"user_id": "user-1", "attributes": {"plan": "pro"}}))


# -- the server ------------------------------------------------------------------------------------


def test_a_datafile_is_found_by_its_key() -> None:
    found = endpoint("optimizely", "https://cdn.optimizely.com", Secret("a/b"), {})

    assert found.url == "https://cdn.optimizely.com/datafiles/a%2Fb.json"
    assert found.headers == {}


def test_an_address_of_a_datafile_takes_an_access_token() -> None:
    url = "https://config.optimizely.com/datafiles/auth/key.json"

    assert endpoint("optimizely", url, Secret("token"), {}).headers == {"Authorization": "Bearer token"}
    assert endpoint("optimizely", url, None, {}).url == url


def test_without_a_key_there_is_no_datafile() -> None:
    with pytest.raises(ConfigError, match="key"):
        endpoint("optimizely", "https://cdn.optimizely.com", None, {})


@pytest.mark.parametrize("options", [{"experiments": 1}, {"experiment": True}])
def test_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="experiments"):
        Client.from_document(datafile(), format="optimizely", format_options=options)
