"""Rules that are replaced while they are used: who is told, and what everybody else sees."""

from __future__ import annotations

import logging
import threading
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from flagstaff import Client, ConfigError, Context, RulesError
from flagstaff.formats import load
from flagstaff.formats.native import Loaded
from flagstaff.shell import Shell
from flagstaff.sources import Source
from tests.client.lab import Basket, Driver, Maker, document, encoded, eventually, numbered, scripted
from tests.net.badserver import answer

USER = Context("user-1")


class Pushed:
    """A source of one's own: hands over what it is given, when it is given."""

    def __init__(self, first: Any = None) -> None:
        self.fault: str | None = None
        self.checked: float | None = None
        self._first = first
        self._publish: Callable[[Loaded], None] | None = None

    def describe(self) -> str:
        return "pushed by hand"

    def attach(self, publish: Callable[[Loaded], None]) -> None:
        self._publish = publish
        if self._first is not None:
            self.push(self._first)

    def push(self, rules: Any) -> None:
        assert self._publish is not None
        self._publish(rules if isinstance(rules, Loaded) else load(rules, strict=False))


# -- a source of one's own -----------------------------------------------------------------------------


def test_a_source_of_ones_own_feeds_a_client(make: Maker) -> None:
    source = Pushed()
    assert isinstance(source, Source)
    driver = make(source, events=Basket())
    flags = driver.flags
    assert flags.status().state == "NOT_READY"
    assert flags.describe() == "rules: pushed by hand\nevents: sink Basket"

    source.push(document())
    assert flags.enabled("banner")
    assert flags.status().state == "READY"

    source.fault = "somebody tripped over the cable"
    assert flags.status().state == "STALE"
    assert flags.status().problems == ("somebody tripped over the cable",)


def test_rules_that_another_thread_hands_over_wake_those_who_wait(make: Maker) -> None:
    source = Pushed()
    driver = make(source)
    answers: list[bool] = []
    waiter = threading.Thread(target=lambda: answers.append(driver.wait_ready()))
    waiter.start()

    source.push(document())
    waiter.join(5)

    assert answers == [True]


def test_a_source_whose_machine_breaks_is_told_of_and_asked_again(make: Maker) -> None:
    class Clumsy(Pushed):
        asked = 0

        def attach(self, publish: Callable[[Loaded], None]) -> Any:
            super().attach(publish)
            return self

        def next(self, _now: float) -> float:
            self.asked += 1
            raise RuntimeError("secret words")

    source = Clumsy(document())
    flags = make(source).flags
    eventually(lambda: flags.status().problems)

    assert flags.status().problems == ("flagstaff-rules: next raised RuntimeError",)
    assert flags.enabled("banner")


def test_a_source_that_can_not_begin_ends_the_construction(make: Maker) -> None:
    class Broken(Pushed):
        def attach(self, _publish: Callable[[Loaded], None]) -> None:
            raise RulesError([], "nowhere")

    with pytest.raises(RulesError, match="nowhere"):
        make(Broken())


def test_what_is_no_source_is_no_address_either(make: Maker) -> None:
    with pytest.raises(ConfigError, match=r"^source: must be an address"):
        make(object())


# -- being told ----------------------------------------------------------------------------------------


@pytest.fixture
def source() -> Pushed:
    return Pushed(document())


@pytest.fixture
def driver(make: Maker, source: Pushed) -> Driver:
    return make(source)


@pytest.fixture
def told(driver: Driver) -> list[set[str]]:
    changes: list[set[str]] = []
    driver.flags.on_change(lambda changed: changes.append(set(changed)))
    return changes


def changed(change: Callable[[Any], object]) -> Any:
    rules = document()
    change(rules)
    return rules


