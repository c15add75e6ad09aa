from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from flagstaff import Client, ConfigError, Context, Decision, RulesError
from flagstaff.formats import load
from flagstaff.formats.endpoint import endpoint
from flagstaff.formats.growthbook import context
from flagstaff.settings import Secret
from flagstaff.testing import MemorySink
from tests.formats.oddities import odd

USER = {"id": "user-1"}


def document_of(*rules: Mapping[str, Any], default: Any = "default", **given: Any) -> dict[str, Any]:
    """One feature, "checkout"."""
    others = given.pop("features", {})
    return {"features": {"checkout": {"defaultValue": default, "rules": [*rules]}, **others}, **given}


def decided(document: Mapping[str, Any], flag: str = "checkout", **given: Any) -> Decision:
    with Client.from_document(document, format="growthbook") as client:
        return client.decide(flag, context({"attributes": USER, **given}))


def warned(document: Mapping[str, Any]) -> list[str]:
    return [str(problem) for problem in load(document, format="growthbook").warnings]


def holds(condition: Any, attributes: Mapping[str, Any], **given: Any) -> bool:
    document = document_of({"condition": condition, "force": True}, default=False, **given)
    return decided(document, attributes=attributes).enabled


# -- decisions -------------------------------------------------------------------------------------


def test_an_experiment_is_measured_by_its_hash_attribute() -> None:
    rule = {"key": "titles", "variations": ["Buy", "Order"], "hashAttribute": "org", "weights": [0, 1]}
    sink = MemorySink()

    with Client.from_document(document_of(rule), format="growthbook", events=sink) as client:
        decision = client.decide("checkout", context({"attributes": {**USER, "org": 42}}))
        client.flush()

    assert (decision.value, decision.variant, decision.experiment) == ("Order", "1", "titles")
    (event,) = sink.events
    assert (event["subject"], event["data"]["unit_type"]) == ("42", "org")


def test_variations_of_several_experiments_share_their_keys() -> None:
    first = {"key": "one", "condition": {"plan": "pro"}, "variations": ["a", "b"], "weights": [1, 0]}
    second = {"key": "two", "variations": ["c", "d"], "weights": [1, 0]}
    document = document_of(first, second)

    told = [decided(document, attributes={**USER, "plan": plan}) for plan in ("pro", "free")]

    assert [(decision.variant, decision.value) for decision in told] == [("0", "a"), ("0", "c")]


def test_a_value_that_is_null_is_the_callers_default() -> None:
    document = document_of({"condition": {"plan": "pro"}, "force": None}, default=None)
    with Client.from_document(document, format="growthbook") as client:
        for plan in ("pro", "free"):
            assert client.value("checkout", Context("user-1", plan=plan), default="mine") == "mine"


def test_a_forced_variation_is_no_exposure() -> None:
    document = document_of({"key": "titles", "variations": ["Buy", "Order"], "coverage": 0})
    by_map = decided(document, forcedVariations={"titles": 1})
    by_address = decided(document, url="https://shop.test/?titles=1")

    for decision in (by_map, by_address):
        assert (decision.value, decision.reason, decision.experiment) == ("Order", "OVERRIDE", "titles")
        assert decision._exposed is None
    assert decided(document, url="https://shop.test/?titles=1", enabled=False).value == "default"


def test_who_tests_meets_forced_variations_only() -> None:
    document = document_of({"key": "titles", "variations": ["Buy", "Order"]})

    assert decided(document, qaMode=True).value == "default"
    assert decided(document, qaMode=True, forcedVariations={"titles": 0}).value == "Buy"
    assert decided(document, forcedVariations={"titles": 7}).value == "default"


def test_a_plain_context_decides_alike() -> None:
    document = document_of({"variations": ["a", "b"]}, {"condition": {"id": "user-1"}, "force": "c"})
    with Client.from_document(document, format="growthbook") as client:
        own = client.decide("checkout", Context("user-1"))

        assert own == client.decide("checkout", context({"attributes": USER}))
        assert own.experiment == "checkout"
    named = document_of({"condition": {"id": "user-1"}, "force": "c"})
    with Client.from_document(named, format="growthbook") as client:
        assert client.decide("checkout", Context("user-1")).value == "c"


@pytest.mark.parametrize("unit", [None, "", 0, False])
def test_what_counts_as_false_is_no_unit(unit: Any) -> None:
    document = document_of({"variations": ["a", "b"]})

    assert decided(document, attributes={"id": unit}).value == "default"


