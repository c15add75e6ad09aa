from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.lab import SHOP, answer, invoke, write

OWNED = {"owner": "payments"}
EXPLAINED = {"hypothesis": "It helps", "metrics": {"primary": "orders"}}


def warnings(tmp_path: Path, **parts: Any) -> list[str]:
    (report,) = answer("lint", write(tmp_path, {"version": 1, **parts}))["files"]
    assert report["problems"] == []
    return [f"{item['path']}: {item['message']}" for item in report["warnings"]]


def test_a_clean_document_passes(shop: str) -> None:
    result = invoke("lint", shop, "--strict")

    assert result.exit_code == 0
    assert result.stdout == "0 problems, 0 warnings in 1 file\n"


def test_every_problem_is_told_with_its_path(tmp_path: Path) -> None:
    flags = {
        "a": {"default": "onn"},
        "b": {"rules": [{"serve": "on"}, {"segment": "nobody", "serve": "off"}]},
    }
    path = write(tmp_path, {"version": 1, "flags": flags})

    result = invoke("lint", path)

    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{path}: problem: flags.a.default: no such variant of a: onn; did you mean on?",
        f"{path}: problem: flags.b.rules[1].segment: no such segment: nobody",
        "2 problems, 0 warnings in 1 file",
    ]


def test_problems_are_json_for_programs(tmp_path: Path) -> None:
    path = write(tmp_path, {"version": 1, "flags": {"a": {"ownr": "x"}}})

    (report,) = answer("lint", path, exit_code=1)["files"]

    assert report == {
        "file": path,
        "error": None,
        "problems": [{"path": "flags.a.ownr", "message": "no such field; did you mean owner?"}],
        "warnings": [],
    }


def test_warnings_alone_pass_unless_they_are_to_count(tmp_path: Path) -> None:
    path = write(tmp_path, {"version": 1, "flags": {"a": {}}})

    result = invoke("lint", path)

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"{path}: warning: flags.a.owner: is missing: who says when the flag may go?",
        "0 problems, 1 warning in 1 file",
    ]
    assert invoke("lint", path, "--strict").exit_code == 1


def test_several_files_are_told_apart(tmp_path: Path, shop: str) -> None:
    broken = write(tmp_path, {"version": 2}, "broken.json")

    result = invoke("lint", shop, broken)

    assert result.exit_code == 1
    assert result.stdout.splitlines()[0].startswith(f"{broken}: problem: version: ")
    assert result.stdout.splitlines()[-1] == "1 problem, 0 warnings in 2 files"


def test_a_file_that_can_not_be_read_keeps_nobody_from_the_others(tmp_path: Path, shop: str) -> None:
    missing = str(tmp_path / "missing.toml")

    result = invoke("lint", missing, shop)

    assert result.exit_code == 2
    assert "missing.toml: No such file or directory" in result.stderr
    assert result.stdout == "0 problems, 0 warnings in 1 file\n"
    assert "No such file" in answer("lint", missing, exit_code=2)["files"][0]["error"]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ('{"version": 1}', ()),
        ("version = 1", ()),
        ('\n {"version": 1}', ()),
        ("version: 1", ("--suffix", "yaml")),
        ("version = 1", ("--suffix", "toml")),
    ],
)
def test_standard_input_is_read_as_what_it_looks_like_or_is_said_to_be(
    text: str, options: tuple[str, ...]
) -> None:
    assert invoke("lint", "-", *options, stdin=text).exit_code == 0


def test_standard_input_in_another_language_is_a_problem() -> None:
    result = invoke("lint", "-", "--suffix", "json", stdin="version = 1")

    assert result.exit_code == 1
    assert result.stdout.startswith("-: problem: not JSON: ")


def test_a_suffix_that_nobody_knows_is_a_matter_of_usage() -> None:
    result = invoke("lint", "-", "--suffix", "ini")

    assert result.exit_code == 2
    assert "toml" in result.stderr


def test_control_characters_in_a_document_do_not_reach_the_terminal(tmp_path: Path) -> None:
    path = write(tmp_path, {"version": 1, "flags": {"a": {"x\x1b[2J\x9b": 1}}})

    assert r"flags.a.x\x1b[2J\x9b: no such field" in invoke("lint", path).stdout


# -- what should not stay as it is ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expires", "warning"),
    [
        ("2999-12-31", None),
        ("2999-12-31T00:00:00Z", None),
        ("2020-01-31", "flags.a.expires: has passed: 2020-01-31"),
        ("2020-01-31T09:00:00+01:00", "flags.a.expires: has passed: 2020-01-31T09:00:00+01:00"),
    ],
)
def test_a_flag_that_has_expired(tmp_path: Path, expires: str, warning: str | None) -> None:
    found = warnings(tmp_path, flags={"a": {**OWNED, "expires": expires}})

    assert found == ([] if warning is None else [warning])


