"""A service that other programs ask: an experiment on what it answers, a route for those who have a flag."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from flagstaff import AsyncClient
from flagstaff.integrations.fastapi import Flags, FlagstaffMiddleware, lifespan_of, require_flag

client = AsyncClient.from_file(Path(__file__).parent / "flags.toml")
app = FastAPI(lifespan=lifespan_of(client))


async def load_context(connection) -> dict[str, Any]:
    """Who asks is an attribute; the unit stays the visitor, before and after a login."""
    return {"user_id": connection.headers.get("x-user")}


# With DEBUG=1, ?flagstaff=show tells whoever asks what every flag is for them, and why.
debug = os.environ.get("DEBUG") == "1"
app.add_middleware(FlagstaffMiddleware, client=client, context_loader=load_context, debug=debug)


@app.get("/offer")
async def offer(flags: Flags) -> dict[str, Any]:
    decision = flags.decide("checkout-cta", "Buy")
    return {"button": decision.value, "why": str(decision.reason)}


@app.get("/checkout", dependencies=[require_flag("new-checkout")])
def checkout() -> str:
    return "The new checkout"


@app.get("/healthz")
def healthz() -> dict[str, Any]:
    return client.status().to_dict()
