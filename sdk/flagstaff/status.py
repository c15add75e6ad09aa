"""How a client is."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Status"]


class Status:
    """How a client is, at one moment.

    ``state`` is NOT_READY (no rules yet), READY, or STALE (rules are there, but the source can't confirm
    them now, or they are older than ``max_stale``). ``project`` and ``environment`` are the rules' own, None
    while there are none. ``age`` counts the seconds since they were last known to be current. ``problems``
    are sentences for people: empty when all is well. ``refused_overrides`` counts the override tokens that
    were refused, by reason. ``str()`` of it is readable, ``to_dict()`` is for machines.
    """

    __slots__ = (
        "age",
        "environment",
        "flags",
        "pending",
        "problems",
        "project",
        "refused_overrides",
        "revision",
        "source",
        "state",
    )

    state: str
    source: str
    project: str | None
    environment: str | None
    revision: int | None
    flags: int
    age: float | None
    pending: int
    problems: tuple[str, ...]
    refused_overrides: dict[str, int]

    def __init__(
        self,
        *,
        state: str,
        source: str,
        project: str | None,
        environment: str | None,
        revision: int | None,
        flags: int,
        age: float | None,
        pending: int,
        problems: tuple[str, ...],
        refused_overrides: dict[str, int],
    ) -> None:
        self.state = state
        self.source = source
        self.project = project
        self.environment = environment
        self.revision = revision
        self.flags = flags
        self.age = age
        self.pending = pending
        self.problems = problems
        self.refused_overrides = refused_overrides

    @property
    def ready(self) -> bool:
        """Whether there are rules to decide by."""
        return self.state != "NOT_READY"

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return {name: getattr(self, name) for name in self.__slots__} | {"problems": list(self.problems)}

    def __str__(self) -> str:
        age = "" if self.age is None else f", confirmed {self.age:.0f} s ago"
        head = f"{self.state}: {self.flags} flags from {self.source}{age}; {self.pending} events pending"
        refused = ", ".join(f"{count} {reason}" for reason, count in self.refused_overrides.items())
        lines = [*self.problems, *([f"override tokens refused: {refused}"] if refused else [])]
        return "\n".join([head, *(f"  {line}" for line in lines)])

    def __repr__(self) -> str:
        return f"<Status {self.state}, {len(self.problems)} problems>"
