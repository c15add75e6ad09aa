"""Every exception that flagstaff raises on purpose.

Evaluation raises none of them: they come from construction, configuration and loading.

* FlagstaffError
  + ConfigError          a setting is wrong; names the setting and the way out
    - MissingExtraError  an optional dependency is not installed; names the extra
  + RulesError           a rules document can't be used; carries every problem with its path
  + OverrideError        an override names a flag or a variant that the rules don't have
  + ServeError           the development server can't start (a port in use, a foreign database)
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "ConfigError",
    "FlagstaffError",
    "MissingExtraError",
    "OverrideError",
    "Problem",
    "RulesError",
    "ServeError",
]


class FlagstaffError(Exception):
    """The root of all of them: catch this to catch everything that flagstaff raises."""


class ConfigError(FlagstaffError):
    """A setting has a value that can't work.

    ``setting`` is its name as the caller wrote it (a keyword or an environment variable).
    """

    def __init__(self, setting: str, message: str) -> None:
        super().__init__(f"{setting}: {message}")
        self.setting: str = setting


class MissingExtraError(ConfigError):
    """A feature was asked for whose optional dependency is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            extra, f"{feature} needs an extra; install it with: pip install 'flagstaff[{extra}]'"
        )
        self.extra: str = extra


class OverrideError(FlagstaffError):
    """An override names something that can't be forced."""


class ServeError(FlagstaffError):
    """The development server can't start or can't go on; the text says what to change."""


class Problem:
    """One thing that is wrong in a rules document: where, what, and what was probably meant."""

    __slots__ = ("flag", "message", "path")

    def __init__(self, path: str, message: str, flag: str | None = None) -> None:
        self.path: str = path
        self.message: str = message
        self.flag: str | None = flag

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message

    def __repr__(self) -> str:
        return f"Problem({self.path!r}, {self.message!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Problem) and (self.path, self.message) == (other.path, other.message)

    def __hash__(self) -> int:
        return hash((self.path, self.message))


class RulesError(FlagstaffError):
    """A rules document can't be used.

    ``problems`` holds every problem that was found, not just the first; ``source`` says where the
    document came from (a path, a URL without its query, or ``"document"``).
    """

    def __init__(self, problems: Iterable[Problem], source: str = "document") -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        self.source: str = source
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        count = len(self.problems)
        super().__init__(f"{source}: {count} problem{'' if count == 1 else 's'}\n{lines}")
