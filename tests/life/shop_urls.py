"""Django's page of the shops."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path

from tests.life.shops import told


def load(request: HttpRequest) -> str:
    return request.GET["unit"]


def page(request: Any) -> HttpResponse:
    return HttpResponse(told(request.flags), content_type="text/plain")


urlpatterns = [path("", page)]
