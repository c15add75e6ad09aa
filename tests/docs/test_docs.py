from __future__ import annotations

import inspect
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from typing_extensions import is_typeddict

from flagstaff import AsyncClient, Client, Reason
from flagstaff.cli.app import app
from flagstaff.core.conditions import OPERATORS
from flagstaff.events import ledger
from flagstaff.formats import FORMATS
from flagstaff.formats.native import document, general, load
from flagstaff.integrations.web import Site
from flagstaff.integrations.web.configured import SITE_SETTINGS
from flagstaff.overrides import ENVIRONMENT, FILE, OVERRIDE, REQUEST
from flagstaff.overrides.tokens import REFUSALS
from flagstaff.server import EventStore, RulesFile, create_app
from flagstaff.settings import Settings
from flagstaff.sources.file import load_file
from tests.docs.pages import PAGES, ROOT, Block, anchors, blocks, links, named, section
from tests.server.lab import environment, staged

README = ROOT / "README.md"
RULES = ROOT / "sdk" / "docs" / "rules.md"
SETTINGS = ROOT / "sdk" / "docs" / "settings.md"
FRAMEWORKS = ROOT / "sdk" / "docs" / "frameworks.md"
OVERRIDES = ROOT / "sdk" / "docs" / "overrides.md"
SERVER, KEY = "https://flags.example.com", "sdk-..."

SECTIONS = {
    "The document": ["Document"],
    "Flags": ["FlagModel"],
    "Variants": ["VariantModel"],
    "Rules": ["RuleModel"],
    "Splits and rollouts": ["StepModel", "WeightModel"],
    "Experiments": ["ExperimentModel"],
    "Metrics": ["MetricsModel"],
    "Layers": ["LayerModel"],
    "Holdouts": ["HoldoutModel"],
    "Conditions": [
        "AllCondition",
        "AnyCondition",
        "BucketModel",
        "DrawCondition",
        "LeafCondition",
        "NotCondition",
        "PrerequisiteCondition",
        "SegmentCondition",
        "TimeCondition",
        "WindowModel",
    ],
}
# What only translators write has a section of its own, fields that it adds to the forms above included.
TRANSLATED = "Forms for other dialects"
ADDED = {"valued", "named", "name", "that", "inside"}
ADDED |= {
    "nothing",
    "draw",
    "compute",
    "broken",
    "reason",
    "measure",
    "miss",
    "last",
    "anonymous",
    "metadata",
}


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def pages_with(language: str) -> list[Path]:
    return [page for page in PAGES if blocks(page, language)]


def fields_of(names: list[str]) -> set[str]:
    return {field for name in names for field in getattr(document, name).__annotations__}


def toml_document(block: Block) -> bytes:
    """A whole document; the reference leaves out its first line."""
    missing = "" if re.search("^version", block.text, re.MULTILINE) else "version = 1\n"
    return (missing + block.text).encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in which the files stand that the README tells its reader to save."""
    for block in blocks(README, "toml"):
        name = block.text.splitlines()[0].removeprefix("# ")
        (tmp_path / name).write_text(block.text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[str]:
    """A server with those rules that asks for the key of the README."""
    path = folder / "flags.toml"
    with staged() as stage, EventStore(folder / "flagstaff-events.db") as store:
        stage.app = create_app(RulesFile(path, partial(load_file, path)), store, KEY)
        yield stage.url


# -- what is written runs ------------------------------------------------------------------------------


@pytest.mark.parametrize("page", pages_with("python"), ids=page_id)
def test_python_on_a_page_runs_and_prints_what_the_page_says(page: Path, folder: Path, server: str) -> None:
    told = blocks(page, "python")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.docs.child"],
        input=json.dumps([block.text.replace(SERVER, server) for block in told]),
        env=environment() | {"PYTHONSAFEPATH": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == [block.printed for block in told]


@pytest.mark.parametrize("page", pages_with("toml"), ids=page_id)
def test_rules_on_a_page_load_and_mean_what_the_page_says(page: Path) -> None:
    for block in blocks(page, "toml"):
        loaded = load(toml_document(block), suffix=".toml", source=block.text)

        assert loaded.warnings == ()
        if block.after is not None and block.after.language == "json":
            assert loaded.canonical == json.loads(block.after.text)


def commands_of(page: Path) -> list[list[str]]:
    lines = [line for block in blocks(page, "sh") for line in block.text.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("flagstaff ")]


@pytest.mark.parametrize("command", commands_of(README), ids=" ".join)
def test_a_command_in_the_readme_does_what_it_says(
    command: list[str], folder: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    if command[0] == "doctor":
        monkeypatch.setenv("FLAGSTAFF_KEY", KEY)
        command = [part.replace(SERVER, server) for part in command]
    monkeypatch.setenv("FLAGSTAFF_OVERRIDE_SECRET", "s" * 32)
    EventStore(folder / "flagstaff-events.db").close()
    if command[0] == "serve":  # would not end
        app.commands["serve"].make_context("serve", command[1:])
        return

    done = CliRunner().invoke(app, command)

    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT)
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_readme_is_for_people_in_a_hurry() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 195


def test_the_quickstart_is_the_first_block_of_the_readme() -> None:
    quickstart = (ROOT / "examples" / "quickstart.py").read_text(encoding="utf-8")

    assert quickstart.partition('"""\n\n')[2] == blocks(README, "python")[0].text


