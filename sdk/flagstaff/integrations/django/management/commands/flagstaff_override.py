"""``manage.py flagstaff_override``."""

from __future__ import annotations

from typing import Any

from flagstaff.integrations.django.commands import FlagstaffCommand
from flagstaff.integrations.web.telling import link_for

__all__ = ["Command"]


class Command(FlagstaffCommand):
    """Make a link that forces variants for whoever follows it."""

    help = "Make a link that forces variants for whoever follows it."

    def add_arguments(self, parser: Any) -> None:
        """What to force, how long and where."""
        parser.add_argument("overrides", nargs="+", metavar="FLAG=VARIANT")
        parser.add_argument("--expires", default="2h", help="Such as 90s, 30m, 2h, 7d.")
        parser.add_argument("--url", help="The page to make a link to; without it the token is printed.")

    def handle_asked(self, **told: Any) -> None:
        """Print it."""
        self.stdout.write(link_for(self.client, told["overrides"], told["expires"], told["url"]))
