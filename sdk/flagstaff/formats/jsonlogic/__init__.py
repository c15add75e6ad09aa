"""JsonLogic: rules that are written as JSON, made into Python once and then run (see ``writer``)."""

from __future__ import annotations

from .writer import Logic as Logic
from .writer import Operator as Operator
from .writer import Writer as Writer
from .writer import logic as logic
