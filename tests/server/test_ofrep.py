from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from flagstaff import Client, Context
from tests.client.lab import document
from tests.server.lab import Lab, Stage, lab

KEY = "sdk-hush"
ONE = "/ofrep/v1/evaluate/flags/"
ALL = "/ofrep/v1/evaluate/flags"
USER = {"context": {"targetingKey": "user-1", "email": "a@shop.test"}}


@pytest.fixture
def rules() -> dict[str, Any]:
    made = document(revision=7)
    made["flags"]["a/b c"] = {"default": "on", "metadata": {"ticket": "LOG-42"}}
    return made


@pytest.fixture
def served(stage: Stage, tmp_path: Path, rules: dict[str, Any]) -> Iterator[Lab]:
    with lab(stage, tmp_path, rules) as it:
        yield it


def told(answer: httpx.Response) -> tuple[int, dict[str, Any]]:
    assert answer.headers["content-type"] == "application/json"
    return answer.status_code, answer.json()


# -- one flag --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("new-checkout", {"value": True, "variant": "on", "reason": "TARGETING_MATCH"}),
        ("page-size", {"value": 20, "variant": "small", "reason": "STATIC"}),
        ("limits", {"value": {"per": {"hour": 3}}, "variant": "strict", "reason": "STATIC"}),
        (
            "a%2Fb%20c",
            {
                "key": "a/b c",
                "value": True,
                "variant": "on",
                "reason": "STATIC",
                "metadata": {"ticket": "LOG-42"},
            },
        ),
    ],
)
def test_a_flag_is_decided(served: Lab, flag: str, expected: dict[str, Any]) -> None:
    assert told(served.client.post(ONE + flag, json=USER)) == (200, {"key": flag} | expected)


def test_it_decides_as_a_client_does(served: Lab, rules: dict[str, Any]) -> None:
    with Client.from_document(rules) as client:
        for number in range(50):
            context = {"targetingKey": f"user-{number}"}
            _, answer = told(served.client.post(ONE + "checkout-cta", json={"context": context}))
            assert answer["variant"] == client.variant("checkout-cta", Context(f"user-{number}"))
            assert (answer["reason"], answer["metadata"]) == ("SPLIT", {"experiment": "cta-wording"})
    assert served.store.count() == 0


def test_a_reason_that_the_protocol_lacks_is_unknown(served: Lab) -> None:
    _, answer = told(served.client.post(ONE + "new-checkout", json={"context": {}}))

    assert (answer["value"], answer["reason"]) == (False, "UNKNOWN")


@pytest.mark.parametrize(
    ("flag", "body", "status", "code"),
    [
        ("nowhere", USER, 404, "FLAG_NOT_FOUND"),
        ("", USER, 404, "FLAG_NOT_FOUND"),
        ("checkout-cta", {"context": {}}, 400, "TARGETING_KEY_MISSING"),
        ("checkout-cta", {}, 400, "TARGETING_KEY_MISSING"),
        ("banner", {"context": []}, 400, "INVALID_CONTEXT"),
        ("banner", {"context": {"targetingKey": {}}}, 400, "INVALID_CONTEXT"),
        ("banner", {"context": {"targetingKey": True}}, 400, "INVALID_CONTEXT"),
        ("banner", [], 400, "INVALID_CONTEXT"),
    ],
)
def test_an_error_has_the_protocols_shape(
    served: Lab, flag: str, body: object, status: int, code: str
) -> None:
    found, answer = told(served.client.post(ONE + flag, json=body))

    assert (found, answer["key"], answer["errorCode"]) == (status, flag, code)
    assert answer["errorDetails"]
    assert answer.keys() == {"key", "errorCode", "errorDetails"}


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000, b'{"context": {"x": NaN}}'])
def test_a_body_that_is_no_json_says_so(served: Lab, body: bytes) -> None:
    for path in (ONE + "banner", ALL):
        status, answer = told(served.client.post(path, content=body))
        assert (status, answer["errorCode"]) == (400, "PARSE_ERROR")


def test_nothing_but_a_post_is_answered(served: Lab) -> None:
    assert served.client.get(ALL).status_code == 405
    assert served.client.get(ONE + "banner").status_code == 405


# -- all of them -----------------------------------------------------------------------------------------


def test_all_flags_are_decided_at_once(served: Lab, rules: dict[str, Any]) -> None:
    status, answer = told(served.client.post(ALL, json=USER))

    assert status == 200
    assert {flag["key"] for flag in answer["flags"]} == set(rules["flags"])
    assert answer["metadata"] == {"version": "7"}
    for flag in answer["flags"]:
        assert flag == told(served.client.post(ONE + flag["key"].replace("/", "%2F"), json=USER))[1]


def test_one_that_fails_harms_itself_alone(served: Lab) -> None:
    _, answer = told(served.client.post(ALL, json={}))
    failed = [flag for flag in answer["flags"] if "errorCode" in flag]

    assert [(flag["key"], flag["errorCode"]) for flag in failed] == [
        ("checkout-cta", "TARGETING_KEY_MISSING")
    ]
    assert len(answer["flags"]) > 1


def test_who_has_it_already_is_told_so(served: Lab) -> None:
    first = served.client.post(ALL, json=USER)
    etag = first.headers["etag"]
    again = served.client.post(ALL, json=USER, headers={"If-None-Match": etag})
    other = {"context": {"targetingKey": "user-1", "email": "a@elsewhere.test"}}
    changed = served.client.post(ALL, json=other, headers={"If-None-Match": etag})

    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert (changed.status_code, changed.headers["etag"] != etag) == (200, True)


def test_new_rules_are_decided_by(served: Lab, rules: dict[str, Any]) -> None:
    etag = served.client.post(ALL, json=USER).headers["etag"]
    rules["flags"]["page-size"]["default"] = "large"
    served.path.write_text(json.dumps(rules))
    assert served.rules.refresh()

    assert told(served.client.post(ONE + "page-size", json=USER))[1]["value"] == 50
    assert served.client.post(ALL, json=USER, headers={"If-None-Match": etag}).status_code == 200


# -- who may ask -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": f"Bearer {KEY}"}, 200),
        ({"X-API-Key": KEY}, 200),
        ({}, 401),
        ({"X-API-Key": ""}, 401),
        ({"X-API-Key": "another"}, 401),
        ({"Authorization": "Bearer another", "X-API-Key": KEY}, 401),
    ],
)
def test_a_key_is_asked_for(
    stage: Stage, tmp_path: Path, rules: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    with lab(stage, tmp_path, rules, KEY) as it:
        assert it.client.post(ALL, json=USER, headers=headers).status_code == status
        assert it.client.post(ONE + "banner", json=USER, headers=headers).status_code == status
        assert it.client.get("/v1/rules", headers={"X-API-Key": KEY}).status_code == 401


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost:3000", True),
        ("http://127.0.0.1:5173", True),
        ("https://[::1]", True),
        ("https://shop.example", False),
        ("http://localhost.shop.example", False),
    ],
)
def test_pages_of_this_machine_may_ask_and_no_others(served: Lab, origin: str, allowed: bool) -> None:
    asking = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-api-key",
    }
    preflight = served.client.options(ALL, headers=asking)
    answer = served.client.post(ALL, json=USER, headers={"Origin": origin})

    assert (preflight.status_code == 200) is allowed
    assert (answer.headers.get("access-control-allow-origin") == origin) is allowed
