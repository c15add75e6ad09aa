"""Rules that are older than allowed: decisions stay what they are, and say so."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from flagstaff import Client, ConfigError, Context, Reason
from flagstaff.sources.freshness import Freshness
from tests.client.lab import Basket, Maker, Server, document, encoded, eventually, numbered, tagged
from tests.net.badserver import answer

FAST: dict[str, Any] = {"poll_interval": 0.1, "max_stale": 1.0}
USER = Context("user-1", email="a@shop.test")


@pytest.fixture
def stale(server: Server, make: Maker, eager: None) -> Any:
    """A client whose server has failed for longer than allowed."""
    server.rules = tagged(document(), '"1"')
    driver = make(server.url, events=Basket(), **FAST)
    assert driver.wait_ready()
    assert driver.flags.decide("banner", USER).reason is Reason.STATIC
    server.rules = answer(status=503)
    eventually(lambda: driver.flags.decide("banner", USER).reason is Reason.STALE)
    return driver


def test_stale_decisions_are_what_they_were(stale: Any) -> None:
    banner = stale.flags.decide("banner", USER)

    assert (banner.enabled, banner.variant, banner.error) == (True, "on", None)
    assert banner.metadata["reason"] == Reason.STATIC
    assert stale.flags.enabled("new-checkout", USER)
    assert stale.flags.value("page-size", USER, default=0) == 20
    assert stale.flags.value("colours", USER) == ["red", ["deep"]]
    assert stale.flags.decide_all(USER)["new-checkout"].reason is Reason.STALE
    assert stale.flags.explain("new-checkout", USER).decision.metadata["reason"] is Reason.TARGETING_MATCH
    assert stale.flags.decide("nonsense", USER).reason is Reason.FLAG_NOT_FOUND
    assert stale.flags.decide("page-size", USER, default="").reason is Reason.TYPE_MISMATCH
    with stale.flags.override({"banner": "off"}):
        assert stale.flags.decide("banner", USER).reason is Reason.OVERRIDE


def test_containers_are_still_the_callers_own(stale: Any) -> None:
    stale.flags.value("colours", USER).append("mine")

    assert stale.flags.value("colours", USER) == ["red", ["deep"]]


def test_a_stale_decision_of_an_experiment_is_an_exposure(stale: Any) -> None:
    before = stale.flags.stats()["accepted"]
    decision = stale.flags.decide("checkout-cta", USER)

    assert (decision.reason, decision.experiment) == (Reason.STALE, "cta-wording")
    assert decision.metadata["reason"] is Reason.SPLIT
    assert stale.flags.stats()["accepted"] == before + 1


def test_the_status_says_since_when(stale: Any) -> None:
    status = stale.flags.status()

    assert status.state == "STALE"
    assert any("max_stale is 1 s" in problem for problem in status.problems)


def test_a_confirmation_ends_it(stale: Any, server: Server) -> None:
    server.rules = tagged(document(), '"1"')

    eventually(lambda: stale.flags.decide("banner", USER).reason is Reason.STATIC)

    assert stale.flags.status().state == "READY"


def test_rules_that_were_kept_for_too_long_are_stale_at_once(
    server: Server, make: Maker, eager: None, kind: type[Client]
) -> None:
    server.rules = tagged(numbered(1), '"1"')
    driver = make(server.url, events=None, poll_interval=0.1)
    assert driver.wait_ready()
    driver.close()
    server.rules = answer(status=503)

    later = make.driver(kind(server.url, events=None, poll_interval=0.1, max_stale=60.0, clock=_Later()))

    assert later.flags.decide("first", USER).reason is Reason.STALE
    assert later.flags.value("first", USER) == 1


class _Later:
    """A clock an hour ahead."""

    def time(self) -> float:
        import time

        return time.time() + 3600.0

    def monotonic(self) -> float:
        import time

        return time.monotonic()


def test_a_file_that_can_not_be_read_any_more_goes_stale(make: Maker, tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    path.write_bytes(encoded(document()))
    driver = make.from_file(path, **FAST)
    path.unlink()

    eventually(lambda: driver.flags.decide("banner", USER).reason is Reason.STALE)


@pytest.mark.parametrize("wrong", [0, 0.5, -1, True, "soon", math.nan, math.inf, 10])
def test_an_age_that_can_not_work_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError, match=r"^max_stale: must"):
        Client("http://127.0.0.1:1", max_stale=wrong)


class _Machine:
    """Waits for ever; does nothing."""

    fault: str | None = None
    checked: float | None = None

    def next(self, _now: float) -> float:
        return math.inf

    def done(self, job: object, answer: object, now: float) -> None:
        pass


def test_the_machine_is_asked_again_when_the_rules_get_too_old() -> None:
    machine: Any = _Machine()
    calls: list[float] = []
    watch = Freshness(machine, machine, 60.0, lambda: calls.append(machine.now))
    for machine.now in (0.0, 100.0):
        assert watch.next(machine.now) == math.inf  # nothing is there that could be too old

    machine.checked = 100.0
    assert watch.next(130.0) == 30.0
    assert calls == []
    machine.now = 160.0
    assert watch.next(160.0) == math.inf
    assert watch.next(170.0) == math.inf
    assert calls == [160.0]
    machine.checked = machine.now = 170.0
    watch.done(None, None, 171.0)
    assert calls == [160.0, 170.0]
