"""Django: flags on every request, in templates, views, commands and tests. No models, no queries.

    INSTALLED_APPS = [..., "flagstaff.integrations.django"]
    MIDDLEWARE = [..., "flagstaff.integrations.django.middleware.FlagstaffMiddleware"]
    FLAGSTAFF = {"URL": "https://flags.example.com", "KEY": "sdk-...", "CONTEXT_LOADER": "shop.flags.load"}

In a view: ``request.flags.enabled("new-checkout")``.
"""

from __future__ import annotations

from .conf import get_client as get_client
from .views import FlagRequiredMixin as FlagRequiredMixin
from .views import flag_permission as flag_permission
from .views import flag_required as flag_required
