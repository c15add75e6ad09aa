"""What one application has decided about its visitors."""

from __future__ import annotations

import logging
from inspect import iscoroutinefunction

from flagstaff import ConfigError, Context

from .visitors import Visitors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypeVar

    from flagstaff import AsyncClient, Client

    from .flags import Watcher

    T = TypeVar("T")

__all__ = ["Site"]

_log = logging.getLogger("flagstaff.integrations")


class Site:
    """A client, how a request becomes a context, and which cookies may be set. Shared by all requests."""

    def __init__(
        self,
        client: Client | AsyncClient,
        *,
        context_loader: Callable[[Any], Any] | None = None,
        visitor_cookie: str | None = "flagstaff_visitor",
        visitor_secret: str | Sequence[str] | None = None,
        consent: Callable[[Any], bool] | None = None,
        secure_cookies: bool | None = None,
        debug: bool = False,
    ) -> None:
        """ConfigError names the option that can't work.

        ``context_loader``
            Makes a ``Context`` of a request; it may return a targeting key, a mapping of attributes or None
            instead, and may be a coroutine function where the framework is asynchronous. Whatever it raises
            is logged once, and the visitor is then all that is known.
        ``visitor_cookie``
            The name of the cookie that holds an anonymous visitor's id; None for no such cookie.
        ``visitor_secret``
            What the cookie is signed with, so that nobody can choose an id: one secret or several, of which
            the first signs. Left out, it is not signed.
        ``consent``
            Asked with the request whether the cookie may be set; if not, it is neither read nor kept.
        ``secure_cookies``
            Whether cookies are for https only; left out, those that are set over https.
        ``debug``
            Whether ``?flagstaff=show`` shows whoever asks what each flag is for them, and why.
        """
        for name, given in (("context_loader", context_loader), ("consent", consent)):
            if given is not None and not callable(given):
                raise ConfigError(name, f"must be a function of a request, not {type(given).__name__}")
        if not (hasattr(client, "override_from") and hasattr(client, "bind")):
            raise ConfigError("client", f"must be a Client or an AsyncClient, not {type(client).__name__}")
        secrets = [visitor_secret] if isinstance(visitor_secret, str) else list(visitor_secret or ())
        self.client: Client | AsyncClient = client
        self.context_loader: Callable[[Any], Any] | None = context_loader
        self.loads_async: bool = iscoroutinefunction(context_loader)
        self.consent: Callable[[Any], bool] | None = consent
        self.secure_cookies: bool | None = secure_cookies
        self.debug: bool = debug
        self.visitors: Visitors | None = None if visitor_cookie is None else Visitors(visitor_cookie, secrets)
        self.watchers: list[Watcher] = []
        self._warned: set[str] = set()

    def ask(self, what: str, function: Callable[..., T], *given: Any, instead: T) -> T:
        """What a function comes to; ``instead`` if it raises, which is logged and not the request's."""
        try:
            return function(*given)
        except Exception as error:  # noqa: BLE001 - the host's code, or a mistake of ours
            self.warn(what, error)
            return instead

    def warn(self, what: str, error: BaseException) -> None:
        """Log that code of the host's failed, once for each kind of failure; its text may hold anything."""
        line = f"{what} raised {type(error).__name__}"
        if line not in self._warned and len(self._warned) < 100:
            self._warned.add(line)
            _log.warning("%s; going on without it", line, exc_info=error)

    def context_of(self, loaded: Any, visitor: str | None) -> Context:
        """Whatever a loader has returned, together with the visitor's id."""
        key: str | int | None = None
        attributes: Mapping[str, Any] = {}
        if loaded is None:
            pass
        elif isinstance(loaded, Context):
            if visitor is None:
                return loaded
            key, attributes = loaded.targeting_key, loaded.attributes
        elif hasattr(loaded, "keys"):
            key, attributes = loaded.get("targetingKey"), loaded
        elif isinstance(loaded, (str, int)) and not isinstance(loaded, bool):
            key = loaded
        else:
            self.warn("the context loader", TypeError(f"returned a {type(loaded).__name__}"))
        if visitor is None:
            return Context(key, attributes)
        return Context(visitor if key is None else key, {"visitor_id": visitor, **attributes})
