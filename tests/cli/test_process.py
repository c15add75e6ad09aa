"""The command as a shell meets it: exit codes, pipes, terminals, signals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from io import StringIO
from pathlib import Path

import click
import pytest

from flagstaff.cli import progress
from flagstaff.cli.app import app
from tests.cli.lab import SHOP, command, environment, invoke, on_a_terminal, run, write

COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7][0-9;]*m")


@pytest.mark.parametrize(
    ("document", "exit_code"), [({"version": 1}, 0), ({"version": 1, "flags": {"a": {"default": "x"}}}, 1)]
)
def test_the_process_says_by_its_exit_code(
    tmp_path: Path, document: dict[str, object], exit_code: int
) -> None:
    done = run("lint", "-", stdin=json.dumps(document).encode())

    assert done.returncode == exit_code
    assert done.stdout.endswith(b"in 1 file\n")
    assert done.stderr == b""


def test_a_failure_is_one_message_on_stderr() -> None:
    done = run("eval", "missing.toml", "a")

    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr == b"Error: path: missing.toml: No such file or directory\n"


def test_no_command_is_a_matter_of_usage() -> None:
    done = run()

    assert done.returncode == 2
    assert done.stdout == b""
    assert b"Commands:" in done.stderr


def test_the_version_is_that_of_the_package() -> None:
    try:
        installed = version("flagstaff")
    except PackageNotFoundError:
        installed = "of unknown version"

    result = invoke("--version")

    assert result.exit_code == 0
    assert result.stdout.startswith(f"flagstaff {installed}")


def test_a_package_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", nowhere)

    result = invoke("--version")

    assert result.exit_code == 0
    assert result.stdout.startswith("flagstaff of unknown version")


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_its_extra_the_command_says_what_to_install(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; from flagstaff.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "pip install 'flagstaff[cli]'" in done.stderr


def test_an_extra_that_is_broken_is_not_taken_for_one_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "rich.py").write_text("import gone_for_good")
    done = run("--version", PYTHONPATH=os.pathsep.join([str(tmp_path), environment()["PYTHONPATH"]]))

    assert done.returncode == 1
    assert b"No module named 'gone_for_good'" in done.stderr


@pytest.mark.parametrize("name", [None, *sorted(app.commands)])
def test_help_tells_the_exit_codes(name: str | None) -> None:
    result = invoke(*([name] if name else []), "--help")

    assert result.exit_code == 0
    assert "Exit codes: 0 " in result.stdout


@pytest.mark.parametrize("name", sorted(app.commands))
def test_every_command_can_speak_json(name: str) -> None:
    options = [option for param in app.commands[name].params for option in param.opts]

    assert isinstance(app, click.Group)
    assert "--json" in options


# -- pipes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["vectors"], ["schema"], ["lint", "flags.json"], ["--help"]])
def test_a_reader_that_has_had_enough_gets_no_traceback(tmp_path: Path, arguments: list[str]) -> None:
    write(tmp_path, SHOP)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(
            command(*arguments),
            cwd=tmp_path,
            env=environment(),
            stdout=pipe,
            stderr=subprocess.PIPE,
            check=False,
        )

    assert done.stderr == b""
    assert done.returncode == 1


def test_the_first_line_of_much_can_be_taken(tmp_path: Path) -> None:
    line = f"{sys.executable} -m flagstaff vectors | head -1"
    done = subprocess.run(["sh", "-c", line], env=environment(), capture_output=True, check=False)

    assert (done.stdout, done.stderr, done.returncode) == (b"{\n", b"", 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_disk_that_is_full_is_one_message() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command("schema"), env=environment(), stdout=full, stderr=subprocess.PIPE, check=False
        )

    assert done.returncode != 0
    assert b"Error: [Errno 28] No space left on device\n" in done.stderr
    assert b"Traceback" not in done.stderr


def test_what_an_encoding_can_not_hold_is_escaped(tmp_path: Path) -> None:
    flags = {"caf\N{LATIN SMALL LETTER E WITH ACUTE}": {"default": "\N{SNOWMAN}"}}
    path = write(tmp_path, {"version": 1, "flags": flags})

    done = run("lint", path, PYTHONIOENCODING="latin-1")

    assert done.returncode == 1
    assert b"flags.caf\xe9.default" in done.stdout
    assert rb"\u2603" in done.stdout


# -- terminals ----------------------------------------------------------------------------------------------


def test_a_terminal_gets_colours_and_a_drawn_table(tmp_path: Path, shop: str) -> None:
    broken = write(tmp_path, {"version": 1, "flags": {"a": {"default": "x"}}}, "broken.json")

    exit_code, linted = on_a_terminal("lint", broken)
    assert exit_code == 1
    assert COLOUR.search(linted)

    exit_code, simulated = on_a_terminal("simulate", shop, "-n", "100")
    assert exit_code == 0
    assert "\N{BOX DRAWINGS LIGHT HORIZONTAL}" in simulated
    assert "checkout-cta" in simulated


def test_a_terminal_without_colours_is_respected(tmp_path: Path) -> None:
    broken = write(tmp_path, {"version": 1, "flags": {"a": {"default": "x"}}})

    exit_code, linted = on_a_terminal("lint", broken, NO_COLOR="1")

    assert exit_code == 1
    assert "flags.a.default" in linted
    assert not COLOUR.search(linted)


def test_a_pipe_gets_plain_text_however_narrow_the_terminal_is(tmp_path: Path) -> None:
    name = "a-flag-with-a-name-that-is-longer-than-any-terminal-is-wide-" * 2
    path = write(tmp_path, {"version": 1, "flags": {name: {}}})

    done = run("simulate", path, "-n", "10", COLUMNS="20")

    assert name.encode() in done.stdout
    assert b"\x1b" not in done.stdout


def test_a_table_has_its_title_on_a_terminal(tmp_path: Path) -> None:
    from tests.cli.test_exposures import exposure, stored

    _, told = on_a_terminal("exposures", stored(tmp_path, [exposure(1, "calm")]))

    assert "Exposures" in told
    assert "No losses" in told


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_long_work_shows_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 0.0)

    with progress.tracked(range(1000), 1000, "deciding") as numbers:
        assert sum(numbers) == 499_500

    assert "deciding" in terminal.getvalue()


def test_short_work_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 3600.0)

    with progress.tracked(range(1000), 1000, "deciding") as numbers:
        assert sum(numbers) == 499_500

    assert terminal.getvalue() == ""


def test_waiting_for_a_server_is_said_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")

    with progress.waiting("asking [bold]http://127.0.0.1"):
        pass

    assert "asking [bold]http://127.0.0.1" in terminal.getvalue()


# -- signals ------------------------------------------------------------------------------------------------


def test_ctrl_c_ends_it_without_a_traceback(tmp_path: Path) -> None:
    units = tmp_path / "units"
    os.mkfifo(units)
    path = write(tmp_path, SHOP)
    with subprocess.Popen(
        command("simulate", path, "--units", str(units)), env=environment(), stderr=subprocess.PIPE
    ) as process:
        with units.open("wb"):  # returns when the command has begun to read
            process.send_signal(signal.SIGINT)
            process.wait(20)
        assert process.stderr is not None
        complained = process.stderr.read()

    assert process.returncode == 130
    assert complained == b"\n"
