"""Rules by stream: news at once, and polls whenever the stream is not to be had."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import Any

import pytest

from flagstaff import AsyncClient, Client
from flagstaff.shell import Shell
from tests.client.lab import Driver, Maker, Server, encoded, eventually, numbered, run, scripted, tagged
from tests.client.streaming import HEAD, Hose, told
from tests.net.badserver import answer, cut, drip, hang, redirect

SLOW: dict[str, Any] = {"poll_interval": 300.0, "events": None}  # no poll of its own accord in a test's life
FAST: dict[str, Any] = {"poll_interval": 0.1, "events": None}


def revision(flags: Shell) -> int | None:
    return flags.status().revision


def is_at(driver: Driver, number: int) -> bool:
    return revision(driver.flags) == number


def channel(flags: Shell) -> str:
    source: Any = flags._source
    return str(source._source.channel)


@pytest.fixture
def hose(server: Server) -> Hose:
    server.rules = tagged(numbered(1), '"1"')
    server.stream = made = Hose(told('"1"'))
    return made


@pytest.fixture
def driver(hose: Hose, server: Server, make: Maker) -> Driver:
    made = make(server.url, key="sdk-1", **SLOW)
    assert made.wait_ready()
    eventually(lambda: hose.listening)
    return made


def publish(server: Server, hose: Hose, number: int) -> None:
    server.rules = tagged(numbered(number), f'"{number}"')
    hose.greeting = told(f'"{number}"')
    hose.say(told(f'"{number}"'))


# -- while all is well -----------------------------------------------------------------------------------


def test_news_is_fetched_when_it_is_told(driver: Driver, hose: Hose, server: Server) -> None:
    for number in (2, 3, 4):
        publish(server, hose, number)
        eventually(partial(is_at, driver, number))

    assert len(server.streams) == 1
    assert [poll.header("if-none-match") for poll in server.polls] == [None, '"1"', '"2"', '"3"']
    assert driver.flags.status().state == "READY"


def test_who_asks_says_who_it_is_and_what_it_has(driver: Driver, server: Server) -> None:
    visit = server.streams[0]

    assert visit.path == "/v1/stream"
    assert visit.header("authorization") == "Bearer sdk-1"
    assert visit.header("accept") == "text/event-stream"
    assert visit.header("accept-encoding") == "identity"
    assert visit.header("last-event-id") == '"1"'


def test_what_is_known_is_not_fetched(driver: Driver, hose: Hose, server: Server) -> None:
    hose.say(told('"1"') * 3 + b"event: unknown\ndata: x\n\ndata: y\n\n")
    publish(server, hose, 2)
    eventually(lambda: revision(driver.flags) == 2)

    assert len(server.polls) == 2


def test_a_heartbeat_confirms_the_rules(driver: Driver, hose: Hose) -> None:
    def age() -> float:
        return driver.flags.status().age or 0.0

    eventually(lambda: age() > 0.2)
    hose.say(b":\n\n")

    eventually(lambda: age() < 0.2)


def test_a_heartbeat_confirms_nothing_while_news_has_not_been_fetched(
    driver: Driver, hose: Hose, server: Server
) -> None:
    server.rules = answer(status=503)
    hose.say(told('"2"'))

    eventually(lambda: driver.flags.status().state == "STALE")


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"], ids=repr)
def test_an_event_may_come_in_pieces(driver: Driver, hose: Hose, server: Server, end: bytes) -> None:
    server.rules = tagged(numbered(2), '"2"')
    for at in range(0, len(told('"2"')), 3):
        hose.say(told('"2"').replace(b"\n", end)[at : at + 3])
    hose.say(end)

    eventually(lambda: revision(driver.flags) == 2)


def test_a_client_that_is_closed_hangs_up_at_once(driver: Driver, hose: Hose) -> None:
    begun = time.monotonic()
    driver.close(timeout=20.0)

    assert time.monotonic() - begun < 10.0
    eventually(lambda: not hose.say(b":\n\n"))


def test_two_threads_are_enough(hose: Hose, server: Server) -> None:
    with Client(server.url, poll_interval=300.0) as client:
        assert client.wait_ready(20)
        client.track("order-placed")
        eventually(lambda: hose.listening)
        names = sorted(thread.name for thread in threading.enumerate() if "flagstaff" in thread.name)
        assert names == ["flagstaff-events", "flagstaff-rules"]


def test_a_redirect_within_the_server_is_followed(server: Server, make: Maker) -> None:
    server.rules = tagged(numbered(1), '"1"')
    hose = Hose(told('"1"'))

    def moved(visit: Any) -> None:
        (hose if visit.path.startswith("/new") else redirect("/new/v1/stream"))(visit)

    server.stream = moved
    make(server.url, **SLOW)

    eventually(lambda: hose.listening)


def test_no_stream_when_none_is_wanted(server: Server, make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    server.rules = tagged(numbered(1), '"1"')
    monkeypatch.setenv("FLAGSTAFF_STREAM", "off")
    drivers = [make(server.url, **FAST), make(server.url, stream=False, **FAST)]
    monkeypatch.setenv("FLAGSTAFF_STREAM", "on")
    drivers.append(make(server.url + "/rules.json", **FAST))
    for driver in drivers:
        assert driver.wait_ready()
        assert "stream" not in driver.flags.describe()
    polls = len(server.polls)
    eventually(lambda: len(server.polls) > polls + 3)

    assert server.streams == []


# -- when it is not to be had ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stream",
    [
        answer(status=404),
        answer(status=500),
        answer(status=429, Retry_After="3600"),
        answer(b"<html>"),
        answer(b"data: x\n\n", Content_Type="text/html"),
        answer(b"", Content_Type="text/event-stream", Content_Encoding="gzip"),
        cut(b"HTTP/1.1 200"),
        cut(HEAD),
        cut(HEAD + b"event: rules\ndata: half"),
        cut(HEAD + b"event: rules\ndata: nonsense\n\n"),
        drip(HEAD + b"data: " + b"x" * 20_000),
        redirect("http://127.0.0.1:1/v1/stream"),
    ],
    ids=range(12),
)
def test_without_a_stream_there_are_polls(server: Server, make: Maker, stream: Any) -> None:
    server.rules = tagged(numbered(1), '"1"')
    server.stream = stream
    driver = make(server.url, key="sdk-1", **FAST)
    assert driver.wait_ready()
    eventually(lambda: channel(driver.flags).startswith("no stream: "))

    server.rules = tagged(numbered(2), '"2"')

    eventually(lambda: revision(driver.flags) == 2)
    assert driver.flags.status().problems == ()
    assert driver.flags.status().state == "READY"


def test_a_stream_that_never_answers_does_not_keep_rules_from_coming(
    server: Server, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flagstaff.sources.stream._OPEN_TIMEOUT", 0.2)
    server.rules = tagged(numbered(1), '"1"')
    server.stream = hang
    driver = make(server.url, **FAST)
    assert driver.wait_ready()
    eventually(lambda: server.streams)

    server.rules = tagged(numbered(2), '"2"')

    eventually(lambda: revision(driver.flags) == 2)


def test_a_stream_that_falls_silent_is_given_up(
    server: Server, make: Maker, hose: Hose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flagstaff.sources.stream._SILENCE", 0.3)
    driver = make(server.url, **FAST)
    assert driver.wait_ready()
    eventually(lambda: "silent for 0.3 s" in channel(driver.flags))

    server.rules = tagged(numbered(2), '"2"')

    eventually(lambda: revision(driver.flags) == 2)


def test_a_stream_that_floods_is_given_up(server: Server, make: Maker) -> None:
    server.rules = tagged(numbered(1), '"1"')

    def flood(visit: Any) -> None:
        visit.say(HEAD)
        while visit.rest(0):
            visit.say(b"data: x\n\n" * 5000)

    server.stream = flood
    driver = make(server.url, **FAST)

    eventually(lambda: "without end" in channel(driver.flags))


def test_it_is_back_when_the_server_is(driver: Driver, hose: Hose, server: Server, eager: None) -> None:
    server.stream = answer(status=503)
    hose.hang_up()
    eventually(lambda: channel(driver.flags).startswith("no stream: "))
    server.stream = hose

    eventually(lambda: hose.listening)
    publish(server, hose, 2)

    eventually(lambda: revision(driver.flags) == 2)
    assert channel(driver.flags) == "streaming"


def test_what_happened_in_between_is_noticed(driver: Driver, hose: Hose, server: Server, eager: None) -> None:
    server.rules = tagged(numbered(2), '"2"')
    hose.greeting = told('"2"')
    hose.hang_up()

    eventually(lambda: revision(driver.flags) == 2)


def test_a_server_that_hangs_up_at_once_is_not_stormed(server: Server, make: Maker) -> None:
    server.rules = tagged(numbered(1), '"1"')
    server.stream = cut(HEAD + told('"1"'))
    driver = make(server.url, **SLOW)
    assert driver.wait_ready()
    eventually(lambda: server.streams)
    time.sleep(1.0)

    assert len(server.streams) < 12


def test_other_rules_by_stream_are_refused_as_ever(driver: Driver, hose: Hose, server: Server) -> None:
    server.rules = answer(encoded(numbered(0)), ETag='"0"')
    hose.say(told('"0"'))
    eventually(lambda: driver.flags.status().problems)

    assert "older than 1" in driver.flags.status().problems[0]
    assert revision(driver.flags) == 1


# -- processes and loops -----------------------------------------------------------------------------------


def test_a_child_has_a_stream_of_its_own_and_leaves_its_parents_alone(server: Server, hose: Hose) -> None:
    out = run(
        """
        import os, sys, time, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        from flagstaff import Client

        def eventually(condition):
            deadline = time.monotonic() + 20
            while not condition():
                assert time.monotonic() < deadline
                time.sleep(0.01)

        client = Client(sys.argv[1], events=None, poll_interval=300)
        assert client.wait_ready(20)
        source = client._source._source
        eventually(lambda: source.channel == "streaming")
        pid = os.fork()
        if pid == 0:
            source.channel = "none"
            client.value("first")
            eventually(lambda: source.channel == "streaming")
            client.close()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        assert source.channel == "streaming"
        print("done")
        """,
        server.url,
    )

    assert out == "done\n"
    assert len(server.streams) == 2


@pytest.mark.parametrize("closing", [True, False])
def test_a_loop_may_end_with_the_stream_open(closing: bool) -> None:
    with scripted() as server:
        server.rules = tagged(numbered(1), '"1"')
        server.stream = hose = Hose(told('"1"'))
        run(
            f"""
            import asyncio, sys
            from flagstaff import AsyncClient

            async def main():
                client = AsyncClient(sys.argv[1], events=None, poll_interval=300)
                await client.start()
                assert await client.wait_ready(20)
                while client._source._source.channel != "streaming":
                    await asyncio.sleep(0.01)
                if {closing}:
                    await client.close()
                return client

            client = asyncio.run(main())
            asyncio.run(client.close())
            """,
            server.url,
        )
        eventually(lambda: not hose.say(b":\n\n"))


def test_an_asynchronous_client_moves_to_another_loop(server: Server, hose: Hose) -> None:
    import asyncio

    client = AsyncClient(server.url, **SLOW)

    async def listen(streams: int) -> None:
        await client.start()
        assert await client.wait_ready(20)
        while len(server.streams) < streams or channel(client) != "streaming":  # noqa: ASYNC110 - the server's
            await asyncio.sleep(0.01)

    asyncio.run(listen(1))
    source: Any = client._source
    source._source.channel = "another loop's"
    asyncio.run(listen(2))
    asyncio.run(client.close())