def test_a_number_is_a_unit_in_all_its_digits() -> None:
    document = document_of({"variations": ["a", "b"]})
    with Client.from_document(document, format="growthbook") as client:
        for number in range(2**60, 2**60 + 20):
            by_number = client.decide("checkout", context({"attributes": {"id": number}}))
            assert by_number == client.decide("checkout", context({"attributes": {"id": str(number)}}))


def test_those_who_pass_through_are_nobody_elses() -> None:
    meta = [{"passthrough": True}, {"key": "kept"}]
    rule = {"key": "holdout", "variations": ["x", "y"], "ranges": [[0, 1], [0, 1]], "meta": meta}
    document = document_of(rule, {"force": "next"})

    assert decided(document).value == "next"
    assert any("exposures are not recorded" in text for text in warned(document))


def test_a_draw_takes_the_first_range_that_holds() -> None:
    document = document_of({"variations": ["a", "b"], "ranges": [[0, 1], [0, 1]]})

    assert decided(document).value == "a"


def test_the_leaf_of_a_bandit_says_how_it_is_drawn() -> None:
    leaves = [{"leafId": 5, "condition": {"plan": "pro"}, "weights": [1, 0]}]
    rule = {"contextualVariations": ["a", "b"], "contextualBanditRef": "cb", "weights": [0, 1]}
    document = document_of(rule, contextualBandits={"cb": {"banditVersion": 3, "contexts": leaves}})

    pro = decided(document, attributes={**USER, "plan": "pro"})
    free = decided(document, attributes={**USER, "plan": "free"})

    assert (pro.value, pro.metadata["leafId"], pro.metadata["banditVersion"]) == ("a", 5, 3)
    assert (free.value, free.metadata["leafId"]) == ("b", -1)


# -- other features --------------------------------------------------------------------------------


def test_a_gate_gives_null_and_any_other_prerequisite_the_next_rule() -> None:
    parent = {"parent": {"defaultValue": "off"}}
    asked = {"id": "parent", "condition": {"value": "on"}}
    gated = document_of({"parentConditions": [{**asked, "gate": True}], "force": "x"}, features=parent)
    skipped = document_of({"parentConditions": [asked], "force": "x"}, features=parent)

    decision = decided(gated)
    assert (decision.value, decision.reason) == (None, "PREREQUISITE_FAILED")
    assert decision.metadata["prerequisite"] == "parent"
    assert decided(skipped).value == "default"


def test_a_feature_that_is_not_there_is_worth_null() -> None:
    document = document_of({"parentConditions": [{"id": "gone", "condition": {"value": None}}], "force": "x"})

    assert decided(document).value == "x"
    assert any("no such feature: 'gone'" in text for text in warned(document))


def test_whoever_asks_their_way_into_a_circle_gets_null() -> None:
    def asks(other: str, **rule: Any) -> dict[str, Any]:
        return {
            "defaultValue": "x",
            "rules": [{"parentConditions": [{"id": other, "condition": {}}], **rule}],
        }

    features = {"a": asks("b"), "b": asks("a", force=1), "outside": asks("a", variations=[1, 2]), "free": {}}
    document = document_of(features=features)

    for flag in ("a", "b", "outside"):
        decision = decided(document, flag, qaMode=True)
        assert (decision.value, decision.reason) == (None, "MALFORMED")
    assert decided(document).value == "default"


