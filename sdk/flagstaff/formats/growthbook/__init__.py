"""GrowthBook: its features, its contexts, its server."""

from __future__ import annotations

from .contexts import context as context
from .encrypted import check_options as check_options
from .translate import translate as translate
