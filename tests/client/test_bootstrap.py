from __future__ import annotations

import json
from typing import Any

from flagstaff import Context
from flagstaff.testing import MemoryClient, MemorySource
from tests.client.lab import document

USER = Context("user-1", email="a@shop.test")


def flags_of(text: str) -> dict[str, dict[str, Any]]:
    return {flag["key"]: flag for flag in json.loads(text)["flags"]}


def test_a_front_end_is_given_what_a_client_decides() -> None:
    client = MemoryClient(document())
    found = flags_of(client.bootstrap(USER))

    assert found.keys() == document()["flags"].keys()
    assert found["new-checkout"] == {
        "key": "new-checkout",
        "value": True,
        "variant": "on",
        "reason": "TARGETING_MATCH",
    }
    assert {key: flag["value"] for key, flag in found.items()} == {
        key: decision.value for key, decision in client.decide_all(USER).items()
    }
    assert client.bind(USER).bootstrap() == client.bootstrap(USER)
    client.exposures.assert_none()


def test_nothing_of_the_rules_gets_out() -> None:
    rules = document()
    rules["flags"]["banner"]["metadata"] = {"ticket": "SECRET-1"}
    text = MemoryClient(rules).bootstrap(USER)

    for secret in ("SECRET-1", "cta-wording", "staff", "@shop.test", "user-1", "rule"):
        assert secret not in text


def test_only_chosen_flags_are_given_and_unknown_ones_not_made_up() -> None:
    text = MemoryClient(document()).bootstrap(USER, flags=["banner", "nowhere", "ratio"])

    assert list(flags_of(text)) == ["banner", "ratio"]


def test_what_cant_be_decided_is_left_to_the_front_end() -> None:
    assert "checkout-cta" not in flags_of(MemoryClient(document()).bootstrap())


def test_it_is_safe_in_a_page() -> None:
    client = MemoryClient()
    hostile = "</script><!-- & \u2028"
    client.set("x", hostile)
    text = client.bootstrap()

    assert not set("<>&\u2028") & set(text)
    assert flags_of(text)["x"]["value"] == hostile


def test_an_override_is_in_it() -> None:
    client = MemoryClient(document())
    with client.override({"checkout-cta": "urgent"}):
        assert flags_of(client.bootstrap(USER))["checkout-cta"]["value"] == "Buy now"


def test_without_rules_there_is_nothing() -> None:
    class Silent(MemorySource):
        def attach(self, publish: Any) -> None:
            pass

    assert json.loads(MemoryClient(Silent()).bootstrap(USER)) == {"flags": []}