# -- conditions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "value", "expected"),
    [
        ("NL", ["NL"], True),
        ("1", 1.0, True),
        ("null", None, True),
        (5, "5", True),
        (0, None, True),
        (True, "x", True),
        (False, None, False),
        ({"a": 1}, {"a": 1.0}, True),
        ([1, 2], [2, 1], False),
        ({"$in": ["NL", None]}, None, True),
        ({"$in": ["NL"]}, ["BE", "NL"], True),
        ({"$in": [1]}, True, False),
        ({"$in": "NL"}, "NL", False),
        ({"$nin": "NL"}, "BE", False),
        ({"$ini": ["nl"]}, "NL", True),
        ({"$gt": 1}, "10", True),
        ({"$lt": "9"}, "10", True),
        ({"$vgt": "1.9.0"}, "1.10.0", True),
        ({"$vlt": "1.0.0"}, "1.0.0-beta", True),
        ({"$veq": "v1.0"}, "1.0+build", True),
        ({"$elemMatch": {"$gt": 2}}, [1, 3], True),
        ({"$elemMatch": {"name": "x"}}, [{"name": "x"}], True),
        ({"$elemMatch": "a,b"}, [{"name": "x"}], False),
        ({"$elemMatch": {"$exists": True}}, [0, ""], False),
        ({"$all": ["a", "b"]}, ["b", "a", "c"], True),
        ({"$size": {"$gt": 1}}, [1, 2], True),
        ({"$exists": False}, None, True),
        ({"$type": "array"}, [], True),
        ({"$regex": "^N\\u004c$"}, "NL", True),
        ({"$regex": "\\s"}, "\ufeff", True),
        ({"$regexi": "^nl"}, "NL", True),
        ({"$regex": "^.$"}, "\U0001f600", False),
        ({"$regex": "^..$"}, "\U0001f600", True),
        ({"$regex": "^\U0001f600$"}, "\U0001f600", True),
        ({"$regex": "(?i)nl"}, "NL", False),  # no JavaScript
        ({"$regex": "(?P<n>N)"}, "NL", False),
        ({"$regex": "(?<n>N)(?:L)"}, "NL", True),
        ({"$regex": "\\z"}, "z", True),  # a letter like any other
        ({"$regex": "[\\z]\\x{2}"}, "zxx", True),
        ({"$regex": "\\u004e\\x4c"}, "NL", True),
        ({"$regex": "^[^]$"}, "\n", True),
        ({"$regex": "[]"}, "]", False),
        ({"$regex": "[[:alpha:]]"}, "b]", False),
        ({"$regex": "[[\\]]$"}, "[", True),
        ({"$regex": "."}, "\u2028", False),
        ({"$regex": "\\."}, ".", True),
        ({"$regex": "["}, "[", False),
        ({"$not": {"$regex": "["}}, "[", True),
        ({"$strange": 1}, 1, False),
    ],
)
def test_tests_of_a_value(condition: Any, value: Any, expected: bool) -> None:
    assert holds({"x": condition}, {"x": value}) is expected
    assert holds({"$not": {"x": condition}}, {"x": value}) is not expected


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("who.name", {"who": {"name": "x"}}),
        ("tags.1", {"tags": ["a", "x"]}),
        ("targeting_key", {"id": "other", "targeting_key": "x"}),
        ("id", {"id": "x"}),
    ],
)
def test_names_lead_to_values(name: str, attributes: dict[str, Any]) -> None:
    assert holds({name: "x"}, attributes)
    assert not holds({name: "x"}, {"id": "y"})


def test_saved_groups() -> None:
    groups = {
        "plain": ["NL"],
        "users": {"type": "list", "attributeKey": "id", "values": ["user-1"]},
        "asked": {"type": "condition", "condition": {"$savedGroup": {"id": "users"}, "plan": "pro"}},
        "circle": {"type": "condition", "condition": {"$savedGroup": {"id": "circle"}}},
    }

    def is_in(condition: Any, **attributes: Any) -> bool:
        return holds(condition, {**USER, **attributes}, savedGroups=groups)

    assert is_in({"country": {"$inGroup": "plain"}}, country="NL")
    assert is_in({"country": {"$notInGroup": "gone"}}, country="NL")
    assert is_in({"id": {"$inGroup": "users"}})
    assert is_in({"$savedGroup": {"id": "users"}})
    assert not is_in({"$savedGroup": {"id": "users", "attributeKey": "country"}}, country="NL")
    assert is_in({"$savedGroup": {"id": "asked"}}, plan="pro")
    assert not is_in({"$savedGroup": {"id": "asked"}}, plan="free")
    assert not is_in({"$savedGroup": {"id": "circle"}})
    assert not is_in({"country": {"$inGroup": "asked"}}, country="NL")
    assert not is_in({"country": {"$notInGroup": "asked"}}, country="NL")
    assert is_in({"tags": {"$elemMatch": {"$inGroup": "plain"}}}, tags=["NL"])
    circle = {"tags": {"$elemMatch": {"name": "x", "$savedGroup": {"id": "around"}}}}
    groups["around"] = {"type": "condition", "condition": circle}
    assert not is_in({"$savedGroup": {"id": "around"}}, tags=[{"name": "x", "tags": [{"name": "x"}]}])


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"name": "Ann", "$savedGroup": {"id": "users", "attributeKey": "id"}}, True),
        ({"name": "Ann", "$savedGroup": {"id": "users"}}, False),  # it has no attribute of its own
        ({"name": "Ann", "$savedGroup": {"id": "admins"}}, True),
        ({"name": "Ann", "$savedGroup": {"id": "missing"}}, False),
        ({"name": "Ann", "$not": {"$savedGroup": {"id": "admins"}}}, False),
        ({"name": "Bob", "$or": [{"$savedGroup": {"id": "admins"}}, {"id": "u2"}]}, True),
        ({"name": "Ann", "$and": [{"id": "u1"}], "$savedGroup": {"id": "admins"}}, True),
        ({"name": "Ann", "$and": [{"id": "u2"}], "$savedGroup": {"id": "admins"}}, False),
        ({"$savedGroup": {"id": "admins"}}, False),  # among operators only, where it is none
    ],
)
def test_items_of_a_list_may_be_asked_for_saved_groups(condition: Any, expected: bool) -> None:
    groups = {
        "users": {"type": "list", "values": ["u1"]},
        "admins": {"type": "condition", "condition": {"role": "admin", "id": {"$inGroup": "users"}}},
    }
    people = [{"id": "u1", "name": "Ann", "role": "admin"}, {"id": "u2", "name": "Bob", "role": "admin"}]
    asked = {"people": {"$elemMatch": condition}}

    assert holds(asked, {**USER, "people": people}, savedGroups=groups) is expected


