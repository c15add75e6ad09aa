"""LaunchDarkly: flags and segments as its servers send them to server-side SDKs."""

from __future__ import annotations

from .contexts import context as context
from .translate import translate as translate
