"""What people force: in code, in this thread or task only, and by the environment."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest

from flagstaff import (
    AsyncClient,
    Client,
    ConfigError,
    Context,
    FlagstaffError,
    OverrideError,
    Reason,
    Secret,
)
from flagstaff.overrides.tokens import sign_token
from flagstaff.shell import Shell
from tests.client.lab import Basket, Maker, Server, document, eventually, tagged

USER = Context("user-1")


@pytest.fixture
def flags(make: Maker) -> Shell:
    return make.from_document().flags


# -- with blocks ---------------------------------------------------------------------------------------


def test_an_override_holds_within_its_block(flags: Shell) -> None:
    before = flags.decide("checkout-cta", USER)

    with flags.override({"checkout-cta": "urgent", "new-checkout": True}, greeting="plain"):
        decision = flags.decide("checkout-cta", USER)
        assert (decision.value, decision.variant, decision.enabled) == ("Buy now", "urgent", True)
        assert (decision.reason, decision.experiment, decision.rule) == (Reason.OVERRIDE, None, None)
        assert decision.metadata["override"] == "override"
        assert flags.enabled("new-checkout", USER)
        assert flags.variant("new-checkout", USER) == "on"
        assert flags.value("checkout-cta", USER, "") == "Buy now"
        assert flags.decide("greeting").reason is Reason.OVERRIDE
        assert flags.decide("banner").reason is Reason.STATIC

    assert flags.decide("checkout-cta", USER) == before


def test_an_overrides_value_is_the_callers_own(make: Maker) -> None:
    variants = {"a": {"value": {"sizes": [1]}}}
    flags = make.from_document({"version": 1, "flags": {"f": {"variants": variants, "default": "a"}}}).flags
    with flags.override(f="a"):
        for decision in (flags.decide("f"), flags.decide("f")):
            decision.value["sizes"].append(2)
            assert decision.value == flags.value("f") == {"sizes": [1]}


def test_an_override_ends_with_its_block_even_when_that_raises(flags: Shell) -> None:
    def fail() -> None:
        with flags.override(banner=False):
            assert not flags.enabled("banner")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert flags.enabled("banner")


def test_the_inner_override_wins_and_the_outer_one_comes_back(flags: Shell) -> None:
    with flags.override(banner=False):
        with flags.override(banner=True), flags.override(greeting="plain"):
            assert flags.enabled("banner")
            assert flags.decide("greeting").reason is Reason.OVERRIDE
        assert flags.decide("banner").reason is Reason.OVERRIDE
        assert not flags.enabled("banner")
        assert flags.decide("greeting").reason is Reason.STATIC
    assert flags.decide("banner").reason is Reason.STATIC


def test_an_override_keeps_the_metadata_of_the_flag(make: Maker) -> None:
    rules = document(flags={"banner": {"metadata": {"ticket": "SHOP-1"}}})
    flags = make.from_document(rules).flags

    with flags.override(banner="on"):
        assert dict(flags.decide("banner").metadata) == {"ticket": "SHOP-1", "override": "override"}


def test_a_type_mismatch_is_told_of_an_override_too(flags: Shell) -> None:
    with flags.override({"page-size": "large"}):
        assert flags.value("page-size", USER, 1) == 50
        assert flags.decide("page-size", USER, "x").reason is Reason.TYPE_MISMATCH


def test_true_and_false_stand_for_the_variants_with_these_values(make: Maker) -> None:
    rules = document(flags={"dark": {"variants": {"no": False, "yes": True, "one": 1}, "default": "one"}})
    flags = make.from_document(rules).flags

    with flags.override(dark=True):
        assert flags.variant("dark") == "yes"
    with flags.override(dark=False):
        assert flags.variant("dark") == "no"


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"checkout-ct": "urgent"}, "override: no such flag: checkout-ct; did you mean checkout-cta?"),
        (
            {"checkout-cta": "urgant"},
            "override: no such variant of checkout-cta: urgant; did you mean urgent?",
        ),
        (
            {"checkout-cta": True},
            "override: no such variant of checkout-cta: True; there are control, urgent",
        ),
        ({"page-size": 20}, "override: no such variant of page-size: 20; there are small, large"),
        ({"page-size": ["small"]}, "override: no such variant of page-size: ['small']; did you mean small?"),
    ],
)
def test_an_override_that_nothing_can_serve_is_refused(flags: Shell, wanted: Any, message: str) -> None:
    with pytest.raises(OverrideError) as caught, flags.override({"banner": False} | wanted):
        pytest.fail("it must not be entered")

    assert str(caught.value) == message
    assert isinstance(caught.value, FlagstaffError)
    assert flags.enabled("banner")


def test_an_override_of_one_client_does_not_touch_another(make: Maker) -> None:
    first, second = make.from_document().flags, make.from_document().flags

    with first.override(banner=False), second.override(greeting="plain"):
        assert not first.enabled("banner")
        assert second.enabled("banner")
        assert first.decide("greeting").reason is Reason.STATIC


def test_an_override_outlasts_new_rules_and_serves_their_values(server: Server, make: Maker) -> None:
    server.rules = tagged(document(), '"1"')
    driver = make(server.url, events=None, poll_interval=0.1)
    assert driver.wait_ready()
    flags = driver.flags

    with flags.override({"checkout-cta": "urgent", "greeting": "plain"}):
        newer = document()
        newer["flags"]["checkout-cta"]["variants"]["urgent"] = "Now!"
        del newer["flags"]["greeting"]
        server.rules = tagged(newer, '"2"')
        eventually(lambda: flags.value("checkout-cta", USER) == "Now!")
        assert flags.decide("checkout-cta", USER).reason is Reason.OVERRIDE
        assert flags.decide("greeting", USER).reason is Reason.FLAG_NOT_FOUND


def test_before_rules_arrive_any_override_may_be_made_and_forces_nothing(server: Server, make: Maker) -> None:
    flags = make(server.url, events=None).flags

    with flags.override({"no-such-flag": "x", "banner": ["x"]}):  # type: ignore[dict-item]
        assert flags.decide("no-such-flag").reason is Reason.NOT_READY
        assert flags.decide("banner").reason is Reason.NOT_READY


# -- whose override it is ------------------------------------------------------------------------------


def test_other_threads_see_nothing_of_an_override(flags: Shell) -> None:
    with ThreadPoolExecutor(1) as pool, flags.override(banner=False):
        assert pool.submit(flags.enabled, "banner").result()
        assert not pool.submit(copy_context().run, flags.enabled, "banner").result()
        assert not flags.enabled("banner")


def test_two_threads_force_the_same_flag_differently(flags: Shell) -> None:
    meeting, variants = threading.Barrier(2), {}

    def force(variant: str) -> None:
        with flags.override({"page-size": variant}):
            meeting.wait(20)
            variants[variant] = flags.variant("page-size")
            meeting.wait(20)

    threads = [threading.Thread(target=force, args=[variant]) for variant in ("small", "large")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert variants == {"small": "small", "large": "large"}


def test_a_task_inherits_an_override_and_keeps_its_own_to_itself(flags: Shell) -> None:
    async def inner() -> list[bool]:
        seen = [flags.enabled("banner")]
        with flags.override(banner=True):
            await asyncio.sleep(0)
            seen.append(flags.enabled("banner"))
        return [*seen, flags.enabled("banner")]

    async def outer() -> list[bool]:
        with flags.override(banner=False):
            task = asyncio.create_task(inner())
            while not task.done():
                assert not flags.enabled("banner")
                await asyncio.sleep(0)
            return task.result()

    assert asyncio.run(outer()) == [False, True, False]


def test_an_override_counts_in_a_thread_that_a_task_awaits(flags: Shell) -> None:
    async def main() -> bool:
        with flags.override(banner=False):
            return await asyncio.to_thread(flags.enabled, "banner")

    assert not asyncio.run(main())


def test_an_override_in_a_generator_ends_with_it(flags: Shell) -> None:
    def overridden() -> Generator[bool]:
        with flags.override(banner=False):
            yield flags.enabled("banner")
            yield flags.enabled("banner")

    steps = overridden()
    assert next(steps) is False
    steps.close()

    assert flags.enabled("banner")


def test_overrides_of_generators_that_end_out_of_order_end_all_the_same(flags: Shell) -> None:
    def overridden(variant: str) -> Generator[None]:
        with flags.override({"page-size": variant}):
            yield

    first, second = overridden("small"), overridden("large")
    next(first)
    next(second)
    first.close()
    assert flags.variant("page-size") == "large"
    second.close()

    assert flags.decide("page-size").reason is Reason.STATIC


def test_an_override_that_another_task_leaves_is_over_everywhere(flags: Shell) -> None:
    async def overridden() -> AsyncGenerator[bool]:
        with flags.override(banner=False):
            yield flags.enabled("banner")

    async def main() -> bool:
        steps = overridden()
        assert not await anext(steps)
        assert not flags.enabled("banner")  # a generator has no context of its own
        await asyncio.create_task(steps.aclose())
        return flags.enabled("banner")

    assert asyncio.run(main())


def test_an_override_that_is_over_pins_no_client(make: Maker) -> None:
    flags = make.kind.from_document(document())
    with flags.override(banner=False):
        pass
    gone = weakref.ref(flags)

    del flags
    gc.collect()

    assert gone() is None


# -- the environment -----------------------------------------------------------------------------------


def test_the_environment_forces_variants(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAGSTAFF_OVERRIDES", " checkout-cta=urgent , banner = off,, ")
    driver = make.from_document(events=Basket())
    flags = driver.flags

    decision = flags.decide("checkout-cta", USER)

    assert (decision.variant, decision.reason) == ("urgent", Reason.OVERRIDE)
    assert decision.metadata["override"] == "environment"
    assert not flags.enabled("banner")
    assert flags.status().problems == ()
    assert flags.stats()["accepted"] == 0
    assert "forced to urgent by environment" in str(flags.explain("checkout-cta"))


def test_code_is_stronger_than_the_environment(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAGSTAFF_OVERRIDES", "banner=off")
    flags = make.from_document().flags

    with flags.override(banner=True):
        assert flags.decide("banner").metadata["override"] == "override"
        assert flags.enabled("banner")
    assert not flags.enabled("banner")


@pytest.mark.parametrize("text", ["banner", "banner=", "=on", "banner=on,page-size", "="])
def test_a_malformed_variable_is_refused_at_once(
    make: Maker, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("FLAGSTAFF_OVERRIDES", text)

    with pytest.raises(ConfigError, match="must read flag=variant,flag=variant") as caught:
        make.from_document()

    assert caught.value.setting == "FLAGSTAFF_OVERRIDES"


def test_an_override_of_the_environment_that_forces_nothing_is_reported(
    make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAGSTAFF_OVERRIDES", "baner=on,checkout-cta=urgant,greeting=plain")
    flags = make.from_document().flags

    assert flags.status().problems == (
        "FLAGSTAFF_OVERRIDES: no such flag: baner; did you mean banner?",
        "FLAGSTAFF_OVERRIDES: no such variant of checkout-cta: urgant; did you mean urgent?",
    )
    assert flags.decide("checkout-cta", USER).reason is Reason.SPLIT
    assert flags.decide("baner").reason is Reason.FLAG_NOT_FOUND
    assert flags.decide("greeting").reason is Reason.OVERRIDE


def test_a_report_ends_when_new_rules_have_the_flag(
    server: Server, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAGSTAFF_OVERRIDES", "coming-soon=on")
    server.rules = tagged(document(), '"1"')
    driver = make(server.url, events=None, poll_interval=0.1)
    assert driver.wait_ready()
    assert len(driver.flags.status().problems) == 1

    server.rules = tagged(document(flags={"coming-soon": {}}), '"2"')

    eventually(lambda: driver.flags.enabled("coming-soon"))
    assert driver.flags.status().problems == ()


# -- a file --------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "overrides"
    monkeypatch.setenv("FLAGSTAFF_OVERRIDES_FILE", str(path))
    return path


@pytest.mark.parametrize(
    "text",
    [
        "# what QA looks at\n checkout-cta = urgent # for now\n\nbanner=off\n",
        "checkout-cta=urgent,banner=off",
        '{"checkout-cta": "urgent", "banner": false}',
        '\ufeff\n{"checkout-cta": "urgent", "banner": "off"}',
    ],
)
def test_a_file_forces_variants(make: Maker, file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    flags = make.from_document(events=Basket()).flags

    decision = flags.decide("checkout-cta", USER)

    assert (decision.variant, decision.reason) == ("urgent", Reason.OVERRIDE)
    assert decision.metadata["override"] == "file"
    assert not flags.enabled("banner")
    assert flags.status().problems == ()
    assert flags.stats()["accepted"] == 0


def test_a_file_is_watched(make: Maker, file: Path) -> None:
    file.write_text("banner=off")
    flags = make.from_document().flags
    assert not flags.enabled("banner")

    file.write_text("checkout-cta=urgent")
    eventually(lambda: flags.variant("checkout-cta", USER) == "urgent")
    assert flags.enabled("banner")
    assert flags.decide("banner").reason is Reason.STATIC

    file.unlink()
    eventually(lambda: flags.decide("checkout-cta", USER).reason is Reason.SPLIT)
    assert flags.status().problems == (f"FLAGSTAFF_OVERRIDES_FILE: there is no file {file}",)


def test_whoever_listens_for_changes_hears_of_the_file(make: Maker, file: Path) -> None:
    file.write_text("banner=off")
    flags = make.from_document().flags
    heard: list[frozenset[str]] = []
    end = flags.on_change(heard.append)

    file.write_text("checkout-cta=urgent, no-such-flag=on")  # and the banner is what it was
    eventually(lambda: heard)
    assert heard == [{"banner", "checkout-cta"}]

    file.write_text("checkout-cta=no-such-variant")
    eventually(lambda: len(heard) == 2)
    assert heard[1] == {"checkout-cta"}

    end()
    file.write_text("banner=off")
    eventually(lambda: not flags.enabled("banner"))
    assert len(heard) == 2


def test_nobody_hears_of_a_file_that_the_environment_outdoes(
    make: Maker, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAGSTAFF_OVERRIDES", "banner=on")
    flags = make.from_document().flags
    heard: list[frozenset[str]] = []
    flags.on_change(heard.append)

    file.write_text("banner=off, checkout-cta=urgent")

    eventually(lambda: heard)
    assert heard == [{"checkout-cta"}]


@pytest.mark.parametrize("durability", ["memory", "process"])
def test_a_watched_file_takes_no_third_thread(
    server: Server, file: Path, tmp_path: Path, durability: str
) -> None:
    server.rules = tagged(document(), '"1"')
    before = set(threading.enumerate())
    with Client(server.url, durability=durability, directory=tmp_path, poll_interval=300.0) as client:
        assert client.wait_ready(20)
        file.write_text("banner=off")
        eventually(lambda: not client.enabled("banner"))

        ours = {thread.name for thread in threading.enumerate() if thread not in before}
        assert {name for name in ours if name.startswith("flagstaff")} == {
            "flagstaff-rules",
            "flagstaff-events",
        }
        client.variant("checkout-cta", USER)
        assert client.flush()
    assert client.stats()["delivered"] == 1


def test_a_file_may_come_later(make: Maker, file: Path) -> None:
    flags = make.from_document().flags
    assert flags.enabled("banner")

    file.write_text("banner=off")

    eventually(lambda: not flags.enabled("banner"))
    assert flags.status().problems == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"banner", "must read flag=variant"),
        (b"\xff", "is not UTF-8"),
        (b"{", "is no JSON that can be read"),
        (b'{"banner": 7}', "the variant of banner must be text, true or false"),
        (b"x" * 70_000, "is larger than 64 KiB"),
    ],
)
def test_a_malformed_file_is_refused_at_the_start_and_changes_nothing_later(
    make: Maker, file: Path, text: bytes, message: str
) -> None:
    file.write_bytes(text)
    with pytest.raises(ConfigError, match=message):
        make.kind.from_document(document())

    file.write_text("banner=off")
    flags = make.from_document().flags
    file.write_bytes(text)

    eventually(lambda: any(message in problem for problem in flags.status().problems))
    assert not flags.enabled("banner")


def test_an_override_of_the_file_that_forces_nothing_is_reported(make: Maker, file: Path) -> None:
    file.write_text("baner=on")
    flags = make.from_document().flags

    assert flags.status().problems == ("FLAGSTAFF_OVERRIDES_FILE: no such flag: baner; did you mean banner?",)


# -- tokens --------------------------------------------------------------------------------------------

SECRET, OLDER = "s" * 32, "o" * 32


def token_for(overrides: dict[str, str], secret: str = SECRET, audience: str = "") -> str:
    return sign_token(Secret(secret), overrides, now=time.time(), lifetime=60, audience=audience)


@pytest.fixture
def guarded(make: Maker) -> Shell:
    return make.from_document(events=Basket(), override_secret=[SECRET, Secret(OLDER)]).flags


def test_a_token_forces_variants_where_it_is_entered(guarded: Shell) -> None:
    token = token_for({"checkout-cta": "urgent"})
    forced = guarded.override_from(token)
    assert dict(forced.overrides) == {"checkout-cta": "urgent"}
    assert guarded.decide("checkout-cta", USER, exposure=False).reason is Reason.SPLIT

    with forced:
        decision = guarded.decide("checkout-cta", USER)
        assert (decision.variant, decision.reason) == ("urgent", Reason.OVERRIDE)
        assert decision.metadata["override"] == "request"
        tokens = [guarded.override_token]
        assert "forced to urgent by request" in str(guarded.explain("checkout-cta"))
        with ThreadPoolExecutor(1) as pool:
            elsewhere = pool.submit(guarded.decide, "checkout-cta", USER, exposure=False).result()
        assert elsewhere.reason is Reason.SPLIT

    assert [*tokens, guarded.override_token] == [token, None]
    assert guarded.decide("checkout-cta", USER, exposure=False).reason is Reason.SPLIT
    assert guarded.stats()["accepted"] == 0


def test_the_rungs_in_their_order(make: Maker, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["v0", "v1", "v2", "v3", "v4"]
    rules = document(flags={"f": {"variants": {name: name for name in names}, "default": "v4"}})
    file.write_text("f=v3")
    below = make.from_document(rules).flags
    monkeypatch.setenv("FLAGSTAFF_OVERRIDES", "f=v2")
    flags = make.from_document(rules, override_secret=SECRET).flags

    assert below.variant("f") == "v3"
    assert flags.variant("f") == "v2"
    with flags.override(f="v0"):
        with flags.override_from(token_for({"f": "v1"})):
            assert flags.variant("f") == "v0"  # code is stronger, whichever came first
        assert flags.variant("f") == "v0"
    with flags.override_from(token_for({"f": "v1"})):
        assert flags.variant("f") == "v1"


def test_a_token_of_a_secret_that_is_on_its_way_out_is_good(guarded: Shell) -> None:
    with guarded.override_from(token_for({"banner": "off"}, OLDER)):
        assert not guarded.enabled("banner")


def test_what_is_refused_forces_nothing_and_is_counted(guarded: Shell) -> None:
    tokens = [
        token_for({"banner": "off"}, "x" * 32),
        token_for({"banner": "off"}, audience="elsewhere"),
        "1." + "x" * 5000,
        "nonsense",
        token_for({"banner": "of", "baner": "off", "greeting": "plain"}),
    ]

    for token in tokens:
        with guarded.override_from(token):
            assert guarded.enabled("banner")
    with guarded.override_from(tokens[-1]):
        assert guarded.decide("greeting").reason is Reason.OVERRIDE

    status = guarded.status()
    assert status.refused_overrides == {
        "oversized": 1,
        "malformed": 1,
        "forged": 1,
        "audience": 1,
        "unknown_flag": 2,
        "unknown_variant": 2,
    }
    assert "override tokens refused: 1 oversized" in str(status)
    assert status.problems == ()


def test_a_client_signs_what_it_will_accept(guarded: Shell, flags: Shell) -> None:
    token = guarded.sign_override({"banner": "off"}, lifetime=60)

    assert 58 < guarded.override_from(token).remaining <= 60
    with guarded.override_from(token):
        assert not guarded.enabled("banner")
    with pytest.raises(OverrideError, match="no such variant of banner: of; did you mean off"):
        guarded.sign_override({"banner": "of"})
    with pytest.raises(ConfigError, match="override_secret: is not set"):
        flags.sign_override({"banner": "off"})


def test_without_a_secret_no_token_counts(flags: Shell) -> None:
    forced = flags.override_from(token_for({"banner": "off"}))

    with forced:
        assert flags.enabled("banner")
    assert (forced.refused, flags.accepts_tokens) == ("off", False)
    assert flags.status().refused_overrides == {}


def test_secrets_and_audience_may_come_from_the_environment(
    make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAGSTAFF_OVERRIDE_SECRET", f"{SECRET}, {OLDER}")
    monkeypatch.setenv("FLAGSTAFF_OVERRIDE_AUDIENCE", "shop")
    flags = make.from_document().flags

    for secret in (SECRET, OLDER):
        with flags.override_from(token_for({"banner": "off"}, secret, audience="shop")):
            assert not flags.enabled("banner")
    assert SECRET not in repr(vars(flags))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("short", r"must have at least 32 characters; make one with python -c"),
        ([SECRET, "short"], "must have at least 32 characters"),
        ("é" * 32, "must be printable ASCII"),
        (7, "must be text, or a list of texts"),
        ([SECRET, 7], "must be text, or a list of texts"),
    ],
)
def test_a_secret_that_could_be_guessed_is_refused_and_not_shown(
    kind: type[Client | AsyncClient], wrong: Any, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        kind.from_document(document(), override_secret=wrong)

    assert caught.value.setting == "override_secret"
    assert "short" not in str(caught.value)