@pytest.mark.parametrize(
    "condition",
    [{"$savedGroup": {"id": "g0"}}, {"tags": {"$elemMatch": {"name": "x", "$savedGroup": {"id": "g0"}}}}],
)
def test_groups_within_groups_are_no_way_to_cost_much(condition: Any) -> None:
    groups = {
        f"g{number}": {
            "type": "condition",
            "condition": {"$or": [{"$savedGroup": {"id": f"g{number + 1}"}}] * 8},
        }
        for number in range(12)
    }
    document = document_of({"condition": condition, "force": 1}, savedGroups=groups)

    decision = decided(document)

    assert decision.reason == "MALFORMED"
    assert "comes to more than 10,000 conditions" in str(decision.error)


# -- sticky buckets --------------------------------------------------------------------------------

STUCK = {
    "key": "titles",
    "variations": ["Buy", "Order"],
    "weights": [1, 0],
    "meta": [{"key": "a"}, {"key": "b"}],
    "condition": {"plan": "pro"},
}


def given_before(version: int = 0, key: str = "b", **who: str) -> list[dict[str, Any]]:
    assignments = {f"titles__{version}": key}
    ((name, value),) = (who or USER).items()
    return [{"attributeName": name, "attributeValue": value, "assignments": assignments}]


def stuck(rule: Mapping[str, Any], docs: Any, attributes: Mapping[str, Any] = USER) -> Any:
    document = document_of({**STUCK, **rule})
    native = load(document, format="growthbook").canonical_json
    given = context({"attributes": attributes, "stickyBucketAssignmentDocs": docs})
    with Client.from_document(native) as converted:
        decision = decided(document, attributes=attributes, stickyBucketAssignmentDocs=docs)
        assert converted.decide("checkout", given) == decision
    return decision.value


def test_what_was_given_before_is_kept_whatever_the_weights_and_the_condition_say() -> None:
    docs = given_before()
    assert stuck({}, docs) == "Order"
    assert stuck({}, {"id||user-1": docs[0]}) == "Order"
    assert stuck({}, {"id||user-2": docs[0]}) == "default"
    assert stuck({}, docs, {"id": "user-2", "plan": "pro"}) == "Buy"
    assert stuck({}, docs, {"plan": "pro"}) == "default"
    assert stuck({"disableStickyBucketing": True}, docs) == "default"
    assert stuck({}, given_before(key="gone")) == "default"


def test_a_variation_of_another_version_is_drawn_anew_or_keeps_its_unit_out() -> None:
    pro = {**USER, "plan": "pro"}
    assert stuck({"bucketVersion": 1}, given_before(0), pro) == "Buy"
    assert stuck({"bucketVersion": 1}, given_before(1), pro) == "Order"
    assert stuck({"bucketVersion": 2, "minBucketVersion": 1}, given_before(0), pro) == "default"
    assert stuck({"bucketVersion": 2, "minBucketVersion": 1}, given_before(1), pro) == "Buy"


