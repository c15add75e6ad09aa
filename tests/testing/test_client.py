from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from flagstaff import AsyncClient, Client, ConfigError, Context, OverrideError, Reason, RulesError
from flagstaff.shell import Shell
from flagstaff.testing import (
    AsyncMemoryClient,
    FakeClock,
    MemoryClient,
    MemoryFlags,
    MemorySink,
    MemorySource,
)
from tests.client.lab import document

USER = Context("user-1")
KINDS: list[type[MemoryClient | AsyncMemoryClient]] = [MemoryClient, AsyncMemoryClient]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


# -- without rules: anything goes ----------------------------------------------------------------------


@pytest.mark.parametrize("value", [True, False, "urgent", 20, 0.5, ["red"], {"per": {"hour": 3}}, ""])
def test_a_flag_is_what_it_is_set_to(kind: type[MemoryClient], value: Any) -> None:
    client = kind()
    client.set("x", value)

    decision = client.decide("x", USER)
    assert (decision.value, decision.reason, decision.enabled) == (value, Reason.STATIC, bool(value))
    assert client.value("x", default=value) == value


def test_a_text_is_the_variants_name_as_well() -> None:
    client = MemoryClient()
    client.set("cta", "urgent")

    assert client.variant("cta") == "urgent"


def test_what_was_not_set_is_not_there() -> None:
    decision = MemoryClient().decide("x", USER, default=3)

    assert (decision.value, decision.reason) == (3, Reason.FLAG_NOT_FOUND)


def test_the_last_setting_counts_and_the_others_stay() -> None:
    client = MemoryClient()
    client.set("x", True)
    client.set("y", 1)
    client.set("x", False)

    assert not client.enabled("x")
    assert client.value("y", default=0) == 1


def test_a_reset_forgets_what_was_set_and_recorded() -> None:
    client = MemoryClient()
    client.set("cta", "urgent", experiment="wording")
    client.variant("cta", USER)
    client.track("bought", USER)
    client.reset()

    assert client.variant("cta", USER) is None
    assert (len(client.exposures), client.exposures.tracked) == (0, [])


# -- with rules ------------------------------------------------------------------------------------------


def test_given_rules_are_what_decides_until_a_flag_is_set(kind: type[MemoryClient]) -> None:
    client = kind(document())
    assert client.value("page-size", default=0) == 20

    client.set("page-size", "large")
    client.set("banner", False)

    assert client.value("page-size", default=0) == 50
    assert not client.enabled("banner")
    assert client.value("greeting", default="") == "Hello"


@pytest.mark.parametrize(
    ("flag", "wanted", "hint"),
    [
        ("new-chekout", True, "did you mean"),
        ("checkout-cta", "urgnt", "did you mean"),
        ("checkout-cta", True, "there are control, urgent"),
        ("page-size", 20, "there are small, large"),
    ],
)
def test_given_rules_a_test_cant_be_about_what_they_dont_know(flag: str, wanted: Any, hint: str) -> None:
    with pytest.raises(OverrideError, match=hint):
        MemoryClient(document()).set(flag, wanted)


def test_a_flag_that_was_set_needs_no_targeting(kind: type[MemoryClient]) -> None:
    client = kind(document())
    client.set("new-checkout", True)

    assert client.enabled("new-checkout", Context(None))


def test_rules_come_from_a_file_too(tmp_path: Path) -> None:
    path = tmp_path / "flags.toml"
    path.write_text('version = 1\n[flags.x]\ndefault = "on"\n')

    assert MemoryClient(path).enabled("x")
    assert MemoryClient(str(path)).enabled("x")
    with pytest.raises(ConfigError, match="nowhere"):
        MemoryClient(tmp_path / "nowhere.toml")
    with pytest.raises(RulesError):
        MemoryClient(b"{")


# -- what is recorded ------------------------------------------------------------------------------------


def test_a_flag_of_an_experiment_stays_one_when_it_is_set(kind: type[MemoryClient]) -> None:
    client = kind(document())
    client.set("checkout-cta", "urgent")

    decision = client.decide("checkout-cta", USER)

    assert (decision.variant, decision.experiment) == ("urgent", "cta-wording")
    client.exposures.assert_seen_once("checkout-cta", "urgent", unit="user-1")


