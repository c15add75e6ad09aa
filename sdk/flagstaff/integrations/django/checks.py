"""System checks: every mistake in the settings has an id and a sentence that tells the way out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's name
from django.utils.module_loading import import_string

from flagstaff import Client, ConfigError
from flagstaff.integrations.web.configured import CLIENT_SETTINGS, SITE_SETTINGS

from .conf import DOTTED

__all__ = ["check_deployment", "check_settings"]

_MIDDLEWARE = "flagstaff.integrations.django.middleware.FlagstaffMiddleware"
_CACHE = "django.middleware.cache.UpdateCacheMiddleware"
_SETTINGS = (*CLIENT_SETTINGS, *SITE_SETTINGS)
_NO_RULES = {"version": 1, "flags": {}}


def check_settings(**_: Any) -> list[CheckMessage]:
    """``FLAGSTAFF`` and the middleware: what can't work is an error."""
    given = getattr(settings, "FLAGSTAFF", {})
    if not isinstance(given, dict):
        return [Error(f"FLAGSTAFF must be a dict, not {type(given).__name__}.", id="flagstaff.E001")]
    return [*_names(given), *_source(given), *_imported(given), *_secret(given), *_middleware()]


def _names(given: dict[str, Any]) -> Iterator[CheckMessage]:
    for name in given:
        if name not in _SETTINGS:
            close = get_close_matches(str(name), _SETTINGS, 1)
            hint = f"Did you mean {close[0]}?" if close else f"There are {', '.join(_SETTINGS)}."
            yield Error(f"FLAGSTAFF has no setting {name!r}.", hint=hint, id="flagstaff.E002")


def _source(given: dict[str, Any]) -> Iterator[CheckMessage]:
    sources = [name for name in ("URL", "FILE", "CLIENT") if given.get(name)]
    if not sources and not os.environ.get("FLAGSTAFF_URL"):
        hint = 'Set FLAGSTAFF["URL"] or FLAGSTAFF["FILE"], or the environment\'s FLAGSTAFF_URL.'
        yield Error("Nothing says where rules come from.", hint=hint, id="flagstaff.E003")
    elif len(sources) > 1:
        yield Error(f"FLAGSTAFF has {' and '.join(sources)}.", hint="Keep one.", id="flagstaff.E003")


def _imported(given: dict[str, Any]) -> Iterator[CheckMessage]:
    for name in DOTTED:
        told = given.get(name)
        try:
            found = import_string(told) if isinstance(told, str) else told
        except ImportError as error:
            yield Error(f'FLAGSTAFF["{name}"] can\'t be imported: {error}.', id="flagstaff.E004")
            continue
        fits = isinstance(found, Client) if name == "CLIENT" else callable(found)
        if found is not None and not fits:
            wanted, kind = "Client" if name == "CLIENT" else "function", type(found).__name__
            yield Error(f'FLAGSTAFF["{name}"] must be a {wanted}, not {kind}.', id="flagstaff.E004")


def _secret(given: dict[str, Any]) -> Iterator[CheckMessage]:
    names = ("OVERRIDE_SECRET", "OVERRIDE_AUDIENCE")
    options: dict[str, Any] = {name.lower(): given[name] for name in names if given.get(name) is not None}
    try:
        Client.from_document(_NO_RULES, events=None, **options).close()
    except ConfigError as error:
        yield Error(f"FLAGSTAFF: {error}.", id="flagstaff.E005")


def _middleware() -> Iterator[CheckMessage]:
    installed = list(settings.MIDDLEWARE)
    if _MIDDLEWARE not in installed:
        hint = f'Add "{_MIDDLEWARE}"; without it requests have no flags.'
        yield Warning("FlagstaffMiddleware is not in MIDDLEWARE.", hint=hint, id="flagstaff.W001")
    elif _CACHE in installed and installed.index(_CACHE) > installed.index(_MIDDLEWARE):
        hint = "Move UpdateCacheMiddleware before it, so that it sees which pages it may keep."
        yield Error("FlagstaffMiddleware comes before UpdateCacheMiddleware.", hint=hint, id="flagstaff.E006")


def check_deployment(**_: Any) -> list[CheckMessage]:
    """What is fine while developing and not in production."""
    names = ("FLAGSTAFF_OVERRIDES", "FLAGSTAFF_OVERRIDES_FILE")
    set_here = [name for name in names if os.environ.get(name) and not settings.DEBUG]
    found: list[CheckMessage] = [
        Warning(f"{name} forces variants for everybody.", id="flagstaff.W002") for name in set_here
    ]
    given = getattr(settings, "FLAGSTAFF", {})
    secret = given.get("OVERRIDE_SECRET") if isinstance(given, dict) else None
    if secret and settings.SECRET_KEY in (secret if isinstance(secret, list | tuple) else [secret]):
        hint = "Whoever makes override links would hold the key to every session."
        found.append(Warning('FLAGSTAFF["OVERRIDE_SECRET"] is SECRET_KEY.', hint=hint, id="flagstaff.W003"))
    return found