def test_another_attribute_is_drawn_by_where_buckets_are_sticky_and_the_first_is_missing() -> None:
    rule = {"fallbackAttribute": "device"}
    visitor = {"device": "d1", "plan": "pro"}
    assert stuck(rule, [], visitor) == "Buy"
    assert stuck(rule, None, visitor) == "default"
    assert stuck(rule, given_before(device="d1"), visitor) == "Order"
    assert stuck(rule, given_before(device="d1"), {**visitor, **USER}) == "Order"
    assert stuck(rule, [*given_before(device="d1"), *given_before(key="a")], {**visitor, **USER}) == "Buy"
    document = document_of({**STUCK, **rule})
    asked = decided(document, attributes=visitor, stickyBucketAssignmentDocs={})
    assert asked._exposed is not None
    assert decided(document_of({"force": 1, "coverage": 1, **rule}), attributes=visitor).value == "default"


def test_documents_without_a_value_count_for_those_without_the_attribute() -> None:
    rule = {"fallbackAttribute": "device", "minBucketVersion": 1}
    assert stuck(rule, given_before(id=""), {"device": "d1", "plan": "pro"}) == "default"


def test_a_fallback_that_a_rule_does_not_have_is_the_id_and_is_not_drawn_by() -> None:
    assert stuck({"hashAttribute": "org"}, given_before(), {**USER, "org": "o1"}) == "Order"
    assert stuck({"hashAttribute": "org"}, given_before(), USER) == "default"


def test_a_variation_given_before_that_lets_the_next_rule_decide_still_does() -> None:
    meta = [{"key": "a"}, {"key": "b", "passthrough": True}]
    assert stuck({"meta": meta}, given_before()) == "default"
    assert stuck({"meta": meta}, given_before(key="a")) == "Buy"


@pytest.mark.parametrize("docs", [7, "x", [7], {"id||user-1": 7}, {"id||user-1": {"assignments": 7}}])
def test_documents_that_are_none_say_nothing(docs: Any) -> None:
    assert stuck({}, docs) == "default"


# -- documents that are wrong ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"flags": {}}, "features: of a document of GrowthBook must be an object, not null"),
        ({"features": []}, "features: of a document of GrowthBook must be an object, not a list"),
        ({"features": {}, "savedGroups": [1]}, "savedGroups: of a document of GrowthBook"),
        (
            {"features": {}, "encryptedFeatures": "x.y"},
            "encryptedFeatures: of a document of GrowthBook is encrypted.*decryption_key",
        ),
    ],
)
def test_a_foreign_document_is_refused(document: dict[str, Any], said: str) -> None:
    with pytest.raises(RulesError, match=said):
        load(document, format="growthbook")


KEY = b64encode(bytes(range(16))).decode()


def encrypted(plain: Any, key: str = KEY) -> str:
    """What GrowthBook's server makes of a part of its document."""
    start, padding = bytes(range(100, 116)), PKCS7(128).padder()
    padded = padding.update(json.dumps(plain).encode()) + padding.finalize()
    encryptor = Cipher(AES(b64decode(key)), CBC(start)).encryptor()
    hidden = encryptor.update(padded) + encryptor.finalize()
    return f"{b64encode(start).decode()}.{b64encode(hidden).decode()}"


def test_encrypted_features_are_read_with_their_key() -> None:
    plain = document_of({"condition": {"id": {"$inGroup": "staff"}}, "force": "hello"})
    document = {
        "features": {},
        "encryptedFeatures": encrypted(plain["features"]),
        "encryptedSavedGroups": encrypted({"staff": ["user-1"]}),
        "encryptedExperiments": encrypted([]),
    }
    with Client.from_document(
        document, format="growthbook", format_options={"decryption_key": KEY}
    ) as client:
        assert client.value("checkout", context({"attributes": USER})) == "hello"
        assert client.value("checkout", context({"attributes": {"id": "user-2"}})) == "default"
        assert client.status().problems == ()


@pytest.mark.parametrize(
    "written",
    [encrypted({}, b64encode(b"another key of 1").decode()), encrypted({})[:-8], "x.y", "x", "", 7, [1], "."],
)
def test_what_can_t_be_decrypted_is_refused_and_says_so(written: Any) -> None:
    document = {"encryptedFeatures": written} if written else {"encryptedSavedGroups": "."}
    options = {"decryption_key": KEY}
    with pytest.raises(
        RulesError, match=r"encrypted\w+: of a document of GrowthBook can't be decrypted"
    ) as raised:
        Client.from_document(document, format="growthbook", format_options=options)
    assert KEY not in str(raised.value)


