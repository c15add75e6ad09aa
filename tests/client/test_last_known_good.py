"""Rules that were kept: a client starts by them when the server can't be reached."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest

from flagstaff import AsyncClient, Client
from flagstaff.shell import Shell
from tests.client.lab import Maker, Server, document, encoded, eventually, numbered, run, tagged
from tests.net.badserver import answer

FAST: dict[str, Any] = {"poll_interval": 0.1, "events": None}
NOWHERE = "http://127.0.0.1:1"


def kept() -> list[Path]:
    return list(Path(os.environ["FLAGSTAFF_DIR"], "rules").glob("*.rules"))


def revision(flags: Shell) -> int | None:
    return flags.status().revision


@pytest.fixture
def fetched(server: Server, make: Maker) -> str:
    """The address of a server whose rules somebody has had, and that is down now."""
    server.rules = tagged(numbered(5), '"5"')
    driver = make(server.url, key="sdk-1", **FAST)
    assert driver.wait_ready()
    driver.close()
    server.rules = answer(status=503)
    return server.url


def test_a_client_starts_by_what_was_kept(
    fetched: str, make: Maker, kind: type[Client | AsyncClient]
) -> None:
    driver = make.driver(kind(fetched, key="sdk-1", **FAST))

    assert driver.flags.value("first", default=0) == 5  # before anything was started or waited for
    status = driver.flags.status()
    assert status.ready
    assert status.age is not None
    assert 0.0 <= status.age < 60.0


def test_what_was_kept_is_stale_until_it_is_confirmed(fetched: str, server: Server, make: Maker) -> None:
    driver = make(fetched, key="sdk-1", **FAST)
    eventually(lambda: driver.flags.status().state == "STALE")

    server.rules = tagged(numbered(5), '"5"')

    eventually(lambda: driver.flags.status().state == "READY")
    assert server.polls[-1].header("if-none-match") == '"5"'


def test_better_rules_replace_what_was_kept(fetched: str, server: Server, make: Maker) -> None:
    driver = make(fetched, key="sdk-1", **FAST)
    server.rules = tagged(numbered(6), '"6"')
    eventually(lambda: driver.flags.value("first", default=0) == 6)
    driver.close()
    server.rules = answer(status=503)

    assert make(fetched, key="sdk-1", **FAST).flags.value("first", default=0) == 6


@pytest.mark.parametrize(
    ("key", "dialect"), [("sdk-2", "native"), (None, "native"), ("sdk-1", "auto")], ids=str
)
def test_another_key_or_format_has_not_kept_anything(
    fetched: str, make: Maker, key: str | None, dialect: str
) -> None:
    assert not make(fetched, key=key, format=dialect, **FAST).flags.status().ready


def test_older_rules_than_what_was_kept_are_refused(fetched: str, server: Server, make: Maker) -> None:
    server.rules = tagged(numbered(4), '"4"')
    driver = make(fetched, key="sdk-1", **FAST)

    eventually(lambda: driver.flags.status().problems)

    assert "revision 4, older than 5" in driver.flags.status().problems[0]
    assert revision(driver.flags) == 5


def test_a_server_that_is_another_ones_now_is_believed(fetched: str, server: Server, make: Maker) -> None:
    server.rules = tagged(numbered(1, project="other"), '"o"')
    driver = make(fetched, key="sdk-1", **FAST)

    eventually(lambda: revision(driver.flags) == 1)


def test_rules_that_were_refused_are_not_kept(fetched: str, server: Server, make: Maker) -> None:
    before = [path.read_bytes() for path in kept()]
    server.rules = answer(b"<html>Log in</html>")
    driver = make(fetched, key="sdk-1", **FAST)
    eventually(lambda: driver.flags.status().problems)
    driver.close()

    assert [path.read_bytes() for path in kept()] == before


def test_a_file_that_was_tidied_away_comes_back(server: Server, make: Maker) -> None:
    server.rules = tagged(numbered(5), '"5"')
    driver = make(server.url, **FAST)
    eventually(kept)
    driver.close()
    again = make(server.url, **FAST)
    kept()[0].unlink()

    eventually(kept)

    assert again.flags.status().problems == ()


def test_large_rules_are_read_in_the_background(server: Server, make: Maker) -> None:
    large = document()
    large["flags"] |= {f"other-{number}": {"owner": "x" * 9000} for number in range(60)}
    server.rules = tagged(large, '"l"')
    driver = make(server.url, **FAST)
    assert driver.wait_ready()
    driver.close()
    server.rules = answer(status=503)

    driver = make(server.url, **FAST)

    assert driver.wait_ready()
    assert driver.flags.value("page-size", default=0) == 20


def test_a_damaged_file_is_as_good_as_none(fetched: str, make: Maker) -> None:
    kept()[0].write_bytes(kept()[0].read_bytes()[:-1])

    driver = make(fetched, key="sdk-1", **FAST)

    assert not driver.flags.status().ready


def test_what_no_version_of_ours_can_read_is_as_good_as_none(fetched: str, make: Maker) -> None:
    from flagstaff.sources.store import Kept, RulesStore

    place = RulesStore(kept()[0].parent, f"native\0{fetched}\0sdk-1")
    place.save(Kept(encoded({"version": 99}), None, 1.0))

    assert not make(fetched, key="sdk-1", **FAST).flags.status().ready


def test_where_nothing_can_be_kept_there_is_one_warning_and_rules(
    server: Server, make: Maker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no directory")
    server.rules = tagged(numbered(5), '"5"')
    with caplog.at_level(logging.INFO, "flagstaff"):
        driver = make(server.url, directory=blocked, **FAST)
        assert driver.wait_ready()
        eventually(lambda: driver.flags.status().problems)
        server.rules = tagged(numbered(6), '"6"')
        eventually(lambda: revision(driver.flags) == 6)
        driver.close()

    status = driver.flags.status()
    assert status.state == "READY"
    assert len(status.problems) == 1
    assert f"can't be kept below {blocked}" in status.problems[0]
    assert len([r for r in caplog.records if "can't be kept" in r.getMessage()]) == 1


def test_a_cold_start_needs_no_network(server: Server) -> None:
    server.rules = tagged(numbered(5), '"5"')
    program = """
        import sys
        from flagstaff import Client
        client = Client(sys.argv[1], events=None)
        if sys.argv[2] == "warm":
            assert client.wait_ready(20)
        print(client.value("first", default=0))
        client.close()
    """
    assert run(program, server.url, "warm") == "5\n"
    server.rules = answer(status=500)
    visits = len(server.visits)

    assert run(program, server.url, "cold") == "5\n"
    assert len(server.visits) <= visits + 1
