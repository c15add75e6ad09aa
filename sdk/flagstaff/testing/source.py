"""Rules that a test holds in its hand: a source whose flags can be set one by one."""

from __future__ import annotations

import threading
from copy import copy
from dataclasses import replace

from flagstaff.core.rules import Arm, Bucket, Experiment, Flag, Rule, Rules, Variant
from flagstaff.errors import OverrideError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from typing import Any

    from flagstaff.formats.native import Loaded
    from flagstaff.sources import Publish

__all__ = ["MemorySource"]

_EVERYONE = 100_000  # buckets


class MemorySource:
    """Rules in memory that change when a test says so: a source for any client.

    ``rules`` is where to begin: a document as plain data or JSON bytes, the path of a rules file, or nothing.
    Given rules, a flag can be set only to what they know, so that a test can't be about a flag that is
    misspelt; without, any flag can be set to anything. RulesError and ConfigError as from
    ``Client.from_file`` and ``Client.from_document``.
    """

    def __init__(
        self,
        rules: Mapping[str, Any] | bytes | str | os.PathLike[str] | None = None,
        *,
        format: str = "native",  # noqa: A002 - what everybody calls it
    ) -> None:
        self.fault: str | None = None
        self.checked: float | None = None
        self._strict = rules is not None
        self._loaded = self._first = _loaded(rules, format)
        self._publish: Publish | None = None
        self._lock = threading.RLock()

    def fresh(self) -> MemorySource:
        """Another source with the same rules, which aren't read again, and nothing set."""
        made = copy(self)
        made._loaded, made._publish, made._lock = self._first, None, threading.RLock()
        return made

    def describe(self) -> str:
        """One line for people."""
        return "memory, for tests"

    def attach(self, publish: Publish) -> None:
        """Hand the rules to a client; what is set later, it gets at once."""
        self._publish = publish
        self.checked = 0.0
        publish(self._loaded)

    def set(self, flag: str, wanted: Any, *, experiment: str | None = None) -> None:
        """Let ``flag`` be ``wanted`` for everybody, from now on, in every thread and task.

        Where the rules know the flag, ``wanted`` is the name of a variant, or True or False for the variant
        with that value; OverrideError where there is no such variant. If an experiment serves the flag, it
        goes on to, with that variant for everybody: decisions are exposures. Where no rules were given,
        ``wanted`` is the value, and a text is the variant's name as well.

        ``experiment`` names an experiment that is to serve the flag.
        """
        with self._lock:
            rules = self._loaded.rules
            known = self._first.rules.flags.get(flag)
            if known is None and self._strict:
                raise OverrideError(f"no such flag: {flag}{_hint(flag, self._first.rules.flags)}")
            made = _anything(flag, wanted) if known is None else _one_of(known, wanted)
            if experiment is not None:
                made = _measured(made, Experiment(experiment, 1, Bucket.salted(experiment), ()))
            self._adopt(replace(rules, flags={**rules.flags, flag: made}))

    def replace(
        self,
        rules: Mapping[str, Any] | bytes | str | os.PathLike[str],
        *,
        format: str = "native",  # noqa: A002
    ) -> None:
        """Go on with other rules; what was set is forgotten. RulesError, ConfigError."""
        with self._lock:
            self._strict = True
            self._first = _loaded(rules, format)
            self._adopt(self._first.rules)

    def reset(self) -> None:
        """Forget everything that was set."""
        with self._lock:
            self._adopt(self._first.rules)

    def variants(self, flag: str) -> list[str]:
        """The names of a flag's variants; none where there is no such flag."""
        known = self._loaded.rules.flags.get(flag)
        return [] if known is None else list(known.variants)

    def _adopt(self, rules: Rules) -> None:
        self._loaded = copy(self._first)
        self._loaded.rules = rules
        if self._publish is not None:
            self._publish(self._loaded)


def _loaded(rules: Mapping[str, Any] | bytes | str | os.PathLike[str] | None, format: str) -> Loaded:  # noqa: A002
    from flagstaff.formats import load
    from flagstaff.sources.file import load_file

    if rules is None:
        return load({"version": 1, "flags": {}})
    if isinstance(rules, str) or hasattr(rules, "__fspath__"):
        return load_file(rules, format=format)
    return load(rules, format=format)


def _anything(key: str, value: Any) -> Flag:
    """A flag that has one variant, whatever its value."""
    name = {True: "on", False: "off"}[value] if isinstance(value, bool) else "value"
    name = value if isinstance(value, str) else name
    return Flag(key, {name: Variant(value, bool(value))}, default=name, off=name)


def _one_of(flag: Flag, wanted: Any) -> Flag:
    """The flag with one of its variants for everybody; measured where an experiment serves it."""
    name = _name_of(flag, wanted)
    made = replace(flag, enabled=True, gates=(), pins={}, rules=(), default=name)
    for rule in flag.rules:
        if isinstance(rule.outcome, Experiment):
            return _measured(made, rule.outcome)
    return made


def _name_of(flag: Flag, wanted: Any) -> str:
    if isinstance(wanted, bool):
        for name, variant in flag.variants.items():
            if variant.value is wanted:
                return name
    elif isinstance(wanted, str) and wanted in flag.variants:
        return wanted
    hint = _hint(str(wanted), flag.variants) or f"; there are {', '.join(flag.variants)}"
    raise OverrideError(f"no such variant of {flag.key}: {wanted}{hint}")


def _measured(flag: Flag, experiment: Experiment) -> Flag:
    """The same, served by an experiment in which everybody takes part and draws the same."""
    arms = () if flag.default is None else (Arm(flag.default, 0, _EVERYONE),)
    outcome = replace(experiment, arms=arms, share=None, holdouts=(), pins={}, running=True)
    return replace(flag, rules=(Rule("0", None, outcome),))


def _hint(name: str, names: Mapping[str, Any]) -> str:
    from flagstaff.formats.suggest import did_you_mean

    return did_you_mean(name, names)
