from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from flagstaff.cli.app import app
from tests.server.lab import child


def test_a_server_that_works(tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    path.write_text('{"version": 1, "flags": {"banner": {}}}')
    with child(path, tmp_path / "events.db") as server:
        done = CliRunner().invoke(app, ["doctor", server.url, "--wait", "20"])

    assert done.exit_code == 0, done.output
    assert "ok   rules: READY" in done.output
    assert "takes events" in done.output


def test_a_key_that_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    path.write_text('{"version": 1}')
    with child(path, tmp_path / "events.db", "--key", "sdk-1") as server:
        done = CliRunner().invoke(app, ["doctor", server.url, "--json"], env={"FLAGSTAFF_KEY": "sdk-2"})

    told = json.loads(done.output)
    assert done.exit_code == 1
    assert {each["name"] for each in told["findings"] if not each["ok"]} == {"rules", "collector"}
    assert "sdk-2" not in done.output


def test_nobody_there() -> None:
    done = CliRunner().invoke(app, ["doctor", "http://127.0.0.1:1"])

    assert done.exit_code == 1
    assert "BAD  collector" in done.output


def test_no_address() -> None:
    assert CliRunner().invoke(app, ["doctor"]).exit_code == 2
    assert CliRunner().invoke(app, ["doctor", "flags.toml"]).exit_code == 2
