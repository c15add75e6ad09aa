"""What is plain has the right shape: the schema, which is not asked, would say the same."""

from __future__ import annotations

import json
import subprocess
import sys
from copy import deepcopy
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings

from flagstaff.formats import load
from flagstaff.formats.native.document import Document
from flagstaff.formats.native.plainly import is_plain, is_plain_head
from flagstaff.formats.native.shape import faults_of
from tests.formats.test_moulds import ODDITIES, crowded, places
from tests.strategies import Author, randoms

SECTIONS = ("segments", "layers", "holdouts", "experiments", "flags")


@settings(max_examples=150)
@given(randoms())
def test_what_is_plain_has_no_fault(random: Random) -> None:
    document = crowded(Author(random).document(4), random)
    if random.random() < 0.3:
        document = load(document, strict=False).canonical
    for section in SECTIONS:
        for name, part in document.get(section, {}).items():
            called = random.choice((name, name, name, random.choice(ODDITIES)))
            if isinstance(called, str) and is_plain(section, called, part):
                assert faults_of({"version": 1, section: {called: part}}) == []


@settings(max_examples=100)
@given(randoms())
def test_a_head_that_is_plain_has_no_fault(random: Random) -> None:
    head: dict[str, Any] = {
        "version": random.choice((1, 1, 1, 1.0, True, 2, "1")),
        "project": deepcopy(random.choice(("shop", *ODDITIES))),
        "revision": deepcopy(random.choice((0, 7, None, *ODDITIES))),
        "shared_salts": deepcopy(random.choice(([], ["x"], *ODDITIES))),
        "flags": {},
    }
    holder, key = random.choice([*places(head)])
    if random.random() < 0.5:
        holder[key] = deepcopy(random.choice(ODDITIES))
    if random.random() < 0.2:
        head[random.choice(("$schema", "description", "more", "layers"))] = deepcopy(random.choice(ODDITIES))
    if is_plain_head(head):
        assert faults_of(head) == []


@pytest.mark.parametrize("field", [field for field in Document.__annotations__ if field not in SECTIONS])
@pytest.mark.parametrize("value", ODDITIES)
def test_no_field_of_a_head_is_plain_with_what_it_can_not_be(field: str, value: Any) -> None:
    head = {"version": 1, field: value}
    assert not is_plain_head(head) or faults_of(head) == []


def test_a_plain_document_is_read_without_the_schema() -> None:
    document = {"version": 1, "flags": {"new-checkout": {"rules": [{"rollout": 100}]}}}
    program = f"""
import sys
from flagstaff import Client, Context
with Client.from_document({json.dumps(document)!r}.encode()) as client:
    assert client.enabled("new-checkout", Context("user-1"))
assert "pydantic" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
