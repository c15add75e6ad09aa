"""flagstaff's own rules document: read, checked, canonicalised, translated."""

from .document import Document as Document
from .loading import Loaded as Loaded
from .loading import load as load
from .reading import SUFFIXES as SUFFIXES
from .shape import schema as schema
