from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from flagstaff import Client, ConfigError, Context, Reason, RulesError
from flagstaff.formats import check_format, load
from flagstaff.formats.flagsmith import context
from flagstaff.settings import Secret


def feature(name: str = "f", value: Any = "own", **more: Any) -> dict[str, Any]:
    return {"key": "1", "name": name, "enabled": False, "value": value, **more}


def segment(*conditions: Mapping[str, Any], kind: str = "ALL", **more: Any) -> dict[str, Any]:
    rules = [{"type": kind, "conditions": [*conditions]}]
    override = feature(value="override") | {"enabled": True}
    return {"key": "s", "name": "seg", "rules": rules, "overrides": [override], **more}


def condition(operator: str, value: Any, name: str = "x") -> dict[str, Any]:
    return {"operator": operator, "value": value, "property": name}


def document(*segments: Mapping[str, Any], features: Any = None) -> dict[str, Any]:
    return {
        "environment": {"key": "env", "name": "Production"},
        "features": features or {"f": feature()},
        "segments": {str(number): one for number, one in enumerate(segments)},
    }


def holds(operator: str, value: Any, trait: Any, name: str = "x") -> bool:
    client = Client.from_document(document(segment(condition(operator, value, name))), format="flagsmith")
    return client.enabled("f", Context("u", {"x": trait}))


@pytest.mark.parametrize(
    ("operator", "value", "trait", "expected"),
    [
        ("EQUAL", "7", "007", True),  # text that looks like a number is one
        ("EQUAL", "NL", True, True),  # whatever is not false is true beside a boolean
        ("EQUAL", "7", 7.0, True),
        ("EQUAL", "7.5", 7, False),
        ("NOT_EQUAL", "x", 7, False),
        ("NOT_EQUAL", "x", None, False),
        ("GREATER_THAN", "1.9.0:semver", "1.10.0", True),
        ("GREATER_THAN", "b", "a", False),
        ("CONTAINS", "7", 77, False),
        ("NOT_CONTAINS", "a", "b", True),
        ("NOT_CONTAINS", "a", None, False),
        ("REGEX", "b", "ab", False),  # from the start on
        ("REGEX", "a|b", "bc", True),
        ("REGEX", "(", "(", False),
        ("REGEX", r"a\Z", "a", True),  # the end of the text, as Python calls it
        ("REGEX", r"a\\Z", "a\\Z", True),
        ("MODULO", "4|3", 7, True),
        ("MODULO", "0|3", 7, False),
        ("MODULO", "4|3", "seven", False),
        ("IN", "7, 8", 7, True),
        ("IN", ["7"], 7.0, False),
        ("IN", '["007"]', "007", False),
        ("IN", "[a,b]", "b]", True),
        ("IS_SET", "", 0, True),
        ("IS_NOT_SET", "", None, True),
        ("PERCENTAGE_SPLIT", "100", "a", True),
        ("PERCENTAGE_SPLIT", "nan", "a", False),
        ("PERCENTAGE_SPLIT", "100", None, False),
        ("SOUNDS_LIKE", "a", "a", False),
    ],
)
def test_conditions_read_texts_as_values_are(operator: str, value: Any, trait: Any, expected: bool) -> None:
    assert holds(operator, value, trait) is expected


def test_paths_lead_through_what_the_engine_is_given() -> None:
    for name, value in {
        "$.environment.name": "Production",
        "$.identity.identifier": "u",
        "$.identity.key": "env_u",
        "$.identity.traits.x": "t",
        "$.identity['traits'].x": "t",
        "$.features.f.value": "own",
    }.items():
        assert holds("EQUAL", value, "t", name), name
    assert holds("IS_NOT_SET", "", "t", "$.identity.traits")
    assert holds("IS_NOT_SET", "", "t", "$..traits")
    warned = load(document(segment(condition("IS_SET", "", "$..x"))), format="flagsmith").warnings
    assert "is a path that is not read here" in str(warned[0])


def test_a_trait_called_like_a_path_goes_before_it() -> None:
    rules = document(segment(condition("EQUAL", "odd", "$.environment.name")))

    assert Client.from_document(rules, format="flagsmith").enabled(
        "f", Context("u", {"$.environment.name": "odd"})
    )


