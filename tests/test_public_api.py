"""The face of the package: what is public, where it comes from, and that naming it costs nothing."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

import flagstaff

# A promise to those who import it: a name may be added here, and none be taken away.
PUBLIC = [
    "AsyncClient",
    "BoundFlags",
    "Client",
    "ConfigError",
    "Context",
    "Decision",
    "Diagnosis",
    "Explanation",
    "Finding",
    "FlagstaffError",
    "MissingExtraError",
    "OverrideError",
    "Problem",
    "Reason",
    "RulesError",
    "Secret",
    "ServeError",
    "Sink",
    "Status",
    "TokenOverride",
]

REASONS = [
    "STATIC",
    "TARGETING_MATCH",
    "SPLIT",
    "DEFAULT",
    "DISABLED",
    "OVERRIDE",
    "PREREQUISITE_FAILED",
    "HOLDOUT",
    "STALE",
    "FLAG_NOT_FOUND",
    "NOT_READY",
    "TARGETING_KEY_MISSING",
    "TYPE_MISMATCH",
    "MALFORMED",
    "GENERAL",
]


def test_the_public_names_are_these() -> None:
    assert flagstaff.__all__ == PUBLIC
    assert flagstaff.__all__ == sorted(PUBLIC)
    assert dir(flagstaff) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there_and_says_what_it_is(name: str) -> None:
    found = getattr(flagstaff, name)

    assert found.__name__ == name
    assert found.__doc__
    assert getattr(flagstaff, name) is found


def test_a_star_import_brings_them_all() -> None:
    namespace: dict[str, object] = {}
    exec("from flagstaff import *", namespace)

    assert set(PUBLIC) <= set(namespace)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'flagstaff' has no attribute 'Clinet'"):
        _ = flagstaff.Clinet
    with pytest.raises(ImportError):
        exec("from flagstaff import Clinet")


def test_the_version_is_that_of_the_distribution() -> None:
    assert flagstaff.__version__ == version("flagstaff")


def test_the_reasons_are_these() -> None:
    assert [reason.value for reason in flagstaff.Reason] == REASONS
    assert [reason.name for reason in flagstaff.Reason] == REASONS


def test_every_error_of_ours_can_be_caught_as_one() -> None:
    for name in ("ConfigError", "MissingExtraError", "OverrideError", "RulesError", "ServeError"):
        assert issubclass(getattr(flagstaff, name), flagstaff.FlagstaffError)
    assert issubclass(flagstaff.MissingExtraError, flagstaff.ConfigError)


def loaded_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import flagstaff", {"flagstaff.client", "flagstaff.errors", "flagstaff.core.context"}),
        ("from flagstaff import Context", {"flagstaff.client", "flagstaff.shell", "httpx", "pydantic"}),
        ("from flagstaff import FlagstaffError", {"flagstaff.client", "httpx", "pydantic"}),
        ("from flagstaff import Client", {"flagstaff.aio", "httpx", "pydantic", "asyncio", "logging", "re"}),
        ("from flagstaff import AsyncClient", {"flagstaff.client", "httpx", "pydantic", "asyncio"}),
    ],
)
def test_a_name_loads_its_own_module_and_nothing_heavy(statement: str, absent: set[str]) -> None:
    loaded = loaded_after(statement)

    assert "flagstaff" in loaded
    # What a coverage tool or a site hook loads by itself says nothing about us.
    assert loaded & absent <= loaded_after("pass")
