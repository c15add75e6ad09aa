"""``flagstaff convert``: what is printed decides as what was read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flagstaff.formats import check_format, load
from tests.cli.lab import SHOP, invoke, write


def test_a_native_document_is_printed_in_canonical_form(tmp_path: Path) -> None:
    result = invoke("convert", write(tmp_path, SHOP))

    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout) == load(SHOP).canonical


DRAWN = {
    "flags": {
        "titles": {
            "state": "ENABLED",
            "variants": {"one": 1, "two": 2},
            "defaultVariant": "one",
            "targeting": {"fractional": [["one", 50], ["two", 50]]},
        }
    }
}


def test_what_a_dialect_leaves_open_can_be_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, DRAWN)
    of_old = load(DRAWN, format=check_format("flagd", {"fractional": 1})).canonical

    result = invoke("convert", path, "--from", "flagd", "--format-option", "fractional=1")
    assert json.loads(result.stdout) == of_old != load(DRAWN, format="flagd").canonical

    monkeypatch.setenv("FLAGSTAFF_FORMAT_OPTIONS", "fractional=1")
    assert json.loads(invoke("convert", path, "--from", "flagd").stdout) == of_old


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("fractional=4", "fractional must be 1, 2 or 3"),
        ("fractional=", "fractional must be 1, 2 or 3, not ''"),
        ("fraction=1", "of flagd are fractional, not 'fraction'; did you mean"),
        ("fractional", "must be NAME=VALUE"),
    ],
)
def test_an_option_that_there_is_not_is_refused(tmp_path: Path, option: str, said: str) -> None:
    result = invoke("convert", write(tmp_path, DRAWN), "--from", "flagd", "--format-option", option)

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_an_option_needs_to_know_whose_it_is(tmp_path: Path) -> None:
    result = invoke("convert", write(tmp_path, DRAWN), "--format-option", "fractional=1")

    assert result.exit_code == 2
    assert "format_options: need the format by its name" in result.stderr
