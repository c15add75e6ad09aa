"""A panel for Django Debug Toolbar: what a page has asked for, and how each answer came about.

DEBUG_TOOLBAR_PANELS = [..., "flagstaff.integrations.django.panel.FlagsPanel"]
"""

from __future__ import annotations

from typing import Any

from debug_toolbar.panels import Panel
from django.utils.safestring import mark_safe

from flagstaff.integrations.web.panel import panel_data, panel_html

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagstaff.integrations.web import Visit

__all__ = ["FlagsPanel"]


class FlagsPanel(Panel):
    """Every flag that ``request.flags`` was asked for, with its trace."""

    title = "Feature flags"
    nav_title = "Flags"
    is_async = True

    @property
    def nav_subtitle(self) -> str:
        """How much was asked for."""
        return f"{len(self._stats().get('rows', ()))} asked for"

    @property
    def content(self) -> Any:
        """The panel as HTML."""
        return mark_safe(panel_html(self._stats()))  # noqa: S308 - escaped there

    def process_request(self, request: Any) -> Any:
        """Have the request's decisions written down."""
        request.flagstaff_record = {}
        visit = getattr(request, "flagstaff_visit", None)  # our middleware may be on either side
        if visit is not None:
            visit.record = request.flagstaff_record
            request.flags = visit.later_flags
        return super().process_request(request)  # type: ignore[no-untyped-call]

    def generate_stats(self, request: Any, response: Any) -> None:  # noqa: ARG002 - the toolbar's
        """Keep them."""
        visit: Visit | None = getattr(request, "flagstaff_visit", None)
        if visit is not None:
            data = panel_data(visit.client, visit.record, lambda: visit.context)
            self.record_stats(data)  # type: ignore[no-untyped-call]

    def _stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = self.get_stats()  # type: ignore[no-untyped-call]
        return stats
