"""A Django project in one module: settings, addresses, views."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import django
from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path
from django.utils.asyncio import async_unsafe

from tests.integrations.web.lab import NOBODY, PUBLIC, dumped, parts, told, user_of

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=[
            "django.contrib.staticfiles",
            "debug_toolbar",
            "flagstaff.integrations.django",
        ],
        LOGGING_CONFIG=None,
        MIDDLEWARE=["flagstaff.integrations.django.middleware.FlagstaffMiddleware"],
        ROOT_URLCONF=__name__,
        SECRET_KEY="a secret of the project",
        STATIC_URL="/static/",
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
            }
        ],
        USE_TZ=True,
    )
    django.setup()

from flagstaff.integrations.django import get_client


def application(kind: str) -> Any:
    if kind == "wsgi":
        from django.core.wsgi import get_wsgi_application

        return get_wsgi_application()
    from django.core.asgi import get_asgi_application

    return get_asgi_application()


@async_unsafe("Django's database would say this in a loop")
def load(request: Any) -> Any:
    return user_of(request.META["QUERY_STRING"])


def headers_for(path: str) -> dict[str, str]:
    headers = {"Content-Type": "text/plain" if path else "application/json"}
    if path == "public":
        headers |= {"Cache-Control": PUBLIC, "Vary": "Accept-Encoding", "Surrogate-Control": "x"}
    return headers


def reply(request: Any, path: str = "") -> Any:
    headers, client = headers_for(path), get_client()
    if path == "fails":
        request.flags.enabled("banner")
        raise ZeroDivisionError
    if path == "stream":
        return StreamingHttpResponse(parts(client, lambda: ""), headers=headers)
    if path == "late":
        late = parts(client, lambda: request.flags.context.targeting_key)
        return StreamingHttpResponse(late, headers=headers)
    body: Any = b"plain"
    if path in ("", "public"):
        body = dumped(told(request.flags))
    elif path == "direct":
        body = str(client.variant("checkout-cta", NOBODY))
    return HttpResponse(body, headers=headers)


async def areply(request: Any, path: str = "") -> Any:
    headers, client = headers_for(path), get_client()
    if path == "fails":
        (await request.aflags()).enabled("banner")
        raise ZeroDivisionError
    if path == "stream":
        return StreamingHttpResponse(_all(parts(client, lambda: "")), headers=headers)
    if path == "late":
        late = _late(client, request)
        return StreamingHttpResponse(late, headers=headers)
    body: Any = b"plain"
    if path in ("", "public"):
        body = dumped(told(await request.aflags()))
    elif path == "direct":
        body = str(client.variant("checkout-cta", NOBODY))
    return HttpResponse(body, headers=headers)


async def _all(body: Iterator[bytes]) -> AsyncIterator[bytes]:
    for part in body:
        yield part


async def _late(client: Any, request: Any) -> AsyncIterator[bytes]:
    flags = await request.aflags()
    for part in parts(client, lambda: flags.context.targeting_key):
        yield part


urlpatterns = [
    path("", reply),
    path("<path:path>", reply),
]


class Awaiting:
    """The same addresses with coroutine functions: a ``ROOT_URLCONF``."""

    urlpatterns = [path("", areply), path("<path:path>", areply)]  # noqa: RUF012 - Django's way
