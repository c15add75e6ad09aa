"""Who asks whom, and where that leads back to who asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = ["circular"]


def circular(asked: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """Those that are in a circle, or that lead into one. Whoever isn't among those who ask is in none."""
    others = {key: {*names} & asked.keys() for key, names in asked.items()}
    asking: dict[str, list[str]] = {}
    for key, names in others.items():
        for name in names:
            asking.setdefault(name, []).append(key)
    left = {key: len(names) for key, names in others.items()}
    ends = [key for key, count in left.items() if count == 0]
    while ends:
        for key in asking.get(ends.pop(), ()):
            left[key] -= 1
            if left[key] == 0:
                ends.append(key)
    return frozenset(key for key, count in left.items() if count)
