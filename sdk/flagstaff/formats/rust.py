"""Regular expressions of vendors whose engines are written in Rust."""

from __future__ import annotations

import re
from collections.abc import Callable

from flagstaff.core.patterns import compile_pattern, unicode_classes

__all__ = ["rust_pattern"]

_PART = re.compile(
    r"\\(?P<escaped>[xupP]\{[^}]*\}|.)"
    r"|\[\^?\]?(?P<items>(?:\\.|\[:\^?[a-z]+:\]|[^\]\\])*)\]"
    r"|(?P<brace>\{(?!\d+(?:,\d*)?\}|,))",
    re.DOTALL,
)
_OF_SETS = re.compile(r"\\.|\[:\^?[a-z]+:\]|(?P<found>&&|--|~~|\[)", re.DOTALL)


def rust_pattern(pattern: str) -> Callable[[str], bool]:
    r"""What finds a pattern of the crate ``regex`` in a text; ``\d \w \s \b`` go by all of Unicode.

    ValueError where it is none, and where it has what isn't matched here, such as ``[a-z&&[^b]]``.
    """
    for match in _PART.finditer(pattern):
        if match["brace"]:
            raise ValueError(f"'{{' at position {match.start()} begins no repetition")
        if match["escaped"] and (match["escaped"] in "<>" or not match["escaped"].isascii()):
            raise ValueError(f"escape '\\{match['escaped']}' at position {match.start()} is not supported")
        for operator in _OF_SETS.finditer(match["items"] or ""):
            if operator["found"]:
                raise ValueError(f"'{operator['found']}' within a class is not supported")
    return compile_pattern(pattern, unicode_classes)
