from __future__ import annotations

import copy
import hashlib
import json
import os
import subprocess
import sys
import tomllib
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

import mmh3
import pytest
from uv import find_uv_bin

from flagstaff.core.buckets import BUCKETS, cut
from flagstaff.core.schemes import HASHES
from flagstaff.errors import FlagstaffError, RulesError
from flagstaff.formats import load
from flagstaff.vectors import VERSION, check, generate, packaged, render
from flagstaff.vectors.notation import valued
from tests.core import page
from tests.reference import Reference

ROOT = Path(__file__).parents[2]

# Never change this. If it does not fit any more, it is the code that is wrong.
SHA256 = "0bbc2bd744e2066747cca229544da1d3163494fc225072a9f3ae67fca7f341a7"

PRINT_THEIR_HASH = (
    "import hashlib; from flagstaff.vectors import generate, render; "
    "print(hashlib.sha256(render(generate()).encode()).hexdigest())"
)
PRINT_DIFFERENCES = (
    "import mmh3; from flagstaff.vectors import check, packaged; print(mmh3.__file__, check(packaged()))"
)


def packaged_bytes() -> bytes:
    return (files("flagstaff.core") / f"vectors-{VERSION}.json").read_bytes()


@pytest.fixture
def vectors() -> dict[str, Any]:
    return packaged()


def run_python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# -- the law ---------------------------------------------------------------------------------------


def test_the_vectors_are_the_ones_that_were_published() -> None:
    assert hashlib.sha256(packaged_bytes()).hexdigest() == SHA256
    assert SHA256 in page.text()


def test_the_vectors_hold(vectors: dict[str, Any]) -> None:
    assert check(vectors) == []


def test_the_vectors_are_what_is_generated_byte_for_byte() -> None:
    assert render(generate()).encode("ascii") == packaged_bytes()


def test_the_vectors_hold_with_a_murmurhash3_that_is_not_the_one_in_use(
    vectors: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = 0

    def murmur3(data: bytes, seed: int = 0) -> int:
        nonlocal hashed
        hashed += 1
        answer: int = page.code()["murmur3"](data, seed)
        return answer

    monkeypatch.setattr(mmh3, "mmh3_32_uintdigest", murmur3)
    monkeypatch.setitem(HASHES, "murmur3", HASHES["murmur3"]._replace(parts=(murmur3,)))

    assert check(vectors) == []
    assert hashed > 2 * len(vectors["draws"])


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONHASHSEED": "0"},
        {"PYTHONHASHSEED": "4294967295", "LC_ALL": "C", "PYTHONUTF8": "0"},
        {"PYTHONHASHSEED": "random", "LC_ALL": "tr_TR.UTF-8", "TZ": "Pacific/Apia"},
    ],
    ids=lambda environment: environment["PYTHONHASHSEED"],
)
def test_a_new_process_computes_the_same(environment: dict[str, str]) -> None:
    assert run_python(PRINT_THEIR_HASH, **environment) == SHA256


