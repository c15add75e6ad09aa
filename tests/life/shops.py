"""One page in several frameworks, each with our integration: made by a master, if it preloads.

The page answers who decides, what for this visitor, and by which rules.
"""

from __future__ import annotations

import os
from typing import Any

from flagstaff import AsyncClient, BoundFlags, Client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from flagstaff.integrations.asgi import ASGIApplication

__all__ = ["CHILDREN", "TASKS", "VISITORS", "django_asgi", "django_wsgi", "fastapi_app", "flask_app"]

CHILDREN = 3
VISITORS = 40  # of each child's, before and after the rules change
TASKS = 60  # before and after they do

SETTINGS: dict[str, Any] = {"poll_interval": 300.0, "flush_interval": 0.2}


def told(flags: BoundFlags) -> str:
    return f"{os.getpid()} {flags.variant('checkout-cta')} {flags.value('page-size', 0)}"


def flask_app() -> WSGIApplication:
    from flask import Flask

    from flagstaff.integrations.flask import Flagstaff, current_flags

    app = Flask("shop")
    app.config.from_mapping(SECRET_KEY="a secret of the app", FLAGSTAFF_OPTIONS=SETTINGS)
    flags = Flagstaff()

    @flags.context_loader
    def load(request: Any) -> str:
        unit: str = request.args["unit"]
        return unit

    flags.init_app(app)
    app.add_url_rule("/", view_func=lambda: told(current_flags))
    with app.app_context():
        assert flags.client.wait_ready(60)
    return app


def django_wsgi() -> WSGIApplication:
    _set_up_django()
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


def django_asgi() -> ASGIApplication:
    _set_up_django()
    from django.core.asgi import get_asgi_application

    made: Any = get_asgi_application()
    application: ASGIApplication = made
    return application


def _set_up_django() -> None:
    import django
    from django.conf import settings

    settings.configure(
        SECRET_KEY="a secret of the project",
        ALLOWED_HOSTS=["*"],
        LOGGING_CONFIG=None,
        ROOT_URLCONF="tests.life.shop_urls",
        INSTALLED_APPS=["flagstaff.integrations.django"],
        MIDDLEWARE=["flagstaff.integrations.django.middleware.FlagstaffMiddleware"],
        FLAGSTAFF={"CONTEXT_LOADER": "tests.life.shop_urls.load", "OPTIONS": SETTINGS},
    )
    django.setup()
    from flagstaff.integrations.django import get_client

    assert get_client().wait_ready(60)


def fastapi_app() -> ASGIApplication:
    from fastapi import FastAPI
    from fastapi.responses import PlainTextResponse

    from flagstaff.integrations.fastapi import Flags, FlagstaffMiddleware, lifespan_of

    client: Client | AsyncClient = AsyncClient(**SETTINGS)
    app = FastAPI(lifespan=lifespan_of(client, wait=60.0))

    async def page(flags: Any) -> PlainTextResponse:
        return PlainTextResponse(told(flags))

    page.__annotations__["flags"] = Flags
    app.add_api_route("/", page, response_model=None)
    app.add_middleware(
        FlagstaffMiddleware, client=client, context_loader=lambda request: request.query_params["unit"]
    )
    return app