@pytest.mark.parametrize("key", ["", "short", "not base64 at all!!", 16, None])
def test_a_key_that_is_none_is_refused_at_once(key: Any) -> None:
    with pytest.raises(ConfigError, match="decryption_key must be 16 bytes in base64"):
        Client("http://127.0.0.1:1", key="sdk-1", format="growthbook", format_options={"decryption_key": key})


def test_an_option_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"not 'decription_key'.*decryption_key"):
        Client.from_document({}, format="growthbook", format_options={"decription_key": KEY})


def test_a_broken_feature_harms_itself_alone() -> None:
    document = document_of({"variations": 7}, features={"other": {"defaultValue": 1}})

    decision = decided(document)

    assert decision.reason == "MALFORMED"
    assert decision.error == "features.checkout.rules[0].variations: must be a list, not a number"
    assert decided(document, "other").value == 1


def test_what_is_not_known_is_told() -> None:
    rule = {
        "force": 1,
        "colour": "red",
        "tracks": [{}],
        "condition": {"x": {"$near": 1}, "y": {"$regex": "(?=x)"}},
    }

    told = warned({**document_of(rule), "newThing": 1})

    assert told[:2] == [
        "newThing: is no field that is known here, and was not read",
        "features.checkout.rules[0].colour: is no field that is known here, and was not read",
    ]
    assert any("tracks: are exposures of experiments that were decided elsewhere" in text for text in told)
    assert any("condition.x.$near: is no operator that is known here" in text for text in told)
    assert any("condition.y.$regex: never holds: look-ahead" in text for text in told)


def test_whatever_stands_anywhere_is_no_surprise() -> None:
    condition = {"$or": [{"x": {"$in": ["a"], "$regex": "a"}}, {"$savedGroup": {"id": "g"}}], "y.z": 1}
    experiment = {
        "id": "r",
        "key": "e",
        "condition": condition,
        "variations": ["a", "b"],
        "weights": [0.5, 0.5],
        "ranges": [[0, 0.5], [0.5, 1]],
        "meta": [{"key": "m"}, {"passthrough": True}],
        "namespace": ["ns", 0, 1],
        "filters": [{"seed": "f", "ranges": [[0, 1]], "hashVersion": 2}],
        "parentConditions": [{"id": "other", "condition": {"value": 1}, "gate": True}],
        "coverage": 1,
        "hashVersion": 2,
        "hashAttribute": "id",
        "seed": "s",
    }
    bandit = {"contextualVariations": [1, 2], "contextualBanditRef": "cb"}
    leaves = [{"leafId": 1, "condition": {"x": 1}, "weights": [1, 0]}]
    whole = document_of(
        experiment,
        bandit,
        {"force": 1, "range": [0, 1]},
        {"force": 2, "coverage": 0.5},
        features={"other": {"defaultValue": 1}},
        savedGroups={"g": {"type": "list", "attributeKey": "id", "values": ["a"]}},
        contextualBandits={"cb": {"banditVersion": 1, "contexts": leaves}},
    )
    for document in odd(whole):
        with suppress(RulesError), Client.from_document(document, format="growthbook") as client:
            client.decide_all(context({"attributes": {**USER, "x": "a"}, "forcedVariations": {"e": 0}}))


def test_whatever_is_forced_is_no_surprise() -> None:
    document = document_of({"key": "titles", "variations": ["Buy", "Order"]})
    given = {"url": "https://shop.test/?titles=1", "forcedVariations": {"titles": 1}, "qaMode": True}
    with Client.from_document(document, format="growthbook") as client:
        for other in odd({**given, "attributes": USER}):
            with suppress(ValueError, TypeError, AttributeError):
                user = context(other)
                assert client.decide("checkout", user).reason != "GENERAL"


# -- the server ------------------------------------------------------------------------------------


def test_features_are_found_by_a_client_key() -> None:
    found = endpoint("growthbook", "https://cdn.growthbook.io", Secret("sdk-1/2"), {})

    assert (found.url, found.headers) == ("https://cdn.growthbook.io/api/features/sdk-1%2F2", {})


def test_an_address_of_features_is_taken_as_it_is() -> None:
    url = "https://proxy.example.com/api/features/sdk-1"

    assert endpoint("growthbook", url, None, {}).url == url


def test_without_a_key_there_are_no_features() -> None:
    with pytest.raises(ConfigError, match="client key"):
        endpoint("growthbook", "https://cdn.growthbook.io", None, {})