CHANGES: dict[str, tuple[Callable[[Any], object], set[str]]] = {
    "a value": (lambda rules: rules["flags"]["greeting"]["variants"].update(plain="Hi"), {"greeting"}),
    "one for true": (lambda rules: rules["flags"]["page-size"]["variants"].update(small=1), {"page-size"}),
    "a flag that goes": (lambda rules: rules["flags"].pop("banner"), {"banner"}),
    "a flag that comes": (lambda rules: rules["flags"].update(fresh={}), {"fresh"}),
    "a flag that breaks": (lambda rules: rules["flags"].update(banner={"default": 7}), {"banner"}),
    "a segment": (lambda rules: rules["segments"]["staff"].update(value="@x"), {"new-checkout"}),
    "an experiment": (
        lambda rules: rules["experiments"]["cta-wording"].update(split={"control": 100}),
        {"checkout-cta"},
    ),
    "a revision": (lambda rules: rules["experiments"]["cta-wording"].update(revision=2), {"checkout-cta"}),
    "two": (
        lambda rules: (rules["flags"]["banner"].update(default="off"), rules["flags"].pop("ratio")),
        {"banner", "ratio"},
    ),
    "what decides nothing": (lambda rules: rules["flags"]["banner"].update(owner="payments"), set()),
    "nothing": (lambda _: None, set()),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_listener_is_told_what_really_changed(source: Pushed, told: list[set[str]], name: str) -> None:
    change, keys = CHANGES[name]

    source.push(changed(change))

    assert told == ([keys] if keys else [])
    source.push(changed(change))
    assert len(told) == len(keys and [keys])


def test_a_flag_that_stands_on_one_that_changed_has_changed(make: Maker) -> None:
    def rules(default: str) -> Any:
        gated = {"default": "on", "gates": [{"flag": "gate"}]}
        twice = {"default": "on", "rules": [{"when": {"not": {"all": [{"flag": "gated"}]}}, "serve": "off"}]}
        return {
            "version": 1,
            "flags": {"gate": {"default": default}, "gated": gated, "twice": twice, "other": {}},
        }

    source = Pushed(rules("on"))
    told: list[frozenset[str]] = []
    make(source).flags.on_change(told.append)

    source.push(rules("off"))

    assert told == [{"gate", "gated", "twice"}]


def test_the_first_rules_change_every_flag(make: Maker) -> None:
    source = Pushed()
    driver = make(source)
    told: list[frozenset[str]] = []
    driver.flags.on_change(told.append)

    source.push(document())

    assert told == [set(document()["flags"])]


def test_the_new_rules_hold_when_a_listener_is_told(driver: Driver, source: Pushed) -> None:
    seen: list[Any] = []
    driver.flags.on_change(
        lambda _: seen.append((driver.flags.value("first"), driver.flags.status().revision))
    )

    source.push(numbered(7))

    assert seen == [(7, 7)]


def test_a_listener_that_raises_stops_nobody_else(
    driver: Driver, source: Pushed, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[frozenset[str]] = []

    def fail(_changed: frozenset[str]) -> None:
        raise RuntimeError("secret words")

    driver.flags.on_change(fail)
    driver.flags.on_change(told.append)

    with caplog.at_level(logging.DEBUG):
        source.push(changed(lambda rules: rules["flags"].pop("banner")))

    assert told == [{"banner"}]
    assert "a listener for changes raised RuntimeError" in caplog.text
    assert "secret words" not in caplog.text


def test_a_listener_may_end_being_told_even_while_it_is_told(driver: Driver, source: Pushed) -> None:
    first: list[frozenset[str]] = []
    second: list[frozenset[str]] = []

    def once(changes: frozenset[str]) -> None:
        first.append(changes)
        end()

    end = driver.flags.on_change(once)
    driver.flags.on_change(second.append)
    source.push(changed(lambda rules: rules["flags"].pop("banner")))
    source.push(document())
    end()

    assert first == [{"banner"}]
    assert second == [{"banner"}, {"banner"}]


def test_each_registration_ends_for_itself(driver: Driver, source: Pushed) -> None:
    told: list[frozenset[str]] = []
    end = driver.flags.on_change(told.append)
    driver.flags.on_change(told.append)
    end()
    end()

    source.push(changed(lambda rules: rules["flags"].pop("banner")))

    assert told == [{"banner"}]


def test_problems_of_rules_are_logged_when_they_change(
    driver: Driver, source: Pushed, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(rules: Any) -> None:
        rules["flags"]["banner"] = {"default": "maybe"}

    with caplog.at_level(logging.DEBUG, "flagstaff"):
        for _ in range(3):
            source.push(changed(broken))
        assert len(caplog.records) == 1
        assert caplog.records[0].levelname == "WARNING"
        assert "banner" in caplog.text
        assert len(driver.flags.status().problems) == 1
        source.push(document())
        source.push(changed(broken))

    assert len(caplog.records) == 2


# -- everybody else ------------------------------------------------------------------------------------


def read_during_swaps(source: Pushed, read: Callable[[], object]) -> None:
    """Replace rules two thousand times while four threads read; whatever goes wrong in one is raised here."""
    versions = [load(numbered(number)) for number in range(1, 21)]
    done = threading.Event()

    def reading() -> None:
        while not done.is_set():
            read()

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(reading) for _ in range(4)]
        for number in range(2000):
            source.push(versions[number % len(versions)])
        done.set()
    for reader in readers:
        reader.result()


def test_no_decision_mixes_two_versions(make: Maker) -> None:
    source = Pushed(numbered(1))
    flags: Shell = make(source).flags

    def read() -> None:
        assert flags.value("checked", USER, 0) > 0
        assert flags.explain("checked", USER).decision.value > 0
        decision = flags.decide("gate", USER)
        assert decision.variant == f"v{decision.value}"

    read_during_swaps(source, read)


def test_all_decisions_together_are_of_one_version(make: Maker) -> None:
    source = Pushed(numbered(1))
    flags: Shell = make(source).flags

    def read() -> None:
        assert len({decision.value for decision in flags.decide_all(USER).values()}) == 1

    read_during_swaps(source, read)


def test_overrides_come_and_go_while_rules_are_replaced(make: Maker) -> None:
    source = Pushed(numbered(1))
    flags: Shell = make(source).flags

    def read() -> None:
        with flags.override(checked="wrong"):
            assert flags.value("checked", USER, 0) == -1
        assert flags.value("checked", USER, 0) > 0

    read_during_swaps(source, read)


def test_asking_for_flags_that_are_not_there_costs_no_memory() -> None:
    flags = Client.from_document(document())
    flags.enabled("warm-up")

    tracemalloc.start()
    try:
        for number in range(5_000):
            flags.enabled(f"no-such-flag-{number}", USER)
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert grown < 250_000


# -- the state --------------------------------------------------------------------------------------------


def test_a_new_state_is_told_once(make: Maker) -> None:
    told: list[str] = []
    with scripted() as server:
        server.rules = answer(status=503)
        driver = make(server.url, events=None, poll_interval=0.1)
        end = driver.flags.on_state(told.append)
        server.rules = answer(encoded(document()))
        eventually(lambda: told == ["READY"])
        server.rules = answer(status=503)
        eventually(lambda: told == ["READY", "STALE"])
        polls = len(server.polls)
        eventually(lambda: len(server.polls) > polls + 1)
        server.rules = answer(encoded(document()))
        eventually(lambda: told == ["READY", "STALE", "READY"])
        end()
        server.rules = answer(status=503)
        eventually(lambda: driver.flags.status().state == "STALE")

    assert told == ["READY", "STALE", "READY"]


def test_a_listener_for_the_state_that_raises_stops_nothing(make: Maker) -> None:
    def raising(state: str) -> None:
        raise ValueError(state)

    told: list[str] = []
    with scripted() as server:
        server.rules = answer(status=503)
        driver = make(server.url, events=None, poll_interval=0.1)
        driver.flags.on_state(raising)
        driver.flags.on_state(told.append)
        server.rules = answer(encoded(document()))
        eventually(lambda: told == ["READY"])
        assert driver.wait_ready()
