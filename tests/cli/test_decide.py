from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from flagstaff import Client, Context
from tests.cli.lab import SHOP, RulesServer, answer, invoke, run, write

ECHO: dict[str, Any] = {
    "version": 1,
    "flags": {
        "nl": {"rules": [{"when": {"attribute": "country", "op": "eq", "value": "NL"}, "serve": "on"}]},
        "old": {"rules": [{"when": {"attribute": "age", "op": "ge", "value": 30}, "serve": "on"}]},
        "beta": {"rules": [{"when": {"attribute": "beta", "op": "eq", "value": True}, "serve": "on"}]},
        "zip": {"rules": [{"when": {"attribute": "zip", "op": "eq", "value": "[1"}, "serve": "on"}]},
        "nan": {"rules": [{"when": {"attribute": "x", "op": "eq", "value": "NaN"}, "serve": "on"}]},
        "deep": {"rules": [{"when": {"attribute": ["a", "b"], "op": "eq", "value": 1}, "serve": "on"}]},
        "me": {"rules": [{"when": {"attribute": "targeting_key", "op": "eq", "value": "me"}, "serve": "on"}]},
        "half": {"rules": [{"rollout": 50}]},
        "page": {"variants": {"small": 20, "rest": {"value": {"rows": [1]}}}, "default": "small"},
    },
}


@pytest.fixture
def echo(tmp_path: Path) -> str:
    return write(tmp_path, ECHO, "echo.json")


def test_a_flag_is_decided_as_an_application_would(shop: str) -> None:
    with Client.from_file(shop) as client:
        wanted = client.decide("checkout-cta", Context("user-7"))

    result = invoke("eval", shop, "checkout-cta", "--key", "user-7")

    assert wanted.experiment == "cta-wording"
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f'checkout-cta = "{wanted.value}"',
        f"  variant     {wanted.variant}",
        "  enabled     true",
        "  reason      SPLIT",
        "  rule        0",
        "  experiment  cta-wording",
    ]


def test_a_decision_is_json_for_programs(shop: str) -> None:
    assert answer("eval", shop, "new-checkout") == {
        "flag": "new-checkout",
        "enabled": False,
        "value": False,
        "variant": "off",
        "reason": "DEFAULT",
        "rule": None,
        "experiment": None,
        "error": None,
        "metadata": {},
    }


@pytest.mark.parametrize(
    ("flag", "options"),
    [
        ("nl", ["-a", "country=NL"]),
        ("nl", ["-a", 'country="NL"']),
        ("nl", ["--attribute", "country=BE", "-a", "country=NL"]),
        ("nl", ["--context", '{"country": "BE"}', "-a", "country=NL"]),
        ("old", ["-a", "age=30"]),
        ("old", ["--context", '{"age": 31.5}']),
        ("beta", ["-a", "beta=true"]),
        ("zip", ["-a", "zip=[1"]),
        ("nan", ["-a", "x=NaN"]),
        ("deep", ["-a", 'a={"b": 1}']),
        ("me", ["--key", "me"]),
        ("me", ["--context", '{"targeting_key": "me"}']),
        ("me", ["--context", '{"targeting_key": "you"}', "--key", "me"]),
    ],
)
def test_a_context_is_made_of_options(echo: str, flag: str, options: list[str]) -> None:
    assert answer("eval", echo, flag, *options)["enabled"] is True
    assert answer("eval", echo, flag)["enabled"] is False


def test_the_targeting_key_may_be_a_number(echo: str) -> None:
    assert answer("eval", echo, "half", "--context", '{"targeting_key": 42}') == answer(
        "eval", echo, "half", "--key", "42"
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["-a", "country"], "must read name=value, not 'country'"),
        (["-a", "=NL"], "must read name=value, not '=NL'"),
        (["--context", "{"], "'{' is no JSON"),
        (["--context", "[1]"], "must be an object such as"),
        (["--context", '{"a": Infinity}'], "Infinity is no JSON number"),
        (["--context", "[" * 100_000], "nested too deep"),
        (["--default", "Buy"], "'Buy' is no JSON"),
    ],
)
def test_options_that_can_not_be_read_are_a_matter_of_usage(
    echo: str, options: list[str], sentence: str
) -> None:
    result = invoke("eval", echo, "nl", *options)

    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())
    assert result.stdout == ""


def test_a_flag_that_can_not_be_decided_is_the_default_and_a_no(echo: str) -> None:
    result = invoke("eval", echo, "pgae", "--default", "20")

    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "pgae = 20",
        "  enabled  false",
        "  reason   FLAG_NOT_FOUND",
        "  error    the rules have no flag 'pgae'",
    ]
    assert result.stderr == "Warning: there is no flag 'pgae'; did you mean page?\n"


def test_a_flag_unlike_any_other_has_no_suggestion(echo: str) -> None:
    assert invoke("eval", echo, "q").stderr == ""


