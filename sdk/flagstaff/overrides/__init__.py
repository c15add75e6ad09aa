"""What people force, in order of precedence: the running code's own overrides, then the environment's."""

from .ladder import Forced as Forced
from .ladder import Overrides as Overrides
from .ladder import parse_overrides as parse_overrides
