from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from flagstaff import Client, ConfigError, Context, Decision, Reason, RulesError
from flagstaff.formats import check_format, load
from flagstaff.formats.eppo import Bandits, context
from flagstaff.settings import Secret
from flagstaff.testing import FakeClock, MemorySink

EVERYBODY: dict[str, Any] = {"key": "all", "splits": [{"variationKey": "a", "shards": []}]}


def flag(*allocations: object, kind: str = "STRING", value: Any = "A", **more: Any) -> dict[str, Any]:
    variations = {"a": {"key": "a", "value": value}, "b": {"key": "b", "value": value}}
    made = {"key": "f", "enabled": True, "variationType": kind, "variations": variations}
    return {**made, "totalShards": 10_000, "allocations": [*allocations], **more}


def document(*flags: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    named = {given.get("key", "f"): given for given in flags}
    return {"createdAt": "2026-01-01T00:00:00Z", "format": "SERVER", "flags": named, **more}


def decide(given: Mapping[str, Any], user: Context | None = None, default: Any = None) -> Decision:
    with Client.from_document(document(given), format="eppo") as client:
        return client.decide("f", user or Context("u"), default)


def holds(op: str, operand: Any, value: Any, name: str = "x") -> bool:
    condition = {"attribute": name, "operator": op, "value": operand}
    rules = [{"conditions": [condition]}]
    return decide(flag({**EVERYBODY, "rules": rules}), Context("u", {name: value})).variant == "a"


def warnings_of(given: Mapping[str, Any]) -> str:
    return "\n".join(map(str, load(document(given), format="eppo").warnings))


# -- contexts and the server -------------------------------------------------------------------------


def test_a_context_has_the_subjects_key_and_attributes() -> None:
    assert context({"subjectKey": "u", "subjectAttributes": {"plan": "pro"}}) == Context("u", plan="pro")
    assert context({"subjectKey": "u"}) == Context("u")
    attributes = {"numericAttributes": {"age": 7}, "categoricalAttributes": {"plan": "pro"}}
    assert context({"subjectKey": "u", "subjectAttributes": attributes}) == Context("u", age=7, plan="pro")


def test_the_key_goes_into_the_query_and_is_not_shown() -> None:
    found = check_format("eppo").endpoint("https://fscdn.eppo.cloud/api", Secret("s&cret"))

    assert found.url.startswith("https://fscdn.eppo.cloud/api/flag-config/v1/config?apiKey=s%26cret&")
    assert "cret" not in repr(found)
    with pytest.raises(ConfigError, match="key"):
        check_format("eppo").endpoint("https://fscdn.eppo.cloud/api", None)


# -- conditions --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "operand", "value", "expected"),
    [
        ("ONE_OF", ["true"], True, True),
        ("ONE_OF", ["7"], 7.0, True),
        ("ONE_OF", ["1000000000000000000000"], 1e21, True),
        ("ONE_OF", ["0.0000001"], 1e-7, True),
        ("ONE_OF", ["NL"], "nl", False),
        ("NOT_ONE_OF", ["NL"], "BE", True),
        ("NOT_ONE_OF", ["NL"], None, False),
        ("MATCHES", "^7", 7.5, True),
        ("NOT_MATCHES", "x", None, False),
        ("MATCHES", r"^\w+$", "é", True),  # words, digits and spaces are Unicode's
        ("NOT_MATCHES", r"^\d+$", "٣", False),
        ("MATCHES", r"a\sb", "a\u00a0b", True),
        ("MATCHES", r"\bé", "x é", True),
        ("MATCHES", r"^\x{e9}{2}[[:alpha:]\[&-]$", "éé[", True),
        ("GT", 6, "7", True),
        ("GT", 6, " 7", False),
        ("GT", 0, True, False),
        ("GT", "1.9.0", "1.10.0", True),
        ("GT", "1.9.0", 2, False),
        ("GT", "1.2.3+a", "1.2.3+b", True),
        ("LTE", "1e2", 100, True),
        ("IS_NULL", True, None, True),
        ("IS_NULL", False, None, False),
    ],
)
def test_conditions_hold(op: str, operand: Any, value: Any, expected: bool) -> None:
    assert holds(op, operand, value) is expected


