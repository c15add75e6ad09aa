"""Feature flags and experiments, decided inside your process.

    from flagstaff import Client, Context

    client = Client("https://flags.example.com", key="sdk-...")
    client.enabled("new-checkout", Context("user-42", country="NL"))

Importing this loads nothing heavy: each name comes from its module when it is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .admission import TokenOverride as TokenOverride
    from .aio import AsyncClient as AsyncClient
    from .client import Client as Client
    from .core.context import Context as Context
    from .core.decision import Decision as Decision
    from .core.decision import Reason as Reason
    from .core.explain import Explanation as Explanation
    from .diagnosis import Diagnosis as Diagnosis
    from .diagnosis import Finding as Finding
    from .errors import ConfigError as ConfigError
    from .errors import FlagstaffError as FlagstaffError
    from .errors import MissingExtraError as MissingExtraError
    from .errors import OverrideError as OverrideError
    from .errors import Problem as Problem
    from .errors import RulesError as RulesError
    from .errors import ServeError as ServeError
    from .events.transport import Sink as Sink
    from .flags import BoundFlags as BoundFlags
    from .settings import Secret as Secret
    from .status import Status as Status

    __version__: str

_HOMES = {
    "AsyncClient": "aio",
    "BoundFlags": "flags",
    "Client": "client",
    "ConfigError": "errors",
    "Context": "core.context",
    "Decision": "core.decision",
    "Diagnosis": "diagnosis",
    "Explanation": "core.explain",
    "Finding": "diagnosis",
    "FlagstaffError": "errors",
    "MissingExtraError": "errors",
    "OverrideError": "errors",
    "Problem": "errors",
    "Reason": "core.decision",
    "RulesError": "errors",
    "Secret": "settings",
    "ServeError": "errors",
    "Sink": "events.transport",
    "Status": "status",
    "TokenOverride": "admission",
}

__all__ = [
    "AsyncClient",
    "BoundFlags",
    "Client",
    "ConfigError",
    "Context",
    "Decision",
    "Diagnosis",
    "Explanation",
    "Finding",
    "FlagstaffError",
    "MissingExtraError",
    "OverrideError",
    "Problem",
    "Reason",
    "RulesError",
    "Secret",
    "ServeError",
    "Sink",
    "Status",
    "TokenOverride",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        found: object = version("flagstaff")
    elif name in _HOMES:
        from importlib import import_module

        found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
