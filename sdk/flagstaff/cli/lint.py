"""``flagstaff lint`` and ``flagstaff schema``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import click

from flagstaff.cli.output import counted, json_option, print_json, print_line, shown
from flagstaff.cli.reading import read_file, written_options
from flagstaff.errors import FlagstaffError, Problem, RulesError

if TYPE_CHECKING:
    from flagstaff.formats import Format

__all__ = ["lint", "schema"]


@dataclass(frozen=True, slots=True)
class _Report:
    """What was found in one file, or why it could not be looked at."""

    file: str
    problems: Sequence[Problem] = ()
    warnings: Sequence[Problem] = ()
    failure: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "error": self.failure,
            "problems": [{"path": item.path, "message": item.message} for item in self.problems],
            "warnings": [{"path": item.path, "message": item.message} for item in self.warnings],
        }


@click.command(
    epilog="Exit codes: 0 no problems; 1 problems, or with --strict warnings; 2 a file can't be read."
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@written_options
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings, too.")
@json_option
@click.pass_context
def lint(
    ctx: click.Context, /, files: tuple[str, ...], *, strict: bool, as_json: bool, **written: Any
) -> None:
    """Check rules documents.

    A problem makes a document unusable. A warning doesn't: a flag that nobody owns or that has expired, a
    rule out of reach, a part that nothing uses, an experiment that doesn't say what is expected and measured.
    Warnings are looked for where there are no problems. Of another vendor's document, they tell what is not
    decided as it looks.
    """
    today = datetime.now(UTC).date()
    reports = [_examine(file, today, **written) for file in files]
    for report in reports:
        if report.failure is not None:
            click.echo(f"Error: {shown(report.failure)}", err=True)
    if as_json:
        print_json({"files": [report.to_dict() for report in reports]})
    else:
        _print(reports)
    ctx.exit(_exit_code(reports, strict))


def _examine(file: str, today: date, suffix: str | None, dialect: Format) -> _Report:
    from flagstaff.cli.advice import advise

    try:
        loaded = read_file(file, suffix, dialect)
    except RulesError as error:
        return _Report(file, problems=error.problems)
    except FlagstaffError as error:
        return _Report(file, failure=str(error))
    return _Report(file, warnings=loaded.warnings if loaded.translated else advise(loaded, today))


def _print(reports: Sequence[_Report]) -> None:
    for report in reports:
        for problem in report.problems:
            print_line(f"{report.file}: problem: {problem}", "red")
        for warning in report.warnings:
            print_line(f"{report.file}: warning: {warning}", "yellow")
    problems = counted(sum(len(report.problems) for report in reports), "problem")
    warnings = counted(sum(len(report.warnings) for report in reports), "warning")
    looked_at = counted(sum(report.failure is None for report in reports), "file")
    print_line(f"{problems}, {warnings} in {looked_at}", "bold")


def _exit_code(reports: Sequence[_Report], strict: bool) -> int:
    if any(report.failure is not None for report in reports):
        return 2
    return int(any(report.problems or (strict and report.warnings) for report in reports))


@click.command(epilog="Exit codes: 0 fine.")
@json_option
def schema(as_json: bool) -> None:  # noqa: ARG001 - it is JSON either way
    """Print the JSON Schema of rules documents, for editors."""
    from flagstaff.formats.native.shape import schema as schema_of_documents

    print_json({"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema_of_documents())
