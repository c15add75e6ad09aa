"""Flask: flags on every request, in templates, on the command line, in signals.

    flags = Flagstaff()

    @flags.context_loader
    def load(request):
        return {"country": request.headers.get("X-Country")}

    flags.init_app(app)

In a view: ``current_flags.enabled("new-checkout")``.
"""

from __future__ import annotations

from functools import wraps

from blinker import NamedSignal, Namespace
from flask import Flask, abort, current_app, request
from werkzeug.local import LocalProxy

from flagstaff import BoundFlags, Client, Decision
from flagstaff.integrations.web import Incoming, Site, Visit
from flagstaff.integrations.web.configured import CLIENT_SETTINGS, SITE_SETTINGS, client_from, site_options
from flagstaff.integrations.wsgi import ENVIRON_KEY, answering

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager
    from typing import Any, ParamSpec, TypeVar
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from flask import Request

    from flagstaff.integrations.web.flags import Watcher

    P = ParamSpec("P")
    R = TypeVar("R")
    Loader = TypeVar("Loader", bound=Callable[[Request], Any])

__all__ = ["Flagstaff", "current_flags", "flag_evaluated", "flag_required", "rules_updated"]

_PREFIX = "FLAGSTAFF_"
_KEY = "flagstaff"

_signals = Namespace()
flag_evaluated: NamedSignal = _signals.signal("flag-evaluated")
"""Sent by the app with ``decision=`` for each flag that ``current_flags`` is asked for."""
rules_updated: NamedSignal = _signals.signal("rules-updated")
"""Sent by the app with ``flags=``, the keys of those that changed, on the client's own thread."""


class Flagstaff:
    """The extension. One object serves any number of apps, each with a client of its own.

    ``init_app`` reads, once, from the app's configuration (all of it optional, if the environment has
    ``FLAGSTAFF_URL``; ``app.config.from_prefixed_env()`` works):

    * ``FLAGSTAFF_URL``, ``FLAGSTAFF_FILE`` or ``FLAGSTAFF_CLIENT``: where rules come from;
    * ``FLAGSTAFF_KEY``, ``FLAGSTAFF_EVENTS``, ``FLAGSTAFF_OVERRIDE_SECRET``, ``FLAGSTAFF_OVERRIDE_AUDIENCE``:
      as the client's settings of these names; ``FLAGSTAFF_OPTIONS``: a dict of any others;
    * ``FLAGSTAFF_CONTEXT_LOADER``, ``FLAGSTAFF_CONSENT``: functions of a request;
    * ``FLAGSTAFF_VISITOR_COOKIE``: its name, or None for no cookie; ``FLAGSTAFF_VISITOR_SECRET``: what it is
      signed with, by default the app's ``SECRET_KEY``; ``FLAGSTAFF_SECURE_COOKIES``.
    """

    def __init__(self, app: Flask | None = None, *, client: Client | None = None) -> None:
        """``client`` is for all apps; without it each app gets its own, as configured."""
        self._client = client
        self._loader: Callable[[Request], Any] | None = None
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Give an app its flags.

        ConfigError names the setting that can't work; RuntimeError where the app has flags already.
        """
        if _KEY in app.extensions:
            raise RuntimeError(
                "this app has a Flagstaff already; import and use that instance instead of making another"
            )
        told = _settings_of(app)
        if self._client is not None:
            told["CLIENT"] = self._client
        client = client_from(told, _PREFIX)
        site = _FlaskSite(self, app, client, told)
        app.extensions[_KEY] = site
        app.wsgi_app = _Wrapped(app.wsgi_app, site)  # type: ignore[method-assign]
        app.jinja_env.globals.update(flag=_flag, variant=_variant)
        app.cli.add_command(_commands())

        def tell(changed: frozenset[str]) -> None:
            rules_updated.send(app, flags=changed)

        client.on_change(tell)

    def context_loader(self, loader: Loader) -> Loader:
        """Have a function make the context of a request: a ``Context``, a mapping of attributes, or a key."""
        self._loader = loader
        return loader

    @property
    def client(self) -> Client:
        """The current app's client."""
        client: Any = _site().client
        made: Client = client
        return made

    def override(
        self, overrides: Mapping[str, str | bool] | None = None, /, **named: str | bool
    ) -> AbstractContextManager[None]:
        """As ``Client.override``, of the current app's client: for tests."""
        return self.client.override(overrides, **named)


