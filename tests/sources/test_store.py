"""Rules on disk: whole or not there, whoever writes, whatever becomes of the file."""

from __future__ import annotations

import json
import os
import random
import stat
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from flagstaff.sources.store import Kept, RulesStore
from tests.client.lab import SDK, encoded, numbered

NOW = 1_795_262_400.0
BODY = encoded(numbered(7))
SECRET = "sdk-0123456789abcdef"


@pytest.fixture
def store(tmp_path: Path) -> RulesStore:
    return RulesStore(tmp_path / "rules", f"native\0http://127.0.0.1:1\0{SECRET}")


def signed(rest: bytes) -> bytes:
    """A file whose digest is right, whatever it holds."""
    return b"flagstaff-rules 1 " + sha256(rest).hexdigest().encode() + b"\n" + rest


def test_what_was_saved_is_loaded(store: RulesStore) -> None:
    store.save(Kept(BODY, '"7"', NOW))
    store.confirm(NOW)

    assert store.load(NOW + 60) == Kept(BODY, '"7"', NOW)


def test_nothing_was_saved_yet(store: RulesStore) -> None:
    assert store.load(NOW) is None
    assert store.size() == 0


def test_the_file_is_its_owners_alone_and_names_no_key(store: RulesStore) -> None:
    store.save(Kept(BODY, None, NOW))

    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.directory.stat().st_mode) == 0o700
    assert SECRET not in str(store.path)
    assert SECRET.encode() not in store.path.read_bytes()
    assert [entry.name for entry in store.directory.iterdir()] == [store.path.name]


def test_each_identity_has_a_place_of_its_own_and_none_walks(tmp_path: Path) -> None:
    rng = random.Random(3)
    names = ["../x", "/etc/passwd", "a\0b", "\ud800", "x" * 100_000, "", ".", "..", "CON", "a/b\\c"]
    names += ["".join(chr(rng.randrange(0x110000)) for _ in range(20)) for _ in range(1000)]

    paths = {RulesStore(tmp_path, name).path for name in names}

    assert len(paths) == len(names)
    assert {path.parent for path in paths} == {tmp_path}
    assert all(path.name.isascii() and len(path.name) < 50 for path in paths)


def test_a_confirmation_makes_what_is_kept_younger(store: RulesStore) -> None:
    store.save(Kept(BODY, None, NOW))
    store.confirm(NOW + 500)

    found = store.load(NOW + 1000)

    assert found is not None
    assert found.confirmed == NOW + 500


@pytest.mark.parametrize("touched", [NOW - 500, NOW + 5000], ids=["before it was fetched", "in the future"])
def test_a_date_that_can_not_be_makes_it_no_younger(store: RulesStore, touched: float) -> None:
    store.save(Kept(BODY, None, NOW))
    os.utime(store.path, (touched, touched))

    found = store.load(NOW + 1000)

    assert found is not None
    assert found.confirmed == NOW


def test_a_clock_that_was_put_back_makes_no_negative_age(store: RulesStore) -> None:
    store.save(Kept(BODY, None, NOW))

    found = store.load(NOW - 86_400)

    assert found is not None
    assert found.confirmed <= NOW - 86_400


