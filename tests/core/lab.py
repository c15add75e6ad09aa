"""What the tests of bucketing share: small documents, and who gets what in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flagstaff.core.context import Context
from flagstaff.core.decision import Decision, Reason
from flagstaff.core.evaluate import Snapshot
from flagstaff.formats import load

HALVES = {"a": 50, "b": 50}
THIRDS = {"a": 34, "b": 33, "c": 33}


def flag(rule: Mapping[str, Any], variants: Iterable[str] = "zabcdefghij", **more: Any) -> dict[str, Any]:
    """Make a flag with one rule; `z` is what everybody else gets."""
    return {"variants": {name: name for name in variants}, "default": "z", "rules": [rule], **more}


def snapshot(**parts: Any) -> Snapshot:
    return Snapshot(load({"version": 1, **parts}).rules, lambda: 0.0)


def experiments(given: Mapping[str, Mapping[str, Any]], **parts: Any) -> Snapshot:
    """Make rules in which each experiment is asked for by a flag of the same name."""
    return snapshot(
        experiments={name: {"split": HALVES, **experiment} for name, experiment in given.items()},
        flags={name: flag({"experiment": name}) for name in given},
        **parts,
    )


def decide(rules: Snapshot, key: str, units: Iterable[str]) -> dict[str, Decision]:
    function = rules.function(key)
    assert function is not None
    return {unit: function(Context(unit)) for unit in units}


def served(rules: Snapshot, key: str, units: Iterable[str]) -> dict[str, str | None]:
    """Give the variant of each unit that was drawn; the others are left out."""
    decisions = decide(rules, key, units)
    return {unit: made.variant for unit, made in decisions.items() if made.reason is Reason.SPLIT}
