from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from flagstaff import Client, ConfigError, Context, Reason, RulesError
from flagstaff.formats import check_format, load
from flagstaff.formats.unleash import context
from flagstaff.settings import Secret
from flagstaff.testing import FakeClock


def feature(*strategies: Mapping[str, Any], name: str = "f", **more: Any) -> dict[str, Any]:
    return {"name": name, "enabled": True, "strategies": [*strategies], **more}


def document(*features: object, **more: Any) -> dict[str, Any]:
    return {"version": 2, "features": [*features], **more}


def constrained(*constraints: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": "default", "constraints": [*constraints]}


def asking(operator: str, operand: Any, name: str = "x", **more: Any) -> dict[str, Any]:
    field = "values" if isinstance(operand, list) else "value"
    return {"contextName": name, "operator": operator, field: operand, **more}


def enabled(*constraints: Mapping[str, Any], **properties: Any) -> bool:
    client = Client.from_document(document(feature(constrained(*constraints))), format="unleash")
    return client.enabled("f", context({"properties": properties}))


def warnings_of(given: Mapping[str, Any]) -> str:
    return "\n".join(map(str, load(given, format="unleash").warnings))


# -- contexts ----------------------------------------------------------------------------------------


def test_a_context_has_the_user_for_its_key_and_the_rest_for_attributes() -> None:
    made = context({"userId": "u", "sessionId": "s", "properties": {"plan": "pro"}, "appName": "shop"})

    assert made == Context("u", sessionId="s", plan="pro", appName="shop")
    assert context({}) == Context()
    assert context({"userId": ""}).targeting_key == ""


def test_a_property_takes_the_place_of_a_field_that_is_missing() -> None:
    assert context({"properties": {"userId": "u", "appName": "a"}}) == Context("u", appName="a")
    assert context({"appName": "b", "properties": {"appName": "a"}}) == Context(appName="b")
    assert context({"plan": "pro"}) == Context(plan="pro")


@pytest.mark.parametrize(("value", "written"), [(7, "7"), (7.5, "7.5"), (True, "True")])
def test_values_are_compared_as_texts(value: object, written: str) -> None:
    assert enabled(asking("IN", [written]), x=value)
    assert enabled(asking("STR_ENDS_WITH", [written[-1]]), x=value)
    assert not enabled(asking("NOT_IN", [written]), x=value)


def test_a_datetime_is_a_point_in_time() -> None:
    late = datetime(2031, 1, 1, tzinfo=UTC)

    assert enabled(asking("DATE_AFTER", "2030-01-01T00:00:00Z"), x=late)
    assert not enabled(asking("DATE_BEFORE", "2030-01-01T00:00:00Z"), x=late)


def test_without_a_point_in_time_it_is_now() -> None:
    clock = FakeClock()
    after = asking("DATE_AFTER", "2026-01-01T12:00:00Z", name="currentTime")
    rules = document(feature(constrained(after)), feature(constrained({**after, "inverted": True}), name="g"))
    client = Client.from_document(rules, format="unleash", clock=clock)

    assert [client.enabled(name, Context()) for name in "fg"] == [False, True]
    clock.advance(1)
    assert [client.enabled(name, Context()) for name in "fg"] == [True, False]
    assert not client.enabled("f", Context(currentTime="2001-01-01T00:00:00Z"))


# -- constraints -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "operand", "value", "holds"),
    [
        ("NUM_EQ", "5.", "5", True),
        ("NUM_EQ", "5", " 5", False),
        ("NUM_GT", "5", "inf", True),
        ("NUM_GT", "1.2.3", "1.2.4", True),  # a version, whatever the operator
        ("SEMVER_EQ", "5", "5.0", True),  # and here a number
        ("SEMVER_EQ", "1.2.3+a", "1.2.3+b", True),
        ("SEMVER_GT", "1.0.0", "18446744073709551616.0.0", False),
        ("DATE_AFTER", "2024-01-01T00:00:00.000Z", "2024-01-01 00:00:00.0001 +0000", True),
        ("DATE_BEFORE", "2024-01-01T00:00:00Z", "2024-01-01", False),
        ("IN_CIDR", ["10.0.0.7/8", "nonsense"], "10.1.2.3", True),
        ("IN_CIDR", ["10.0.0.0/8"], "::ffff:10.1.2.3", False),
        ("IN_CIDR", ["10.0.0.0/255.0.0.0"], "10.1.2.3", True),
        ("IN_CIDR", ["10.0.0.0/0.255.255.255"], "10.1.2.3", False),
        ("IN_CIDR", ["10.0.0.0/+8"], "10.1.2.3", True),
        ("REGEX", "^a", "ab", True),
    ],
)
def test_texts_are_read_as_unleash_reads_them(operator: str, operand: Any, value: str, holds: bool) -> None:
    constraint = asking(operator, operand)

    assert enabled(constraint, x=value) is holds
    assert enabled({**constraint, "inverted": True}, x=value) is not holds
    assert not enabled(constraint)
    assert enabled({**constraint, "inverted": True})


