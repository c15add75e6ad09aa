"""Every vendor's server, as its own SDKs know it: the address, the headers, what is asked again."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest

from flagstaff import AsyncClient, Client, Context
from tests.client.lab import Maker, eventually
from tests.net.badserver import BadServer, Visit, answer, serving

KEY = "key-1234567890-hidden"
TAG = '"tag-1"'
SINCE = "Sat, 28 Nov 2026 12:00:00 GMT"


class Vendor(NamedTuple):
    """What a vendor's server wants to hear, and a document in which the flag ``checkout`` is worth "now"."""

    base: str
    path: str
    headers: Mapping[str, str]
    document: Mapping[str, Any]


VENDORS = {
    "unleash": Vendor(
        "/api",
        "/api/client/features",
        {"authorization": KEY, "unleash-client-spec": "6.1.0"},
        {
            "version": 2,
            "features": [
                {
                    "name": "checkout",
                    "enabled": True,
                    "strategies": [{"name": "default"}],
                    "variants": [{"name": "a", "weight": 1, "payload": {"type": "string", "value": "now"}}],
                }
            ],
        },
    ),
    "growthbook": Vendor("", f"/api/features/{KEY}", {}, {"features": {"checkout": {"defaultValue": "now"}}}),
    "flagd": Vendor(
        "/flags.json",
        "/flags.json",
        {"authorization": f"Bearer {KEY}"},
        {"flags": {"checkout": {"state": "ENABLED", "variants": {"a": "now"}, "defaultVariant": "a"}}},
    ),
    "optimizely": Vendor(
        "",
        f"/datafiles/{KEY}.json",
        {},
        {
            "version": "4",
            "rollouts": [],
            "featureFlags": [
                {
                    "id": "1",
                    "key": "checkout",
                    "experimentIds": [],
                    "rolloutId": "",
                    "variables": [{"id": "1", "key": "title", "type": "string", "defaultValue": "now"}],
                }
            ],
        },
    ),
    "eppo": Vendor(
        "/api",
        f"/api/flag-config/v1/config?apiKey={KEY}",
        {},
        {
            "format": "SERVER",
            "flags": {
                "checkout": {
                    "key": "checkout",
                    "enabled": True,
                    "variationType": "STRING",
                    "variations": {"a": {"key": "a", "value": "now"}},
                    "totalShards": 10_000,
                    "allocations": [
                        {"key": "all", "splits": [{"variationKey": "a", "shards": []}], "doLog": False}
                    ],
                }
            },
        },
    ),
    "launchdarkly": Vendor(
        "",
        "/sdk/latest-all",
        {"authorization": KEY},
        {"flags": {"checkout": {"on": True, "variations": ["now"], "fallthrough": {"variation": 0}}}},
    ),
    "flagsmith": Vendor(
        "/api/v1",
        "/api/v1/environment-document/",
        {"x-environment-key": KEY},
        {
            "api_key": "env",
            "name": "Production",
            "project": {"segments": []},
            "feature_states": [
                {
                    "feature": {"id": 1, "name": "checkout"},
                    "enabled": True,
                    "feature_state_value": "now",
                    "django_id": 1,
                }
            ],
        },
    ),
}


@contextmanager
def server_of(vendor: Vendor, **tags: str) -> Iterator[BadServer]:
    """A server that gives its rules to who asks rightly, once: then only news, of which there are none."""
    whole = answer(json.dumps(vendor.document).encode(), 200, **tags)
    told = {"if-none-match": tags.get("ETag"), "if-modified-since": tags.get("Last_Modified")}

    def behave(visit: Visit) -> None:
        if not visit.path.startswith(vendor.path):
            answer(status=404)(visit)
        elif any(visit.header(name) != value for name, value in vendor.headers.items()):
            answer(status=401)(visit)
        elif any(tag is not None and visit.header(name) == tag for name, tag in told.items()):
            answer(status=304)(visit)
        else:
            whole(visit)

    with serving(behave) as server:
        yield server


def worth(value: Any) -> Any:
    """The text in a value: Optimizely's are mappings."""
    return value["title"] if isinstance(value, Mapping) else value


@pytest.fixture(params=[Client, AsyncClient], ids=["client", "async"])
def make(request: pytest.FixtureRequest) -> Iterator[Maker]:
    maker = Maker(request.param)
    yield maker
    maker.close()


def polling(make: Maker, server: BadServer, name: str, **settings: Any) -> Any:
    """A client of a vendor's server that polls all the time, and sends events nowhere."""
    url = server.url + VENDORS[name].base
    return make(url, key=KEY, format=name, events=None, poll_interval=0.2, **settings)


