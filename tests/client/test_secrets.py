"""A key goes to its server and to nobody else: no message, repr, log line or traceback has it."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from flagstaff import Context, FlagstaffError, Secret
from tests.client.lab import Maker, Server, document, eventually, tagged
from tests.net.badserver import Behaviour, answer, cut

KEY = "sdk-hidden-1234567890"

FAULTS: dict[str, Behaviour] = {
    "401": answer(status=401),
    "500": answer(KEY.encode(), 500),
    "no document": answer(b"<html>"),
    "redirect": answer(status=302, Location="http://127.0.0.1:1/elsewhere"),
    "cut": cut(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"),
    "not HTTP": cut(b"SSH-2.0\r\n"),
}


def shown(thing: Any) -> str:
    """Whatever a program or a person is likely to print of a thing."""
    return f"{thing} {thing!r} {getattr(thing, '__dict__', '')}"


def test_no_fault_of_a_server_shows_the_key(
    server: Server, make: Maker, eager: None, caplog: pytest.LogCaptureFixture
) -> None:
    parts: list[str] = []
    with caplog.at_level(logging.DEBUG):
        server.rules = tagged(document(), '"1"')
        driver = make(server.url, key=KEY, poll_interval=0.1)
        assert driver.wait_ready()
        for fault in FAULTS.values():
            server.rules = server.events = fault
            driver.flags.variant("checkout-cta", Context(f"user-{len(parts)}"))
            driver.flush(0.05)
            eventually(lambda: driver.flags.status().state == "STALE")
            status, explained = driver.flags.status(), driver.flags.explain("checkout-cta", Context("user-1"))
            for thing in (
                driver.flags,
                status,
                explained,
                driver.flags.stats(),
                driver.flags.bind(Context()),
            ):
                parts.append(shown(thing))  # noqa: PERF401 - one part after the other
            parts.append(driver.flags.describe())
            server.rules, server.events = tagged(document(), '"1"'), answer(status=202)
            eventually(lambda: driver.flags.status().state == "READY")
        driver.close()

    assert {visit.header("authorization") for visit in server.visits} == {f"Bearer {KEY}"}
    assert len(parts) == 6 * len(FAULTS)
    assert KEY not in "\n".join(parts)
    assert KEY not in caplog.text
    assert all(KEY not in str(vars(record)) for record in caplog.records)


@pytest.mark.parametrize(
    "make_wrong",
    [
        lambda kind: kind("http://127.0.0.1:1", key=KEY + "\n"),
        lambda kind: kind("http://127.0.0.1:1", key=KEY, format="x"),
        lambda kind: kind("http://127.0.0.1:1", key=KEY, events=7),
        lambda kind: kind(f"http://u:{KEY}@127.0.0.1:1"),
        lambda kind: kind(f"http://127.0.0.1:1/?key={KEY}"),
        lambda kind: kind("http://127.0.0.1:1", events=f"http://127.0.0.1:1/?key={KEY}"),
        lambda kind: kind("http://127.0.0.1:1", events=f"http://[{KEY}"),
        lambda kind: kind.from_file("no-such-file.toml", key=KEY),
        lambda kind: kind.from_document({"version": 2}, key=KEY),
    ],
)
def test_no_mistake_in_the_settings_shows_the_key(kind: Any, make_wrong: Callable[[Any], Any]) -> None:
    with pytest.raises(FlagstaffError) as caught:
        make_wrong(kind)

    # The lines of this file are in the traceback, and they say KEY, not what it is.
    assert KEY not in "".join(traceback.format_exception(caught.value))
    assert KEY not in shown(caught.value)


def test_nothing_that_a_client_is_made_of_shows_the_key(make: Maker) -> None:
    driver = make("http://127.0.0.1:1", key=KEY, poll_interval=60)
    seen: set[int] = set()
    level: list[Any] = [driver.flags]

    for _ in range(6):
        below: list[Any] = []
        for thing in level:
            if id(thing) not in seen:
                seen.add(id(thing))
                assert KEY not in repr(thing), type(thing)
                below += _parts(thing)
        level = below

    assert len(seen) > 50


def _parts(thing: Any) -> list[Any]:
    if isinstance(thing, dict):
        return [value for key, value in thing.items() if key != "_text"]
    if isinstance(thing, list | tuple | set | frozenset):
        return list(thing)
    if isinstance(thing, Secret) or not type(thing).__module__.startswith("flagstaff"):
        return []
    slots = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
    named = [getattr(thing, name) for name in slots if name != "__weakref__" and hasattr(thing, name)]
    return [*named, *getattr(thing, "__dict__", {}).values()]