@pytest.mark.parametrize(
    "constraint",
    [
        asking("WHATEVER", "x"),
        asking("NUM_EQ", ".5"),
        asking("DATE_AFTER", "2024-01-01T00:00:00.5Z"),
        asking("STR_CONTAINS", []),
        asking("IN", ["a\\"]),
        asking("IN", ["a"], name='"'),
    ],
)
def test_what_unleash_cannot_compile_turns_the_flag_off(constraint: Mapping[str, Any]) -> None:
    given = document(feature(constrained({**constraint, "inverted": True}), {"name": "default"}))

    assert "features[0]: is off for everybody" in warnings_of(given)
    decision = Client.from_document(given, format="unleash").decide("f", Context("u"))
    assert (decision.enabled, decision.value, decision.variant) == (False, False, None)


def test_a_pattern_that_is_not_supported_matches_nothing() -> None:
    assert not enabled(asking("REGEX", "(?=a)a"), x="a")
    assert enabled(asking("REGEX", "(?=a)a", inverted=True), x="a")
    assert "look-ahead" in warnings_of(document(feature(constrained(asking("REGEX", "(?=a)a")))))
    assert not enabled(asking("REGEX", "[a-c&&b]"), x="a")
    assert not enabled(asking("REGEX", "a{"), x="a{")


def test_a_version_with_a_v_never_holds() -> None:
    given = constrained(asking("SEMVER_EQ", "v1.2.3", inverted=True))

    assert not enabled(asking("SEMVER_EQ", "v1.2.3"), x="1.2.3")
    assert not Client.from_document(document(feature(given)), format="unleash").enabled("f", Context())
    assert Client.from_document(document(feature(given, {"name": "default"})), format="unleash").enabled(
        "f", Context()
    )


def test_a_segment_that_is_missing_or_broken_turns_the_flag_off() -> None:
    broken = {"id": 1, "name": "s", "constraints": [asking("WHATEVER", "x")]}
    needy = feature({"name": "default", "segments": [1]}, {"name": "default"})

    assert not Client.from_document(document(needy), format="unleash").enabled("f", Context())
    given = document(needy, feature({"name": "default"}, name="g"), segments=[broken])
    client = Client.from_document(given, format="unleash")
    assert [client.enabled(name, Context()) for name in "fg"] == [False, True]


# -- draws -------------------------------------------------------------------------------------------


def rollout(share: str, **more: str) -> dict[str, Any]:
    return {"name": "flexibleRollout", "parameters": {"rollout": share, **more}}


def test_whoever_has_nothing_to_go_by_is_drawn_at_random() -> None:
    client = Client.from_document(document(feature(rollout("50"))), format="unleash")

    assert len({client.enabled("f", Context()) for _ in range(200)}) == 2
    assert len({client.enabled("f", Context(sessionId="s")) for _ in range(20)}) == 1
    assert len({client.enabled("f", Context("")) for _ in range(20)}) == 1


def test_a_stickiness_of_ones_own_lets_nobody_in_without_it() -> None:
    client = Client.from_document(document(feature(rollout("100", stickiness="org"))), format="unleash")

    assert client.enabled("f", Context(org="o"))
    assert client.enabled("f", Context(org=7))
    assert not client.enabled("f", Context("u"))


def test_variants_are_drawn_at_random_without_what_they_stick_to() -> None:
    variants = [{"name": name, "weight": 1, "stickiness": "org"} for name in "AB"]
    given = document(feature({"name": "default"}, variants=variants))
    client = Client.from_document(given, format="unleash")

    assert {client.variant("f", Context("u")) for _ in range(200)} == {"A", "B"}
    assert len({client.variant("f", Context(org="o")) for _ in range(20)}) == 1


def test_a_gradual_rollout_at_random_lets_its_share_in() -> None:
    given = document(feature({"name": "gradualRolloutRandom", "parameters": {"percentage": "25"}}))
    client = Client.from_document(given, format="unleash")

    assert 350 < Counter(client.enabled("f", Context()) for _ in range(2000))[True] < 650


def test_the_override_of_a_variant_is_drawn_with_no_one() -> None:
    variants = [
        {"name": "A", "weight": 1000},
        {"name": "B", "weight": 0, "overrides": [{"contextName": "userId", "values": ["u"]}]},
    ]
    client = Client.from_document(document(feature(rollout("100"), variants=variants)), format="unleash")

    assert client.variant("f", Context("u")) == "B"
    assert client.decide("f", Context("u")).reason is Reason.TARGETING_MATCH
    assert client.variant("f", Context("v")) == "A"


