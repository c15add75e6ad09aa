"""GrowthBook's features as a native document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flagstaff.errors import Problem, RulesError
from flagstaff.formats.circles import circular
from flagstaff.formats.foreign import Unexpected, broken, is_name, items, path_of, table, unknown_fields
from flagstaff.formats.translated import Translated

from .encrypted import decrypted
from .rules import Feature
from .targeting import Targeting

__all__ = ["translate"]

_DOCUMENT = frozenset(
    ["status", "dateUpdated", "features", "experiments", "savedGroups", "contextualBandits", "sseEvent"]
)
_FEATURE = frozenset(["defaultValue", "rules", "metadata"])


def translate(document: Mapping[str, Any], options: Mapping[str, Any]) -> Translated:
    """The native document of features. RulesError where there are none to read."""
    plain = decrypted(document, options)
    try:
        features = table(plain.get("features"), "features")
        groups = table(plain.get("savedGroups") or {}, "savedGroups")
        bandits = table(plain.get("contextualBandits") or {}, "contextualBandits")
    except Unexpected as error:
        raise RulesError([Problem(error.path, f"of a document of GrowthBook {error.expected}")]) from None
    return _Translation(plain, features, Targeting(groups), bandits).translated()


class _Translation:
    def __init__(
        self,
        document: Mapping[str, Any],
        features: Mapping[str, Any],
        targeting: Targeting,
        bandits: Mapping[str, Any],
    ) -> None:
        self._features = features
        self._targeting = targeting
        self._bandits = bandits
        self._circular = circular({key: _asked(given) for key, given in features.items()})
        self._warnings = [*unknown_fields(document, _DOCUMENT, "")]

    def translated(self) -> Translated:
        flags = {}
        for key, given in self._features.items():
            path = path_of("features", key)
            if is_name(key) and isinstance(given, Mapping):
                flags[key] = self._flag(key, given, path)
            else:
                wrong = "must be an object" if is_name(key) else "is no name of a feature"
                self._warnings.append(Problem(path, f"{wrong}; left out"))
        document = {"version": 1, "segments": self._targeting.segments, "flags": flags}
        return Translated(document, [*self._warnings, *self._targeting.warnings])

    def _flag(self, key: str, given: Mapping[str, Any], path: str) -> dict[str, Any]:
        self._warnings += unknown_fields(given, _FEATURE, path)
        self._targeting.begin()
        inside = self._circular if key in self._circular else frozenset[str]()
        feature = Feature(key, path, self._features, self._targeting, self._bandits, inside, self._warnings)
        try:
            return feature.made(given)
        except Unexpected as error:
            self._warnings.append(Problem(error.path, error.expected, key))
            return broken(str(error))


def _asked(given: Any) -> Iterator[str]:
    try:
        for rule in items(table(given, "").get("rules"), ""):
            for parent in items(table(rule, "").get("parentConditions"), ""):
                if isinstance(parent, Mapping) and isinstance(parent.get("id"), str):
                    yield parent["id"]
    except Unexpected:
        return  # the feature is broken: it asks nobody