def test_the_strongest_override_wins_and_names_its_segment() -> None:
    weak = segment(condition("IS_SET", "", "x"), name="weak")
    strong = segment(condition("EQUAL", "1", "x"), name="strong")
    strong["overrides"] = [feature(value="strong", priority=1)]
    client = Client.from_document(document(weak, strong), format="flagsmith")

    for trait, value, rule in ((1, "strong", "strong"), (2, "override", "weak")):
        decision = client.decide("f", Context("u", x=trait))
        assert (decision.value, decision.rule, decision.reason) == (value, rule, Reason.TARGETING_MATCH)
    assert client.decide("f", Context("u")).reason is Reason.DEFAULT


def test_variants_need_an_identity_and_leave_the_rest_to_control() -> None:
    variants = [
        {"key": "b", "value": "B", "weight": 30, "priority": 2},
        {"key": "a", "value": "A", "weight": 30, "priority": 1},
    ]
    rules = document(features={"f": feature(variants=variants)})
    client = Client.from_document(rules, format="flagsmith")
    found = {
        (client.variant("f", Context(f"u{n}")), client.decide("f", Context(f"u{n}")).value) for n in range(99)
    }

    assert found == {("a", "A"), ("b", "B"), ("control", "own")}
    assert client.decide("f", Context()).variant is None
    assert client.decide("f", Context()).value == "own"
    one, other = context({"identifier": "u1"}), context({"identifier": "zz", "key": "env_u1"})
    assert client.variant("f", one) == client.variant("f", other)


def test_a_broken_flag_of_an_environment_harms_no_other() -> None:
    environment = environment_document()
    sound = environment["feature_states"]
    arm = {"multivariate_feature_option": {"value": 1}, "percentage_allocation": 50, "mv_fs_value_uuid": "x"}
    broken = {"feature": {"name": "g"}, "enabled": True, "multivariate_feature_state_values": [arm]}
    environment["feature_states"] = [*sound, broken, 5]

    client = Client.from_document(environment, format="flagsmith")
    assert client.decide("f", Context("u")).error is None
    assert client.decide("g", Context("u")).reason is Reason.MALFORMED
    told = "\n".join(map(str, load(environment, format="flagsmith").warnings))
    assert "multivariate_feature_state_values[0].mv_fs_value_uuid: must be a UUID" in told
    assert f"feature_states[{len(sound) + 1}]: must be an object, not a number" in told


def test_a_flag_may_depend_on_another() -> None:
    asking = segment(condition("EQUAL", "True", "$.flags.g.enabled"))
    features = {"f": feature(), "g": feature("g") | {"enabled": True}}
    client = Client.from_document(document(asking, features=features), format="flagsmith")

    assert client.enabled("f", Context("u"))
    features["g"]["enabled"] = False
    assert not Client.from_document(document(asking, features=features), format="flagsmith").enabled(
        "f", Context("u")
    )
    missing = segment(condition("IS_NOT_SET", "", "$.flags.h.enabled"))
    assert Client.from_document(document(missing), format="flagsmith").enabled("f", Context("u"))


def test_a_segment_that_asks_in_a_circle_never_holds() -> None:
    rules = document(segment(condition("IS_SET", "", "$.flags.f.enabled")))

    assert not Client.from_document(rules, format="flagsmith").enabled("f", Context("u"))
    assert "in a circle" in str(load(rules, format="flagsmith").warnings[0])


def test_a_segment_that_asks_for_a_flag_in_a_circle_never_holds() -> None:
    asking = segment(condition("EQUAL", "True", "$.flags.g.enabled"))
    circular = {**asking, "overrides": [feature("g") | {"enabled": True}]}
    features = {"f": feature(), "g": feature("g") | {"enabled": True}}
    rules = document(asking, circular, features=features)

    client = Client.from_document(rules, format="flagsmith")
    assert client.decide("f", Context("u")).value == "own"
    assert client.enabled("g", Context("u"))
    told = [str(problem) for problem in load(rules, format="flagsmith").warnings]
    assert [problem for problem in told if "segments.0: never holds: it asks for 'g'" in problem]