@pytest.mark.parametrize(
    ("name", "tags"),
    [*((name, {"ETag": TAG}) for name in VENDORS), ("optimizely", {"Last_Modified": SINCE})],
    ids=[*VENDORS, "optimizely without a tag"],
)
def test_a_server_is_asked_as_its_own_sdk_asks_and_sends_its_rules_once(
    name: str, tags: dict[str, str], make: Maker, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), server_of(VENDORS[name], **tags) as server:
        driver = polling(make, server, name)
        assert driver.wait_ready()
        assert worth(driver.flags.value("checkout", Context("user-1"))) == "now"
        eventually(lambda: len(server.visits) >= 3)
        eventually(lambda: driver.flags.status().state == "READY")
        shown = f"{driver.flags!r} {driver.flags.status()} {driver.flags.describe()} {driver.flags.stats()}"
        driver.close()

    header = "if-none-match" if "ETag" in tags else "if-modified-since"
    assert server.visits[0].header(header) is None
    assert {visit.header(header) for visit in server.visits[1:]} == set(tags.values())
    assert KEY not in shown + caplog.text


@pytest.mark.parametrize("make", [Client], indirect=True)
@pytest.mark.parametrize("name", VENDORS)
def test_what_is_no_document_of_the_vendor_leaves_the_last_good_one(name: str, make: Maker) -> None:
    vendor = VENDORS[name]
    good = answer(json.dumps(vendor.document).encode())
    other = VENDORS["optimizely" if name != "optimizely" else "unleash"].document
    foreign = answer(json.dumps(other).encode())
    with serving(good, answer(b'{"message": "sorry"}'), answer(b"[]"), foreign) as server:
        driver = polling(make, server, name)
        assert driver.wait_ready()
        eventually(lambda: driver.flags.status().state == "STALE")
        assert worth(driver.flags.value("checkout", Context("user-1"))) == "now"
        assert "no rules document" in str(driver.flags.status())


@pytest.mark.parametrize("make", [Client], indirect=True)
def test_what_an_option_asks_for_is_kept_by_itself(make: Maker) -> None:
    vendor = VENDORS["unleash"]
    with serving(answer(json.dumps(vendor.document).encode()), answer(status=503)) as server:
        first = polling(make, server, "unleash", format_options={"project": "shop"})
        assert first.wait_ready()
        eventually(lambda: first.flags.status().state == "STALE")
        first.close()
        other = polling(make, server, "unleash", format_options={"project": "desk"})
        eventually(lambda: "answered 503" in str(other.flags.status()))
        assert other.flags.status().state == "NOT_READY"
        same = polling(make, server, "unleash", format_options={"project": "shop"})
        assert same.wait_ready()


# -- Flagsmith's pages -----------------------------------------------------------------------------


def page_of(*identifiers: str) -> bytes:
    state = {
        "feature": {"id": 1, "name": "checkout"},
        "enabled": True,
        "feature_state_value": "for you",
        "django_id": 2,
    }
    overrides = [{"identifier": name, "identity_features": [state]} for name in identifiers]
    return json.dumps({**VENDORS["flagsmith"].document, "identity_overrides": overrides}).encode()


def by_path(pages: Mapping[str, Callable[[Visit], None]]) -> Callable[[Visit], None]:
    def behave(visit: Visit) -> None:
        assert visit.header("x-environment-key") == KEY
        pages[visit.path.rpartition("/")[2]](visit)

    return behave


def test_a_document_on_several_pages_is_read_to_the_end(make: Maker) -> None:
    second = '<?page_id=2>; rel="next"'
    third = '<https://other.test/>; rel="first", </api/v1/environment-document/?page_id=3>; rel=next'
    pages = {
        "": answer(page_of("ann"), ETag=TAG, Link=second),
        "?page_id=2": answer(page_of("bob"), ETag=TAG, Link=third),
        "?page_id=3": answer(page_of("eve"), ETag=TAG),
    }
    with serving(by_path(pages)) as server:
        driver = polling(make, server, "flagsmith")
        assert driver.wait_ready()
        found = [driver.flags.value("checkout", Context(name)) for name in ("ann", "bob", "eve", "zoe")]
        assert found == ["for you", "for you", "for you", "now"]
        eventually(lambda: len(server.visits) >= 6)
        driver.close()
    assert {visit.header("if-none-match") for visit in server.visits} == {None}


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (answer(status=500), "answered 500"),
        (answer(b"[]"), "a page of a document of flagsmith"),
        (answer(page_of("bob"), Link='<https://elsewhere.test/?page_id=3>; rel="next"'), "elsewhere"),
        (answer(page_of("bob"), Link='<?page_id=2>; rel="next"'), "more than 100 pages"),
        (
            answer(page_of("bob") + b" " * (6 << 20), Link='<?page_id=2>; rel="next"'),
            "answered with more than",
        ),
    ],
    ids=["fails", "is none", "is elsewhere", "never ends", "is large"],
)
def test_without_all_of_its_pages_there_is_no_document(
    second: Callable[[Visit], None], said: str, make: Maker
) -> None:
    pages = {"": answer(page_of("ann"), Link='<?page_id=2>; rel="next"'), "?page_id=2": second}
    with serving(by_path(pages)) as server:
        driver = polling(make, server, "flagsmith")
        eventually(lambda: said in str(driver.flags.status()))
        assert driver.flags.status().state == "NOT_READY"
        driver.close()
