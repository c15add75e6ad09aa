"""flagd: the flag definitions of OpenFeature's daemon, as its providers read them."""

from __future__ import annotations

from .contexts import context as context
from .options import check_options as check_options
from .translate import translate as translate
