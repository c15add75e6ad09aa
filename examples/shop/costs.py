"""What an evaluation costs, beside one hash."""

from __future__ import annotations

import timeit
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import mmh3
from visitors import visitor

from flagstaff import Client


def costs(rules: Path) -> Iterator[tuple[str, float]]:
    """Nanoseconds of a call, beside those of one hash."""
    contexts = [visitor(number).context() for number in range(1_000)]
    texts = [f"checkout-cta:{context.targeting_key}" for context in contexts]
    yield "mmh3.hash(text), for comparison", _cost(mmh3.hash, texts)
    with Client.from_file(rules) as client, Client.from_file(rules, events=_Nowhere()) as measuring:
        yield 'enabled("payments"): a switch', _cost(partial(client.enabled, "payments"), contexts)
        yield 'enabled("new-checkout"): a rollout', _cost(partial(client.enabled, "new-checkout"), contexts)
        yield 'variant("checkout-cta"): a test', _cost(partial(client.variant, "checkout-cta"), contexts)
        yield "  and its exposure, known already", _cost(partial(measuring.variant, "checkout-cta"), contexts)


def _cost(call: Callable[[Any], object], subjects: list[Any]) -> float:
    def once() -> None:
        for subject in subjects:
            call(subject)

    return min(timeit.repeat(once, number=5, repeat=10)) / 5 / len(subjects) * 1e9


class _Nowhere:
    def send(self, events: object) -> None:
        pass
