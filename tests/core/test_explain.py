from __future__ import annotations

import json
from typing import Any

import pytest

from flagstaff.core.context import Context
from flagstaff.core.evaluate import Snapshot
from flagstaff.core.explain import Explanation, Step
from flagstaff.formats import load
from tests.strategies import Untouchable


def explain(context: Context, flag: str = "f", now: float = 0.0, **parts: Any) -> Explanation:
    return Snapshot(load({"version": 1, **parts}).rules, lambda: now).explain(flag, context)


def lines(explanation: Explanation) -> list[str]:
    return str(explanation).splitlines()


SHOP: dict[str, Any] = {
    "segments": {
        "benelux": {"attribute": "country", "op": "in", "value": ["NL", "BE"]},
        "guests": [{"segment": "benelux"}, {"not": {"attribute": "staff", "op": "eq", "value": True}}],
    },
    "layers": {"checkout": {}},
    "holdouts": {"untouched": {"size": 5, "experiments": ["cta"]}},
    "experiments": {
        "cta": {
            "split": {"a": 50, "b": 50},
            "layer": "checkout",
            "slots": [[0, 40], [60, 100]],
            "pins": {"qa": "b"},
        }
    },
    "flags": {
        "f": {
            "variants": {"a": "Buy", "b": "Buy now"},
            "default": "a",
            "gates": [{"flag": "shop"}],
            "rules": [{"id": "cta", "segment": "guests", "experiment": "cta"}, {"serve": "b", "rollout": 0}],
        },
        "shop": {"rules": [{"serve": "on", "start": "1970-01-01T00:00:10Z", "end": "1970-01-02T00:00:00Z"}]},
    },
}  # fmt: skip


HELD = "in for 0 to 4,999"
SLOTS = "in for 0 to 39,999 or 60,000 to 99,999"
ARMS = "a 0 to 49,999, b 50,000 to 99,999"
WAS = "true (it was 1970-01-01T00:01:00+00:00)"


def test_an_explanation_tells_every_step_with_its_values() -> None:
    explanation = explain(Context("user-7", country="NL", staff=False), now=60.0, **SHOP)
    assert lines(explanation) == [
        "f = 'Buy now' (SPLIT) variant b",
        "  prerequisite shop: true",
        "    rule 0",
        f"      time from 1970-01-01T00:00:10+00:00 to 1970-01-02T00:00:00+00:00: {WAS}",
        "  rule cta",
        "    segment guests: true",
        "      segment benelux: true",
        "        country in ['NL', 'BE']: true (was 'NL')",
        "      staff eq True: false (was False)",
        f"    holdout untouched: hash('untouched:user-7') = 2264156026, bucket 52,716 of 100,000; {HELD}",
        f"    traffic: hash('checkout:user-7') = 1345107189, bucket 31,318 of 100,000; {SLOTS}",
        f"    split: hash('cta:user-7') = 2666541419, bucket 62,085 of 100,000; {ARMS}",
    ]


def test_an_explanation_tells_why_nothing_served() -> None:
    explanation = explain(Context(None, staff="yes"), now=60.0, **SHOP)
    assert lines(explanation) == [
        "f = 'Buy' (TARGETING_KEY_MISSING) variant a",
        *lines(explain(Context("u"), now=60.0, **SHOP))[1:4],
        "  rule cta",
        "    segment guests: unknown",
        "      segment benelux: unknown",
        "        country in ['NL', 'BE']: unknown (is absent)",
        "      staff eq True: false (was 'yes')",
        "  rule 1 (always)",
        "    no unit: targeting_key is absent or neither text nor an int",
        "  a rule draws a unit that the context does not have, so the rule did not serve",
    ]


def test_a_pin_is_told() -> None:
    explanation = explain(Context("qa", country="BE", staff=False), now=60.0, **SHOP)
    assert lines(explanation)[-1] == "    'qa' is pinned"
    assert explanation.decision.variant == "b"


def test_each_thing_is_asked_and_told_once() -> None:
    """A segment is asked whether it holds, then whether it fails: that is one question to a reader."""
    explanation = explain(Context("u", country="DE", staff=5), now=60.0, **SHOP)
    told = [step.text for step in explanation.steps]
    assert len(told) == len(set(told))


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (
            {"rollout": [{"at": f"1970-01-01T00:00:{at}Z", "percent": at / 2} for at in (10, 20)]},
            "rollout: hash('f:u') = 2517177998, bucket 58,607 of 100,000; in for 0 to 4,999 at this time",
        ),
        ({"rollout": 0}, "rollout: hash('f:u') = 2517177998, bucket 58,607 of 100,000; in for nobody"),
        (
            {"when": {"time": {}}, "serve": "on"},
            "time from ever to ever: true (it was 1970-01-01T00:00:15+00:00)",
        ),
        (
            {"when": {"bucket": {"salt": "s"}, "in": [[10, 20]]}, "serve": "on"},
            "bucket: hash('s:u') = 2288683193, bucket 53,287 of 100,000; in for 10,000 to 19,999",
        ),
        (
            {"when": {"attribute": ["a", "b"], "op": "gt", "value": 5}, "serve": "on"},
            "a.b gt 5: true (was 7)",
        ),
    ],
)  # fmt: skip
def test_a_step_says_what_was_compared(rule: Any, line: str) -> None:
    explanation = explain(Context("u", a={"b": 7}), now=15.0, flags={"f": {"rules": [rule]}})
    assert line in [step.text for step in explanation.steps]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x" * 500, "'" + "x" * 116 + "..."),
        ("a\nb\x1b[31m", r"'a\nb\x1b[31m'"),
        ("\u202e\ud800", r"'\u202e\ud800'"),
        ("é😀", "'é😀'"),
        pytest.param(10**5000, "a int", id="huge"),
        (Untouchable(), "a value that can't be read"),
    ],
)
def test_a_value_is_shown_short_and_harmless(value: Any, shown: str) -> None:
    rule = {"when": {"attribute": "x", "op": "eq", "value": "y"}, "serve": "on"}
    explanation = explain(Context("u", x=value), flags={"f": {"rules": [rule]}})
    assert lines(explanation)[-1].endswith(f"(was {shown})")


