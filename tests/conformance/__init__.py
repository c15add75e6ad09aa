"""Where the suites are that other projects publish, and how their cases become tests.

The data is no part of this repository: it is read from the folder that ``FLAGSTAFF_CONFORMANCE`` names, else
from ``../shared/conformance`` beside the checkout. Where a suite's folder is missing its tests are skipped
and say so.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet

__all__ = ["FOLDER", "cases", "folder", "suite_of"]

_SUITES = frozenset(
    [
        "eppo",
        "flagd",
        "flagsmith",
        "growthbook",
        "launchdarkly",
        "openfeature",
        "optimizely",
        "posthog",
        "split",
        "unleash",
    ]
)
_CHECKOUT = Path(__file__).parents[2]
# Read while tests are collected: within a test no FLAGSTAFF_ variable is set.
FOLDER = Path(os.environ.get("FLAGSTAFF_CONFORMANCE") or _CHECKOUT.parent / "shared" / "conformance")


def folder(suite: str) -> Path:
    """The folder of a suite, such as ``unleash``; it need not exist."""
    return FOLDER / suite


def cases(suite: str, read: Callable[[Path], Iterable[tuple[str, Any]]]) -> list[ParameterSet]:
    """A test's parameters: one for each case that ``read`` finds in the suite's folder, with its name.

    @pytest.mark.parametrize("case", cases("unleash", read_cases))
    def test_decides_as_unleash_does(case: Case) -> None: ...
    """
    root = folder(suite)
    if not root.is_dir():
        reason = f"no folder {root}: the published suite is not here (set FLAGSTAFF_CONFORMANCE)"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason), id=f"{suite}: missing")]
    return [pytest.param(case, id=f"{suite}: {name}") for name, case in read(root)]


def suite_of(nodeid: str) -> str | None:
    """The suite that a test's case is from, or None; by this the summary counts them."""
    _, _, parameters = nodeid.partition("[")
    suite, colon, _ = parameters.partition(": ")
    return suite if colon and suite in _SUITES else None
