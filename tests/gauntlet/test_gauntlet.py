"""The fast lane of the gauntlet: each promise once, with real processes and real faults.

How quick all was depends on what else the machine does, so the scorecard tells it and no test asks for it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.gauntlet import scorecard
from tests.gauntlet.rows import ROWS
from tests.gauntlet.stage import Row, UnplayableError


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_promise_is_kept(name: str) -> None:
    try:
        row = ROWS[name](1)
    except UnplayableError as reason:
        pytest.skip(str(reason))

    assert row.kept, f"{row.promise}: {row.worst}; {row.proof}"


# -- the pages ---------------------------------------------------------------------------------------------


def test_the_page_and_the_excerpt_are_made_of_the_figures() -> None:
    found = json.loads(scorecard.FIGURES.read_text(encoding="utf-8"))
    readme = scorecard.README.read_text(encoding="utf-8")

    assert scorecard.PAGE.read_text(encoding="utf-8") == scorecard.page(found)
    assert readme == scorecard.excerpted(readme, found)
    assert "| flagstaff | LaunchDarkly |" in readme


def test_the_figures_are_those_of_a_run_of_all_rows() -> None:
    found = json.loads(scorecard.FIGURES.read_text(encoding="utf-8"))

    assert [row["name"] for row in found["rows"]] == list(ROWS)
    assert {row["verdict"] for row in found["rows"]} <= {"kept", "late", "not played"}


def test_a_run_writes_the_page_its_figures_and_the_excerpt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = Row("Nothing is lost", "3 kills", "0 lost, 0 double", "3 | 4 signals", kept=True, in_time=False)
    readme = tmp_path / "README.md"
    readme.write_text(scorecard.README.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(scorecard, "README", readme)

    scorecard.written(scorecard.card([scorecard.played("kill", row)], full=True), tmp_path / "page.md")

    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "| Nothing is lost | 3 kills | 0 lost, 0 double | 3 \\| 4 signals | late |" in page
    assert "| 0 lost, 0 double (late) | 510 of 3,008 lost |" in page
    assert "| 0 lost (late) | 510 of 3,008 lost |" in readme.read_text(encoding="utf-8")
    assert json.loads((tmp_path / "page.json").read_text(encoding="utf-8"))["lane"] == "full"
