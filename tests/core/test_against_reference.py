"""The engine against the oracle, and against itself: every way to a decision leads to the same one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flagstaff.core.context import Context
from flagstaff.core.decision import Decision
from flagstaff.core.evaluate import Snapshot
from flagstaff.formats import load
from flagstaff.formats.native import Loaded
from tests.reference import Answer, Reference
from tests.strategies import SECONDS, Author, Crowd, contexts, documents, moments

ROOT = Path(__file__).parents[2]
PAIRS = int(os.environ.get("SWEEP_PAIRS", "1000000"))


def answer(decision: Decision) -> Answer:
    """Give what the oracle knows of a decision; as text, since to Python 1 is True."""
    return Answer(
        decision.variant,
        repr(decision.value),
        decision.enabled,
        str(decision.reason),
        decision.rule,
        decision.experiment,
    )


def expected(loaded: Loaded, context: Context, now: float, flag: str) -> Answer:
    oracle = Reference(loaded.canonical, context.targeting_key, context.attributes, now)
    said = oracle.decide(flag)
    return said._replace(value=repr(said.value))


def snapshot(loaded: Loaded, now: float = 0.0) -> Snapshot:
    return Snapshot(loaded.rules, lambda: now)


def same(one: Decision, other: Decision) -> bool:
    return answer(one) == answer(other) and (one.error, one.metadata) == (other.error, other.metadata)


@settings(max_examples=200)
@given(documents(), st.lists(contexts(traps=0.1), min_size=1, max_size=4), moments())
def test_the_engine_decides_as_the_specification_says(
    document: dict[str, Any], people: list[Context], now: float
) -> None:
    loaded = load(document)
    rules = snapshot(loaded, now)
    for context in people:
        for flag in loaded.rules.flags:
            assert answer(rules.decide(flag, context)) == expected(loaded, context, now, flag)


@settings(max_examples=100)
@given(documents(), st.lists(contexts(traps=0.3, liars=True), min_size=1, max_size=4), moments())
def test_an_explanation_and_a_decision_cannot_disagree(
    document: dict[str, Any], people: list[Context], now: float
) -> None:
    rules = snapshot(load(document), now)
    for context in people:
        for flag in document["flags"]:
            explanation = rules.explain(flag, context)
            assert same(explanation.decision, rules.decide(flag, context))
            assert str(explanation).startswith(f"{flag} = ")
            assert [step["kind"] for step in explanation.to_dict()["steps"]] == [
                step.kind for step in explanation.steps
            ]


@settings(max_examples=60)
@given(documents(), contexts(), moments())
def test_the_explanation_of_a_json_context_is_json(
    document: dict[str, Any], context: Context, now: float
) -> None:
    attributes = json.loads(json.dumps(_as_json(context.attributes)))
    rules = snapshot(load(document), now)
    for flag in document["flags"]:
        json.dumps(rules.explain(flag, Context("user-1", attributes)).to_dict())


def _as_json(attributes: Any) -> dict[str, Any]:
    kept = (str, int, float, bool, list, dict, type(None))
    return {name: value for name, value in attributes.items() if isinstance(value, kept)}


@settings(max_examples=60)
@given(documents(), contexts(), moments())
def test_a_flag_that_is_fixed_is_so_for_everybody(
    document: dict[str, Any], context: Context, now: float
) -> None:
    rules = snapshot(load(document), now)
    for flag in document["flags"]:
        settled = rules.fixed(flag)
        assert settled is None or same(settled, rules.decide(flag, context))


@settings(max_examples=40)
@given(documents(flags=4), st.lists(contexts(), min_size=1, max_size=3), moments())
def test_asking_again_changes_nothing(document: dict[str, Any], people: list[Context], now: float) -> None:
    """Memos fill up and functions get compiled: a snapshot that was asked much decides as a new one."""
    loaded = load(document)
    used = snapshot(loaded, now)
    for _ in range(2):
        for context in people:
            for flag in loaded.rules.flags:
                assert same(used.decide(flag, context), snapshot(loaded, now).decide(flag, context))


# -- a great many, fast ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_document_and_no_context_makes_a_decision_raise(capsys: pytest.CaptureFixture[str]) -> None:
    """Set SWEEP_PAIRS for more or fewer than a million pairs of a document and a context."""
    side = max(1, round(PAIRS**0.5))
    random = Random(20261122)
    honest, hostile = Crowd(random), Crowd(random, traps=1.0, liars=True)
    # One in ten is hostile: it goes the traced way, which takes a hundred times as long.
    people = [hostile.context() if number % 10 == 0 else honest.context() for number in range(side)]
    pairs, seen = 0, set()
    for seed in range(side):
        rules = snapshot(load(Author(Random(seed)).document(3)), SECONDS[seed % len(SECONDS)])
        flags = [*rules.rules.flags]
        for number, context in enumerate(people):
            decision = rules.decide(flags[number % len(flags)], context)
            seen.add(decision.reason)
            pairs += 1
    with capsys.disabled():
        print(f"\n{pairs:,} decisions, none raised; reasons met: {', '.join(sorted(seen))}")
    assert pairs == side * side
    assert side < 100 or {"SPLIT", "TARGETING_MATCH", "TARGETING_KEY_MISSING", "HOLDOUT"} <= seen


def test_a_sample_of_a_sweep_decides_as_the_specification_says() -> None:
    for seed in range(60):
        random = Random(f"sample {seed}")
        loaded, crowd = load(Author(random).document()), Crowd(random, traps=0.2)
        now = random.choice(SECONDS)
        rules = snapshot(loaded, now)
        for context in [crowd.context() for _ in range(8)]:
            for flag in loaded.rules.flags:
                assert answer(rules.decide(flag, context)) == expected(loaded, context, now, flag), seed


@pytest.mark.parametrize("key", [None, 5, b"flag-0", ["flag-0"], "", "no such flag", "\ud800", float("nan")])
def test_any_key_at_all_gets_a_decision(key: Any) -> None:
    rules = snapshot(load(Author(Random(1)).document()))
    decision = rules.decide(key, Context("user-1"), default=7)
    assert decision.variant is None
    assert decision.value == 7
    assert decision.reason in ("GENERAL", "FLAG_NOT_FOUND")
    assert same(rules.explain(key, Context("user-1"), default=7).decision, decision)


@pytest.mark.parametrize("context", [None, [], [("country", "NL")], "user-1", 5, object()])
def test_what_is_no_context_decides_only_what_needs_none(context: Any) -> None:
    document = {
        "version": 1,
        "flags": {
            "asks": {"rules": [{"when": {"attribute": "country", "op": "exists"}, "serve": "on"}]},
            "draws": {"rules": [{"rollout": 50}]},
            "static": {"default": "on"},
            "list": {"variants": {"a": [1]}, "default": "a"},
            "time": {"rules": [{"start": "2026-01-01T00:00:00Z", "serve": "on"}]},
        },
    }
    rules = snapshot(load(document))
    for flag in document["flags"]:  # type: ignore[attr-defined]
        decision = rules.decide(flag, context, default="mine")
        assert same(rules.explain(flag, context, default="mine").decision, decision)
        if flag in ("asks", "draws"):
            assert (decision.reason, decision.value) == ("GENERAL", "mine")
            assert decision.error == f"a context is a flagstaff.Context, not {type(context).__name__}"
        else:
            assert decision.reason in ("STATIC", "DEFAULT")


# -- other processes, other threads ----------------------------------------------------------------------

_CHILD = """
import sys
from tests.core.test_against_reference import transcript
sys.stdout.write(transcript())
"""


def transcript() -> str:
    """Tell what two dozen seeded documents decide for two dozen seeded contexts."""
    lines = []
    for seed in range(24):
        random = Random(seed)
        rules = snapshot(load(Author(random).document()), random.choice(SECONDS))
        for context in [Crowd(random).context() for _ in range(24)]:
            lines += [
                f"{answer(rules.decide(flag, context))!r} {rules.explain(flag, context)}"
                for flag in rules.rules.flags
            ]
    return "\n".join(lines).encode("ascii", "backslashreplace").decode()


@pytest.mark.parametrize("hash_seed", ["0", "1", "4242"])
def test_other_processes_decide_alike(hash_seed: str) -> None:
    paths = os.pathsep.join([str(ROOT), *(path for path in sys.path if path)])
    child = subprocess.run(
        [sys.executable, "-c", _CHILD],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": paths, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert child.returncode == 0, child.stderr.decode()
    assert child.stdout.decode() == _own_transcript()


@lru_cache
def _own_transcript() -> str:
    return transcript()


def test_threads_that_share_a_snapshot_get_what_one_gets_alone() -> None:
    random = Random(7)
    loaded = load(Author(random).document(12))
    crowd = Crowd(random, traps=0.05)
    questions = [(flag, crowd.context()) for _ in range(40) for flag in loaded.rules.flags]
    alone = [answer(snapshot(loaded).decide(flag, context)) for flag, context in questions]
    shared, barrier = snapshot(loaded), threading.Barrier(8)

    def ask(_: int) -> list[Answer]:
        barrier.wait(20)
        return [answer(shared.decide(flag, context)) for flag, context in questions]

    with ThreadPoolExecutor(8) as pool:
        assert all(answers == alone for answers in pool.map(ask, range(8)))


# -- what must not take long -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["segment", "flag"])
def test_a_long_chain_takes_no_longer_for_being_deep(kind: str) -> None:
    """Were each link asked twice, whether it holds and whether it fails, this would take hours."""
    chain: dict[str, Any] = {"c0": {"attribute": "a", "op": "eq", "value": "x"}}
    for number in range(1, 30):
        chain[f"c{number}"] = {"not": {"not": {"segment": f"c{number - 1}"}}}
    flags: dict[str, Any] = {"f0": {"rules": [{"segment": "c29", "serve": "on"}]}}
    if kind == "flag":
        chain = {"c0": {"attribute": "a", "op": "eq", "value": "x"}}
        flags = {"f00": {"rules": [{"segment": "c0", "serve": "on"}]}}
        for number in range(1, 15):
            chain[f"c{number}"] = {"any": [{"flag": f"f{number - 1:02}"}, {"not": {"segment": "c0"}}]}
            flags[f"f{number:02}"] = {"rules": [{"segment": f"c{number}", "serve": "on"}]}
    rules = snapshot(load({"version": 1, "segments": chain, "flags": flags}))
    flag = max(flags)
    started = time.perf_counter()
    for value in ("x", "y", None, [1]):
        context = Context("u", a=value)
        assert same(rules.explain(flag, context).decision, rules.decide(flag, context))
    assert time.perf_counter() - started < 5
