"""The setting ``FLAGSTAFF``, and the client and the site that it asks for, made when first used."""

from __future__ import annotations

import asyncio
from inspect import iscoroutinefunction
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.utils.module_loading import import_string

from flagstaff import Client
from flagstaff.integrations.web import Site, Visit
from flagstaff.integrations.web.configured import client_from, site_options

__all__ = ["DOTTED", "DjangoSite", "current_site", "forget_site", "get_client", "told"]

_PREFIX = "FLAGSTAFF."
DOTTED = ("CLIENT", "CONTEXT_LOADER", "CONSENT")
_sites: dict[str, DjangoSite] = {}


class DjangoSite(Site):
    """A site as ``settings.FLAGSTAFF`` describes it, whose loader may be either kind of function."""

    def __init__(self) -> None:
        given = told()
        options = site_options(given)
        options.setdefault("visitor_secret", [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS])
        self.loader: Any = options.pop("context_loader", None)
        self.owns_client: bool = "CLIENT" not in given
        super().__init__(client_from(given, _PREFIX), context_loader=self._load, **options)

    def _load(self, request: Any) -> Any:
        if self.loader is None:
            return None
        if not iscoroutinefunction(self.loader):
            return self.loader(request)
        if _is_in_a_loop():
            raise RuntimeError("the loader is a coroutine function: await request.aflags() first")
        return async_to_sync(self.loader)(request)

    async def prepare(self, visit: Visit) -> None:
        """Load a request's context without blocking the loop: a plain function runs in a thread."""
        if self.loader is None or visit.has_context:
            return
        request = visit.incoming.request
        load = self.loader if iscoroutinefunction(self.loader) else sync_to_async(self.loader)
        try:
            visit.use(await load(request))
        except Exception as error:  # noqa: BLE001 - the host's; its failure must not be the request's
            self.warn("the context loader", error)
            visit.use(None)


def _is_in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def told() -> dict[str, Any]:
    """``settings.FLAGSTAFF``, with dotted paths imported. ImportError."""
    given = dict(getattr(settings, "FLAGSTAFF", None) or {})
    return {
        name: import_string(value) if name in DOTTED and isinstance(value, str) else value
        for name, value in given.items()
    }


def current_site() -> DjangoSite:
    """The site that the settings describe now. ConfigError names the setting that can't work."""
    site = _sites.get("site")
    if site is None:
        made = DjangoSite()
        site = _sites.setdefault("site", made)
        if site is not made:  # another thread was faster
            _close(made)
    return site


def get_client() -> Client:
    """The client that ``settings.FLAGSTAFF`` asks for. ConfigError names the setting that can't work."""
    client: Any = current_site().client
    made: Client = client
    return made


def forget_site(*, setting: str, **_: object) -> None:
    """Take in that settings have changed, as ``override_settings`` says."""
    if setting in ("FLAGSTAFF", "SECRET_KEY", "SECRET_KEY_FALLBACKS"):
        site = _sites.pop("site", None)
        if site is not None:
            _close(site)


def _close(site: DjangoSite) -> None:
    client: Any = site.client
    if site.owns_client:
        client.close(0.0)
