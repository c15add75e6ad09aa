"""``manage.py flagstaff_list``."""

from __future__ import annotations

from typing import Any

from flagstaff.integrations.django.commands import FlagstaffCommand
from flagstaff.integrations.web.telling import context_given, listing

__all__ = ["Command"]


class Command(FlagstaffCommand):
    """Every flag, and what somebody gets of it."""

    help = "Every flag, and what somebody gets of it."

    def add_arguments(self, parser: Any) -> None:
        """Whom for, and in which form."""
        self.add_context(parser)
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle_asked(self, **told: Any) -> None:
        """Print them."""
        context = context_given(told["key"], told["attributes"])
        self.stdout.write(listing(self.client, context, as_json=told["format"] == "json"))
