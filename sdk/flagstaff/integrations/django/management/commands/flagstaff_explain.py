"""``manage.py flagstaff_explain``."""

from __future__ import annotations

import json
from typing import Any

from flagstaff.integrations.django.commands import FlagstaffCommand
from flagstaff.integrations.web.telling import context_given

__all__ = ["Command"]


class Command(FlagstaffCommand):
    """Every step to what somebody gets of a flag."""

    help = "Every step to what somebody gets of a flag; exits with 1 if it can't be decided."

    def add_arguments(self, parser: Any) -> None:
        """Which flag, whom for, and in which form."""
        parser.add_argument("flag")
        self.add_context(parser)
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle_asked(self, **told: Any) -> None:
        """Print it."""
        explanation = self.client.explain(told["flag"], context_given(told["key"], told["attributes"]))
        as_json = told["format"] == "json"
        self.stdout.write(json.dumps(explanation.to_dict(), indent=2) if as_json else str(explanation))
        if explanation.decision.error is not None:
            self.fail(explanation.decision.error)
