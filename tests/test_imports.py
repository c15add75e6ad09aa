from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import flagstaff

HEAVY = {
    "asyncio",
    "dataclasses",
    "http.client",
    "httpx",
    "inspect",
    "json",
    "logging",
    "pydantic",
    "threading",
}


def modules_loaded_by(statement: str) -> set[str]:
    """Name the modules that a Python loads for `statement`, without site: .pth files hide what they load."""
    root = Path(flagstaff.__file__).parent.parent
    paths = [str(root), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    code = f"import sys; sys.path += {paths!r}; {statement}"
    command = [sys.executable, "-I", "-S", "-X", "importtime", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


def test_importing_flagstaff_loads_nothing_heavy() -> None:
    loaded = modules_loaded_by("import flagstaff")

    assert "flagstaff" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("module", sorted(HEAVY))
def test_the_import_log_would_show_a_heavy_module(module: str) -> None:
    assert module in modules_loaded_by(f"import {module}")
