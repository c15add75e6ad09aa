"""What people force, in order of precedence: running code, a request's token, the environment, a file."""

from .ladder import ENVIRONMENT as ENVIRONMENT
from .ladder import FILE as FILE
from .ladder import OVERRIDE as OVERRIDE
from .ladder import REQUEST as REQUEST
from .ladder import Forced as Forced
from .ladder import Overrides as Overrides
from .ladder import parse_overrides as parse_overrides
