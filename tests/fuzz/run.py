"""Decide random documents by flagstaff and by a vendor's own SDK, and see whether they ever differ.

    make fuzz ARGS="--vendor unleash --seed 7 --budget 100000"

Every document is decided twice: as it is, and converted to a native document. A difference is shown with the
smallest document and context that still have it; --document N with the same seed makes the Nth again.
The status is 1 if anything differs.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import count
from random import Random
from typing import Any, NamedTuple

from flagstaff import Client, Decision
from flagstaff.formats import load
from tests.fuzz.shrink import shrunk
from tests.fuzz.vendor import Vendor, find_vendor

__all__ = ["Difference", "Result", "differences", "fuzz", "main"]

BUDGET = 100_000


class Difference(NamedTuple):
    """One flag, for one context, that isn't decided as the vendor's SDK decides it."""

    way: str
    flag: str
    context: Mapping[str, Any]
    answer: Any
    decision: Decision | None
    why: str

    def __str__(self) -> str:
        said = f"the SDK: {self.answer}\n  flagstaff: {self.decision}\n  ({self.why})"
        return f"{self.flag!r}, {self.way}\n  {said}"


class Result(NamedTuple):
    """What a run came to."""

    evaluations: int
    documents: int
    found: list[str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--vendor", required=True)
    parser.add_argument("--seed", type=int, help="any number; default: the time")
    parser.add_argument("--budget", type=int, default=BUDGET, help="evaluations")
    parser.add_argument("--most", type=int, default=3, help="documents that differ, after which to stop")
    parser.add_argument("--document", type=int, help="this one alone")
    given = parser.parse_args()
    seed = time.time_ns() % 1_000_000 if given.seed is None else given.seed
    numbers = range(given.document, given.document + 1) if given.document is not None else count()
    start = time.perf_counter()
    logging.disable()  # broken documents are part of it
    with closing(find_vendor(given.vendor)) as vendor:
        result = fuzz(vendor, seed, numbers, given.budget, given.most)
    for text in result.found:
        print(text)
    print(
        f"{given.vendor}: {result.evaluations:,} evaluations of {result.documents:,} documents, seed {seed}:"
        f" {len(result.found)} documents differ ({time.perf_counter() - start:.0f} s)"
    )
    return 1 if result.found else 0


def fuzz(vendor: Vendor, seed: int, numbers: Iterator[int] | range, budget: int, most: int = 3) -> Result:
    """Decide documents by their numbers until the budget of evaluations is spent."""
    evaluations = documents = 0
    found: list[str] = []
    for number in numbers:
        random = Random(f"{seed}:{number}")
        document = vendor.document(random)
        contexts = vendor.contexts(random, document)
        different = next(differences(vendor, document, contexts), None)
        documents += 1
        evaluations += len(contexts) * len(vendor.oracle(document, contexts[:1])[0])
        if different is not None:
            found.append(f"--seed {seed} --document {number}: {_smallest(vendor, document, different)}")
        if evaluations >= budget or len(found) >= most:
            break
    return Result(evaluations, documents, found)


def differences(
    vendor: Vendor, document: Mapping[str, Any], contexts: Sequence[Mapping[str, Any]]
) -> Iterator[Difference]:
    """Everything that differs, as flagstaff reads the document and as it reads the converted one."""
    answers = vendor.oracle(document, contexts)
    for way in (_as_it_is, _converted):
        try:
            client = way(vendor, document)
        except Exception as error:  # noqa: BLE001 - the SDK did read it
            wrong = f"{type(error).__name__}: {error}"
            yield Difference(way.__name__, "*", contexts[0], answers[0], None, wrong)
            continue
        with client:
            for given, answer in zip(contexts, answers, strict=True):
                context = vendor.context(given)
                for flag, expected in answer.items():
                    default = vendor.default(document, flag)
                    decision = client.decide(flag, context, default, exposure=False)
                    why = vendor.compare(decision, expected)
                    if why is not None:
                        yield Difference(way.__name__, flag, given, expected, decision, why)


def _as_it_is(vendor: Vendor, document: Mapping[str, Any]) -> Client:
    return Client.from_document(document, format=vendor.format, **_options(vendor))


def _converted(vendor: Vendor, document: Mapping[str, Any]) -> Client:
    loaded = load(document, format=vendor.format, **_options(vendor))
    return Client.from_document(loaded.canonical_json)


def _options(vendor: Vendor) -> dict[str, Any]:
    return {"format_options": vendor.options} if vendor.options else {}


def _smallest(vendor: Vendor, document: Mapping[str, Any], different: Difference) -> str:
    """The difference, with the smallest document and context that are found to have it."""

    def differ(both: Mapping[str, Any]) -> Difference | None:
        try:
            found = differences(vendor, both["document"], [both["context"]])
            return next((one for one in found if one.flag == different.flag), None)
        except Exception:  # noqa: BLE001 - too little is left for the SDK to read
            return None

    both = {"document": document, "context": dict(different.context)}
    if differ(both) is None:
        return f"{different}\n  only among other contexts"
    both = shrunk(both, lambda smaller: differ(smaller) is not None)
    parts = [f"\n  {name}: {json.dumps(part, ensure_ascii=False)}" for name, part in both.items()]
    return "".join([str(differ(both)), *parts])


if __name__ == "__main__":
    sys.exit(main())