def test_two_variants_of_one_name_may_be_worth_different_things() -> None:
    def strategy(country: str, text: str) -> dict[str, Any]:
        variant = {"name": "A", "weight": 1, "payload": {"type": "string", "value": text}}
        return {**constrained(asking("IN", [country])), "variants": [variant]}

    given = document(feature(strategy("NL", "hoi"), strategy("BE", "dag")))
    client = Client.from_document(given, format="unleash")

    for country, text in (("NL", "hoi"), ("BE", "dag")):
        decision = client.decide("f", Context("u", x=country))
        assert (decision.variant, decision.value) == ("A", text)


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        ({"type": "string", "value": "5"}, "5"),
        ({"type": "csv", "value": "a,b"}, "a,b"),
        ({"type": "number", "value": "5"}, 5),
        ({"type": "number", "value": "five"}, "five"),
        ({"type": "json", "value": '{"a": [1]}'}, {"a": [1]}),
        ({"type": "json", "value": "{"}, "{"),
        ({"type": "json", "value": "NaN"}, "NaN"),
        (None, "the caller's"),
    ],
)
def test_a_payload_is_the_value(payload: Any, value: Any) -> None:
    given = document(feature({"name": "default"}, variants=[{"name": "A", "weight": 1, "payload": payload}]))
    client = Client.from_document(given, format="unleash")

    decision = client.decide("f", Context("u"))
    assert decision.variant == "A"
    assert decision.enabled
    assert client.value("f", Context("u"), default="the caller's" if payload is None else value) == value


def test_variants_named_as_being_on_and_off_keep_their_names() -> None:
    variants = [{"name": "on", "weight": 1}, {"name": "off", "weight": 0}]
    client = Client.from_document(document(feature({"name": "default"}, variants=variants)), format="unleash")

    assert client.variant("f", Context("u")) == "on"


def test_impression_data_makes_draws_exposures() -> None:
    variants = [{"name": "A", "weight": 1}]
    asked = feature({"name": "default"}, variants=variants, impressionData=True)
    other = feature({"name": "default"}, variants=variants, name="g")
    client = Client.from_document(document(asked, other), format="unleash")

    assert client.decide("f", Context("u")).experiment == "f"
    assert client.decide("g", Context("u")).experiment is None


# -- dependencies --------------------------------------------------------------------------------------


def test_a_parent_without_a_group_is_drawn_in_that_of_its_child() -> None:
    parent = feature(rollout("50"), name="p")
    child = feature({"name": "default"}, name="c", dependencies=[{"feature": "p"}])
    alone = feature(rollout("50", groupId="c"), name="alone")
    client = Client.from_document(document(parent, child, alone), format="unleash")
    users = [Context(f"u{number}") for number in range(100)]

    assert [client.enabled("c", user) for user in users] == [client.enabled("alone", user) for user in users]
    assert [client.enabled("c", user) for user in users] != [client.enabled("p", user) for user in users]


def test_a_parent_that_lets_nobody_in_without_a_unit_is_off() -> None:
    parent = feature(rollout("25", stickiness="org"), name="p")
    child = feature({"name": "default"}, name="c", dependencies=[{"feature": "p", "enabled": False}])
    client = Client.from_document(document(parent, child), format="unleash")

    assert client.enabled("c", Context("u"))


@pytest.mark.parametrize("value", ["É", "ς", "日本"])
def test_letters_of_patterns_are_those_of_unicode(value: str) -> None:
    assert enabled(asking("REGEX", r"^\w+$"), x=value)
    assert not enabled(asking("REGEX", r"^\W+$"), x=value)


def test_a_strategy_without_a_share_is_compiled_whatever_its_group() -> None:
    odd = {"name": "flexibleRollout", "parameters": {"groupId": 'q"q'}}
    client = Client.from_document(document(feature(odd, {"name": "default"})), format="unleash")

    assert client.enabled("f", Context("u"))


def test_a_parent_that_fails_is_told() -> None:
    parent = feature({"name": "default"}, name="p", enabled=False)
    child = feature({"name": "default"}, name="c", dependencies=[{"feature": "p"}])
    decision = Client.from_document(document(parent, child), format="unleash").decide("c", Context())

    assert decision.reason is Reason.PREREQUISITE_FAILED
    assert decision.metadata["prerequisite"] == "p"
    assert decision.value is False


def test_a_parent_that_is_off_may_be_asked_for_the_variant_that_it_would_have() -> None:
    parent = feature({"name": "default"}, name="p", enabled=False, variants=[{"name": "A", "weight": 1}])
    asked = [{"feature": "p", "enabled": False, "variants": ["A"]}]
    other = [{"feature": "p", "enabled": False, "variants": ["B"]}]
    children = [
        feature({"name": "default"}, name="c", dependencies=asked),
        feature({"name": "default"}, name="d", dependencies=other),
    ]
    client = Client.from_document(document(parent, *children), format="unleash")

    assert [client.enabled(name, Context()) for name in "cd"] == [True, False]


