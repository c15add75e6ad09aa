"""What the fuzzer asks of a vendor: random documents and users, and what its own SDK says of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from random import Random
from threading import Timer
from typing import Any, ClassVar, TypeAlias

from flagstaff import Context, Decision

__all__ = ["VENDORS", "Answers", "Child", "Vendor", "find_vendor"]

VENDORS = tuple(
    line.partition(":")[0] for line in Path(__file__).with_name("oracles.txt").read_text().splitlines()
)
"""Everybody whose SDK is asked: the name is that of the format, of the module here and of the environment."""

Answers: TypeAlias = Mapping[str, Any]
"""By flag, what the vendor's SDK says for one context; in whatever shape ``Vendor.compare`` understands."""


class Vendor:
    """A vendor's SDK as the oracle. A module ``tests/fuzz/<format>.py`` names its own ``Fuzz``.

    What is random in the SDK itself must not be asked for, and nothing but ``random`` may be drawn from: a
    seed is all that it takes to see a difference again.
    """

    format: ClassVar[str]
    options: ClassVar[Mapping[str, Any]] = {}

    def document(self, random: Random) -> dict[str, Any]:
        """A document with a few flags: plausible ones mostly, and the odd and the broken among them."""
        raise NotImplementedError

    def contexts(self, random: Random, document: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Some dozens of contexts, in the vendor's own shape, that the document's rules tell apart."""
        raise NotImplementedError

    def oracle(self, document: Mapping[str, Any], contexts: Sequence[Mapping[str, Any]]) -> list[Answers]:
        """What the SDK says: for every context, in their order, of each flag."""
        raise NotImplementedError

    def compare(self, decision: Decision, answer: Any) -> str | None:
        """What differs, in a few words; None where the decision says what the SDK says."""
        raise NotImplementedError

    def default(self, document: Mapping[str, Any], flag: str) -> Any:  # noqa: ARG002 - for whoever needs it
        """The caller's default."""
        return None

    def context(self, given: Mapping[str, Any]) -> Context:
        """The vendor's context as flagstaff has it."""
        made: Context = import_module(f"flagstaff.formats.{self.format}").context(given)
        return made

    def close(self) -> None:
        """Called at the end."""


def find_vendor(name: str) -> Vendor:
    """The vendor of that name, in an environment that has its SDK."""
    made: Vendor = import_module(f"tests.fuzz.{name}").Fuzz()
    return made


_PATIENCE = 60.0  # seconds for one answer


class Child:
    """An SDK in JavaScript: ``tests/fuzz/<program>.cjs``, which answers every line of JSON with one.

    ``require`` finds its packages where the environment has them, beside the Python that runs this.
    """

    def __init__(self, program: str) -> None:
        self._process = subprocess.Popen(
            ["node", Path(__file__).with_name(f"{program}.cjs")],
            env={**os.environ, "NODE_PATH": str(Path(sys.prefix) / "node_modules")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, question: Any) -> Any:
        """What the program answers; RuntimeError where it ended instead."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
        watchdog = Timer(_PATIENCE, process.kill)
        watchdog.start()
        line = process.stdout.readline()
        watchdog.cancel()
        if not line:
            raise RuntimeError(f"the oracle ended: {process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        with suppress(BrokenPipeError):
            self._process.communicate(timeout=_PATIENCE)
