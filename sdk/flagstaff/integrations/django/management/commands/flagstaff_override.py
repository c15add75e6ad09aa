"""``manage.py flagstaff_override``."""

from __future__ import annotations

from typing import Any

from flagstaff.integrations.django.commands import FlagstaffCommand
from flagstaff.overrides import parse_overrides
from flagstaff.overrides.links import lifetime_of, link_to

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
        parsed = parse_overrides(",".join(told["overrides"]), "FLAG=VARIANT")
        wanted = {flag: str(name) for flag, name in parsed.items()}
        token = self.client.sign_override(wanted, lifetime_of(told["expires"]))
        self.stdout.write(token if told["url"] is None else link_to(told["url"], token))
