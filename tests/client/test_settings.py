"""What a client can be told, by keyword or by environment: checked at once, named, with the way out."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from flagstaff import AsyncClient, Client, ConfigError, Secret
from flagstaff.shell import Shell
from tests.client.lab import Basket, Maker, Server, document, eventually, stack, tagged

URL = "http://127.0.0.1:1"

WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no source": ({}, "source", "is missing: give a server's address, or set FLAGSTAFF_URL"),
    "a source of a wrong type": (
        {"source": 7},
        "source",
        "must be an address such as https://flags.example.com",
    ),
    "a file for a source": ({"source": "flags.toml"}, "source", "use Client.from_file('flags.toml')"),
    "another scheme": (
        {"source": "ftp://flags.example.com"},
        "source",
        "must be an address such as https://",
    ),
    "no host": ({"source": "https://"}, "source", "must be an address"),
    "a blank": ({"source": "https://flags.example.com/a b"}, "source", "must be an address"),
    "a line end": ({"source": "https://flags.example.com\n"}, "source", "must be an address"),
    "no port": ({"source": "https://flags.example.com:port"}, "source", "is not an address that can be read"),
    "a bracket": ({"source": "https://[::1"}, "source", "is not an address that can be read"),
    "a user": ({"source": "https://me:hidden@flags.example.com"}, "source", "give the key as key=…"),
    "a query": ({"source": "https://flags.example.com/?key=hidden"}, "source", "must not have a query"),
    "a fragment": ({"source": "https://flags.example.com/#rules"}, "source", "or a fragment"),
    "a key of a wrong type": ({"source": URL, "key": 7}, "key", "must be text, not int"),
    "a key with a line end": (
        {"source": URL, "key": "hidden\n"},
        "key",
        "check for a stray line end or quote",
    ),
    "a key with a blank": (
        {"source": URL, "key": "hid den"},
        "key",
        "must be printable ASCII without blanks",
    ),
    "a key beyond ASCII": ({"source": URL, "key": "hiddén"}, "key", "must be printable ASCII"),
    "a wrong secret": ({"source": URL, "key": Secret("hidden\0")}, "key", "must be printable ASCII"),
    "a poll too often": (
        {"source": URL, "poll_interval": 0.05},
        "poll_interval",
        "from 0.1 to 86400, not 0.05",
    ),
    "a poll too rarely": ({"source": URL, "poll_interval": 1e9}, "poll_interval", "from 0.1 to 86400"),
    "a poll that is no number": ({"source": URL, "poll_interval": "30"}, "poll_interval", "not '30'"),
    "a poll that is NaN": ({"source": URL, "poll_interval": float("nan")}, "poll_interval", "not nan"),
    "a poll that is a truth": ({"source": URL, "poll_interval": True}, "poll_interval", "not True"),
    "no time to flush": ({"source": URL, "flush_interval": 0}, "flush_interval", "from 0.01 to 86400, not 0"),
    "a flush back in time": ({"source": URL, "flush_interval": -1}, "flush_interval", "from 0.01 to 86400"),
    "events of a wrong type": (
        {"source": URL, "events": 7},
        "events",
        "a sink with a send method or None, not int",
    ),
    "events without a scheme": ({"source": URL, "events": "localhost:80"}, "events", "must be an address"),
    "events with a query": ({"source": URL, "events": URL + "?a=b"}, "events", "must not have a query"),
    "an unknown durability": (
        {"source": URL, "durability": "tape"},
        "durability",
        "memory, process, disk, not 'tape'",
    ),
    "a quota too small": ({"source": URL, "spool_quota": 7}, "spool_quota", "from 1048576 on, not 7"),
    "a quota that is a truth": ({"source": URL, "spool_quota": True}, "spool_quota", "not True"),
    "a directory of a wrong type": ({"source": URL, "directory": 7}, "directory", "must be a path, not int"),
    "an unknown format": ({"source": URL, "format": "natve"}, "format", "did you mean native?"),
    "a format of a wrong type": (
        {"source": URL, "format": 7},
        "format",
        "launchdarkly, flagsmith, not 7",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_setting_that_can_not_work_is_named_with_the_way_out(
    kind: type[Client | AsyncClient], name: str
) -> None:
    settings, setting, way_out = WRONG[name]

    with pytest.raises(ConfigError) as caught:
        kind(**settings)

    assert caught.value.setting == setting
    assert str(caught.value).startswith(f"{setting}: ")
    assert way_out in str(caught.value)
    assert "hid" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "text", "way_out"),
    [
        ("FLAGSTAFF_POLL_INTERVAL", "often", "must be a number of seconds, not 'often'"),
        ("FLAGSTAFF_POLL_INTERVAL", "0", "from 0.1 to 86400, not 0.0"),
        ("FLAGSTAFF_POLL_INTERVAL", "nan", "from 0.1 to 86400, not nan"),
        ("FLAGSTAFF_FLUSH_INTERVAL", "-1", "from 0.01 to 86400, not -1.0"),
        ("FLAGSTAFF_DURABILITY", "tape", "must be one of memory, process, disk, not 'tape'"),
        ("FLAGSTAFF_SPOOL_QUOTA", "64 MiB", "must be a number of bytes from 1048576 on, not '64 MiB'"),
        ("FLAGSTAFF_EVENTS", "nowhere", "must be an address such as"),
        ("FLAGSTAFF_OVERRIDES", "banner", "must read flag=variant,flag=variant"),
    ],
)
def test_a_variable_that_can_not_work_is_named(
    kind: type[Client | AsyncClient],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    text: str,
    way_out: str,
) -> None:
    monkeypatch.setenv(variable, text)

    with pytest.raises(ConfigError) as caught:
        kind(URL)

    assert caught.value.setting == variable
    assert way_out in str(caught.value)


def test_a_key_of_the_environment_is_not_shown_either(
    kind: type[Client | AsyncClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAGSTAFF_KEY", '"hidden key"')

    with pytest.raises(ConfigError, match=r"^key: must be printable ASCII") as caught:
        kind(URL)

    assert "hidden" not in str(caught.value)


def test_the_environment_does_where_keywords_are_left_out(
    server: Server, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.rules = tagged(document(), '"1"')
    monkeypatch.setenv("FLAGSTAFF_URL", server.url)
    monkeypatch.setenv("FLAGSTAFF_KEY", "sdk-1")
    monkeypatch.setenv("FLAGSTAFF_POLL_INTERVAL", "12.5")
    monkeypatch.setenv("FLAGSTAFF_FLUSH_INTERVAL", "0.02")
    driver = make()
    assert driver.wait_ready()

    driver.flags.track("order-placed")
    eventually(lambda: server.posts)  # by itself, after the variable's interval
    assert {visit.header("authorization") for visit in server.visits} == {"Bearer sdk-1"}
    assert stack(server.url, "12.5") in driver.flags.describe()


def test_a_keyword_is_stronger_than_its_variable(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAGSTAFF_URL", "http://127.0.0.1:2")
    monkeypatch.setenv("FLAGSTAFF_POLL_INTERVAL", "often")
    monkeypatch.setenv("FLAGSTAFF_EVENTS", "http://127.0.0.1:3")

    flags = make(URL, poll_interval=60, events="http://127.0.0.1:4/collector/").flags

    assert flags.describe() == f"rules: {stack(URL, '60')}\nevents: http 127.0.0.1:4"


def test_an_empty_variable_is_none(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "KEY", "EVENTS", "POLL_INTERVAL", "FLUSH_INTERVAL", "OVERRIDES"):
        monkeypatch.setenv(f"FLAGSTAFF_{name}", "")

    flags = make(URL, key="").flags

    assert flags.describe() == f"rules: {stack(URL, '30')}\nevents: http 127.0.0.1:1"


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({}, "http 127.0.0.1:2"),
        ({"events": None}, "nowhere"),
        ({"events": "http://127.0.0.1:3"}, "http 127.0.0.1:3"),
        ({"events": Basket()}, "sink Basket"),
    ],
)
def test_the_environment_says_where_events_go_unless_the_caller_does(
    make: Maker, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], where: str
) -> None:
    monkeypatch.setenv("FLAGSTAFF_EVENTS", "http://127.0.0.1:2")

    for flags in (make(URL, **settings).flags, make.from_document(**settings).flags):
        assert flags.describe().endswith(f"events: {where}")


def test_a_file_and_a_document_need_no_address_and_use_none(
    make: Maker, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("FLAGSTAFF_URL", "http://127.0.0.1:2")
    path = tmp_path / "flags.json"
    path.write_bytes(b'{"version": 1}')

    described = [flags.describe() for flags in (make.from_file(path).flags, make.from_document().flags)]

    assert described == [
        f"rules: file {path}, looked at every 1 s\nevents: nowhere",
        "rules: document in memory\nevents: nowhere",
    ]


def test_an_address_may_have_a_path_and_a_port(make: Maker) -> None:
    flags: Shell = make("https://[::1]:8443/flags/", events=None).flags

    assert flags.status().source == stack("https://[::1]:8443", "30")


# -- where events are kept -----------------------------------------------------------------------------


def test_events_are_kept_where_the_caller_or_the_environment_says(
    make: Maker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FLAGSTAFF_DURABILITY", "process")
    monkeypatch.setenv("FLAGSTAFF_SPOOL_QUOTA", "2000000")
    monkeypatch.setenv("FLAGSTAFF_DIR", str(tmp_path / "said"))
    make.from_document(events="http://127.0.0.1:1").flags.track("step")
    make.from_document(events="http://127.0.0.1:1", directory=tmp_path / "given").flags.track("step")

    assert (tmp_path / "said" / "spool").is_dir()
    assert (tmp_path / "given" / "spool").is_dir()


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({"XDG_STATE_HOME": "state", "HOME": "home"}, "state/flagstaff"),
        ({"HOME": "home"}, "home/.local/state/flagstaff"),
        ({"HOME": "no-such-home"}, "tmp"),
        ({}, "tmp"),
    ],
)
def test_state_is_kept_where_a_user_has_it_and_else_among_temporary_files(
    make: Maker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, environment: dict[str, str], place: str
) -> None:
    def nobody(_uid: int) -> None:
        raise KeyError("no such user")

    for name in ("FLAGSTAFF_DIR", "XDG_STATE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr("pwd.getpwuid", nobody)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    for name, value in environment.items():
        monkeypatch.setenv(name, str(tmp_path / value))

    make.from_document(events="http://127.0.0.1:1", durability="process").flags.track("step")

    (spool,) = tmp_path.rglob("spool")
    assert str(spool).startswith(str(tmp_path / place))


# -- secrets -------------------------------------------------------------------------------------------


def test_a_secret_shows_itself_to_nobody() -> None:
    secret = Secret("hidden")

    assert "hidden" not in f"{secret} {secret!r} {[secret]} {vars(Secret)}"
    assert secret.reveal() == "hidden"
    with pytest.raises(TypeError, match="can't be pickled"):
        pickle.dumps(secret)


def test_secrets_are_equal_when_their_texts_are() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
