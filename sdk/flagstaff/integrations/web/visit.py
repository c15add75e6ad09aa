"""One request: who comes, what is forced for them, and what the response must say because of it."""

from __future__ import annotations

from contextlib import nullcontext
from urllib.parse import parse_qsl

from flagstaff import Context
from flagstaff.overrides.links import PARAMETER

from .cookies import read_cookies, written_cookie
from .flags import LazyFlags, Recorded, WatchedFlags
from .headers import for_nobody_else, named, never_stored, varying
from .incoming import OVERRIDE_HEADER
from .page import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from typing import Any

    from flagstaff import AsyncClient, BoundFlags, Client, TokenOverride

    from .incoming import Incoming
    from .site import Site
    from .visitors import Known

__all__ = ["Visit"]

_COOKIE = "flagstaff_override"
_CLEAR, _SHOW = "clear", "show"


class Visit:
    """One request and its response. Lazy: what nobody asks for costs nothing and sets no cookie.

    ``forced`` is what the request's override token forces, or None. ``wants_page`` says that ``page()``, an
    answer of our own, is to be sent instead of the application's. ``record`` is None, or what was decided by
    flag, for debug panels.
    """

    __slots__ = ("_answered", "_clears", "_come", "_keeps", "_memo", "forced", "record", "site", "wants_page")

    def __init__(self, site: Site, come: Callable[[], Incoming]) -> None:
        """``come`` reads the request, once it matters what it says. Never raises."""
        self.site: Site = site
        self.forced: TokenOverride | None = None
        self.wants_page: bool = False
        self.record: dict[str, Recorded] | None = None
        self._come = come
        self._memo: dict[str, Any] = {}  # filled by setdefault: whoever comes first decides for all
        self._answered = False
        self._keeps: str | None = None  # the token to keep in a cookie
        self._clears = False
        if site.client.accepts_tokens or site.debug:
            site.ask("looking for an override", self._look_for_override, instead=None)

    # -- who comes -----------------------------------------------------------------------------------

    @property
    def incoming(self) -> Incoming:
        """What the request says."""
        memo = self._memo
        if "incoming" not in memo:
            memo.setdefault("incoming", self._come())
        incoming: Incoming = memo["incoming"]
        return incoming

    @property
    def client(self) -> Client | AsyncClient:
        """The site's client."""
        return self.site.client

    @property
    def flags(self) -> BoundFlags:
        """The flags for whoever comes; the context is made when they are first asked for."""
        memo = self._memo
        if "flags" not in memo:
            memo.setdefault("flags", self._watched() or self.site.client.bind(self.context))
        flags: BoundFlags = memo["flags"]
        return flags

    @property
    def later_flags(self) -> BoundFlags:
        """The same, but the context is made when one of their getters is first called."""
        return self._watched() or LazyFlags(self.site.client, self._whom)

    async def aflags(self) -> BoundFlags:
        """The same where the context loader has to be awaited."""
        await self.acontext()
        return self.flags

    @property
    def has_context(self) -> bool:
        """Whether it is known already whom flags are decided for."""
        return "context" in self._memo

    @property
    def context(self) -> Context:
        """Whom this request's flags are decided for. Never raises."""
        memo = self._memo
        if "context" not in memo:
            self._remember(self.site.ask("the context loader", self._load, instead=None))
        context: Context = memo["context"]
        return context

    async def acontext(self) -> Context:
        """The same where the context loader has to be awaited."""
        if "context" not in self._memo and self.site.loads_async and self.site.context_loader is not None:
            try:
                loaded = await self.site.context_loader(self.incoming.request)
            except Exception as error:  # noqa: BLE001 - the host's; its failure must not be the request's
                self.site.warn("the context loader", error)
                loaded = None
            self._remember(loaded)
        return self.context

    def use(self, loaded: Any) -> None:
        """Take a context that was loaded elsewhere, unless there is one already."""
        if "context" not in self._memo:
            self._remember(loaded)

    def _load(self) -> Any:
        loader = self.site.context_loader
        if loader is None:
            return None
        if self.site.loads_async:
            raise TypeError("it has to be awaited")
        return loader(self.incoming.request)

    def _remember(self, loaded: Any) -> None:
        site, visitor = self.site, self.visitor_id
        context = site.ask(
            "the context loader's result", site.context_of, loaded, visitor, instead=Context(visitor)
        )
        self._memo.setdefault("context", context)

    def _watched(self) -> BoundFlags | None:
        watchers = self.site.watchers
        if self.record is None and not watchers:
            return None
        return WatchedFlags(self.site.client, self._whom, watchers, self.record)

    def _whom(self) -> Context:
        return self.context

    # -- the anonymous visitor -----------------------------------------------------------------------

    @property
    def visitor_id(self) -> str | None:
        """The visitor's stable id; None without consent or cookie, or when it is too late to set."""
        memo = self._memo
        if "visitor" not in memo:
            memo.setdefault("visitor", self._known())
        known: Known | None = memo["visitor"]
        return None if known is None else known.id

    def _known(self) -> Known | None:
        visitors = self.site.visitors
        if visitors is None or not self._may_remember():
            return None
        known = visitors.read(self.incoming.cookies)
        # An id that the browser never hears of would be another person the next time.
        return known or (None if self._answered else visitors.mint())

    def _may_remember(self) -> bool:
        return self.site.ask("the consent function", self._consented, instead=False)

    def _consented(self) -> bool:
        consent = self.site.consent
        return consent is None or bool(consent(self.incoming.request))

    # -- what is forced ------------------------------------------------------------------------------

    def forcing(self) -> AbstractContextManager[object]:
        """Puts what the request forces in force here."""
        return nullcontext() if self.forced is None else self.forced

    def _look_for_override(self) -> None:
        asked = self._asked()
        if asked == _CLEAR:
            self._clears = True
            return
        for token, place in self._tokens(None if asked == _SHOW else asked):
            found = self.client.override_from(token)
            if found.refused is None:
                self.forced = found
                self._keeps = token if place == "query" else None
                break
            self._clears = self._clears or place == "cookie"
        self.wants_page = asked == _SHOW

    def _asked(self) -> str | None:
        query = self.incoming.query
        if f"{PARAMETER}=" not in query:
            return None
        pairs = parse_qsl(query, max_num_fields=200)
        return next((value for name, value in pairs if name == PARAMETER), None)

    def _tokens(self, asked: str | None) -> Iterator[tuple[str, str]]:
        if asked is not None:
            yield asked, "query"
        if self.incoming.override:
            yield self.incoming.override, "header"
        for token in read_cookies(self.incoming.cookies, _COOKIE):
            yield token, "cookie"
            return

    def page(self) -> bytes:
        """What is forced in this browser and, while the site is debugged, what each flag is, as HTML."""
        return shown(self.forced, self._laid_open() if self.site.debug else "")

    async def apage(self) -> bytes:
        """The same where the context loader has to be awaited."""
        if self.site.debug:
            await self.acontext()
        return self.page()

    def _laid_open(self) -> str:
        from .panel import every_flag

        with self.forcing():
            return every_flag(self.site.client, self.context)

    # -- what the response says ----------------------------------------------------------------------

    def respond(self, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """The headers that a response with these is to have. Never raises."""
        self._answered = True
        return self.site.ask("the response's headers", self._respond, headers, instead=headers)

    def respond_raw(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """The same for bytes."""
        given = [*headers]
        if not self._has_something_to_say():
            self._answered = True
            return given
        if self._has_nothing_new() and not any(name.lower() == b"vary" for name, _ in given):
            self._answered = True  # the usual answer, spared the way by text
            return [*given, (b"vary", b"Cookie")]
        text = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in given]
        answer = self.respond(text)
        return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer]

    def _has_something_to_say(self) -> bool:
        knows = self.site.visitors is not None and "visitor" in self._memo
        return knows or self.forced is not None or self._clears

    def _has_nothing_new(self) -> bool:
        """Whether the response is only to say that it is about the visitor, who has their cookie already."""
        known: Known | None = self._memo.get("visitor")
        return known is not None and not known.unwritten and self.forced is None and not self._clears

    def _respond(self, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        if not self._has_something_to_say():
            return headers
        if self._has_nothing_new():
            return varying(headers, "Cookie")
        cookies = [*self._cookies()]
        if self.forced is not None:
            headers = varying(never_stored(headers), "Cookie", OVERRIDE_HEADER)
            headers.append((OVERRIDE_HEADER, named(self.forced.overrides)))
        else:
            headers = varying(for_nobody_else(headers) if cookies else headers, "Cookie")
        return [*headers, *(("Set-Cookie", line) for line in cookies)]

    def _cookies(self) -> Iterator[str]:
        """The Set-Cookie lines."""
        said = self.site.secure_cookies
        secure = self.incoming.secure if said is None else said
        if self._keeps is not None and self.forced is not None:
            left = max(1, int(self.forced.remaining))
            yield written_cookie(_COOKIE, self._keeps, max_age=left, secure=secure)
        elif self._clears:
            yield written_cookie(_COOKIE, "", max_age=0, secure=secure)
        visitors = self.site.visitors
        if visitors is None or "visitor" not in self._memo:
            return
        known: Known | None = self._memo["visitor"]
        if known is not None and known.unwritten:
            yield visitors.written(known, secure=secure)
        elif known is None and any(read_cookies(self.incoming.cookies, visitors.cookie)):
            yield visitors.deleted(secure=secure)
