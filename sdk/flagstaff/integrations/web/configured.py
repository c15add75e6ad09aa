"""A client from a framework's own configuration."""

from __future__ import annotations

from flagstaff import Client, ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["CLIENT_SETTINGS", "SITE_SETTINGS", "client_from", "site_options"]

CLIENT_SETTINGS = (
    "CLIENT",
    "URL",
    "FILE",
    "KEY",
    "EVENTS",
    "OVERRIDE_SECRET",
    "OVERRIDE_AUDIENCE",
    "OPTIONS",
)
SITE_SETTINGS = ("CONTEXT_LOADER", "CONSENT", "VISITOR_COOKIE", "VISITOR_SECRET", "SECURE_COOKIES")


def client_from(told: Mapping[str, Any], prefix: str) -> Client:
    """The client that a configuration asks for; what is None or absent was not said.

    ``CLIENT`` is one that is there already; ``FILE`` the rules, or ``URL`` their server; ``OPTIONS`` whatever
    else a client can be told. ConfigError names the setting as it stands in the configuration.
    """
    given = {name: told[name] for name in CLIENT_SETTINGS if told.get(name) is not None}
    client, source, file = given.pop("CLIENT", None), given.pop("URL", None), given.pop("FILE", None)
    if client is not None:
        if not isinstance(client, Client):
            raise ConfigError(f"{prefix}CLIENT", f"must be a Client, not {type(client).__name__}")
        return client
    options = {**given.pop("OPTIONS", {}), **{name.lower(): value for name, value in given.items()}}
    try:
        return Client(source, **options) if file is None else Client.from_file(file, **options)
    except ConfigError as error:
        name = {"source": "URL", "path": "FILE"}.get(error.setting, error.setting.upper())
        setting = name if name.startswith("FLAGSTAFF_") else f"{prefix}{name}"
        raise ConfigError(setting, str(error).partition(": ")[2]) from error


def site_options(told: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a ``Site`` that a configuration names."""
    return {name.lower(): told[name] for name in SITE_SETTINGS if name in told}
