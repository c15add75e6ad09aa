"""Gherkin files as cases: one for each scenario, and one for each row of an outline's examples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gherkin.parser import Parser
from gherkin.pickles.compiler import Compiler

__all__ = ["Scenario", "Step", "scenarios"]


@dataclass(frozen=True)
class Step:
    """One step, its placeholders filled in; ``table`` are the rows of cells that stand below it."""

    text: str
    table: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Scenario:
    """A scenario or one row of an outline, its background's steps first; tags without their ``@``."""

    feature: str
    name: str
    line: int
    tags: frozenset[str]
    steps: tuple[Step, ...]


def scenarios(folder: Path) -> Iterator[tuple[str, Scenario]]:
    """Every case of the ``.feature`` files of a folder, by a name that tells it from the others."""
    for path in sorted(folder.rglob("*.feature")):
        document: Any = {**Parser().parse(path.read_text(encoding="utf-8")), "uri": path.name}
        for pickle in Compiler().compile(document):
            case = _scenario(path.stem, pickle)
            yield f"{case.feature}:{case.line} {case.name}", case


def _scenario(feature: str, pickle: Any) -> Scenario:
    return Scenario(
        feature,
        pickle["name"],
        pickle["location"]["line"],
        frozenset(tag["name"].removeprefix("@") for tag in pickle["tags"]),
        tuple(_step(step) for step in pickle["steps"]),
    )


def _step(step: Any) -> Step:
    rows = step.get("argument", {}).get("dataTable", {}).get("rows", ())
    return Step(step["text"], tuple(tuple(cell["value"] for cell in row["cells"]) for row in rows))
