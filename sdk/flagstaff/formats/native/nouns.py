"""What documents of other dialects say, as the engine's nouns.

ValueError where a dialect does not have what is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagstaff.core.decision import Reason
from flagstaff.core.rules import Arm, Bucket, Computed, Measure, Ranges, Split
from flagstaff.core.schemes import HASHES, Scheme
from flagstaff.core.subjects import TARGETING_KEY, Subject
from flagstaff.formats.dialects import computed, reader

if TYPE_CHECKING:
    from .general import ComputeModel, DrawModel, MeasureModel, NumberRanges, SchemeModel

__all__ = [
    "bucket_of",
    "computed_of",
    "fault_of_scheme",
    "measure_of",
    "ranges_of",
    "reason_of",
    "split_of",
    "subject_of",
]


def subject_of(given: Any) -> Subject:
    """Where something is found in a context."""
    if isinstance(given, dict):
        return reader(given["read"], given["of"])
    path = (given,) if isinstance(given, str) else tuple(given)
    return TARGETING_KEY if path == TARGETING_KEY else path  # the one object, so that a look at it is enough


def bucket_of(given: SchemeModel) -> Bucket:
    """A draw by another scheme."""
    scheme = Scheme(given["hash"], given["spread"], given.get("size", 1), given.get("seed", 0))
    unit = subject_of(given.get("unit", "targeting_key"))
    return Bucket(given.get("prefix", ""), unit, given.get("suffix", ""), scheme)


def fault_of_scheme(given: SchemeModel) -> str | None:
    """What is wrong with how a hash is spread, if anything."""
    bits, spread = HASHES[given["hash"]].bits, given["spread"]
    if (spread == "raw") != (bits is None) or (spread == "scale" and bits != 32):
        return f"{given['hash']} can't be spread by {spread}"
    if spread in ("scale", "mod") and "size" not in given:
        return f"says no size, which a spread by {spread} needs"
    return None


def ranges_of(given: NumberRanges) -> Ranges:
    """The ranges that hold anything."""
    return tuple((start, stop) for start, stop in given if start < stop)


def split_of(given: DrawModel) -> Split:
    """A split by another scheme."""
    arms = (Arm(arm["variant"], *bounds) for arm in given["arms"] for bounds in ranges_of(arm["ranges"]))
    return Split(bucket_of(given["bucket"]), tuple(arms), absent=given.get("absent"))


def computed_of(given: ComputeModel) -> Computed:
    """What an expression comes to."""
    return computed(given["language"], given["expression"])


def measure_of(given: MeasureModel) -> Measure:
    """What makes decisions exposures."""
    unit = subject_of(given.get("unit", "targeting_key"))
    return Measure(given["experiment"], unit, given.get("revision", 1), given.get("exposed", True))


def reason_of(given: str | None) -> Reason | None:
    """The reason by its name."""
    return None if given is None else Reason(given)
