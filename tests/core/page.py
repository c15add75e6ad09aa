"""The specification of bucketing, `sdk/docs/bucketing.md`: code to run and tables to look things up in."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "sdk" / "docs" / "bucketing.md"


def text() -> str:
    return PAGE.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text(), re.MULTILINE | re.DOTALL)


@cache
def code() -> dict[str, Any]:
    """Run the page's own hash; give the names that it defines."""
    namespace: dict[str, Any] = {}
    exec(compile(blocks("python")[0], str(PAGE), "exec"), namespace)
    return namespace


def table(*columns: str) -> list[list[str]]:
    """Give the cells of the table with these columns, without their code marks."""
    lines = iter(text().splitlines())
    head = "| " + " | ".join(columns) + " |"
    assert head in lines, f"the page has no table {head}"
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.replace("`", "").strip("|").split("|")])
    return rows
