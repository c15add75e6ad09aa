"""What the management commands have in common."""

from __future__ import annotations

from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError

from flagstaff import Client, FlagstaffError

from .conf import get_client

__all__ = ["FlagstaffCommand"]


class FlagstaffCommand(BaseCommand):
    """A command about the client of the settings; what can be foreseen ends it in one sentence."""

    client: Client

    def handle(self, *_: Any, **told: Any) -> None:
        """Find the client and do what was asked."""
        try:
            self.client = get_client()
            self.client.wait_ready()
            self.handle_asked(**told)
        except FlagstaffError as error:
            raise CommandError(str(error)) from error

    def handle_asked(self, **told: Any) -> None:
        """Do it."""
        raise NotImplementedError

    def fail(self, sentence: str) -> NoReturn:
        """End with 1."""
        raise CommandError(sentence)

    def add_context(self, parser: Any) -> None:
        """Arguments that say whom flags are decided for."""
        parser.add_argument("--key", help="The targeting key.")
        parser.add_argument("-a", dest="attributes", action="append", default=[], metavar="NAME=VALUE")
