"""Rules from a server, over real sockets: fetched, followed, and kept whatever the server does."""

from __future__ import annotations

import time
from typing import Any

import pytest

from flagstaff import Context, Reason
from flagstaff.shell import Shell
from tests.client.lab import (
    Driver,
    Maker,
    Server,
    document,
    encoded,
    eventually,
    numbered,
    scripted,
    stack,
    tagged,
)
from tests.net.badserver import answer, cut, hang

FAST = {"poll_interval": 0.1, "events": None}


def revision(flags: Shell) -> Any:
    return flags.value("first")


@pytest.fixture
def driver(server: Server, make: Maker) -> Driver:
    server.rules = tagged(numbered(1), '"1"')
    made = make(server.url, **FAST)
    assert made.wait_ready()
    return made


# -- while all is well ---------------------------------------------------------------------------------


def test_rules_are_fetched_from_a_server(driver: Driver, server: Server) -> None:
    status = driver.flags.status()

    assert revision(driver.flags) == 1
    assert (status.state, status.revision, status.flags, status.problems) == ("READY", 1, 5, ())
    assert status.source == stack(server.url, "0.1")
    assert status.to_dict() == {
        "state": "READY",
        "source": status.source,
        "project": "default",
        "environment": "default",
        "revision": 1,
        "flags": 5,
        "age": status.age,
        "pending": 0,
        "problems": [],
        "refused_overrides": {},
    }
    assert 0.0 <= (status.age or 0.0) < 20.0
    assert server.polls[0].path == "/v1/rules"
    assert server.polls[0].header("accept") == "application/json"
    assert server.polls[0].header("authorization") is None
    assert driver.flags.describe() == f"rules: {status.source}\nevents: nowhere"
    assert repr(driver.flags).endswith(f"Client {status.source}>")


def test_a_key_is_sent_as_a_bearer(server: Server, make: Maker) -> None:
    server.rules = tagged(numbered(1), '"1"')

    assert make(server.url + "/", key="sdk-1", **FAST).wait_ready()

    assert server.polls[0].path == "/v1/rules"
    assert server.polls[0].header("authorization") == "Bearer sdk-1"


def test_an_address_that_ends_in_json_is_the_document(server: Server, make: Maker) -> None:
    server.rules = answer(encoded(numbered(1)), Content_Type="text/plain")

    driver = make(f"{server.url}/rules/shop.json", poll_interval=0.1)

    assert driver.wait_ready()
    assert server.polls[0].path == "/rules/shop.json"
    assert driver.flags.describe().endswith("events: nowhere")


def test_rules_that_a_client_has_are_not_sent_again(driver: Driver, server: Server) -> None:
    eventually(lambda: len(server.polls) >= 3)

    assert server.polls[0].header("if-none-match") is None
    assert {visit.header("if-none-match") for visit in server.polls[1:]} == {'"1"'}
    assert driver.flags.status().state == "READY"


def test_new_rules_are_adopted(driver: Driver, server: Server) -> None:
    server.rules = tagged(numbered(2), '"2"')

    eventually(lambda: revision(driver.flags) == 2)

    eventually(lambda: server.polls[-1].header("if-none-match") == '"2"')
    assert driver.flags.status().revision == 2


def test_a_malformed_flag_harms_itself_alone(server: Server, make: Maker) -> None:
    rules = document()
    rules["flags"]["banner"] = {"variants": 7}
    rules["flags"]["greeting"]["rules"] = [{"segment": "no-such-segment", "serve": "plain"}]
    rules["flags"]["ratio"]["hologram"] = True  # a newer server may say more
    server.rules = tagged(rules, '"1"')
    driver = make(server.url, **FAST)
    assert driver.wait_ready()
    flags = driver.flags

    decisions = flags.decide_all(Context("user-1"))
    malformed = {key for key, decision in decisions.items() if decision.reason is Reason.MALFORMED}

    assert malformed == {"banner", "greeting"}
    assert set(decisions) == set(document()["flags"])
    assert flags.decide("banner", default="x").value == "x"
    assert "no-such-segment" in str(flags.decide("greeting").error)
    assert flags.value("ratio", default=0.1) == 0.5
    assert flags.status().state == "READY"
    assert len(flags.status().problems) == 3
    assert "banner" in str(flags.status())


