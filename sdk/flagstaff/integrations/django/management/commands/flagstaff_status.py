"""``manage.py flagstaff_status``."""

from __future__ import annotations

from typing import Any

from flagstaff.integrations.django.commands import FlagstaffCommand

__all__ = ["Command"]


class Command(FlagstaffCommand):
    """How the client is."""

    help = "How the client is; exits with 1 if it has no rules."

    def handle_asked(self, **_: Any) -> None:
        """Print it."""
        status = self.client.status()
        self.stdout.write(str(status))
        if not status.ready:
            self.fail("there are no rules")
