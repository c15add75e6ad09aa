"""Where flagd's definitions are served: any address that answers with the document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flagstaff.formats.endpoint import Endpoint

if TYPE_CHECKING:
    from flagstaff.settings import Secret

__all__ = ["endpoint"]


def endpoint(url: str, key: Secret | None, _options: Mapping[str, Any]) -> Endpoint:
    """The address itself, as flagd's own http source has it; a key is a bearer token."""
    return Endpoint(url, {} if key is None else {"Authorization": f"Bearer {key.reveal()}"})