# -- documents ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "features: of a document of unleash is missing"),
        ({"features": {}}, "features: of a document of unleash must be a list, not an object"),
        ({"features": [], "segments": 5}, "segments: of a document of unleash must be a list"),
        ({"events": [5]}, "events[0]: of a document of unleash must be an object"),
        ({"events": [{"type": "feature-updated"}]}, "events[0].feature: of a document of unleash must be"),
    ],
)
def test_a_foreign_document_is_refused(given: Any, told: str) -> None:
    with pytest.raises(RulesError) as caught:
        load(given, format="unleash")
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (feature(constrained({"operator": "IN"})), "constraints[0].contextName: is missing"),
        (feature(constrained(asking("NUM_EQ", 5))), "constraints[0].value: must be text"),
        (feature({"name": "flexibleRollout", "parameters": {"rollout": 50}}), "parameters.rollout: must be"),
        (
            feature({"name": "default"}, variants=[{"name": "A", "weight": 0.5}]),
            "variants[0].weight: must be",
        ),
        (feature({"name": "default"}, enabled="yes"), "features[0].enabled: must be true or false"),
        (feature({"name": "default"}, dependencies=[{}]), "dependencies[0].feature: is missing"),
        (feature({"name": "default", "segments": {}}), "segments: must be a list"),
    ],
)
def test_a_broken_flag_harms_nobody_else(broken: Mapping[str, Any], told: str) -> None:
    given = document(broken, feature({"name": "default"}, name="g"))
    client = Client.from_document(given, format="unleash")

    assert told in warnings_of(given)
    assert client.decide("f", Context(), default="mine").reason is Reason.MALFORMED
    assert client.decide("f", Context(), default="mine").value == "mine"
    assert client.enabled("g", Context())


def test_what_unleash_does_not_know_is_told() -> None:
    told = warnings_of(
        document(feature({"name": "ours", "wieght": 5}, colour="red"), 5, {"name": ""}, hats=1)
    )

    assert "hats: is no field" in told
    assert "features[0].colour: is no field" in told
    assert "features[0].strategies[0].wieght: is no field" in told
    assert "features[0].strategies[0].name: is 'ours'" in told
    assert "features[1]: must be an object, not a number; left out" in told
    assert "features[2].name: is no name of a flag; left out" in told


def test_events_are_folded_in_their_order() -> None:
    def update(name: str, on: bool) -> dict[str, Any]:
        return {"type": "feature-updated", "feature": feature({"name": "default"}, name=name, enabled=on)}

    start = {"type": "hydration", "features": [feature({"name": "default"}, name="a")], "segments": []}
    gone = {"type": "feature-removed", "featureName": "b"}
    segment = {"id": 1, "name": "s", "constraints": []}
    events = [update("z", True), start, update("b", True), update("c", False), update("c", True), gone]
    events += [{"type": "segment-updated", "segment": segment}, {"type": "segment-removed", "segmentId": 1}]
    events += [{"type": "hat-updated"}, update("d", True)]
    events[-1]["feature"]["strategies"] = [{"name": "default", "segments": [1]}]
    client = Client.from_document({"events": events}, format="unleash")

    assert set(client.decide_all(Context())) == {"a", "c", "d"}
    assert client.enabled("c", Context())
    assert not client.enabled("d", Context())


def test_a_service_says_once_what_it_is() -> None:
    here = constrained(asking("IN", ["test"], name="environment"))
    options = {"environment": "test"}
    client = Client.from_document(document(feature(here)), format="unleash", format_options=options)

    assert client.enabled("f", Context())
    assert not client.enabled("f", Context(environment="other"))
    with pytest.raises(ConfigError, match="did you mean environment"):
        Client.from_document(document(), format="unleash", format_options={"enviroment": "test"})
    with pytest.raises(ConfigError, match="app_name must be text"):
        Client.from_document(document(), format="unleash", format_options={"app_name": 5})


def test_a_server_is_asked_with_a_bare_token() -> None:
    found = check_format("unleash", {"app_name": "shop"}).endpoint("https://flags.test/api/", Secret("t0ken"))

    assert found.url == "https://flags.test/api/client/features"
    assert found.headers["Authorization"] == "t0ken"
    assert found.headers["unleash-appname"] == "shop"
    with pytest.raises(ConfigError, match="client token"):
        check_format("unleash").endpoint("https://flags.test/api", None)


def test_a_server_is_asked_for_some_of_its_flags() -> None:
    options = {"project": "shop & co", "name_prefix": "web.", "environment": "test"}
    found = check_format("unleash", options).endpoint("https://flags.test/api", Secret("t0ken"))
    assert found.url == "https://flags.test/api/client/features?project=shop+%26+co&namePrefix=web."