# -- what there is is written --------------------------------------------------------------------------


def test_every_model_has_its_section() -> None:
    models = {
        name
        for name, found in vars(document).items()
        if is_typeddict(found) and found.__module__ == document.__name__
    }

    told = {name for names in SECTIONS.values() for name in names}
    assert {name for name in models - told if not name.startswith("_")} == {
        *("BrokenCondition", "DialectCondition", "KnownCondition", "RangesCondition", "ReaderCondition")
    }


@pytest.mark.parametrize("title", SECTIONS)
def test_a_section_names_every_field_and_no_other(title: str) -> None:
    own = {"metadata"} if title == "Flags" else set()
    assert named(section(RULES, title)) == fields_of(SECTIONS[title]) - (ADDED - own)


def test_the_forms_for_other_dialects_are_documented() -> None:
    models = [found for found in vars(general).values() if is_typeddict(found)]
    fields = {field for found in models for field in found.__annotations__}

    assert named(section(RULES, TRANSLATED)) == fields | ADDED | {"known", "ranges"}


def test_every_operator_is_documented() -> None:
    assert named(section(RULES, "Operators")) == OPERATORS.keys()


def test_every_reason_is_documented() -> None:
    assert named(section(RULES, "Reasons")) == {str(reason) for reason in Reason}


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_every_keyword_of_a_client_is_documented(client: type[Client | AsyncClient]) -> None:
    makers = (client, client.from_file, client.from_document)
    keywords = {name for make in makers for name in inspect.signature(make).parameters}

    assert keywords - {"path", "document"} == named(section(SETTINGS, "Settings"))
    assert set(inspect.signature(Settings).parameters) - keywords == {"default_poll_interval", "environ"}


def test_every_variable_of_the_environment_is_documented() -> None:
    variable = re.compile("FLAGSTAFF_[A-Z_]+[A-Z]")
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "sdk" / "flagstaff").rglob("*.py")]
    read = {name for source in sources for name in variable.findall(source)}
    told = {
        name for page in (README, SETTINGS, FRAMEWORKS) for name in variable.findall(page.read_text("utf-8"))
    }

    assert read == told


def test_every_format_is_documented() -> None:
    (row,) = (line for line in SETTINGS.read_text("utf-8").splitlines() if line.startswith("| `format`"))

    assert {name for name in FORMATS if f"`{name}`" in row} == set(FORMATS)


def test_every_reason_for_a_loss_is_documented() -> None:
    reasons = {value for name, value in vars(ledger).items() if name.isupper() and isinstance(value, str)}

    assert named(section(SETTINGS, "The numbers")) == reasons


def test_every_option_of_the_web_integrations_is_documented() -> None:
    options = set(inspect.signature(Site).parameters) - {"client"}
    settings = {name.lower() for name in SITE_SETTINGS}

    assert named(section(FRAMEWORKS, "For all of them")) == options == settings | {"debug"}


def test_every_check_of_django_is_documented() -> None:
    source = (ROOT / "sdk/flagstaff/integrations/django/checks.py").read_text(encoding="utf-8")
    told = {name for name in named(section(FRAMEWORKS, "Django")) if name.startswith("flagstaff.")}

    assert told == set(re.findall(r"flagstaff\.[EW]\d{3}", source))


def test_every_reason_to_refuse_a_token_is_documented() -> None:
    assert named(section(OVERRIDES, "Links")) == {*REFUSALS}


def test_every_rung_of_the_overrides_is_documented() -> None:
    assert named(section(OVERRIDES, "Overrides")) == {OVERRIDE, REQUEST, ENVIRONMENT, FILE}


def test_every_command_is_documented() -> None:
    assert {command[0] for command in commands_of(README)} == app.commands.keys()
