"""Decisions in the words of OFREP 0.3, OpenFeature's remote evaluation protocol."""

from __future__ import annotations

from .core.decision import Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .core.decision import Decision

__all__ = ["answer", "bootstrap", "error_code"]

# The protocol has five reasons; whatever it lacks, nobody can rely on.
_REASONS = {
    Reason.STATIC: "STATIC",
    Reason.TARGETING_MATCH: "TARGETING_MATCH",
    Reason.SPLIT: "SPLIT",
    Reason.DISABLED: "DISABLED",
    Reason.OVERRIDE: "TARGETING_MATCH",
    Reason.HOLDOUT: "SPLIT",
}
_ERRORS = {
    Reason.FLAG_NOT_FOUND: "FLAG_NOT_FOUND",
    Reason.TARGETING_KEY_MISSING: "TARGETING_KEY_MISSING",
    Reason.MALFORMED: "PARSE_ERROR",
    Reason.NOT_READY: "GENERAL",
    Reason.TYPE_MISMATCH: "GENERAL",
    Reason.GENERAL: "GENERAL",
}
# Text that is safe within a page's <script>, and means the same.
_ESCAPES = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


def error_code(decision: Decision) -> str | None:
    """The protocol's error code, or None where the decision is no error."""
    return _ERRORS.get(decision.reason)


def answer(decision: Decision) -> dict[str, Any]:
    """What the protocol says of a decision that is no error: nothing of the rules.

    There is no ``value`` where the flag leaves it to the caller.
    """
    told: dict[str, Any] = {"key": decision.flag, "reason": _REASONS.get(decision.reason, "UNKNOWN")}
    if decision.variant is not None:
        told |= {"variant": decision.variant, "value": decision.value}
    return told


def bootstrap(decisions: Iterable[Decision]) -> str:
    """All of them as the protocol's answer to a bulk request, errors left out: JSON for a page's script."""
    import json

    flags = [answer(decision) for decision in decisions if error_code(decision) is None]
    return json.dumps({"flags": flags}, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPES)
