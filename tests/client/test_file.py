"""Rules from a file: read at once, followed when it changes, kept when it goes wrong."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from flagstaff import ConfigError, RulesError
from flagstaff.formats import NATIVE
from flagstaff.shell import Shell
from flagstaff.sources.file import FileSource
from tests.client.lab import Driver, Maker, document, encoded, eventually, numbered

FAST = {"poll_interval": 0.1}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "flags.json"
    made.write_bytes(encoded(numbered(1)))
    return made


@pytest.fixture
def driver(make: Maker, path: Path) -> Driver:
    return make.from_file(path, **FAST)


def revision(flags: Shell) -> Any:
    return flags.value("first")


def replace(path: Path, content: bytes) -> None:
    """Put a file that has rested in the place of another."""
    other = path.with_name(path.name + ".new")
    other.write_bytes(content)
    state = other.stat()
    os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns - 1_000_000_000))
    other.replace(path)


def versioned(number: int, suffix: str) -> bytes:
    """The numbered document as the text of a file."""
    rules = numbered(number)
    if suffix == ".json":
        return encoded(rules)
    flags = (f"[flags.{key}]\nvariants = {{ v = {number} }}\ndefault = 'v'\n" for key in rules["flags"])
    return f"version = 1\nrevision = {number}\n{''.join(flags)}".encode()


def test_a_file_is_read_by_the_constructor(driver: Driver, path: Path) -> None:
    status = driver.flags.status()

    assert revision(driver.flags) == 1
    assert (status.state, status.ready, status.revision, status.flags) == ("READY", True, 1, 5)
    assert status.source == f"file {path}, looked at every 0.1 s"
    assert status.problems == ()
    assert driver.wait_ready(0.0)
    assert driver.flags.describe() == f"rules: file {path}, looked at every 0.1 s\nevents: nowhere"


@pytest.mark.parametrize("name", ["flags.toml", "flags.yaml", "flags.yml", "FLAGS.TOML"])
def test_the_suffix_tells_the_form(make: Maker, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    toml = "version = 1\n[flags.banner]\ndefault = 'on'\n"
    path.write_text(toml if "toml" in name.lower() else "version: 1\nflags: {banner: {default: 'on'}}\n")

    assert make.from_file(path).flags.enabled("banner")


def test_a_change_is_adopted(driver: Driver, path: Path) -> None:
    path.write_bytes(encoded(numbered(2)))
    eventually(lambda: revision(driver.flags) == 2)
    replace(path, encoded(numbered(3)))
    eventually(lambda: revision(driver.flags) == 3)

    assert driver.flags.status().revision == 3
    assert driver.flags.status().state == "READY"


def test_a_wrong_version_leaves_the_rules_and_says_so(driver: Driver, path: Path) -> None:
    flags = driver.flags

    replace(path, b'{"version": 1, "flags": {"first": {"defualt": "on"}}}')
    eventually(lambda: flags.status().state == "STALE")

    status = flags.status()
    assert revision(flags) == 1
    assert (status.ready, status.revision) == (True, 1)
    assert "did you mean default?" in status.problems[0]
    assert str(path) in status.problems[0]

    replace(path, encoded(numbered(2)))
    eventually(lambda: revision(flags) == 2)
    eventually(lambda: flags.status().state == "READY")
    assert flags.status().problems == ()


def test_a_file_that_goes_leaves_the_rules_and_may_come_back(driver: Driver, path: Path) -> None:
    flags = driver.flags

    path.unlink()
    eventually(lambda: flags.status().state == "STALE")
    assert flags.status().problems == (f"path: {path}: No such file or directory",)
    assert revision(flags) == 1

    replace(path, encoded(numbered(2)))
    eventually(lambda: revision(flags) == 2)
    eventually(lambda: flags.status().problems == ())


def test_a_file_that_comes_back_as_it_was_is_good_again(driver: Driver, path: Path) -> None:
    away = path.with_name("away.json")
    path.rename(away)
    eventually(lambda: driver.flags.status().state == "STALE")

    away.rename(path)

    eventually(lambda: driver.flags.status().state == "READY")


def test_rules_grow_old_while_the_file_is_wrong(driver: Driver, path: Path) -> None:
    flags = driver.flags
    replace(path, b"{")
    eventually(lambda: flags.status().state == "STALE")
    age = flags.status().age
    assert age is not None

    eventually(lambda: (flags.status().age or 0.0) > age + 0.2)

    assert "STALE: 5 flags from file" in str(flags.status())


@pytest.mark.parametrize("suffix", [".json", ".toml"])
def test_a_file_that_is_half_written_is_never_adopted(
    make: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    path = tmp_path / f"flags{suffix}"
    path.write_bytes(versioned(1, suffix))
    driver = make.from_file(path, **FAST)
    seen: list[tuple[int | None, int]] = []
    driver.flags.on_change(
        lambda _: seen.append((driver.flags.status().revision, driver.flags.status().flags))
    )
    whole, looks = versioned(2, suffix), 0

    def moments_later() -> int:
        nonlocal looks
        looks += 1
        return path.stat().st_mtime_ns + 50_000_000

    with monkeypatch.context() as patch, path.open("wb", buffering=0) as file:
        patch.setattr(time, "time_ns", moments_later)
        for start in range(0, len(whole), len(whole) // 3):
            file.write(whole[start : start + len(whole) // 3])
            before = looks
            eventually(lambda: looks > before)  # noqa: B023 - called at once
        assert revision(driver.flags) == 1

    eventually(lambda: seen)
    assert seen == [(2, 5)]
    assert driver.flags.status().problems == ()


def test_only_a_path_that_can_be_read_makes_a_client(make: Maker, tmp_path: Path) -> None:
    for path in (tmp_path / "nope.json", tmp_path):
        with pytest.raises(ConfigError, match=r"^path: ") as caught:
            make.from_file(path)
        assert str(path) in str(caught.value)


def test_a_file_without_a_known_suffix_is_refused(make: Maker, tmp_path: Path) -> None:
    path = tmp_path / "flags.txt"
    path.write_text("{}")

    with pytest.raises(ConfigError, match=r"ends in \.json, \.toml, \.yaml, \.yml, not in \.txt"):
        make.from_file(path)


def test_a_wrong_file_is_refused_at_once_with_every_problem(make: Maker, path: Path) -> None:
    rules = document()
    rules["flags"]["banner"]["default"] = "maybe"
    rules["flags"]["greeting"]["rules"] = [{"segment": "stuff", "serve": "plain"}]
    path.write_bytes(encoded(rules))

    with pytest.raises(RulesError) as caught:
        make.from_file(path)

    assert caught.value.source == str(path)
    assert len(caught.value.problems) == 2
    assert all(problem.path in str(caught.value) for problem in caught.value.problems)


# -- the source by hand: when it looks, and what it reads ----------------------------------------------


class Looking:
    """A file source, asked by hand what to do and told what came of it."""

    def __init__(self, path: Path) -> None:
        self.published: list[int | None] = []
        self.now = 100.0
        self.source = FileSource(path, format=NATIVE, clock=self, interval=1.0)
        self.source.attach(lambda loaded: self.published.append(loaded.rules.revision))

    time = staticmethod(time.time)

    def monotonic(self) -> float:
        return self.now

    def look(self) -> float:
        """Look when it is time to; the seconds until the next time."""
        step = self.source.next(self.now)
        if isinstance(step, float):
            self.now += step
            step = self.source.next(self.now)
        assert not isinstance(step, float)
        answer: Any
        try:
            answer = self.source.perform(step)
        except Exception as error:  # noqa: BLE001 - as a driver does
            answer = error
        self.source.done(step, answer, self.now)
        wait = self.source.next(self.now)
        assert isinstance(wait, float)
        return wait


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the wall clock be ten seconds ahead: every file has rested."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 10_000_000_000)


def test_a_file_that_has_rested_is_not_read_again(path: Path, later: None) -> None:
    looking = Looking(path)
    checked = looking.source.checked

    assert looking.look() == pytest.approx(1.0)
    assert looking.published == [1]
    assert (looking.source.checked, checked) == (101.0, 100.0)

    path.write_bytes(encoded(numbered(2)))
    looking.look()
    assert looking.published == [1, 2]


def test_a_young_file_is_read_again_since_it_may_change_unseen(path: Path) -> None:
    state = path.stat()
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns - 500_000_000))
    looking = Looking(path)

    looking.look()

    assert looking.published == [1, 1]


def test_a_file_that_was_written_to_just_now_is_looked_at_again_soon(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking = Looking(path)
    path.write_bytes(encoded(numbered(2)))
    written = path.stat().st_mtime_ns
    monkeypatch.setattr(time, "time_ns", lambda: written + 50_000_000)

    assert looking.look() == pytest.approx(0.1)
    assert looking.published == [1]

    monkeypatch.setattr(time, "time_ns", lambda: written + 150_000_000)
    assert looking.look() == pytest.approx(1.0)
    assert looking.published == [1, 2]


def test_a_file_of_the_future_is_read_all_the_same(path: Path) -> None:
    looking = Looking(path)
    path.write_bytes(encoded(numbered(2)))
    ahead = time.time_ns() + 3_600_000_000_000
    os.utime(path, ns=(ahead, ahead))

    looking.look()

    assert looking.published == [1, 2]


def test_a_passing_fault_of_the_system_is_not_the_files_fault(
    path: Path, later: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_path: Path) -> bytes:
        raise OSError(24, "Too many open files")

    looking = Looking(path)
    path.write_bytes(encoded(numbered(2)))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", fail)
        looking.look()
    assert "Too many open files" in str(looking.source.fault)
    assert looking.published == [1]

    looking.look()

    assert looking.source.fault is None
    assert looking.published == [1, 2]


def test_every_cut_of_a_file_leaves_the_rules(path: Path, later: None) -> None:
    looking = Looking(path)
    whole = json.dumps(numbered(2)).encode()

    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        looking.look()
        assert looking.source.fault is not None

    assert looking.published == [1]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[]", "a rules document is an object, not list"),
        (b'{"version": 2, "flags": {}}', "version"),
        (b'{"version": 1, "flags": {"first": {"defualt": "on"}}}', "did you mean default?"),
        (b'{"version": 1, "flags": {"first": {"rules": [{"segment": "nope"}]}}}', "nope"),
        (b"\xff\xfe\0", "not JSON"),
    ],
)
def test_nothing_wrong_is_ever_published(path: Path, later: None, content: bytes, complaint: str) -> None:
    looking = Looking(path)

    for _ in range(2):  # found wrong once, it stays wrong without being read again
        if looking.source.fault is None:
            path.write_bytes(content)
        looking.look()
        assert complaint in str(looking.source.fault)
        assert str(path) in str(looking.source.fault)
    assert looking.published == [1]

    path.write_bytes(encoded(numbered(2)))
    looking.look()
    assert looking.source.fault is None
    assert looking.published == [1, 2]
