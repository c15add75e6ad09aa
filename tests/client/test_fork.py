"""A client that was made before a fork: each process follows the rules and sends its own events, once."""

from __future__ import annotations

import gzip
import json
import os
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.client.lab import Maker, Server, document, encoded, eventually, run, tagged
from tests.net.badserver import Behaviour, answer

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

_PRELUDE = """
    import asyncio, os, sys, threading, time, traceback, warnings
    warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what this is about
    from flagstaff import AsyncClient, Client, Context

    def eventually(condition):
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.002)

    def in_child(body):
        pid = os.fork()
        if pid == 0:
            try:
                body()
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        return pid

    def join(*pids):
        for pid in pids:
            assert os.waitpid(pid, 0)[1] == 0
"""


def forking(program: str, *arguments: str) -> str:
    """Run a program in a process of its own: forking the test runner itself would be no kindness."""
    return run(textwrap.dedent(_PRELUDE) + textwrap.dedent(program), *arguments)


def events(server: Server) -> list[dict[str, Any]]:
    return [event for post in server.posts for event in json.loads(gzip.decompress(post.body))]


def once_posted(server: Server, before: Behaviour, after: Behaviour) -> Behaviour:
    """Behave one way until the first events have come, another from then on."""

    def behave(visit: Any) -> None:
        (after if server.posts else before)(visit)

    return behave


def test_children_follow_the_rules_and_send_their_own_events_once(server: Server) -> None:
    newer = document()
    newer["flags"]["page-size"]["variants"]["small"] = 25
    server.rules = once_posted(server, tagged(document(), '"1"'), tagged(newer, '"2"'))

    forking(
        """
        client = Client(sys.argv[1], poll_interval=0.1, flush_interval=3600)
        assert client.wait_ready(20)
        client.variant("checkout-cta", Context("parent"))
        client.track("begun", Context("parent"))

        def child(name):
            assert threading.active_count() == 1
            assert client.stats()["accepted"] == 0
            client.variant("checkout-cta", Context("parent"))  # the parent tells of this one
            client.variant("checkout-cta", Context(name))
            client.track("begun", Context(name))
            assert client.flush(20)
            eventually(lambda: client.value("page-size", default=0) == 25)
            assert client.stats() == {
                "accepted": 2, "delivered": 2, "pending": 0, "dropped": {}, "losses": []
            }
            client.close()

        join(*[in_child(lambda: child(f"child-{number}")) for number in range(3)])
        assert client.stats()["pending"] == 2
        client.variant("checkout-cta", Context("later"))
        client.close()
        assert client.stats()["delivered"] == 3
        """,
        server.url,
    )

    sent = events(server)
    exposed = sorted(event["subject"] for event in sent if event["type"] == "flagstaff.exposure")
    tracked = sorted(event["subject"] for event in sent if event["type"] == "flagstaff.track")
    assert exposed == ["child-0", "child-1", "child-2", "later", "parent"]
    assert tracked == ["child-0", "child-1", "child-2", "parent"]
    assert len({event["id"] for event in sent}) == len(sent)
    assert len({event["process"] for event in sent}) == 4
    for process in {event["process"] for event in sent}:
        numbers = sorted(int(event["sequence"]) for event in sent if event["process"] == process)
        assert numbers == list(range(1, len(numbers) + 1))


def test_a_fork_behind_pythons_back_costs_no_event(server: Server, make: Maker) -> None:
    forking(
        """
        import ctypes, json

        client = Client.from_document(json.loads(sys.argv[2]), events=sys.argv[1], flush_interval=3600)
        client.variant("checkout-cta", Context("parent"))
        assert client._events_worker.stop(20)  # a thread that waits for the interpreter would hang the child
        os.fork = ctypes.PyDLL(None).fork  # as uWSGI does, without Python's hooks

        def exposed():
            client.variant("checkout-cta", Context("exposed"))
            client.track("begun", Context("exposed"))

        def tracked():
            client.track("begun", Context("tracked"))
            client.variant("checkout-cta", Context("tracked"))

        join(in_child(exposed), in_child(tracked))
        client.variant("checkout-cta", Context("later"))
        assert client.flush(20)
        client.close()
        """,
        server.url,
        json.dumps(document()),
    )
    make.from_document(events=server.url, flush_interval=0.05)  # the heir

    eventually(lambda: len(events(server)) == 6)
    sent = events(server)
    assert len({event["id"] for event in sent}) == 6
    assert [event["subject"] for event in sent].count("exposed") == 2
    for process in {event["process"] for event in sent}:
        assert sorted(int(event["sequence"]) for event in sent if event["process"] == process) == [1, 2]


def test_a_fork_behind_pythons_back_is_told() -> None:
    forking(
        """
        import ctypes

        client = Client.from_document({"version": 1}, events=None)
        os.fork = ctypes.PyDLL(None).fork  # as uWSGI does, without Python's hooks

        def told():
            (problem,) = client.status().problems
            assert "behind Python's back" in problem
            (finding,) = [found for found in client.doctor().findings if found.name == "background"]
            assert finding.says == problem
            assert "--py-call-uwsgi-fork-hooks" in finding.remedy

        join(in_child(told))
        assert not client.status().problems
        client.close()
        """
    )


