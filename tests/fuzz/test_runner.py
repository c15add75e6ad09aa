from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from random import Random
from typing import Any, ClassVar

from flagstaff import Context, Decision
from tests.fuzz.run import fuzz
from tests.fuzz.shrink import shrunk
from tests.fuzz.vendor import Answers, Vendor


class Plain(Vendor):
    """An SDK that knows native rules of one kind; ``mistaken`` about one country."""

    format: ClassVar[str] = "native"

    def __init__(self, mistaken: str = "") -> None:
        self._mistaken = mistaken

    def document(self, random: Random) -> dict[str, Any]:
        return {"version": 1, "flags": {f"f{number}": self._flag(random) for number in range(3)}}

    def _flag(self, random: Random) -> dict[str, Any]:
        leaf = {"attribute": "country", "op": "in", "value": random.sample(["NL", "BE", "LU"], 2)}
        return {"owner": "somebody", "rules": [{"when": leaf, "serve": "on"}]}

    def contexts(self, random: Random, document: Mapping[str, Any]) -> list[dict[str, Any]]:  # noqa: ARG002 - they suit any
        return [{"country": random.choice(["NL", "BE", "LU", "DE"]), "plan": "pro"} for _ in range(5)]

    def context(self, given: Mapping[str, Any]) -> Context:
        return Context(None, given)

    def oracle(self, document: Mapping[str, Any], contexts: Sequence[Mapping[str, Any]]) -> list[Answers]:
        return [
            {key: self._says(flag, given) for key, flag in document["flags"].items()} for given in contexts
        ]

    def _says(self, flag: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
        country = given["country"]
        return country != self._mistaken and country in flag["rules"][0]["when"]["value"]

    def compare(self, decision: Decision, answer: Any) -> str | None:
        return None if decision.enabled is answer else "enabled"


def test_a_run_spends_its_budget_and_finds_nothing() -> None:
    result = fuzz(Plain(), 1, count(), budget=100)

    assert result.found == []
    assert 100 <= result.evaluations < 115
    assert result.evaluations == result.documents * 15


def test_a_difference_is_shown_small_and_found_again() -> None:
    result = fuzz(Plain(mistaken="BE"), 1, count(), budget=1000, most=1)

    assert len(result.found) == 1
    assert result.found[0].startswith(f"--seed 1 --document {result.documents - 1}: ")
    assert "owner" not in result.found[0]
    assert "LU" not in result.found[0]
    assert 'context: {"country": "BE"}' in result.found[0]
    again = range(result.documents - 1, result.documents)
    assert fuzz(Plain(mistaken="BE"), 1, again, budget=1000).found == result.found


def test_a_document_that_flagstaff_alone_refuses_differs() -> None:
    class Odd(Plain):
        def document(self, random: Random) -> dict[str, Any]:
            return {**super().document(random), "version": 2}

    (found,) = fuzz(Odd(), 1, range(1), budget=1).found
    assert "RulesError" in found


def test_shrinking_spares_whatever_can_be_spared() -> None:
    value = {"a": [1, 2, {"b": 3, "c": 4}], "d": {"e": 5}}

    assert shrunk(value, lambda left: "c" in str(left)) == {"a": [{"c": 4}]}
    assert shrunk(value, lambda left: "c" in str(left), tries=0) == value
