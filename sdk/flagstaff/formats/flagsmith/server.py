"""Where a Flagsmith server has its rules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flagstaff.errors import ConfigError, Problem, RulesError
from flagstaff.formats.endpoint import Endpoint

if TYPE_CHECKING:
    from flagstaff.settings import Secret

__all__ = ["endpoint", "joined"]


def endpoint(url: str, key: Secret | None, _options: Mapping[str, Any]) -> Endpoint:
    """``url`` ends in ``/api/v1``, as for Flagsmith's SDKs; ``key`` is a server-side environment key."""
    if key is None:
        raise ConfigError("key", "must be a server-side environment key of Flagsmith, such as ser.…")
    headers = {"X-Environment-Key": key.reveal()}
    return Endpoint(f"{url.rstrip('/')}/environment-document/", headers, joined)


def joined(pages: list[bytes]) -> bytes:
    """The document of all pages: each has other identities' overrides, and all else like the first."""
    first, *more = [_page(page) for page in pages]
    overrides = [entry for page in (first, *more) for entry in page.get("identity_overrides") or []]
    return json.dumps({**first, "identity_overrides": overrides}).encode()


def _page(data: bytes) -> Mapping[str, Any]:
    from flagstaff.formats.native.reading import read

    page = read(data, ".json", "page")
    if not isinstance(page, Mapping) or not isinstance(page.get("identity_overrides") or [], list):
        raise RulesError([Problem("", "a page of a document of flagsmith is an object with a list")])
    return page
