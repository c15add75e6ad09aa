"""What is wrong with a client in this process, and how to mend it."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from flagstaff.events.ledger import Counts
    from flagstaff.sources import Source
    from flagstaff.status import Status

__all__ = ["Diagnosis", "Finding"]

_SKEW = 60.0  # seconds between our clock and the server's that nobody need worry about


class Finding:
    """One thing that was looked at: its ``name``, whether it is ``ok``, and what was found, in a sentence.

    ``remedy`` says how to mend what is not.
    """

    __slots__ = ("name", "ok", "remedy", "says")

    name: str
    ok: bool
    says: str
    remedy: str | None

    def __init__(self, name: str, says: str, remedy: str | None = None) -> None:
        """With a ``remedy`` it is something wrong."""
        self.name = name
        self.ok = remedy is None
        self.says = says
        self.remedy = remedy

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return {name: getattr(self, name) for name in ("name", "ok", "says", "remedy")}

    def __str__(self) -> str:
        told = f"{'ok ' if self.ok else 'BAD'}  {self.name}: {self.says}"
        return told if self.remedy is None else f"{told}\n     {self.remedy}"

    def __repr__(self) -> str:
        return f"<Finding {self.name} {'ok' if self.ok else 'BAD'}>"


class Diagnosis:
    """All that was looked at. ``str()`` of it is readable, ``to_dict()`` is for machines."""

    __slots__ = ("findings",)

    findings: tuple[Finding, ...]

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        self.findings = findings

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return all(finding.ok for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return {"ok": self.ok, "findings": [finding.to_dict() for finding in self.findings]}

    def __str__(self) -> str:
        return "\n".join(map(str, self.findings))

    def __repr__(self) -> str:
        bad = sum(not finding.ok for finding in self.findings)
        return f"<Diagnosis {len(self.findings)} findings, {bad} bad>"


def rules(status: Status, source: Source) -> Finding:
    """Whether there are rules, and whether they are current."""
    age = "" if status.age is None else f", confirmed {status.age:.0f} s ago"
    says = f"{status.state}, {status.flags} flags{age}; {getattr(source, 'channel', 'no server')}"
    if status.state == "READY":
        return Finding("rules", says)
    if source.fault is None and status.state == "NOT_READY":
        return Finding("rules", says, "None have arrived so far: wait_ready() waits for them.")
    fault = source.fault or "older than max_stale"
    return Finding("rules", f"{says}; {fault}", "Check address, key and network; it is tried again for ever.")


def events(counts: Counts | None, fault: str | None) -> list[Finding]:
    """Whether events leave, and what was lost; None where they go nowhere."""
    if counts is None:
        return [Finding("events", "go nowhere")]
    says = f"{counts['delivered']} delivered, {counts['pending']} pending"
    remedy = "Nothing is lost while there is room; check the collector's address, key and network."
    found = [Finding("events", says) if fault is None else Finding("events", f"{says}; {fault}", remedy)]
    if counts["dropped"]:
        told = ", ".join(f"{count} for {reason}" for reason, count in counts["dropped"].items())
        found.append(Finding("losses", told, "stats() tells the flags and variants that they are of."))
    return found


def refused(says: str | None) -> Finding | None:
    """Whether events lie there that the collector would not have."""
    if says is None:
        return None
    remedy = "Each line of it has one, and the reason. Mend what makes or takes them, and delete the file."
    return Finding("refused", says, remedy)


def background(faults: list[str], remedy: str) -> Finding:
    """Whether what works in the background does."""
    return Finding("background", "; ".join(faults), remedy) if faults else Finding("background", "works")


def clock(skew: float | None) -> Finding:
    """How far the server's clock is ahead of ours, in seconds."""
    if skew is None:
        return Finding("clock", "no server has told its time")
    if abs(skew) <= _SKEW:
        return Finding("clock", "agrees with the server's to a minute")
    side = "behind" if skew > 0 else "ahead of"
    return Finding(
        "clock",
        f"is {abs(skew):,.0f} s {side} the server's",
        "Synchronise it (NTP): conditions on time, rollouts in steps and the day of an exposure go by it.",
    )


def place(name: str, directory: str) -> Finding:
    """Whether something can be kept in a directory, or in one that can be made there."""
    above = os.path.abspath(directory)  # noqa: PTH100 - pathlib would have to be imported
    while not os.path.lexists(above) and os.path.dirname(above) != above:  # noqa: PTH120
        above = os.path.dirname(above)  # noqa: PTH120
    if os.path.isdir(above) and os.access(above, os.W_OK | os.X_OK):  # noqa: PTH112
        return Finding(name, f"{directory} can be written to")
    return Finding(
        name,
        f"{directory} can't be written to",
        "Set `directory` or FLAGSTAFF_DIR to a place that outlives the process: without it neither rules nor"
        " events survive a restart.",
    )


def uwsgi() -> Finding | None:
    """Whether uWSGI, if this is a process of its, lets threads run and tells Python of its forks."""
    module: Any = sys.modules.get("uwsgi")
    options = getattr(module, "opt", None)
    if not isinstance(options, dict):
        return None
    said = {
        name if isinstance(name, str) else name.decode()
        for name, value in options.items()
        if value not in (None, False, b"false", b"0")
    }
    if not said & {"enable-threads", "threads"}:
        return Finding(
            "uwsgi",
            "threads are not enabled: the client's stand still, rules don't change, and events wait on disk",
            "Start uWSGI with --enable-threads (or --threads).",
        )
    if "master" in said and not said & {"lazy-apps", "lazy", "py-call-uwsgi-fork-hooks"}:
        return Finding(
            "uwsgi",
            "it forks without telling Python: a client that the master has made stands still in its workers",
            "Start uWSGI with --lazy-apps, or with --py-call-uwsgi-fork-hooks (2.0.20 or later).",
        )
    return Finding("uwsgi", "threads are enabled, and Python hears of forks")


def greenlets() -> bool:
    """Whether gevent has replaced this process's sockets."""
    monkey: Any = sys.modules.get("gevent.monkey")
    return bool(monkey is not None and monkey.is_module_patched("socket"))


def gevent(before: bool) -> Finding | None:
    """Whether gevent came in time; ``before``: whether it was there when the client was made."""
    if not greenlets():
        return None
    if before:
        return Finding("gevent", "was there before the client")
    return Finding(
        "gevent",
        "replaced the sockets after the client was made: its threads are of the old kind",
        "Call gevent.monkey.patch_all() before anything else; gunicorn does, unless it is told to --preload.",
    )