# -- whatever becomes of the file ----------------------------------------------------------------------


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The data with one thing done to it: a bit, a cut, a swap, zeros, a repetition, another version."""
    at, other = sorted((rng.randrange(len(data)), rng.randrange(len(data))))
    match rng.randrange(6):
        case 0:
            return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        case 1:
            return data[:at]
        case 2:
            return data[:at] + data[other:] + data[at:other]
        case 3:
            return data[:at] + bytes(other - at) + data[other:]
        case 4:
            return data[:other] + data[at:]
        case _:
            return data.replace(b" 1 ", b" 2 ", 1)


def test_a_damaged_file_is_a_miss(store: RulesStore) -> None:
    store.save(Kept(BODY, '"7"', NOW))
    whole = store.path.read_bytes()
    rng = random.Random(20_000)
    changed = 0

    with store.path.open("r+b", buffering=0) as file:
        for _ in range(20_000):
            data = mutated(whole, rng)
            file.seek(0)
            file.truncate()
            file.write(data)
            found = store.load(NOW + 1e9)
            if data == whole:
                assert found is not None
            else:
                changed += 1
                assert found is None

    assert changed > 18_000


@pytest.mark.parametrize(
    "rest",
    [
        b"",
        b"\n",
        b"[]\n{}",
        b"null\n{}",
        b'{"etag":null}\n{}',
        b'{"etag":null,"fetched":"soon"}\n{}',
        b'{"etag":null,"fetched":NaN}\n{}',
        b'{"etag":null,"fetched":-1}\n{}',
        b'{"etag":null,"fetched":Infinity}\n{}',
        b'{"etag":null,"fetched":' + b"9" * 4000 + b"}\n{}",
        b'{"etag":null,"fetched":' + b"9" * 5000 + b"}\n{}",
        b"[" * 100_000 + b"\n{}",
        b"\xff\xfe\n{}",
    ],
    ids=range(13),
)
def test_a_head_that_says_something_else_is_a_miss(store: RulesStore, rest: bytes) -> None:
    store.directory.mkdir()
    store.path.write_bytes(signed(rest))
    store.path.chmod(0o600)

    assert store.load(NOW) is None


def test_a_tag_that_is_no_text_is_none(store: RulesStore) -> None:
    store.directory.mkdir()
    store.path.write_bytes(signed(json.dumps({"etag": 5, "fetched": NOW}).encode() + b"\n{}"))
    store.path.chmod(0o600)
    os.utime(store.path, (NOW, NOW))

    assert store.load(NOW) == Kept(b"{}", None, NOW)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_what_is_no_plain_file_is_a_miss(store: RulesStore, tmp_path: Path) -> None:
    store.save(Kept(BODY, None, NOW))
    elsewhere = tmp_path / "elsewhere"
    store.path.rename(elsewhere)

    store.path.symlink_to(elsewhere)
    assert store.load(NOW) is None
    store.path.unlink()
    os.mkfifo(store.path)
    assert store.load(NOW) is None
    store.path.unlink()
    store.path.mkdir()
    assert store.load(NOW) is None


@pytest.mark.skipif(os.name != "posix", reason="there are no such permissions here")
def test_a_file_that_others_can_write_to_is_a_miss(store: RulesStore) -> None:
    store.save(Kept(BODY, None, NOW))
    store.path.chmod(0o622)

    assert store.load(NOW) is None


def test_saving_replaces_a_link_and_not_what_it_leads_to(store: RulesStore, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("precious")
    store.directory.mkdir()
    store.path.symlink_to(elsewhere)

    store.save(Kept(BODY, None, NOW))

    assert elsewhere.read_text() == "precious"
    assert store.load(NOW) is not None


def test_what_can_not_be_replaced_stays_and_leaves_no_litter(store: RulesStore) -> None:
    store.directory.mkdir()
    store.path.mkdir()

    with pytest.raises(IsADirectoryError):
        store.save(Kept(BODY, None, NOW))

    assert [entry.name for entry in store.directory.iterdir()] == [store.path.name]


def test_litter_of_the_killed_is_swept(store: RulesStore) -> None:
    store.save(Kept(BODY, None, NOW))
    stem = store.path.name.partition(".")[0]
    old, young = store.directory / f".{stem}.1-aa.tmp", store.directory / f".{stem}.2-bb.tmp"
    for litter, age in ((old, 7200), (young, 10)):
        litter.write_bytes(b"half")
        os.utime(litter, (NOW - age, NOW - age))

    store.save(Kept(BODY, None, NOW))

    assert not old.exists()
    assert young.exists()


# -- many processes ------------------------------------------------------------------------------------

_SAVER = """
import sys
from pathlib import Path
from flagstaff.sources.store import Kept, RulesStore
store = RulesStore(Path(sys.argv[1]), "shared")
for number in range(60):
    store.save(Kept(sys.argv[2].encode() * 20_000, f'"{number}"', 1e9))
    found = store.load(2e9)
    assert found is not None and len(set(found.body)) == 1 and len(found.body) == 20_000, found
"""


def test_processes_share_a_place_and_read_no_half_file(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _SAVER, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(SDK)}
    savers = [subprocess.Popen([*command, name], env=environment) for name in "abcdef"]

    assert [saver.wait(50) for saver in savers] == [0] * 6
    assert len(list(tmp_path.iterdir())) == 1
