"""Optimizely Feature Experimentation: its datafile, its contexts, its server."""

from __future__ import annotations

from .contexts import context as context
from .translate import check_options as check_options
from .translate import translate as translate