@pytest.mark.parametrize(
    ("op", "operand", "told"),
    [
        ("WHATEVER", "x", "is unknown"),
        ("ONE_OF", "x", "must be a list of texts"),
        ("MATCHES", "(", "never holds"),
        ("MATCHES", "(?=x)", "look-ahead"),
        ("MATCHES", "[w-z&&x]", "'&&' within a class is not supported"),
        ("MATCHES", "[[x]]", "'[' within a class is not supported"),
        ("MATCHES", r"\<x", "escape '\\<' at position 0 is not supported"),
        ("MATCHES", "x|x{", "'{' at position 3 begins no repetition"),
        ("GT", "x", "must be a number or a semantic version"),
        ("IS_NULL", "true", "must be true or false"),
    ],
)
def test_what_cant_be_asked_never_holds_and_is_told(op: str, operand: Any, told: str) -> None:
    rules = [{"conditions": [{"attribute": "x", "operator": op, "value": operand}]}]

    assert told in warnings_of(flag({**EVERYBODY, "rules": rules}))
    assert not holds(op, operand, "x")


def test_id_is_the_subjects_key_unless_it_is_an_attribute() -> None:
    rules = [{"conditions": [{"attribute": "id", "operator": "ONE_OF", "value": ["u"]}]}]
    given = flag({**EVERYBODY, "rules": rules})

    assert decide(given, Context("u")).variant == "a"
    assert decide(given, Context("u", id="v")).variant is None
    assert decide(given, Context("v", id="u")).variant == "a"


def test_an_attribute_may_have_any_name() -> None:
    for name in ("targeting_key", "a.b", "", "line\nfeed"):
        assert holds("ONE_OF", ["x"], "x", name)
        assert not holds("ONE_OF", ["u"], "x", name)


def test_a_window_has_both_of_its_ends() -> None:
    window = {"startAt": "2026-01-01T00:00:00Z", "endAt": "2026-01-02T00:00:00Z"}
    start = 1767225600.0
    clock = FakeClock(start - 1)
    with Client.from_document(document(flag({**EVERYBODY, **window})), format="eppo", clock=clock) as client:
        for now, expected in ((start - 1, None), (start, "a"), (start + 86400, "a"), (start + 86401, None)):
            clock.advance(now - clock.time())
            assert client.variant("f", Context("u")) == expected


def test_a_window_that_ends_before_it_starts_never_opens() -> None:
    window = {"startAt": "2026-01-02T00:00:00Z", "endAt": "2020-01-01T00:00:00Z"}

    assert decide(flag({**EVERYBODY, **window})).reason is Reason.DEFAULT


# -- draws and values ---------------------------------------------------------------------------------


def test_an_empty_key_is_drawn_and_a_missing_one_is_not() -> None:
    shards = [{"salt": "s", "ranges": [{"start": 0, "end": 10_000}]}]
    given = flag({"key": "all", "splits": [{"variationKey": "a", "shards": shards}]})

    assert decide(given, Context("")).variant == "a"
    assert decide(given, Context(7)).variant == "a"
    assert decide(given, Context()).variant is None


def test_splits_that_draw_alike_are_one_rule() -> None:
    splits = [
        {"variationKey": name, "shards": [{"salt": "s", "ranges": [{"start": start, "end": start + 5000}]}]}
        for name, start in (("a", 0), ("b", 5000))
    ]
    found = load(document(flag({"key": "all", "splits": splits})), format="eppo").canonical
    (rule,) = found["flags"]["f"]["rules"]

    assert [arm["variant"] for arm in rule["draw"]["arms"]] == ["a", "b"]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [("INTEGER", 3.0, 3), ("NUMERIC", 3, 3.0), ("BOOLEAN", False, False), ("JSON", '{"a": [1]}', {"a": [1]})],
)
def test_values_are_of_the_flags_type(kind: str, value: Any, expected: Any) -> None:
    found = decide(flag(EVERYBODY, kind=kind, value=value)).value

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *(("INTEGER", 3.5), ("INTEGER", "3"), ("NUMERIC", True), ("STRING", 7)),
        *(("JSON", "{"), ("JSON", "NaN")),
    ],
)
def test_a_value_of_another_type_harms_those_who_would_get_it(kind: str, value: Any) -> None:
    decision = decide(flag(EVERYBODY, kind=kind, value=value))

    assert (decision.reason, decision.value, decision.variant) == (Reason.MALFORMED, None, None)
    assert "flags.f.variations.a.value" in (decision.error or "")


