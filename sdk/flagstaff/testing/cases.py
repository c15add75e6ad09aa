"""Flags for unittest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from unittest import TestCase

from flagstaff.core.context import Context
from flagstaff.testing.client import AsyncMemoryClient, MemoryClient, MemoryFlags

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from flagstaff.testing.exposures import Exposures

__all__ = ["FlagsMixin"]


class FlagsMixin(TestCase):
    """``self.flags`` for a ``unittest.TestCase``: a client in memory of its own for every test.

        class CheckoutTest(FlagsMixin):
            flags_rules = "flags.toml"  # may be left out: then any flag can be set to anything

            def test_urgent(self) -> None:
                self.flags(checkout_cta="urgent")
                self.assertIn("Buy now", render(self.flags))
                self.exposures.assert_seen("checkout-cta", "urgent")

    ``flags_client`` is the kind of client, ``flags_context`` whom the getters are for.
    """

    flags_rules: ClassVar[Mapping[str, Any] | bytes | str | os.PathLike[str] | None] = None
    flags_client: ClassVar[type[MemoryClient | AsyncMemoryClient]] = MemoryClient
    flags_context: ClassVar[Context] = Context("test-user")

    flags: MemoryFlags
    exposures: Exposures

    def run(self, result: Any = None) -> Any:
        """Run the test, with flags of its own even where a ``setUp`` doesn't call its parent's."""
        client = self.flags_client(self.flags_rules)
        self.flags = MemoryFlags(client, self.flags_context)
        self.exposures = client.exposures
        return super().run(result)
