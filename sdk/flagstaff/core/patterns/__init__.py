"""Regular expressions whose time is linear in the text: pattern to nodes to automaton to matcher."""

from __future__ import annotations

from .charset import ecmascript_classes as ecmascript_classes
from .charset import python_classes as python_classes
from .charset import unicode_classes as unicode_classes
from .matcher import Pattern as Pattern
from .matcher import compile_pattern as compile_pattern
