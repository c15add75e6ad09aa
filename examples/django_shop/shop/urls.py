"""The shop's addresses."""

from __future__ import annotations

from django.conf import settings
from django.urls import include, path

from shop import views

urlpatterns = [
    path("", views.home, name="home"),
    path("login", views.login, name="login"),
    path("checkout", views.checkout, name="checkout"),
]
if "debug_toolbar" in settings.INSTALLED_APPS:
    urlpatterns.append(path("__debug__/", include("debug_toolbar.urls")))
