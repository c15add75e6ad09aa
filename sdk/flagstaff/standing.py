"""Variants that are forced on a whole process: by its environment, or by a file that is watched."""

from __future__ import annotations

from .errors import OverrideError
from .flags import variant_named
from .overrides import FILE, Forced, parse_overrides
from .runtime.weak import weakly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .adoption import Adoption
    from .flags import Flags
    from .listeners import Listeners
    from .overrides.file import OverridesFile

__all__ = ["Standing", "from_environment"]

_VARIABLE = "FLAGSTAFF_OVERRIDES"
_FILE_VARIABLE = "FLAGSTAFF_OVERRIDES_FILE"


def from_environment(environ: Mapping[str, str]) -> Mapping[str, str | bool]:
    """What the environment forces. ConfigError."""
    return parse_overrides(environ.get(_VARIABLE, ""), _VARIABLE)


class Standing:
    """What is forced on one client from outside; ``changes`` hears what the file makes of it.

    ``file`` is the machine that watches it, or None where there is none.
    """

    def __init__(
        self,
        flags: Flags,
        environ: Mapping[str, str],
        rules: Adoption,
        changes: Listeners,
    ) -> None:
        """ConfigError for a file that can't be read."""
        self._flags = flags
        self._rules = rules
        self._changes = changes
        self.file: OverridesFile | None = None
        path = environ.get(_FILE_VARIABLE)
        if path:
            from .overrides.file import OverridesFile

            self.file = OverridesFile(path, _FILE_VARIABLE)
            self.file.attach(weakly(self._force))

    def of_environment(self) -> list[str]:
        """What is wrong with the environment's."""
        return self._idle(_VARIABLE, self._flags._overrides.environment)

    def of_file(self) -> list[str]:
        """What is wrong with the file and with what it forces."""
        file = self.file
        return [] if file is None else [*filter(None, [file.fault]), *self._idle(_FILE_VARIABLE, file.wanted)]

    def _idle(self, rung: str, wanted: Mapping[str, str | bool]) -> list[str]:
        """Those that force nothing: nobody asked for them here, but somebody should know."""
        problems = []
        for flag, variant in wanted.items():
            try:
                self._flags._check_overrides({flag: variant}, rung)
            except OverrideError as error:
                problems.append(str(error))
        return problems

    def _force(self, wanted: Mapping[str, str | bool]) -> None:
        flags = self._flags
        with flags._guarded():
            before, flags._overrides.file = flags._overrides.file, wanted
            flags._withdraw({*before, *wanted})
        changed = frozenset(
            flag for flag in {*before, *wanted} if self._served(before, flag) != self._served(wanted, flag)
        )
        if changed:
            self._changes.tell(changed)

    def _served(self, wanted: Mapping[str, str | bool], flag: str) -> str | None:
        """The variant that a flag serves by what a file wants, if it does so."""
        loaded = self._rules.loaded
        if loaded is None or flag not in wanted or flag in self._flags._overrides.environment:
            return None
        found = loaded.rules.flags.get(flag)
        return None if found is None else variant_named(Forced(wanted[flag], FILE), found.variants)
