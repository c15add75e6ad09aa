from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from email import message_from_bytes
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from uv import find_uv_bin

import flagstaff

if TYPE_CHECKING:
    from email.message import Message

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parent.parent


def run(*command: str | Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == expect, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as a release does: from the source archive, not from the checkout."""
    out = tmp_path_factory.mktemp("dist")
    run(find_uv_bin(), "build", "--quiet", "--python", sys.executable, "--out-dir", out, ROOT)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(archive.read(name))


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the `bin` folder of a fresh environment that holds the wheel without extras."""
    environment = tmp_path_factory.mktemp("bare") / "venv"
    run(find_uv_bin(), "venv", "--quiet", "--no-project", "--python", sys.executable, environment)
    run(find_uv_bin(), "pip", "install", "--quiet", "--python", environment, wheel)
    return environment / "bin"


def test_the_wheel_holds_the_package_and_its_type_marker_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()

    tops = {name.partition("/")[0] for name in names}
    assert tops == {"flagstaff", f"flagstaff-{version('flagstaff')}.dist-info"}
    assert "flagstaff/py.typed" in names
    assert "flagstaff/core/vectors-1.json" in names
    assert [name for name in names if name.rpartition("/")[2].startswith(("test_", "conftest"))] == []


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    package = ROOT / "sdk" / "flagstaff"
    sources = {f"flagstaff/{path.relative_to(package).as_posix()}" for path in package.rglob("*.py")}

    with zipfile.ZipFile(wheel) as archive:
        assert sources - set(archive.namelist()) == set()


def test_the_base_dependencies_are_four_with_lower_bounds_only(metadata: Message) -> None:
    requirements = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    base = {requirement.name: requirement.specifier for requirement in requirements if not requirement.marker}

    assert sorted(base) == ["cachetools", "httpx", "mmh3", "pydantic"]
    assert {specifier.operator for bounds in base.values() for specifier in bounds} == {">="}


def test_no_extra_caps_what_it_needs(metadata: Message) -> None:
    requirements = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]

    assert {bound.operator for requirement in requirements for bound in requirement.specifier} == {">="}


def test_the_version_stands_in_one_place(metadata: Message) -> None:
    assert flagstaff.__version__ == version("flagstaff") == metadata["Version"]


def test_flagstaff_works_without_extras(bare: Path) -> None:
    code = (
        "import importlib.util as u, flagstaff; "
        "assert not any(map(u.find_spec, ['click', 'rich', 'starlette', 'uvicorn', 'yaml'])); "
        "print(*(getattr(flagstaff, name) is not None for name in flagstaff.__all__), flagstaff.__version__)"
    )

    printed = run(bare / "python", "-I", "-W", "error", "-c", code).stdout.split()

    assert printed == ["True"] * len(flagstaff.__all__) + [version("flagstaff")]


def test_the_command_without_its_extra_says_in_one_sentence_how_to_get_it(bare: Path) -> None:
    done = run(bare / "flagstaff", expect=2)

    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert re.search(r"pip install '?flagstaff\[cli\]'?", done.stderr)
