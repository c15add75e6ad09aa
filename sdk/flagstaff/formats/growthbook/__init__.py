"""GrowthBook: its features, its contexts, its server."""

from __future__ import annotations

from .contexts import context as context
from .translate import translate as translate