def environment_document() -> dict[str, Any]:
    def state(value: str, **more: Any) -> dict[str, Any]:
        return {
            "feature": {"id": 5, "name": "f", "type": "STANDARD"},
            "enabled": True,
            "feature_state_value": value,
            "django_id": 1,
            **more,
        }

    option = {"key": "big", "value": "BIG"}
    value = {"id": 1, "percentage_allocation": 100, "multivariate_feature_option": option}
    rule = {"type": "ALL", "conditions": [{"operator": "EQUAL", "property_": "plan", "value": "pro"}]}
    override = state("pro's", feature_segment={"priority": 1})
    return {
        "api_key": "env",
        "name": "Production",
        "feature_states": [state("own", multivariate_feature_state_values=[value])],
        "project": {"segments": [{"id": 9, "name": "pros", "rules": [rule], "feature_states": [override]}]},
        "identity_overrides": [
            {"identifier": who, "identity_features": [state("hers")]} for who in ("ann", "eve")
        ],
    }


def test_an_environment_document_is_read_too() -> None:
    client = Client.from_document(environment_document(), format="auto")

    assert client.decide("f", Context("u")).variant == "big"
    assert client.decide("f", Context("u", plan="pro")).value == "pro's"
    for who in ("ann", "eve"):
        decision = client.decide("f", Context(who, plan="pro"))
        assert (decision.value, decision.rule) == ("hers", "identity_overrides")
    assert client.decide("f", Context("u")).metadata == {"id": 5}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "environment: of a document of flagsmith must be an object"),
        ({"environment": {}}, "environment.key: of a document of flagsmith is missing"),
        ({"environment": {"key": "e"}, "features": []}, "features: of a document of flagsmith must be"),
        ({"feature_states": []}, "project: of a document of flagsmith must be an object"),
    ],
)
def test_a_foreign_document_is_refused(given: Any, told: str) -> None:
    with pytest.raises(RulesError) as caught:
        load(given, format="flagsmith")
    assert told in str(caught.value)


def test_what_is_broken_harms_nobody_else() -> None:
    broken = {"key": "b", "name": "broken", "rules": [{"type": "SOME"}]}
    features = {"f": feature(), "g": feature("g") | {"enabled": "yes"}}
    rules = document(broken, segment(condition("IS_SET", "")), features=features)
    client = Client.from_document(rules, format="flagsmith")

    assert client.enabled("f", Context("u", x=1))
    assert client.decide("g", Context("u")).reason is Reason.MALFORMED
    told = "\n".join(map(str, load(rules, format="flagsmith").warnings))
    assert "segments.0.rules[0].type: must be one of ALL, ANY, NONE, so the segment never holds" in told
    assert "features.g.enabled: must be true or false, so the flag is malformed" in told


def test_a_server_is_asked_with_its_key() -> None:
    found = check_format("flagsmith").endpoint("https://flags.test/api/v1/", Secret("ser.k"))

    assert found.url == "https://flags.test/api/v1/environment-document/"
    assert found.headers["X-Environment-Key"] == "ser.k"
    with pytest.raises(ConfigError, match="environment key"):
        check_format("flagsmith").endpoint("https://flags.test/api/v1", None)


def test_fields_that_are_not_known_are_told_wherever_they_stand() -> None:
    feature = {"key": "1", "name": "checkout", "enabled": True, "value": "Buy", "colour": "red"}
    condition = {"property": "p", "operator": "EQUAL", "value": "1", "negate": True}
    segment = {"key": "7", "name": "s", "rules": [{"type": "ALL", "conditions": [condition]}], "rank": 1}
    environment = {
        "environment": {"key": "env", "name": "Production"},
        "features": {"checkout": feature},
        "segments": {"7": {**segment, "overrides": [feature]}},
    }
    told = [str(problem) for problem in load(environment, format="flagsmith").warnings]
    assert [text.partition(":")[0] for text in told] == [
        "segments.7.rank",
        "segments.7.rules[0].conditions[0].negate",
        "segments.7.overrides[0].colour",
        "features.checkout.colour",
    ]
    assert all("is no field that is known here, and was not read" in text for text in told)
