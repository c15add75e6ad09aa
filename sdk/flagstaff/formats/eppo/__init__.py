"""Eppo: its Universal Flag Configuration (UFC) in the form for servers, and contextual bandits."""

from __future__ import annotations

from .bandits import Bandits as Bandits
from .bandits import Choice as Choice
from .contexts import context as context
from .translate import translate as translate
