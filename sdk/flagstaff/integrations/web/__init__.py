"""What every web framework's integration has in common: one visit to a site, without a framework."""

from .flags import Recorded as Recorded
from .incoming import OVERRIDE_HEADER as OVERRIDE_HEADER
from .incoming import Incoming as Incoming
from .site import Site as Site
from .visit import Visit as Visit