def test_an_expiry_that_is_no_date(tmp_path: Path) -> None:
    (warning,) = warnings(tmp_path, flags={"a": {**OWNED, "expires": "soon"}})

    assert warning.startswith("flags.a.expires: is no date such as 20")
    assert warning.endswith(": 'soon'")


def test_a_date_of_toml_is_a_date(tmp_path: Path) -> None:
    path = tmp_path / "flags.toml"
    path.write_text('version = 1\n[flags.a]\nowner = "x"\nexpires = 2020-01-31\n')

    (report,) = answer("lint", str(path))["files"]

    assert [item["message"] for item in report["warnings"]] == ["has passed: 2020-01-31"]


@pytest.mark.parametrize("everybody", [{"serve": "on"}, {"serve": "on", "when": []}])
def test_rules_after_one_that_serves_everybody(tmp_path: Path, everybody: dict[str, Any]) -> None:
    rules = [{"rollout": 10}, everybody, {"serve": "off"}, {"rollout": 5}]

    assert warnings(tmp_path, flags={"a": {**OWNED, "rules": rules}}) == [
        "flags.a.rules[2]: is never reached: rules[1] serves everybody",
        "flags.a.rules[3]: is never reached: rules[1] serves everybody",
    ]


def test_a_decided_experiment_serves_everybody(tmp_path: Path) -> None:
    experiment = {**EXPLAINED, "split": {"on": 50, "off": 50}, "status": "decided", "winner": "on"}
    flag = {**OWNED, "rules": [{"experiment": "e"}, {"serve": "off"}]}

    assert warnings(tmp_path, flags={"a": flag}, experiments={"e": experiment}) == [
        "flags.a.rules[1]: is never reached: rules[0] serves everybody"
    ]


@pytest.mark.parametrize(
    "rule",
    [
        {"rollout": 100},  # who has no unit goes on to the next rule
        {"split": {"on": 50, "off": 50}},
        {"serve": "on", "when": {"attribute": "country", "op": "eq", "value": "NL"}},
        {"serve": "on", "when": {"not": {"all": []}}},
    ],
)
def test_a_rule_that_may_let_somebody_pass_hides_no_other(tmp_path: Path, rule: dict[str, Any]) -> None:
    assert warnings(tmp_path, flags={"a": {**OWNED, "rules": [rule, {"serve": "on"}]}}) == []


@pytest.mark.parametrize(("status", "warned"), [("draft", True), ("running", True), ("stopped", False)])
def test_an_experiment_that_no_rule_uses(tmp_path: Path, status: str, warned: bool) -> None:
    experiment = {**EXPLAINED, "split": {"on": 100}, "status": status}

    found = warnings(tmp_path, experiments={"e": experiment})

    assert found == (["experiments.e: is used by no rule"] if warned else [])


@pytest.mark.parametrize("metrics", [{}, {"metrics": {}}, {"metrics": {"guardrails": ["returns"]}}])
def test_an_experiment_that_does_not_say_what_is_expected_and_measured(
    tmp_path: Path, metrics: dict[str, Any]
) -> None:
    experiment = {"split": {"on": 50, "off": 50}, **metrics}

    assert warnings(
        tmp_path,
        flags={"a": {**OWNED, "rules": [{"experiment": "e"}]}},
        experiments={"e": experiment},
    ) == [
        "experiments.e.hypothesis: is missing: what is expected to happen, and why?",
        "experiments.e.metrics.primary: is missing: by what will it be decided?",
    ]


def test_parts_that_nothing_uses(tmp_path: Path) -> None:
    nl = {"attribute": "country", "op": "eq", "value": "NL"}

    assert warnings(
        tmp_path,
        segments={
            "in-a-rule": nl,
            "in-a-gate": nl,
            "in-a-segment": nl,
            "deep": {"any": [{"not": {"segment": "in-a-segment"}}]},
            "idle": nl,
        },
        layers={"idle": {}, "busy": {}},
        holdouts={
            "idle": {"size": 5, "experiments": []},
            "busy": {"size": 5, "experiments": ["e"], "salt": "h"},
        },
        experiments={"e": {**EXPLAINED, "split": {"on": 100}, "layer": "busy", "slots": [[0, 1]]}},
        flags={
            "a": {
                **OWNED,
                "gates": [{"all": [{"segment": "in-a-gate"}]}],
                "rules": [
                    {"segment": "in-a-rule", "serve": "on"},
                    {"when": {"segment": "deep"}, "serve": "on"},
                    {"experiment": "e"},
                ],
            }
        },
    ) == [
        "segments.idle: is used by nothing",
        "layers.idle: is used by no experiment",
        "holdouts.idle.experiments: are none: it keeps nobody out of anything",
    ]


# -- the schema -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_the_schema_names_what_a_document_may_hold(options: tuple[str, ...]) -> None:
    result = invoke("schema", *options)
    schema = json.loads(result.stdout)

    assert result.exit_code == 0
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert set(SHOP) | {"$schema"} <= set(schema["properties"])
    assert "not" in schema["$defs"]["NotCondition"]["properties"]