# -- while something is wrong --------------------------------------------------------------------------


def test_rules_stay_while_the_server_fails_and_the_status_says_so(
    driver: Driver, server: Server, eager: None
) -> None:
    server.rules = answer(b"oops", 500)
    eventually(lambda: driver.flags.status().state == "STALE")

    status = driver.flags.status()
    assert revision(driver.flags) == 1
    assert status.ready
    assert status.problems == (f"{server.url.removeprefix('http://')} answered 500",)

    server.rules = tagged(numbered(2), '"2"')
    eventually(lambda: revision(driver.flags) == 2)
    eventually(lambda: driver.flags.status().problems == ())


def test_a_client_gets_ready_when_a_server_that_refused_its_key_takes_it(
    server: Server, make: Maker, eager: None
) -> None:
    server.rules = answer(status=401)
    driver = make(server.url, key="sdk-1", **FAST)
    eventually(lambda: driver.flags.status().problems)
    host = server.url.removeprefix("http://")
    assert driver.flags.status().problems == (f"{host} answered 401: the key is refused",)
    assert driver.flags.status().state == "NOT_READY"
    assert not driver.flags.status().ready
    assert driver.flags.status().age is None
    assert str(driver.flags.status()).startswith(f"NOT_READY: 0 flags from {stack(server.url, '0.1')}")

    server.rules = tagged(numbered(1), '"1"')

    assert driver.wait_ready()
    assert revision(driver.flags) == 1


def test_a_server_that_hangs_is_given_up_and_asked_again(
    server: Server, make: Maker, eager: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flagstaff.sources.http._TIMEOUT", 0.2)  # ten seconds are too long for a test
    server.rules = hang
    driver = make(server.url, **FAST)
    eventually(lambda: driver.flags.status().problems)
    assert "no complete answer in 0.2 s" in driver.flags.status().problems[0]

    server.rules = tagged(numbered(1), '"1"')

    assert driver.wait_ready()


def test_a_body_that_is_cut_short_is_not_adopted(driver: Driver, server: Server, eager: None) -> None:
    body = encoded(numbered(2))
    server.rules = cut(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:-1])
    eventually(lambda: driver.flags.status().state == "STALE")

    assert revision(driver.flags) == 1


def test_a_redirect_to_another_host_does_not_carry_the_key_there(
    server: Server, make: Maker, eager: None
) -> None:
    with scripted() as thief:
        thief.rules = tagged(numbered(1), '"1"')
        server.rules = answer(status=302, Location=f"{thief.url}/v1/rules")
        driver = make(server.url, key="sdk-1", **FAST)
        eventually(lambda: driver.flags.status().problems)

        assert "another origin" in driver.flags.status().problems[0]
        assert thief.visits == []


# -- nobody waits for the network ----------------------------------------------------------------------


def test_construction_does_not_wait_for_a_server_that_never_answers(server: Server, make: Maker) -> None:
    server.rules = hang

    def once() -> float:
        begun = time.perf_counter()
        client = make.kind(server.url)
        taken = time.perf_counter() - begun
        assert make.started(client).flags.decide("first", default=3).reason is Reason.NOT_READY
        return taken

    assert min(once() for _ in range(5)) < 0.020
    eventually(lambda: len(server.polls) == 5)  # and all of them are waiting by now


def test_waiting_for_rules_ends_when_it_should(server: Server, make: Maker) -> None:
    server.rules = hang
    driver = make(server.url, events=None)

    begun = time.monotonic()
    assert not driver.wait_ready(0.2)
    assert 0.19 < time.monotonic() - begun < 1.0

    assert not driver.wait_ready(0.0)
    assert not driver.wait_ready(-1.0)
    assert driver.flags.decide("first", default=3).reason is Reason.NOT_READY


def test_closing_does_not_wait_for_a_server_that_never_answers(server: Server, make: Maker) -> None:
    server.rules = hang
    driver = make(server.url, events=None)
    eventually(lambda: server.polls)

    begun = time.monotonic()
    driver.close(0.1)

    assert time.monotonic() - begun < 1.0