def test_a_child_of_a_child_sends_its_own_events_too(server: Server) -> None:
    forking(
        """
        client = Client.from_document({"version": 1}, events=sys.argv[1], flush_interval=3600)
        client.track("step", Context("parent"))

        def grandchild():
            client.track("step", Context("grandchild"))
            assert client.flush(20)
            assert client.stats()["accepted"] == 1

        def child():
            client.track("step", Context("child"))
            join(in_child(grandchild))
            assert client.flush(20)

        join(in_child(child))
        client.close()
        """,
        server.url,
    )

    sent = events(server)
    assert sorted(event["subject"] for event in sent) == ["child", "grandchild", "parent"]
    assert len({event["id"] for event in sent}) == 3
    assert len({event["process"] for event in sent}) == 3


def test_a_child_gets_ready_though_its_parent_never_was(server: Server) -> None:
    server.rules = once_posted(server, answer(status=503), tagged(document(), '"1"'))

    forking(
        """
        client = Client(sys.argv[1], poll_interval=0.1)
        assert client.decide("banner").reason == "NOT_READY"

        def child():
            client.track("step")
            assert client.flush(20)
            assert client.wait_ready(20)
            assert client.enabled("banner")
            client.close()

        join(in_child(child))
        client.close(0.1)
        """,
        server.url,
    )


@pytest.mark.parametrize("module", ["httpx._models", "certifi", "pydantic.main"])
def test_a_fork_waits_for_what_is_half_imported(server: Server, module: str) -> None:
    rules = document()
    rules["flags"]["banner"]["description"] = "of which only\nthe schema can tell"
    server.rules = tagged(rules, '"1"')

    forking(
        """
        class SlowDisk:
            def find_spec(self, name, *_):
                if name == sys.argv[2] and threading.current_thread() is not threading.main_thread():
                    begun.set()
                    time.sleep(0.3)

        begun = threading.Event()
        sys.meta_path.insert(0, SlowDisk())
        client = Client(sys.argv[1], poll_interval=0.1)
        assert begun.wait(20)

        def child():
            client.track("step")
            assert client.flush(20)
            assert client.wait_ready(20)
            assert client.enabled("banner")
            client.close()

        join(in_child(child))
        assert client.wait_ready(20)
        client.close()
        """,
        server.url,
        module,
    )


def test_a_child_follows_a_file(tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    path.write_bytes(encoded(document()))

    forking(
        """
        import pathlib
        path = pathlib.Path(sys.argv[1])
        client = Client.from_file(path, poll_interval=0.1)
        assert client.value("page-size", default=0) == 20

        def child():
            assert client.value("page-size", default=0) == 20
            path.write_text(path.read_text().replace("20", "25"))
            eventually(lambda: client.value("page-size", default=0) == 25)
            assert len(client.decide_all()) == 8

        join(in_child(child))
        eventually(lambda: client.value("page-size", default=0) == 25)
        client.close()
        """,
        str(path),
    )


def test_a_fork_while_others_wait_hangs_nobody(server: Server) -> None:
    server.rules = answer(status=503)

    forking(
        """
        client = Client(sys.argv[1], events=None, poll_interval=0.1)
        waiters = [threading.Thread(target=client.wait_ready, args=[60], daemon=True) for _ in range(4)]
        for waiter in waiters:
            waiter.start()

        def hold():
            with client._moved:
                held.set()
                release.wait(20)

        held, release = threading.Event(), threading.Event()
        threading.Thread(target=hold, daemon=True).start()
        held.wait(20)

        def child():
            assert not client.wait_ready(0.05)
            client.close(0.5)

        join(in_child(child))
        release.set()
        """,
        server.url,
    )


def test_a_client_that_was_closed_before_the_fork_stays_closed(server: Server) -> None:
    server.rules = tagged(document(), '"1"')

    forking(
        """
        client = Client(sys.argv[1], poll_interval=0.1)
        assert client.wait_ready(20)
        client.close()

        def child():
            assert client.enabled("banner")
            client.track("step")
            assert threading.active_count() == 1
            assert client.stats()["dropped"] == {"shutdown": 1}
            client.close()

        join(in_child(child))
        """,
        server.url,
    )


def test_an_override_lives_on_in_a_child() -> None:
    forking(
        """
        client = Client.from_document({"version": 1, "flags": {"banner": {"default": "on"}}})

        def child():
            assert not client.enabled("banner")

        with client.override(banner=False):
            pid = in_child(child)
        join(pid)
        assert client.enabled("banner")
        """
    )


def test_an_asynchronous_client_is_started_anew_in_a_child(server: Server) -> None:
    server.rules = tagged(document(), '"1"')

    forking(
        """
        client = AsyncClient(sys.argv[1], poll_interval=0.1, flush_interval=3600)

        async def child_life():
            async with client:
                assert await client.wait_ready(20)
                client.variant("checkout-cta", Context("child"))
                assert await client.flush(20)

        def child():
            assert client.enabled("banner")
            assert "not started here" in client.status().problems[0]
            asyncio.run(child_life())

        async def life():
            async with client:
                assert await client.wait_ready(20)
                client.variant("checkout-cta", Context("parent"))

        loop = asyncio.new_event_loop()
        loop.run_until_complete(client.start())
        assert loop.run_until_complete(client.wait_ready(20))
        client.variant("checkout-cta", Context("parent"))
        join(in_child(child))
        loop.run_until_complete(client.close())
        loop.close()
        """,
        server.url,
    )

    assert sorted(event["subject"] for event in events(server)) == ["child", "parent"]
