"""A panel for Flask-DebugToolbar: what a page has asked for, and how each answer came about.

app.config["DEBUG_TB_PANELS"] = (..., "flagstaff.integrations.flask.panel.FlagsPanel")
"""

from __future__ import annotations

from flask_debugtoolbar.panels import DebugPanel

from flagstaff.integrations.web.panel import panel_data, panel_html

from . import current_visit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from flagstaff.integrations.web import Visit

__all__ = ["FlagsPanel"]


class FlagsPanel(DebugPanel):
    """Every flag that ``current_flags`` was asked for, with its trace."""

    name = "Flags"
    has_content = True
    _visit: Visit | None = None

    def process_request(self, request: Any) -> None:  # noqa: ARG002 - the toolbar's
        """Have the request's decisions written down."""
        self._visit = current_visit()
        self._visit.record = {}

    def nav_title(self) -> str:
        """The panel's name in the side bar."""
        return "Flags"

    def nav_subtitle(self) -> str:
        """How much was asked for."""
        count = 0 if self._visit is None else len(self._visit.record or ())
        return f"{count} asked for"

    def title(self) -> str:
        """The panel's heading."""
        return "Feature flags"

    def url(self) -> str:
        """There is no page of its own."""
        return ""

    def content(self) -> str:
        """The panel as HTML."""
        visit = self._visit
        if visit is None:
            return panel_html({})
        return panel_html(panel_data(visit.client, visit.record, lambda: visit.context))
