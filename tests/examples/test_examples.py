from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from flagstaff.core.rules import Experiment, Prerequisite, Rule, Serve
from flagstaff.sources.file import load_file
from tests.docs.pages import ROOT, blocks
from tests.server.lab import environment

SHOP = ROOT / "examples" / "shop"
DEMO = SHOP / "demo.py"


def command(*options: str) -> list[str]:
    return [sys.executable, str(DEMO), "--workers", "2", *options]


def run(*options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*options), env=environment() | variables, capture_output=True, text=True, check=False
    )


def test_the_quickstart_prints_what_the_readme_says() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "examples" / "quickstart.py")],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == blocks(ROOT / "README.md", "python")[0].printed


def test_the_rules_of_the_shop_show_what_they_are_said_to_show() -> None:
    loaded = load_file(SHOP / "rules.toml")
    flags, experiments = loaded.rules.flags, loaded.document["experiments"]
    outcomes = {key: [rule.outcome for rule in flag.rules] for key, flag in flags.items()}

    assert loaded.warnings == ()
    assert flags["payments"].rules == ()
    assert any(
        isinstance(each, Serve) and each.share and each.share.steps for each in outcomes["new-checkout"]
    )
    assert flags["one-click"].gates == (Prerequisite("new-checkout", enabled=True),)
    assert isinstance(flags["search"].variants["fresh"].value, dict)
    assert flags["search"].pins
    layered = {key for key, experiment in experiments.items() if experiment.get("layer") == "checkout"}
    assert len(layered) == 2
    assert {*loaded.document["holdouts"]["checkout-as-it-was"]["experiments"]} == layered
    (by_organisation,) = (rule for rule in flags["volume-discount"].rules if is_measured(rule))
    assert isinstance(by_organisation.outcome, Experiment)
    assert by_organisation.outcome.bucket.unit == ("org_id",)
    for experiment in experiments.values():
        assert experiment["owner"]
        assert experiment["hypothesis"]
        assert experiment["goal"]
        assert (experiment["metrics"] or {}).get("guardrails")


def is_measured(rule: Rule) -> bool:
    return isinstance(rule.outcome, Experiment)


def test_the_demo_finds_everything_as_it_should_be_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = run("--visitors", "1500", TMPDIR=str(tmp_path))

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("All is as it should be.\n")
    assert "WRONG" not in done.stdout
    assert re.search(r"[1-9]\d* recognised as already there", done.stdout)
    assert list(tmp_path.iterdir()) == []


def test_the_demo_ends_with_one_if_shares_are_off() -> None:
    done = run("--visitors", "1500", FLAGSTAFF_OVERRIDES="checkout-cta=urgent")

    assert done.returncode == 1
    assert "WRONG  no share is more than" in done.stdout


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_an_interrupted_demo_takes_its_processes_along(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    asked = command("--visitors", "1000000")
    with subprocess.Popen(
        asked,
        env=environment() | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            assert httpx.get(f"{url}/healthz").json()["status"] == "ok"

            # Ctrl-C reaches every process of the terminal.
            (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)

            _, said = process.communicate(timeout=30)  # until the last that could print is gone
            assert process.returncode == code
            assert is_down(url)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    if number != signal.SIGKILL:
        assert "Traceback" not in said
        assert list(tmp_path.iterdir()) == []


def is_down(url: str) -> bool:
    try:
        httpx.get(f"{url}/healthz", timeout=1)
    except httpx.TransportError:
        return True
    return False