@pytest.mark.slow
def test_the_vectors_hold_with_the_oldest_mmh3_that_is_allowed(tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (requirement,) = (given for given in project["dependencies"] if given.startswith("mmh3"))
    install: list[str | Path] = [
        find_uv_bin(),
        "pip",
        "install",
        "--quiet",
        "--python",
        sys.executable,
        "--target",
        tmp_path,
    ]
    subprocess.run([*install, "--resolution=lowest", "--only-binary=:all:", requirement], check=True)

    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    used, differences = run_python(PRINT_DIFFERENCES, PYTHONPATH=path).split(maxsplit=1)

    assert Path(used).is_relative_to(tmp_path)
    assert used != mmh3.__file__
    assert differences == "[]"


def test_an_interpreter_of_its_own_decides_the_same(vectors: dict[str, Any]) -> None:
    for scene in vectors["decisions"]:
        for flag, unit, attributes, variant, reason in scene["cases"]:
            answer = Reference(scene["document"], valued(unit), attributes, scene["now"]).decide(flag)
            assert (answer.variant, answer.reason) == (variant, reason), (scene["name"], flag, unit)


# -- what they cover ---------------------------------------------------------------------------------


def test_there_are_thousands_and_no_more_than_a_package_can_carry(vectors: dict[str, Any]) -> None:
    cases = [case for scene in vectors["decisions"] for case in scene["cases"]]

    assert len(vectors["draws"]) > 2_000
    assert len(cases) > 1_000
    assert len(packaged_bytes()) <= 300_000


def test_no_row_is_asked_twice(vectors: dict[str, Any]) -> None:
    asked = Counter(json.dumps(row[:3]) for row in vectors["draws"])

    assert [row for row, times in asked.items() if times > 1] == []


def test_rows_have_their_columns(vectors: dict[str, Any]) -> None:
    for name, columns in vectors["columns"].items():
        rows = (
            [row for scene in vectors[name] for row in scene["cases"]]
            if name == "decisions"
            else vectors[name]
        )
        assert {len(row) for row in rows} == {len(columns)}


def test_every_way_to_be_decided_by_a_bucket_is_among_them(vectors: dict[str, Any]) -> None:
    reasons = Counter(case[-1] for scene in vectors["decisions"] for case in scene["cases"])

    assert set(reasons) == {
        "DEFAULT",
        "SPLIT",
        "HOLDOUT",
        "STATIC",
        "TARGETING_MATCH",
        "TARGETING_KEY_MISSING",
    }
    assert min(reasons.values()) >= 20


def test_both_sides_of_a_bound_are_among_them(vectors: dict[str, Any]) -> None:
    edges = [row for row in vectors["draws"] if row[0] == "edge"]

    quarter, half = cut(25_000), cut(50_000)
    assert [row[-2] for row in edges] == [0, quarter - 1, quarter, half - 1, half, 2**32 - 1]
    assert [row[-1] for row in edges] == [0, 24_999, 25_000, 49_999, 50_000, BUCKETS - 1]
    assert {row[-1] for row in vectors["buckets"]} >= {0, 1, 49_999, 50_000, BUCKETS - 1}
    assert [row for row in vectors["buckets"] if row[0] in (cut(25_000), cut(25_000) - 1)] == [
        [cut(25_000) - 1, 24_999],
        [cut(25_000), 25_000],
    ]


def test_the_documents_are_in_canonical_form(vectors: dict[str, Any]) -> None:
    for scene in vectors["decisions"]:
        assert load(scene["document"]).canonical == scene["document"], scene["name"]


def test_the_file_can_be_read_where_text_can_not_hold_lone_surrogates() -> None:
    text = packaged_bytes().decode("ascii")

    json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8")


# -- a check that can fail ---------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["buckets", "cuts", "percents", "units", "draws"])
@pytest.mark.parametrize("index", [0, -1])
def test_a_changed_answer_is_a_difference(vectors: dict[str, Any], table: str, index: int) -> None:
    row = vectors[table][index]
    true, row[-1] = row[-1], "changed"

    (difference,) = check(vectors)

    assert difference.startswith(f"{table}[{vectors[table].index(row)}] ")
    assert f"{json.dumps(true)}], not " in difference
    assert difference.endswith('"changed"]')


def test_a_changed_decision_is_a_difference(vectors: dict[str, Any]) -> None:
    vectors["decisions"][2]["cases"][5][-1] = "SPIT"

    (difference,) = check(vectors)

    assert difference.startswith("decisions[2].cases[5] ")
    assert 'not ["' in difference
    assert "SPIT" in difference


def test_every_difference_is_told(vectors: dict[str, Any]) -> None:
    for row in vectors["draws"]:
        row[-1] = -1

    assert len(check(vectors)) == len(vectors["draws"])


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("buckets", [0]),
        ("buckets", {"hash": 0}),
        ("buckets", ["text", 0]),
        ("draws", ["salt", "unit", 0, 1]),
        ("draws", ["salt", {"int": "forty"}, 0, 1, 1]),
        ("draws", ["salt", {"codes": ["x"]}, 0, 1, 1]),
        ("draws", ["salt", {"codes": [0x110000]}, 0, 1, 1]),
        ("draws", ["salt", {"repeat": ["x", "y"]}, 0, 1, 1]),
        ("draws", ["salt", "unit", -(2**70), 1, 1]),
        ("percents", ["ten", 10_000]),
    ],
)
def test_a_row_that_asks_nothing_is_a_difference(vectors: dict[str, Any], table: str, row: Any) -> None:
    vectors[table].append(row)

    (difference,) = check(vectors)

    assert difference.startswith(f"{table}[{len(vectors[table]) - 1}] ")


@pytest.mark.parametrize(
    "scene", [None, [], {"document": {"version": 1}}, {"document": {}, "now": "x", "cases": []}]
)
def test_a_scene_that_is_none_is_a_difference(vectors: dict[str, Any], scene: Any) -> None:
    vectors["decisions"].append(scene)

    (difference,) = check(vectors)

    assert difference.startswith(f"decisions[{len(vectors['decisions']) - 1}] ")


def test_a_long_row_is_told_briefly(vectors: dict[str, Any]) -> None:
    vectors["units"].append(["x" * 500, "y" * 500])

    (difference,) = check(vectors)

    assert len(difference) < 500


@pytest.mark.parametrize("data", [None, [], "vectors", {}, {"version": 2}, {"version": "1"}])
def test_what_is_no_set_of_vectors_is_refused(data: Any) -> None:
    with pytest.raises(FlagstaffError, match="no vectors of version 1: their version"):
        check(data)


@pytest.mark.parametrize("table", ["buckets", "cuts", "percents", "units", "draws", "decisions"])
@pytest.mark.parametrize("left", [None, [], "text"])
def test_vectors_without_one_of_their_tables_are_refused(
    vectors: dict[str, Any], table: str, left: Any
) -> None:
    with pytest.raises(FlagstaffError, match=f"they lack {table}$"):
        check(vectors | {table: left})


def test_a_scene_with_a_broken_document_is_refused(vectors: dict[str, Any]) -> None:
    scene = copy.deepcopy(vectors["decisions"][0])
    scene["document"]["flags"]["tenth"]["rules"][0]["rollout"] = 0.0001
    vectors["decisions"].append(scene)

    with pytest.raises(RulesError):
        check(vectors)