def test_a_repetition_is_no_exposure_and_neither_is_a_decision_without_one() -> None:
    client = MemoryClient(document())
    for _ in range(3):
        client.value("checkout-cta", USER)
        client.value("checkout-cta", Context("user-2"), exposure=False)
        client.decide_all(Context("user-3"))
        client.enabled("banner", USER)

    assert [exposure.unit for exposure in client.exposures] == ["user-1"]


def test_an_override_is_no_exposure() -> None:
    client = MemoryClient(document())
    with client.override({"checkout-cta": "urgent"}):
        assert client.variant("checkout-cta", USER) == "urgent"

    client.exposures.assert_none()


def test_tracked_events_are_kept() -> None:
    client = MemoryClient()
    client.track("order-placed", USER, value=49.9, currency="EUR")

    client.exposures.assert_tracked("order-placed", value=49.9, currency="EUR", unit="user-1")


# -- a client like any other -----------------------------------------------------------------------------


def test_it_stands_in_for_a_client() -> None:
    assert isinstance(MemoryClient(), Client)
    assert isinstance(AsyncMemoryClient(), AsyncClient)
    with MemoryClient() as client:
        assert client.wait_ready()
        assert client.flush()
        assert client.status().state == "READY"


def test_it_stands_in_for_an_asynchronous_client() -> None:
    async def use() -> bool:
        async with AsyncMemoryClient() as client:
            client.set("x", True)
            return await client.wait_ready() and await client.flush() and client.enabled("x")

    assert asyncio.run(use())


def test_it_has_no_thread_and_opens_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLAGSTAFF_DIR", str(tmp_path / "state"))
    before = threading.active_count()
    with MemoryClient(document()) as client:
        client.value("checkout-cta", USER)
        client.track("x", USER)
        client.flush()
        assert threading.active_count() == before
    assert not (tmp_path / "state").exists()


def test_a_setting_counts_in_every_thread_and_task() -> None:
    client = MemoryClient()
    seen: list[bool] = []
    client.set("x", True)
    thread = threading.Thread(target=lambda: seen.append(client.enabled("x")))
    thread.start()
    thread.join()

    async def ask() -> bool:
        return client.enabled("x")

    assert [*seen, asyncio.run(ask())] == [True, True]


def test_those_who_wait_for_changes_are_told() -> None:
    client = MemoryClient()
    told: list[frozenset[str]] = []
    client.on_change(told.append)
    client.set("x", True)

    assert told == [frozenset({"x"})]


def test_its_clock_may_be_a_fake() -> None:
    clock = FakeClock()
    window = {"time": {"start": "2026-01-01T13:00:00Z"}}
    rules = {"version": 1, "flags": {"x": {"default": "off", "rules": [{"when": window, "serve": "on"}]}}}
    client = MemoryClient(rules, clock=clock)

    assert not client.enabled("x")
    clock.advance(3600)
    assert client.enabled("x")
    with pytest.raises(ValueError, match="never goes back"):
        clock.advance(-1)


def test_the_view_sets_and_asks_for_one_context() -> None:
    flags = MemoryFlags(MemoryClient(), USER)
    flags(x=True)
    flags({"checkout-cta": "urgent"}, y=3)
    flags.set("z", "calm", experiment="wording")

    assert flags.enabled("x")
    assert flags.variant("checkout-cta") == "urgent"
    assert flags.value("y", default=0) == 3
    assert flags.bind(Context("user-9")).variant("z") == "calm"
    flags.client.exposures.assert_seen_once("z", "calm", unit="user-9")


# -- the seams of a real client --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Client, MemoryClient])
def test_a_source_in_memory_changes_under_any_client(kind: type[Shell]) -> None:
    source = MemorySource()
    client = kind(source) if kind is MemoryClient else Client(source, events=None)
    source.set("x", True)
    assert client.enabled("x")

    source.replace(document())
    assert client.decide("x").reason is Reason.FLAG_NOT_FOUND
    assert client.enabled("banner")


def test_a_sink_in_memory_keeps_what_a_client_delivers() -> None:
    sink = MemorySink()
    with Client.from_document(document(), events=sink) as client:
        client.value("checkout-cta", USER)
        sink.fault = OSError("down")
        assert not client.flush(0.2)
        sink.fault = None
        client.track("bought", USER)
        assert client.flush(10)

    assert len(sink.events) == 2
    assert [event["data"]["flag"] for event in sink.of_type("flagstaff.exposure")] == ["checkout-cta"]
