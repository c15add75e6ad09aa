"""Who visits the shop, and what its pages ask of the flags."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from flagstaff import Client, Context

FLAGS = (
    "payments",
    "new-checkout",
    "one-click",
    "search",
    "checkout-cta",
    "delivery-promise",
    "volume-discount",
)
PINNED = 7  # the rules pin this visitor, so no chance is involved
_ORGANISATIONS = 3_000
_PAGES = 2


class Visitor(NamedTuple):
    number: int
    country: str
    plan: str
    app_version: str
    org_id: str | None

    @property
    def key(self) -> str:
        return f"visitor-{self.number}"

    @property
    def buys(self) -> bool:
        return self.number % 10 == 0

    def context(self) -> Context:
        known = {"country": self.country, "plan": self.plan, "app_version": self.app_version}
        if self.org_id is not None:
            known["org_id"] = self.org_id
        return Context(self.key, known)


def visitor(number: int) -> Visitor:
    """The same visitor for the same number, in every process."""
    draw = random.Random(number)  # noqa: S311  # traffic, not secrets
    return Visitor(
        number,
        country=draw.choice(("NL", "BE", "LU", "DE", "FR", "GB")),
        plan=draw.choice(("free", "plus")),
        app_version=draw.choice(("4.1.9", "4.2.0-beta.1", "4.2.0", "4.3.1", "5.0.0")),
        org_id=f"org-{draw.randrange(_ORGANISATIONS)}" if draw.random() < 0.4 else None,
    )


def visits_to(worker: int, workers: int, visitors: int) -> Iterator[tuple[Visitor, bool]]:
    """A worker's own visitors (True), and every fifth of its neighbour's, who comes by again (False)."""
    place = worker % workers  # workers count from one
    for number in range(visitors):
        if number % workers == place:
            yield visitor(number), True
        elif number % 5 == 0 and (number + 1) % workers == place:
            yield visitor(number), False


def visits(workers: int, visitors: int) -> int:
    """How many visits all workers see."""
    again = 0 if workers == 1 else len(range(0, visitors, 5))
    return visitors + again


def visit(client: Client, who: Visitor) -> Counter[tuple[str, str | None]]:
    """A visitor looks at some pages, each of which asks for every flag: which variant was met how often."""
    flags = client.bind(who.context())
    return Counter((flag, flags.variant(flag)) for _ in range(_PAGES) for flag in FLAGS)


def buy(client: Client, who: Visitor) -> None:
    """A visitor orders something, which is what the experiments are judged by."""
    discount = client.value("volume-discount", who.context(), default=0)
    client.track("order-placed", who.context(), value=120.0 * (1 - discount / 100), currency="EUR")
