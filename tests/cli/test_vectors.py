from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.lab import answer, invoke


def test_the_vectors_are_printed_and_hold(tmp_path: Path) -> None:
    printed = invoke("vectors")
    path = tmp_path / "vectors.json"
    path.write_text(printed.stdout)

    assert printed.exit_code == 0
    assert json.loads(printed.stdout)["version"] == 1
    for arguments in ([], [str(path)]):
        result = invoke("vectors", "--check", *arguments)
        assert (result.exit_code, result.stdout) == (0, "no differences\n")


def test_a_difference_is_a_no() -> None:
    data = json.loads(invoke("vectors").stdout)
    *given, bucket = data["buckets"][0]
    data["buckets"][0] = [*given, bucket + 1]

    result = invoke("vectors", "--check", "-", stdin=json.dumps(data))

    assert result.exit_code == 1
    assert result.stdout.splitlines()[0].startswith("buckets")
    assert result.stdout.splitlines()[-1] == "1 difference"
    told = answer("vectors", "--check", "-", stdin=json.dumps(data), exit_code=1)
    assert told == {"differences": result.stdout.splitlines()[:-1]}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("{", "- is no JSON"), (b"\xff", "- is no JSON"), ("{}", "no vectors"), ("[]", "no vectors")],
)
def test_what_is_no_set_of_vectors_can_not_be_checked(text: str | bytes, sentence: str) -> None:
    result = invoke("vectors", "--check", "-", stdin=text)

    assert result.exit_code == 2
    assert sentence in result.stderr


def test_a_file_without_a_check_is_a_matter_of_usage() -> None:
    result = invoke("vectors", "vectors.json")

    assert result.exit_code == 2
    assert "FILE is for --check" in result.stderr