def test_variations_go_by_their_own_keys() -> None:
    assert decide(flag(EVERYBODY, variations={"z": {"key": "a", "value": "Z"}})).value == "Z"
    assert decide(flag(EVERYBODY, variations={})).reason is Reason.MALFORMED


# -- exposures -------------------------------------------------------------------------------------------


def test_an_allocation_is_measured_unless_it_says_otherwise() -> None:
    sink = MemorySink()
    logged = {**EVERYBODY, "splits": [{**EVERYBODY["splits"][0], "extraLogging": {"holdoutKey": "h"}}]}
    with Client.from_document(document(flag(logged)), format="eppo", events=sink) as client:
        decision = client.decide("f", Context("u"))
        client.flush()

    assert (decision.experiment, decision.metadata["holdoutKey"]) == ("f-all", "h")
    assert [event["data"]["experiment"] for event in sink.events] == ["f-all"]
    assert decide(flag({**EVERYBODY, "doLog": False})).experiment is None


# -- broken documents --------------------------------------------------------------------------------------


def test_a_foreign_document_is_refused_by_name() -> None:
    with pytest.raises(RulesError, match="flags: a document of eppo"):
        load({"features": []}, format="eppo")
    with pytest.raises(RulesError, match="obfuscated"):
        load(document(format="CLIENT"), format="eppo")


@pytest.mark.parametrize(
    "broken",
    [
        {"enabled": "yes"},
        {"variationType": "COLOUR"},
        {"variations": []},
        {"variations": {"a": {"value": "x"}}},
        {"totalShards": 0},
        {"totalShards": 10.0},
        {"allocations": None},
        {"allocations": [{"key": "all"}]},
        {"allocations": [{**EVERYBODY, "rules": None}]},
        {"allocations": [{**EVERYBODY, "rules": [{}]}]},
        {"allocations": [{**EVERYBODY, "doLog": None}]},
        {"allocations": [{**EVERYBODY, "startAt": "soon"}]},
        {"allocations": [{"key": "all", "splits": [{"variationKey": "a"}]}]},
        {"allocations": [{"key": "all", "splits": [{**EVERYBODY["splits"][0], "extraLogging": {"a": 1}}]}]},
    ],
)
def test_a_broken_flag_harms_no_neighbour(broken: dict[str, Any]) -> None:
    given = document(flag(EVERYBODY, **broken), flag(EVERYBODY, key="g"))
    with Client.from_document(given, format="eppo") as client:
        assert client.decide("f", Context("u")).reason is Reason.MALFORMED
        assert client.variant("g", Context("u")) == "a"

    assert "flags.f" in "\n".join(map(str, load(given, format="eppo").warnings))


def test_unknown_fields_are_told() -> None:
    assert "is no field that is known here" in warnings_of(flag(EVERYBODY, colour="red"))


# -- bandits -----------------------------------------------------------------------------------------------


def bandits(**coefficients: Mapping[str, Any]) -> Bandits:
    at = {"key": "b", "flagKey": "f", "variationKey": "a", "variationValue": "A"}
    flags = document(bandits={"b": [at]})
    data = {"gamma": 1.0, "actionProbabilityFloor": 0.0, "defaultActionScore": 0.0}
    model = {"modelVersion": "7", "modelData": {**data, "coefficients": coefficients}}
    return Bandits(flags, {"bandits": {"b": model}})


def test_a_bandit_acts_for_its_own_variation_alone() -> None:
    decision = decide(flag(EVERYBODY))
    found = bandits().choose(decision, Context("u"), ["only"])

    assert found is not None
    assert found == ("only", 1.0, 0.0, "b", "7")
    assert bandits().choose(decision, Context("u"), []) is None
    assert bandits().choose(decide(flag(EVERYBODY, value="other")), Context("u"), ["only"]) is None


def test_a_model_that_lacks_something_is_refused() -> None:
    with pytest.raises(RulesError, match=r"bandits\.b: is no model of a bandit of eppo"):
        bandits(only={"intercept": 1.0})
    with pytest.raises(RulesError, match="bandits: of a document of eppo"):
        Bandits({}, {})
