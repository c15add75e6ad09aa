"""What is wrong in this process, and how to mend it."""

from __future__ import annotations

import json
import sys
import threading
import types
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from flagstaff import Client, Diagnosis, Finding
from flagstaff import diagnosis as look
from tests.client.lab import Basket, Maker, Server, encoded, eventually, numbered, run, tagged
from tests.net.badserver import answer

FAST: dict[str, Any] = {"poll_interval": 0.1, "stream": False}


def finding(diagnosis: Diagnosis, name: str) -> Finding:
    return next(finding for finding in diagnosis.findings if finding.name == name)


def test_all_is_well(server: Server, make: Maker) -> None:
    server.rules = tagged(numbered(1), '"1"')
    driver = make(server.url, **FAST)
    assert driver.wait_ready()
    driver.flags.track("order-placed")
    assert driver.flush()

    found = driver.flags.doctor()

    assert found.ok, str(found)
    assert [each.name for each in found.findings] == ["rules", "clock", "events", "directory", "background"]
    assert str(finding(found, "events")) == "ok   events: 1 delivered, 0 pending"
    assert found.to_dict()["ok"] is True
    assert repr(found) == "<Diagnosis 5 findings, 0 bad>"


def test_a_client_without_a_server_has_less_to_tell(make: Maker) -> None:
    found = make.from_document(events=None).flags.doctor()

    assert found.ok
    assert finding(found, "events").says == "go nowhere"


def test_the_directory_stays_what_it_was(
    server: Server, make: Maker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("FLAGSTAFF_DIR", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "one"))
    flags = make(server.url, **FAST).flags
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "two"))
    assert str(tmp_path / "one") in finding(flags.doctor(), "directory").says


def test_rules_that_do_not_come(server: Server, make: Maker) -> None:
    server.rules = answer(status=401)
    driver = make(server.url, key="sdk-1", **FAST)
    eventually(lambda: driver.flags.status().problems)

    found = driver.flags.doctor()

    assert not found.ok
    assert "the key is refused" in finding(found, "rules").says
    assert "sdk-1" not in str(found)


def test_events_that_do_not_leave(server: Server, make: Maker) -> None:
    server.rules = tagged(numbered(1), '"1"')
    server.events = answer(status=503)
    driver = make(server.url, flush_interval=0.01, **FAST)
    driver.flags.track("order-placed")
    eventually(lambda: not finding(driver.flags.doctor(), "events").ok)

    assert "1 pending" in finding(driver.flags.doctor(), "events").says


def test_events_that_the_collector_refuses(server: Server, make: Maker) -> None:
    server.rules = tagged(numbered(1), '"1"')
    server.events = answer(status=400)
    driver = make(server.url, flush_interval=0.01, **FAST)
    driver.flags.track("order-placed", value=7)
    eventually(lambda: driver.flags.stats()["dropped"] == {"rejected": 1})

    found = finding(driver.flags.doctor(), "refused")

    assert not found.ok
    assert found.says in driver.flags.status().problems
    path = Path(found.says.rpartition(" are in ")[2])
    (line,) = path.read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["reason"] == "rejected"
    assert json.loads(line)["event"]["data"]["value"] == 7
    path.unlink()
    assert "refused" not in [each.name for each in driver.flags.doctor().findings]
    assert found.says not in driver.flags.status().problems


def test_events_that_were_lost(make: Maker) -> None:
    driver = make.from_document(events=Basket())
    driver.flags.track("order-placed", what=object())

    assert finding(driver.flags.doctor(), "losses").says == "1 for not_encodable"


@pytest.mark.parametrize(("ahead", "told"), [(7200.0, "behind"), (-7200.0, "ahead of")])
def test_a_clock_that_differs(server: Server, make: Maker, ahead: float, told: str) -> None:
    import time

    date = formatdate(time.time() + ahead, usegmt=True)
    server.rules = answer(encoded(numbered(1)), Date=date)
    driver = make(server.url, **FAST)
    assert driver.wait_ready()

    assert told in finding(driver.flags.doctor(), "clock").says


@pytest.mark.parametrize("headers", [{}, {"Date": "soon"}, {"Date": formatdate(0, usegmt=True), "Age": "9"}])
def test_a_clock_that_is_not_told(server: Server, make: Maker, headers: Any) -> None:
    server.rules = answer(encoded(numbered(1)), **headers)
    driver = make(server.url, **FAST)
    assert driver.wait_ready()

    assert finding(driver.flags.doctor(), "clock").ok


def test_a_directory_that_can_not_be(make: Maker, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no directory")

    found = make.from_document(events=None, directory=blocked / "below").flags.doctor()

    assert not finding(found, "directory").ok


def test_threads_that_can_not_be_started(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        client = Client(server.url, **FAST)
        found = finding(client.doctor(), "background")
        client.close(0)

    assert "no thread can be started" in found.says
    assert found.remedy is not None


def test_a_fork_that_nobody_has_asked_anything_since(server: Server) -> None:
    out = run(
        """
        import os, sys, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        from flagstaff import Client
        client = Client(sys.argv[1], stream=False)
        pid = os.fork()
        if pid == 0:
            print(client.doctor().findings[4], flush=True)
            os._exit(0)
        os.waitpid(pid, 0)
        client.close()
        """,
        server.url,
    )

    assert "BAD  background: this process was forked; its threads start with the first evaluation" in out


@pytest.mark.parametrize(
    ("options", "ok"),
    [
        ({}, False),
        ({"enable-threads": True}, True),
        ({"threads": b"4"}, True),
        ({"enable-threads": b"0"}, False),
        ({"enable-threads": True, "master": True}, False),
        ({b"enable-threads": True, b"master": True, b"lazy-apps": True}, True),
        ({"enable-threads": True, "master": True, "py-call-uwsgi-fork-hooks": True}, True),
    ],
    ids=str,
)
def test_uwsgi(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], ok: bool) -> None:
    module: Any = types.ModuleType("uwsgi")
    module.opt = options
    monkeypatch.setitem(sys.modules, "uwsgi", module)

    found = look.uwsgi()

    assert found is not None
    assert found.ok is ok


def test_gevent_that_came_late(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    flags = make.from_document(events=None).flags
    module: Any = types.ModuleType("gevent.monkey")
    module.is_module_patched = lambda _name: True
    monkeypatch.setitem(sys.modules, "gevent.monkey", module)

    assert not finding(flags.doctor(), "gevent").ok
    assert finding(make.from_document(events=None).flags.doctor(), "gevent").ok