def test_a_default_fixes_the_type(echo: str) -> None:
    assert answer("eval", echo, "page", "--default", "1")["value"] == 20
    decision = answer("eval", echo, "page", "--default", '"x"', exit_code=1)
    assert decision["reason"] == "TYPE_MISMATCH"
    assert answer("explain", echo, "page", "--default", '"x"', exit_code=1)["decision"] == decision


def test_a_missing_unit_is_a_no(echo: str) -> None:
    assert answer("eval", echo, "half", exit_code=1)["reason"] == "TARGETING_KEY_MISSING"


def test_the_environment_s_overrides_hold(shop: str) -> None:
    result = invoke("eval", shop, "checkout-cta", FLAGSTAFF_OVERRIDES="checkout-cta=urgent")

    assert result.exit_code == 0
    assert "OVERRIDE" in result.stdout


def test_rules_may_come_from_standard_input() -> None:
    assert answer("eval", "-", "new-checkout", stdin=json.dumps(SHOP))["reason"] == "DEFAULT"


def test_an_explanation_tells_every_step(shop: str) -> None:
    with Client.from_file(shop) as client:
        wanted = client.explain("new-checkout", Context("user-7", country="NL"))

    result = invoke("explain", shop, "new-checkout", "--key", "user-7", "-a", "country=NL")

    assert result.exit_code == 0
    assert result.stdout == f"{wanted}\n"
    assert "bucket" in result.stdout


def test_an_explanation_is_json_for_programs(shop: str) -> None:
    told = answer("explain", shop, "new-checkout", "--key", "user-7", "-a", "country=NL")

    assert told["decision"]["flag"] == "new-checkout"
    assert {"rule", "condition", "segment", "draw"} <= {step["kind"] for step in told["steps"]}


def test_an_explanation_of_nothing_is_a_no(shop: str) -> None:
    result = invoke("explain", shop, "nothing")

    assert result.exit_code == 1
    assert "the rules have no flag 'nothing'" in result.stdout


# -- rules that are not there -----------------------------------------------------------------------------


def test_a_broken_document_is_every_problem_and_no_decision(tmp_path: Path) -> None:
    path = write(tmp_path, {"version": 1, "flags": {"a": {"default": "x"}, "b": {"default": "y"}}})

    result = invoke("eval", path, "a")

    assert result.exit_code == 2
    assert result.stdout == ""
    assert "flags.a.default" in result.stderr
    assert "flags.b.default" in result.stderr


@pytest.mark.parametrize("path", ["missing.json", ".", "flags.ini"])
def test_a_file_that_is_no_rules_file_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flags.ini").touch()

    result = invoke("eval", path, "a")

    assert result.exit_code == 2
    assert result.stderr.startswith("Error: path: ")
    assert len(result.stderr.splitlines()) == 1


# -- rules from a server ------------------------------------------------------------------------------------


def test_rules_come_from_a_server_with_the_key_of_the_environment(
    server: RulesServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.body = json.dumps(SHOP).encode()
    monkeypatch.setenv("FLAGSTAFF_KEY", "sdk-123")

    assert answer("eval", server.url, "new-checkout", "--key", "user-7")["variant"] == "off"
    assert server.keys == ["Bearer sdk-123"]


def test_what_a_server_sends_beyond_the_rules_is_a_warning(server: RulesServer) -> None:
    server.body = json.dumps({**SHOP, "novelty": 1}).encode()

    done = run("eval", server.url, "new-checkout")

    assert done.returncode == 0
    assert done.stderr == b"Warning: novelty: no such field\n"


def test_a_flag_that_a_server_sent_broken_is_told_with_the_reason(server: RulesServer) -> None:
    server.body = json.dumps({"version": 1, "flags": {"a": {"default": "x"}}}).encode()

    decision = answer("eval", server.url, "a", exit_code=1)

    assert decision["reason"] == "MALFORMED"


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (401, b"", "answered 401: the key is refused"),
        (404, b"", "answered 404: there are no rules at this address"),
        (500, b"", "answered 500"),
        (200, b"<html>", "the server's answer is no rules document: not JSON"),
    ],
)
def test_a_server_without_rules_is_one_sentence(
    server: RulesServer, status: int, body: bytes, sentence: str
) -> None:
    server.status, server.body = status, body

    result = invoke("explain", server.url, "a")

    assert result.exit_code == 2
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_server_that_nobody_runs_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    result = invoke("eval", f"http://127.0.0.1:{port}", "a")

    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1


def test_an_address_that_is_none_is_one_sentence() -> None:
    result = invoke("eval", "https://user:pass@flags.example.com", "a")

    assert result.exit_code == 2
    assert result.stderr.startswith("Error: URL: must not hold a user name or password")
    assert "pass@" not in result.stderr
