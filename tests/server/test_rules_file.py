from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flagstaff.errors import RulesError, ServeError
from flagstaff.server.rules import RulesFile
from tests.server.lab import Document, loader


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "flags.json"
    path.write_text('{"a":1}')
    return path


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Give a way to let the file grow old: a minute passes on the clock that judges it."""
    real = time.time_ns
    return lambda: monkeypatch.setattr(time, "time_ns", lambda: real() + 60_000_000_000)


class Counting:
    def __init__(self, path: Path) -> None:
        self.count = 0
        self._load = loader(path)

    def __call__(self) -> Document:
        self.count += 1
        return self._load()


def test_a_changed_file_is_a_new_version(path: Path) -> None:
    rules = RulesFile(path, loader(path))
    first = rules.current
    path.write_text('{"a":2}')

    assert rules.refresh() is True
    assert rules.current.body == b'{"a":2}'
    assert rules.current.etag != first.etag
    assert rules.current.revised >= first.revised


def test_a_file_that_was_only_touched_is_no_new_version(path: Path) -> None:
    rules = RulesFile(path, loader(path))
    first = rules.current
    path.write_text('{ "a": 1 }')

    assert rules.refresh() is False
    assert rules.current is first


def test_an_old_file_is_not_read_again(path: Path, later: Callable[[], None]) -> None:
    later()
    load = Counting(path)
    rules = RulesFile(path, load)

    assert [rules.refresh() for _ in range(5)] == [False] * 5
    assert load.count == 1


def test_a_change_that_leaves_no_trace_in_size_or_time_is_seen(path: Path) -> None:
    rules = RulesFile(path, loader(path))
    state = path.stat()
    with path.open("r+b") as file:
        file.write(b'{"a":7}')
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))

    assert rules.refresh() is True
    assert rules.current.body == b'{"a":7}'


def test_a_file_swapped_behind_a_link_is_seen(tmp_path: Path, later: Callable[[], None]) -> None:
    for name, text in (("one", '{"a":1}'), ("two", '{"a":2}')):
        (tmp_path / name).write_text(text)
    link = tmp_path / "flags.json"
    link.symlink_to("one")
    later()
    rules = RulesFile(link, loader(link))
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").replace(link)

    assert rules.refresh() is True
    assert rules.current.body == b'{"a":2}'


def test_a_wrong_version_keeps_the_last_good_and_is_told_once(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "flagstaff.server")
    rules = RulesFile(path, loader(path))
    first = rules.current
    path.write_text("{")

    assert [rules.refresh() for _ in range(3)] == [False] * 3
    assert rules.current is first
    assert rules.fault == f"{path}: 1 problem\n  flags: is not JSON"
    path.write_text('{"a":1}')
    assert [rules.refresh() for _ in range(3)] == [False] * 3
    assert rules.current is first
    assert not rules.fault
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_missing_file_is_a_fault_until_it_is_back(path: Path, later: Callable[[], None]) -> None:
    later()
    rules = RulesFile(path, loader(path))
    away = path.rename(path.with_suffix(".away"))

    assert rules.refresh() is False
    assert rules.fault == f"{path}: No such file or directory"
    away.rename(path)
    assert rules.refresh() is False
    assert rules.fault is None


@pytest.mark.parametrize("error", [RuntimeError("a bug"), RecursionError("deep"), MemoryError()])
def test_whatever_a_loader_raises_the_good_rules_stay(path: Path, error: Exception) -> None:
    def answers() -> Iterator[Document]:
        yield Document(b"{}")
        raise error

    stream = answers()
    rules = RulesFile(path, lambda: next(stream))

    assert rules.refresh() is False
    assert rules.current.body == b"{}"
    assert rules.fault == f"{path}: {type(error).__name__}: {error}"


def test_the_first_version_has_to_be_good(path: Path) -> None:
    path.write_text("{")

    with pytest.raises(RulesError, match="is not JSON"):
        RulesFile(path, loader(path))


def test_there_has_to_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "nothing.json"

    with pytest.raises(ServeError, match=r"nothing\.json: No such file or directory"):
        RulesFile(path, loader(path))


def test_a_version_does_not_print_its_rules(path: Path) -> None:
    path.write_text('{"hypothesis":"confidential"}')

    assert "confidential" not in repr(RulesFile(path, loader(path)).current)
