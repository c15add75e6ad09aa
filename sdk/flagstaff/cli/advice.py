"""What is right in a rules document and yet should not stay as it is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

from flagstaff.cli.walking import conditions_of, nodes
from flagstaff.core.conditions import parse_instant
from flagstaff.core.rules import AllOf, Flag, InSegment, Rule, Serve
from flagstaff.errors import Problem

if TYPE_CHECKING:
    from flagstaff.formats.native import Loaded
    from flagstaff.formats.native.document import Document, ExperimentModel, FlagModel

__all__ = ["advise"]


def advise(loaded: Loaded, today: date) -> list[Problem]:
    """Warnings, in the order flags, experiments, segments, layers, holdouts."""
    document = loaded.document
    return [
        *(
            warning
            for key, flag in document.get("flags", {}).items()
            for warning in _on_flag(key, flag, today)
        ),
        *(warning for flag in loaded.rules.flags.values() for warning in _out_of_reach(flag)),
        *_on_experiments(document),
        *_unused_segments(loaded),
        *_unused_layers(document),
        *_idle_holdouts(document),
    ]


# -- flags -----------------------------------------------------------------------------------------


def _on_flag(key: str, flag: FlagModel, today: date) -> Iterator[Problem]:
    path = f"flags.{key}"
    if not flag.get("owner"):
        yield Problem(f"{path}.owner", "is missing: who says when the flag may go?", key)
    said = flag.get("expires")
    if said:
        expires = _date(said)
        if expires is None:
            yield Problem(f"{path}.expires", f"is no date such as {today.isoformat()}: {said!r}", key)
        elif expires < today:
            yield Problem(f"{path}.expires", f"has passed: {said}", key)


def _date(text: str) -> date | None:
    if parse_instant(text) is not None:
        text = text[:10]
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _out_of_reach(flag: Flag) -> Iterator[Problem]:
    """The rules after one that serves everybody."""
    last: int | None = None
    for index, rule in enumerate(flag.rules):
        if last is not None:
            path = f"flags.{flag.key}.rules[{index}]"
            yield Problem(path, f"is never reached: rules[{last}] serves everybody", flag.key)
        elif _serves_everybody(rule):
            last = index


def _serves_everybody(rule: Rule) -> bool:
    always = rule.when is None or rule.when == AllOf(())
    return always and isinstance(rule.outcome, Serve) and rule.outcome.share is None


# -- experiments and what they share -----------------------------------------------------------------


def _on_experiments(document: Document) -> Iterator[Problem]:
    used = {
        rule.get("experiment")
        for flag in document.get("flags", {}).values()
        for rule in flag.get("rules", ())
    }
    for key, experiment in document.get("experiments", {}).items():
        if key not in used and experiment.get("status") not in ("stopped", "decided"):
            yield Problem(f"experiments.{key}", "is used by no rule")
        yield from _on_experiment(f"experiments.{key}", experiment)


def _on_experiment(path: str, experiment: ExperimentModel) -> Iterator[Problem]:
    if not experiment.get("hypothesis"):
        yield Problem(f"{path}.hypothesis", "is missing: what is expected to happen, and why?")
    if not (experiment.get("metrics") or {}).get("primary"):
        yield Problem(f"{path}.metrics.primary", "is missing: by what will it be decided?")


def _unused_segments(loaded: Loaded) -> Iterator[Problem]:
    rules = loaded.rules
    inside = [node for condition in rules.segments.values() for node in nodes(condition)]
    outside = [node for flag in rules.flags.values() for node in conditions_of(flag)]
    used = {node.name for node in (*inside, *outside) if isinstance(node, InSegment)}
    for name in rules.segments:
        if name not in used:
            yield Problem(f"segments.{name}", "is used by nothing")


def _unused_layers(document: Document) -> Iterator[Problem]:
    used = {experiment.get("layer") for experiment in document.get("experiments", {}).values()}
    for name in document.get("layers", {}):
        if name not in used:
            yield Problem(f"layers.{name}", "is used by no experiment")


def _idle_holdouts(document: Document) -> Iterator[Problem]:
    for name, holdout in document.get("holdouts", {}).items():
        if not holdout["experiments"]:
            yield Problem(f"holdouts.{name}.experiments", "are none: it keeps nobody out of anything")
