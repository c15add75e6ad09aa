"""flagstaff's own rules document: read, checked, canonicalised, translated."""

from .loaded import Loaded as Loaded
from .loading import load as load
from .reading import SUFFIXES as SUFFIXES
