"""Flagsmith: the evaluation context of its engine, and the environment document of its servers."""

from __future__ import annotations

from .contexts import context as context
from .translate import translate as translate
