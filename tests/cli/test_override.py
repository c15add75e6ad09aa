from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from flagstaff import Client, Reason
from tests.cli.lab import SHOP, invoke, write

SECRET = "s" * 32
ENVIRONMENT = {"FLAGSTAFF_OVERRIDE_SECRET": f"{SECRET},{'o' * 32}"}


def test_the_token_forces_what_was_asked_for() -> None:
    printed = invoke("override", "checkout-cta=urgent", "new-checkout=on", **ENVIRONMENT)

    assert printed.exit_code == 0
    with Client.from_document(SHOP, override_secret=SECRET) as client:
        forced = client.override_from(printed.stdout.strip())
        assert forced.overrides == {"checkout-cta": "urgent", "new-checkout": "on"}
        with forced:
            assert client.decide("checkout-cta").reason is Reason.OVERRIDE


def test_a_link_keeps_the_rest_of_the_address() -> None:
    url = "https://shop.test?a=1&flagstaff=old&b="
    printed = invoke("override", "a=b", "--url", url, **ENVIRONMENT).stdout.strip()

    parts = urlsplit(printed)
    query = parse_qs(parts.query, keep_blank_values=True)
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "shop.test", "/")
    assert (query["a"], query["b"]) == (["1"], [""])
    (token,) = query["flagstaff"]
    with Client.from_document(SHOP, override_secret=SECRET) as client:
        assert client.override_from(token).refused is None


def test_the_audience_may_come_from_the_environment_and_the_option_is_stronger() -> None:
    told = {**ENVIRONMENT, "FLAGSTAFF_OVERRIDE_AUDIENCE": "staging"}
    by_variable = invoke("override", "checkout-cta=calm", **told).stdout.strip()
    by_option = invoke("override", "checkout-cta=calm", "--audience", "live", **told).stdout.strip()

    for audience, token in (("staging", by_variable), ("live", by_option)):
        with Client.from_document(SHOP, override_secret=SECRET, override_audience=audience) as client:
            assert client.override_from(token).refused is None
    with Client.from_document(SHOP, override_secret=SECRET, override_audience="live") as client:
        assert client.override_from(by_variable).refused == "audience"


def test_programs_get_json() -> None:
    printed = invoke("override", "a=b", "--json", "--expires", "30d", "--url", "http://x/", **ENVIRONMENT)

    told = json.loads(printed.stdout)
    assert told["overrides"] == {"a": "b"}
    assert told["url"] == f"http://x/?flagstaff={told['token']}"
    assert told["expires"].endswith("+00:00")


def test_rules_that_can_not_serve_it_are_a_no(tmp_path: Path) -> None:
    path = write(tmp_path, SHOP)

    fine = invoke("override", "checkout-cta=calm", "--rules", path, **ENVIRONMENT)
    wrong = invoke("override", "checkout-cta=clam", "--rules", path, **ENVIRONMENT)

    assert fine.exit_code == 0
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert "no such variant of checkout-cta: clam; did you mean calm?" in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["a=b"], {}, "FLAGSTAFF_OVERRIDE_SECRET is not set"),
        (["a=b"], {"FLAGSTAFF_OVERRIDE_SECRET": "short"}, "at least 32 characters"),
        (["a"], ENVIRONMENT, "must read flag=variant"),
        ([], ENVIRONMENT, "Missing argument"),
        (["a=b", "--expires", "2 hours"], ENVIRONMENT, "such as 2h, not '2 hours'"),
        (["a=b", "--expires", "31d"], ENVIRONMENT, "must be from 1 to 2592000 seconds"),
        (["a=b", "--expires", "0s"], ENVIRONMENT, "must be from 1 to 2592000 seconds"),
        (["a=b", "--url", "shop.test"], ENVIRONMENT, "must be an address such as"),
        (["a=" + "b" * 3000], ENVIRONMENT, "too long for one token"),
    ],
)
def test_what_can_not_be_made_is_said(
    arguments: list[str], environment: dict[str, str], message: str
) -> None:
    result = invoke("override", *arguments, **environment)

    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert "short" not in result.stderr
