"""The app: it has no models and does nothing until a request or a command asks."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.core.signals import setting_changed

from .checks import check_deployment, check_settings
from .conf import forget_site

__all__ = ["FlagstaffConfig"]


class FlagstaffConfig(AppConfig):
    """``flagstaff.integrations.django`` in ``INSTALLED_APPS``."""

    name = "flagstaff.integrations.django"
    label = "flagstaff"

    def ready(self) -> None:
        """Register the checks, and listen for settings that change in tests."""
        register(check_settings)
        register(Tags.security, deploy=True)(check_deployment)
        setting_changed.connect(forget_site, dispatch_uid="flagstaff")
