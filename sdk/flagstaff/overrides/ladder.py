"""The ladder of overrides: the strongest rung that names a flag wins."""

from __future__ import annotations

from contextvars import ContextVar

from flagstaff.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

__all__ = ["ENVIRONMENT", "FILE", "OVERRIDE", "REQUEST", "Forced", "Overrides", "parse_overrides"]

if TYPE_CHECKING:
    Wanted: TypeAlias = str | bool
    """A variant's name; True or False stands for the variant with that value."""

# The rungs, strongest first: what a decision's metadata calls them.
OVERRIDE = "override"
REQUEST = "request"
ENVIRONMENT = "environment"
FILE = "file"


class Forced:
    """What a flag is forced to, and by which rung."""

    __slots__ = ("rung", "wanted")

    def __init__(self, wanted: Wanted, rung: str) -> None:
        self.wanted: Wanted = wanted
        self.rung: str = rung


class Frame:
    """Overrides that one ``with`` block has put on top of others, and whose they are."""

    __slots__ = ("below", "ended", "owner", "rung", "token", "wanted")

    def __init__(self, owner: Overrides, wanted: Mapping[str, Wanted], rung: str, token: str | None) -> None:
        self.owner: Overrides = owner
        self.wanted: Mapping[str, Wanted] = wanted
        self.rung: str = rung
        self.token: str | None = token
        self.below: Frame | None = _live()
        self.ended: bool = False
        _top.set(self)


_top: ContextVar[Frame | None] = ContextVar("flagstaff_overrides", default=None)


def _live() -> Frame | None:
    """The topmost frame here that has not ended: generators end in any order, and in any task."""
    frame = _top.get()
    while frame is not None and frame.ended:
        frame = frame.below
    return frame


class Overrides:
    """One client's overrides: those of running code, strongest the last, then those of the environment."""

    def __init__(self, environment: Mapping[str, Wanted]) -> None:
        self.environment = environment
        self.file: Mapping[str, Wanted] = {}
        self._naming: dict[str, set[Frame]] = {}

    def named(self, flag: str) -> bool:
        """Whether any override, in any thread or task, names the flag; if none does, no need to ``find``."""
        return flag in self.environment or flag in self.file or bool(self._naming.get(flag))

    def names(self) -> set[str]:
        """All flags that any override names."""
        return {*self.environment, *self.file, *(name for name, by in list(self._naming.items()) if by)}

    def push(self, wanted: Mapping[str, Wanted], rung: str = OVERRIDE, token: str | None = None) -> Frame:
        """Put overrides on top, in this thread or task only."""
        frame = Frame(self, wanted, rung, token)
        for name in wanted:
            self._naming.setdefault(name, set()).add(frame)
        return frame

    def pop(self, frame: Frame) -> None:
        """Take them off again."""
        frame.ended = True
        for name in frame.wanted:
            self._naming[name].discard(frame)
        _top.set(_live())

    def find(self, flag: str) -> Forced | None:
        """What a flag is forced to here and now."""
        request = None
        frame = _top.get()
        while frame is not None:
            if frame.owner is self and not frame.ended and flag in frame.wanted:
                if frame.rung == OVERRIDE:
                    return Forced(frame.wanted[flag], OVERRIDE)
                request = request or frame
            frame = frame.below
        if request is not None:
            return Forced(request.wanted[flag], request.rung)
        if flag in self.environment:
            return Forced(self.environment[flag], ENVIRONMENT)
        return Forced(self.file[flag], FILE) if flag in self.file else None

    def token(self) -> str | None:
        """The token of the request that is being dealt with here, if one is in force."""
        frame = _top.get()
        while frame is not None:
            if frame.owner is self and not frame.ended and frame.token is not None:
                return frame.token
            frame = frame.below
        return None


def parse_overrides(text: str, setting: str) -> dict[str, Wanted]:
    """Read ``"checkout-cta=urgent,new-checkout=on"``; ConfigError names ``setting`` if it is malformed."""
    wanted: dict[str, Wanted] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        flag, equals, variant = (piece.strip() for piece in part.partition("="))
        if not (flag and equals and variant):
            raise ConfigError(setting, f"must read flag=variant,flag=variant, not {part!r}")
        wanted[flag] = variant
    return wanted
