"""``flagstaff convert``: what is printed decides as what was read."""

from __future__ import annotations

import json
from pathlib import Path

from flagstaff.formats import load
from tests.cli.lab import SHOP, invoke, write


def test_a_native_document_is_printed_in_canonical_form(tmp_path: Path) -> None:
    result = invoke("convert", write(tmp_path, SHOP))

    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout) == load(SHOP).canonical
