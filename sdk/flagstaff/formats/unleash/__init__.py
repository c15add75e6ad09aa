"""Unleash: what its servers answer to ``GET /client/features``, as its client specification 6.1 has it."""

from __future__ import annotations

from .contexts import context as context
from .options import check_options as check_options
from .translate import translate as translate
