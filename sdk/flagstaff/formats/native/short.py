"""What the short forms of a document mean.

Every reader of a document (``translate``, ``checks``, ``canonical``) goes through these functions, so a short
form has one meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from .document import Condition, Conditions, FlagModel, RuleModel, VariantModel, WeightModel

__all__ = [
    "KINDS",
    "Worth",
    "condition_of",
    "default_of",
    "kind_of",
    "off_of",
    "serve_of",
    "variant_names",
    "variants_of",
    "weights_of",
    "when_of",
]

KINDS = (
    "attribute",
    "segment",
    "flag",
    "all",
    "any",
    "not",
    "ranges",
    "bucket",
    "time",
    "known",
    "broken",
)
"""What tells conditions apart."""

_BOOLEAN = {"on": True, "off": False}


def kind_of(node: Any) -> str:
    """The key that tells which condition a node is. KeyError where it is none."""
    for key in KINDS:
        if key in node:
            return key
    raise KeyError(node)


class Worth(NamedTuple):
    """What a variant is worth, with nothing left to imply."""

    value: Any
    enabled: bool
    description: str | None = None
    valued: bool = True
    named: bool = True
    name: str | None = None


def variants_of(flag: FlagModel) -> dict[str, Worth]:
    """A flag's variants with every field given."""
    variants = flag.get("variants")
    if variants is None:
        return {name: Worth(value, value) for name, value in _BOOLEAN.items()}
    return {name: _worth(given) for name, given in variants.items()}


def variant_names(flag: FlagModel) -> Mapping[str, object]:
    """A flag's variants, for their names."""
    return flag.get("variants") or _BOOLEAN


def _worth(given: Any) -> Worth:
    if not isinstance(given, dict):
        return Worth(given, bool(given))
    variant = cast("VariantModel", given)
    value, enabled = variant["value"], variant.get("enabled")
    return Worth(
        value,
        bool(value) if enabled is None else enabled,
        variant.get("description"),
        variant.get("valued", True),
        variant.get("named", True),
        variant.get("name"),
    )


def default_of(flag: FlagModel) -> str | None:
    """The variant served when no rule serves; None where a flag with variants of its own has none."""
    default = flag.get("default")
    return "off" if default is None and flag.get("variants") is None else default


def off_of(flag: FlagModel) -> str | None:
    """The variant served when the flag is disabled: its own choice, else "off", else the default."""
    off = flag.get("off")
    if off is not None or ("off" in flag and flag.get("variants") is not None):
        return off
    return "off" if "off" in variant_names(flag) else default_of(flag)


def serve_of(rule: RuleModel) -> str | None:
    """The variant that a rule serves; "on" where it says nothing but a rollout."""
    serve = rule.get("serve")
    if serve is None and rule.get("rollout") is not None:
        return "on" if rule.get("split") is None and rule.get("experiment") is None else None
    return serve


def weights_of(split: dict[str, float] | list[WeightModel]) -> list[WeightModel]:
    """The parts of a split in document order."""
    if isinstance(split, dict):
        return [{"variant": name, "weight": weight} for name, weight in split.items()]
    return split


def condition_of(given: Conditions) -> Condition:
    """One condition; a list means all of it."""
    if not isinstance(given, list):
        return given
    return given[0] if len(given) == 1 else {"all": given}


def when_of(rule: RuleModel) -> Condition | None:
    """Everything that must hold for a rule to fire, as one condition."""
    items: list[Condition] = []
    start, end, segment, when = rule.get("start"), rule.get("end"), rule.get("segment"), rule.get("when")
    if start is not None or end is not None:
        items.append({"time": {"start": start, "end": end}})
    if segment is not None:
        items.append({"segment": segment})
    if when is not None:
        items.extend(when if isinstance(when, list) else [when])
    return condition_of(items) if items else None