def test_what_a_repr_gives_is_made_harmless_too() -> None:
    class Loud:
        def __repr__(self) -> str:
            return "first\nsecond"

    rule = {"when": {"attribute": "x", "op": "eq", "value": "y"}, "serve": "on"}
    explanation = explain(Context("u", x=Loud()), flags={"f": {"rules": [rule]}})
    assert len(lines(explanation)) == 3


def test_names_are_made_harmless_too() -> None:
    name = "a\x9b31mb\u2028"
    rules: dict[str, Any] = {
        "segments": {name: {"attribute": name, "op": "eq", "value": name}},
        "flags": {name: {"rules": [{"id": name, "segment": name, "serve": "on"}]}},
    }
    assert str(explain(Context("u"), flag=name, **rules)).replace("\n", "").isprintable()


def test_a_repr_that_raises_names_the_type() -> None:
    class Shy:
        def __repr__(self) -> str:
            raise ValueError

    rule = {"when": {"attribute": "x", "op": "eq", "value": "y"}, "serve": "on"}
    explanation = explain(Context("u", x=Shy()), flags={"f": {"rules": [rule]}})
    assert lines(explanation)[-1] == "    x eq 'y': unknown (was a Shy)"


def test_times_beyond_the_calendar_are_told_as_numbers() -> None:
    rule = {"when": {"time": {"start": "2026-01-01T00:00:00Z"}}, "serve": "on"}
    for now in (1e300, float("inf"), float("nan")):
        explanation = explain(Context("u"), now=now, flags={"f": {"rules": [rule]}})
        assert explanation.steps[1].text.endswith(f"(it was {now})")


def test_an_explanation_for_machines_says_the_same() -> None:
    explanation = explain(Context("user-7", country="NL", staff=False), now=60.0, **SHOP)
    told = json.loads(json.dumps(explanation.to_dict()))
    assert told["decision"] == {
        "flag": "f",
        "enabled": True,
        "value": "Buy now",
        "variant": "b",
        "rule": "cta",
        "experiment": "cta",
        "error": None,
        "reason": "SPLIT",
        "metadata": {},
    }
    assert [step["text"] for step in told["steps"]] == [step.text for step in explanation.steps]
    by_kind = {step["kind"]: step for step in told["steps"]}
    assert set(by_kind) == {"prerequisite", "rule", "time", "segment", "condition", "draw"}
    assert by_kind["draw"]["salt"] == "cta"
    assert by_kind["draw"]["bucket"] == by_kind["draw"]["result"] == 62_085
    assert by_kind["condition"] == {
        "kind": "condition",
        "depth": 2,
        "result": False,
        "text": "staff eq True: false (was False)",
        "attribute": "staff",
        "op": "eq",
        "operand": True,
        "value": False,
    }


def test_an_explanation_for_machines_shares_nothing_with_the_rules() -> None:
    rules = Snapshot(load({"version": 1, **SHOP}).rules, lambda: 60.0)
    context = Context("user-7", country="NL", staff=False)
    told = rules.explain("f", context).to_dict()
    for step in told["steps"]:
        if step["kind"] == "condition" and step["op"] == "in":
            step["operand"].append("DE")
    assert "DE" not in str(rules.explain("f", context))


def test_an_explanation_of_an_error_says_it() -> None:
    explanation = explain(Context("u"), flag="nobody", **SHOP)
    assert lines(explanation) == ["nobody = None (FLAG_NOT_FOUND)", "  the rules have no flag 'nobody'"]
    assert explanation.steps == ()


def test_explanations_and_steps_have_a_short_form() -> None:
    explanation = explain(Context("u"), now=60.0, **SHOP)
    assert repr(explanation).endswith(f"{len(explanation.steps)} steps)")
    step = Step("rule", 2, "rule 0", None, {})
    assert (str(step), repr(step)) == ("    rule 0", "Step('rule', 'rule 0')")
    assert isinstance(explanation.context, Context)
