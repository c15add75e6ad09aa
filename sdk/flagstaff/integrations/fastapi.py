"""FastAPI: flags as a dependency.

    client = AsyncClient("https://flags.example.com", key="sdk-...")
    app = FastAPI(lifespan=lifespan_of(client))
    app.add_middleware(FlagstaffMiddleware, client=client)

    @app.get("/")
    async def home(flags: Flags) -> str:
        return flags.value("checkout-cta", "Buy")

A websocket's flags are had in the same way.
"""

from typing import Annotated, Any, TypeAlias

from fastapi import Depends, HTTPException
from starlette.requests import HTTPConnection

from flagstaff import BoundFlags

from .starlette import FlagstaffMiddleware, aflags_of, lifespan_of, template_flags

__all__ = ["Flags", "FlagstaffMiddleware", "get_flags", "lifespan_of", "require_flag", "template_flags"]


async def get_flags(connection: HTTPConnection) -> BoundFlags:
    """The flags for a request or a websocket: a dependency, which ``dependency_overrides`` can replace."""
    return await aflags_of(connection)


Flags: TypeAlias = Annotated[BoundFlags, Depends(get_flags)]
"""The type of a parameter that gets the request's flags."""


def require_flag(flag: str, *, status_code: int = 404) -> Any:
    """A dependency for those who have a flag: ``dependencies=[require_flag("new-checkout")]``."""

    async def require(flags: Flags) -> None:
        if not flags.enabled(flag):
            raise HTTPException(status_code)

    return Depends(require)