def _settings_of(app: Flask) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name in (*CLIENT_SETTINGS, *SITE_SETTINGS):
        if f"{_PREFIX}{name}" in app.config:
            told[name] = app.config[f"{_PREFIX}{name}"]
        elif name in CLIENT_SETTINGS:
            app.config.setdefault(f"{_PREFIX}{name}", None)
    return told


class _FlaskSite(Site):
    """A site whose loaders get Flask's request, and whose watchers are the receivers of a signal."""

    def __init__(self, extension: Flagstaff, app: Flask, client: Client, told: Mapping[str, Any]) -> None:
        options = site_options(told)
        self._app = app
        self._extension = extension
        self._configured = options.pop("context_loader", None)
        consent = options.pop("consent", None)
        keys = [app.secret_key, *(app.config.get("SECRET_KEY_FALLBACKS") or ())]
        options.setdefault("visitor_secret", [_text(key) for key in keys if key])
        super().__init__(
            client,
            context_loader=self._load,
            consent=None if consent is None else lambda _: consent(_request()),
            **options,
        )

    def _load(self, _environ: object) -> Any:
        loader = self._configured or self._extension._loader
        return None if loader is None else self._app.ensure_sync(loader)(_request())

    @property
    def watchers(self) -> list[Watcher]:
        """Whoever has to be told what is decided."""
        return [self._tell] if flag_evaluated.receivers else []

    @watchers.setter
    def watchers(self, _: object) -> None: ...

    def _tell(self, decision: Decision) -> None:
        flag_evaluated.send(self._app, decision=decision)


def _text(key: str | bytes) -> str:
    return key if isinstance(key, str) else key.decode("latin-1")


class _Wrapped:
    """The app's WSGI application, each request of which is a visit."""

    def __init__(self, app: WSGIApplication, site: Site) -> None:
        self._app = app
        self._site = site

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        visit = environ[ENVIRON_KEY] = Visit(self._site, lambda: Incoming.from_environ(environ))
        return answering(self._app, visit, environ, start_response)


# The objects themselves: a look through a proxy costs more than an evaluation.
_app: Callable[[], Flask] = current_app._get_current_object  # type: ignore[attr-defined]
_request: Callable[[], Request] = request._get_current_object  # type: ignore[attr-defined]


def _site() -> Site:
    site: Site | None = _app().extensions.get(_KEY)
    if site is None:
        raise RuntimeError("this app has no Flagstaff; call init_app(app) on one")
    return site


def current_visit() -> Visit:
    """The current request's visit; one of its own where the request came past the server, as in a test."""
    site, environ = _site(), _request().environ
    visit: Visit | None = environ.get(ENVIRON_KEY)
    if visit is None or visit.site is not site:
        visit = environ[ENVIRON_KEY] = Visit(site, lambda: Incoming.from_environ(environ))
        visit.respond([])  # there is no response to set a cookie in
    return visit


def _current() -> BoundFlags:
    return current_visit().flags


current_flags: BoundFlags = LocalProxy(_current)  # type: ignore[assignment]
"""The flags for the current request."""


def _flag(name: str, default: bool = False) -> bool:
    return current_visit().flags.enabled(name, default)


def _variant(name: str) -> str | None:
    return current_visit().flags.variant(name)


def flag_required(
    flag: str, otherwise: int | Callable[..., Any] = 404
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Serve a view to those for whom a flag is enabled; the others get a status code, or another view."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            chosen: Any = view
            if not current_visit().flags.enabled(flag):
                if isinstance(otherwise, int):
                    abort(otherwise)
                chosen = otherwise
            answer: R = current_app.ensure_sync(chosen)(*args, **kwargs)
            return answer

        return guarded

    return decorate


def _commands() -> Any:
    from .commands import commands

    return commands
