"""Bytes of some dialect to rules. Each format is a room of its own; this one finds it by name.

Whatever the dialect, rules are read as a native document in the end: a translator writes what another
vendor's document means in canonical form, so ``flagstaff convert`` prints just what is decided by.
"""

from __future__ import annotations

from flagstaff.errors import ConfigError, Problem, RulesError
from flagstaff.formats.suggest import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from flagstaff.formats.endpoint import Endpoint
    from flagstaff.formats.native import Loaded
    from flagstaff.settings import Secret

__all__ = ["FORMATS", "NATIVE", "VENDORS", "Format", "check_format", "load"]

VENDORS = ("unleash", "growthbook", "flagd", "optimizely", "eppo", "launchdarkly", "flagsmith")
FORMATS = ("native", "auto", *VENDORS)


class Format:
    """A format by its name, with the options that documents in it are read with."""

    __slots__ = ("name", "options")

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self.name: str = name
        self.options: Mapping[str, Any] = options

    @property
    def is_ours(self) -> bool:
        """Whether a server that speaks it speaks the rest of flagstaff's protocol, too."""
        return self.name not in VENDORS

    def load(
        self,
        data: bytes | Mapping[str, Any],
        *,
        suffix: str = ".json",
        source: str = "document",
        strict: bool = True,
        before: Loaded | None = None,
        breathe: Callable[[], object] | None = None,
    ) -> Loaded:
        """Read a document; ``strict`` refuses what a lenient reader leaves out. RulesError, ConfigError.

        Where there was a version ``before`` it, only what has changed is read. ``breathe`` is called every
        millisecond or so, to let others work. Of another vendor's document, what is wrong with a single flag
        is a warning, strict or not, since that vendor's SDK would go on without it.
        """
        from flagstaff.formats import native

        if self.name == "native":
            return native.load(
                data, suffix=suffix, source=source, strict=strict, before=before, breathe=breathe
            )
        raw = _plain(data, suffix, source)
        name = _guessed(raw, source) if self.name == "auto" else self.name
        if name == "native":
            return native.load(raw, source=source, strict=strict, before=before, breathe=breathe)
        translated = _translated(name, raw, self.options, source)
        loaded = native.load(translated.document, source=source, strict=False, before=before, breathe=breathe)
        loaded.warnings = (*translated.warnings, *loaded.warnings)
        loaded.translated = True
        return loaded

    def endpoint(self, url: str, key: Secret | None) -> Endpoint:
        """Where the server at ``url`` has its rules. ConfigError names what is missing, such as a key."""
        from flagstaff.formats.endpoint import endpoint

        return endpoint(self.name, url, key, self.options)

    def __repr__(self) -> str:
        return f"Format({self.name!r}, {sorted(self.options)})"


NATIVE = Format("native", {})


def check_format(name: object, options: Mapping[str, Any] | None = None) -> Format:
    """The format of a name; ConfigError where there is none, or where it doesn't have such options."""
    if not isinstance(name, str) or name not in FORMATS:
        hint = did_you_mean(str(name), FORMATS)
        raise ConfigError("format", f"must be one of {', '.join(FORMATS)}, not {name!r}{hint}")
    if not options:
        return Format(name, {})
    check = getattr(_room(name), "check_options", None) if name in VENDORS else None
    if check is None:
        problem = "need the format by its name" if name == "auto" else f"are not for the format {name}"
        raise ConfigError("format_options", problem)
    check(options)
    return Format(name, dict(options))


def load(
    data: bytes | Mapping[str, Any],
    *,
    format: str | Format = NATIVE,  # noqa: A002 - what everybody calls it
    suffix: str = ".json",
    source: str = "document",
    strict: bool = True,
    before: Loaded | None = None,
    breathe: Callable[[], object] | None = None,
) -> Loaded:
    """Read a rules document: ``Format.load`` of a format, or of the one of that name."""
    found = format if isinstance(format, Format) else check_format(format)
    return found.load(data, suffix=suffix, source=source, strict=strict, before=before, breathe=breathe)


def _plain(data: bytes | Mapping[str, Any], suffix: str, source: str) -> Any:
    from flagstaff.formats.native.reading import plain, read

    return read(bytes(data), suffix, source) if isinstance(data, bytes | bytearray) else plain(data)


def _guessed(raw: Any, source: str) -> str:
    from flagstaff.formats.shapes import format_of

    found = format_of(raw)
    if found is None and isinstance(raw, dict) and raw and not raw.keys() & {"version", "flags"}:
        known = ", ".join(name for name in FORMATS if name != "auto")
        raise RulesError([Problem("", f"looks like a document of no format that is known: {known}")], source)
    return found or "native"  # whose reader says best what it is that is missing


def _translated(name: str, raw: Any, options: Mapping[str, Any], source: str) -> Any:
    if not isinstance(raw, dict):
        raise RulesError(
            [Problem("", f"a document of {name} is an object, not {type(raw).__name__}")], source
        )
    try:
        return _room(name).translate(raw, options)
    except RecursionError:
        raise RulesError([Problem("", "is nested too deep")], source) from None
    except RulesError as error:
        raise RulesError(error.problems, source) from None


def _room(name: str) -> Any:
    from importlib import import_module

    return import_module(f"flagstaff.formats.{name}")
