"""A permission of Django REST framework's, asked by the real one."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client as Browser
from django.test import override_settings
from django.urls import path
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import APIView

from flagstaff import Client
from flagstaff.integrations.django import flag_permission
from tests.integrations.web.lab import RULES, SECRET, token_for


class ByHeader(BaseAuthentication):
    def authenticate(self, request: Any) -> Any:
        name = request.headers.get("X-User")
        return name and (SimpleNamespace(is_authenticated=True, name=name), None)


class Nobody(BasePermission):
    def has_permission(self, *_: Any) -> bool:
        return False


def view_for(permission: Any) -> Any:
    class Articles(APIView):
        authentication_classes = (ByHeader,)
        permission_classes = (permission,)
        renderer_classes = (JSONRenderer,)

        def get(self, request: Any) -> Response:
            self.check_object_permissions(request, object())
            return Response("new" if request.flags.enabled("new-checkout") else "old")

    return Articles.as_view()


def load(request: Any) -> Any:
    """As a project's own loader would: whoever the framework's authentication has found."""
    user = getattr(request, "user", None)
    return {"user_id": user.name} if user else None


NEW = flag_permission("new-checkout")


class Api:
    urlpatterns = [  # noqa: RUF012 - Django's way
        path("new", view_for(NEW)),
        path("old", view_for(~NEW)),
        path("members", view_for(flag_permission("members"))),
        path("both", view_for(NEW & flag_permission("banner"))),
        path("either", view_for(Nobody | NEW)),
        path("neither", view_for(NEW & Nobody)),
    ]


@pytest.fixture
def browser() -> Iterator[Browser]:
    settings: dict[str, Any] = {"UNAUTHENTICATED_USER": None}
    with (
        Client.from_document(RULES, override_secret=SECRET) as client,
        override_settings(
            FLAGSTAFF={"CLIENT": client, "CONTEXT_LOADER": load},
            ROOT_URLCONF=Api,
            REST_FRAMEWORK=settings,
        ),
    ):
        yield Browser()


def statuses(browser: Browser, **headers: str) -> dict[str, int]:
    names = ("new", "old", "both", "either", "neither")
    return {name: browser.get(f"/{name}", headers=headers).status_code for name in names}


def test_a_permission_is_for_those_who_have_the_flag(browser: Browser) -> None:
    assert statuses(browser) == {"new": 403, "old": 200, "both": 403, "either": 403, "neither": 403}

    refused = browser.get("/new", headers={"X-User": "ada"}).json()
    assert refused == {"detail": "This is for those who have new-checkout."}


def test_a_link_opens_it_and_it_goes_together_with_others(browser: Browser) -> None:
    forced = token_for({"new-checkout": "on"})

    found = statuses(browser, **{"Flagstaff-Override": forced})

    assert found == {"new": 200, "old": 403, "both": 200, "either": 200, "neither": 403}
    assert browser.get("/new", headers={"Flagstaff-Override": forced}).json() == "new"


def test_whom_the_frameworks_own_authentication_finds_is_whom_it_is_decided_for(browser: Browser) -> None:
    assert browser.get("/members").status_code == 403
    assert browser.get("/members", headers={"X-User": "ada"}).status_code == 200
