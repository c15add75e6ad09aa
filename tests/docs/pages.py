"""The pages of the documentation, taken apart: sections, tables, blocks of code, links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        *ROOT.glob("examples/**/*.md"),
        *ROOT.glob("sdk/docs/**/*.md"),
    ]
)

_BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_NAME = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEAD = re.compile(r"^#+ (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of code; ``printed`` is the text block that stands right after it, or nothing."""

    language: str
    text: str
    after: Block | None

    @property
    def printed(self) -> str:
        return self.after.text if self.after is not None and self.after.language == "text" else ""


def blocks(page: Path, language: str) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    start = len(text)
    for match in reversed(list(_BLOCK.finditer(text))):
        adjoins = bool(found) and not text[match.end() : start].strip()
        found.append(Block(match["language"], match["text"], found[-1] if adjoins else None))
        start = match.start()
    return [block for block in reversed(found) if block.language == language]


def section(page: Path, title: str) -> str:
    """What stands under a heading, until the next of any level."""
    text = page.read_text(encoding="utf-8")
    (head,) = (match for match in _HEAD.finditer(text) if match[1] == title)
    following = _HEAD.search(text, head.end())
    return text[head.end() : following.start() if following else len(text)]


def named(text: str) -> set[str]:
    """The names in the first column of a section's tables."""
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("|")]
    return {name for row in rows for name in _NAME.findall(row)}


def links(page: Path) -> list[str]:
    """Where a page's links lead, code left out."""
    return _LINK.findall(_BLOCK.sub("", page.read_text(encoding="utf-8")))


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings get."""
    text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-") for head in _HEAD.findall(text)}
