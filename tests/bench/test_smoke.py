from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.bench import report
from tests.bench.figures import plausible
from tests.bench.peers import NAMES, OURS, find_peer
from tests.bench.plot import plot
from tests.bench.run import Effort, measure
from tests.bench.scenario import ARMS, EXPERIMENT, STATIC, SWITCH, TARGETED, make_flags, make_users
from tests.bench.workloads import EXPOSING, FLOORS, SILENT

LINUX = Path("/proc/self/statm").exists()


@pytest.mark.skipif(not LINUX, reason="stops processes by signals and reads /proc")
def test_flagstaff_alone_goes_through_every_workload(tmp_path: Path) -> None:
    effort = Effort(rounds=1, seconds=0.002, repeats=0, whole=False)

    figures = measure([OURS], effort, python=lambda _name: Path(sys.executable))

    assert set(figures["times"][OURS]) == {*SILENT, *EXPOSING}
    assert set(figures["floors"]) == {*FLOORS}
    assert all(figure["median"] > 0 for figure in figures["times"][OURS].values())
    report.write(figures, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"figures.json", "table.md", "plot.svg"}
    assert "flagstaff" in (tmp_path / "table.md").read_text()
    assert ET.fromstring(plot(figures)).tag.endswith("svg")


@pytest.mark.parametrize("name", NAMES)
def test_every_sdk_gets_every_flag(name: str) -> None:
    flags = make_flags(24)

    document = find_peer(name).document(flags).decode()

    assert [flag.key for flag in flags if f'"{flag.key}"' not in document] == []
    assert document != find_peer(name).document(make_flags(24, switched=True)).decode()


def test_flags_and_users_are_the_same_every_time() -> None:
    assert make_flags(50) == make_flags(50)
    assert list(make_users(50)) == list(make_users(50))
    assert {flag.kind for flag in make_flags(24)} == {"on", "off", "rollout", "targeted", "experiment"}


def test_an_sdk_that_decides_nothing_is_found_out() -> None:
    answers = {
        STATIC: {"True": 1.0},
        SWITCH: {"False": 1.0},
        TARGETED: {"True": 0.26, "False": 0.74},
        EXPERIMENT: {name: percent / 100 for name, percent in ARMS},
    }

    assert plausible(answers)
    assert not plausible(answers | {EXPERIMENT: {"none": 1.0}})
    assert not plausible(answers | {SWITCH: {"True": 1.0}})
