"""What a translator makes of another vendor's document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flagstaff.errors import Problem

__all__ = ["Translated"]


class Translated:
    """A native rules document in canonical form, as plain data, and what people should know about it.

    ``warnings`` tell what can't be decided offline, what the document has that its vendor's SDK doesn't know,
    and what was read otherwise than it looks.
    """

    def __init__(self, document: Mapping[str, Any], warnings: Iterable[Problem] = ()) -> None:
        self.document: Mapping[str, Any] = document
        self.warnings: tuple[Problem, ...] = tuple(warnings)
