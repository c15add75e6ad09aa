from __future__ import annotations

import unittest

from flagstaff import Context
from flagstaff.testing import AsyncMemoryClient, FlagsMixin
from tests.client.lab import document


class FreeTest(FlagsMixin):
    def setUp(self) -> None:
        pass  # without its parent's

    def test_a_flag_is_set_in_one_test(self) -> None:
        self.flags(x=True)
        assert self.flags.enabled("x")

    def test_and_not_in_the_other(self) -> None:
        assert self.flags.variant("x") is None
        self.exposures.assert_none()


class RulesTest(FlagsMixin, unittest.IsolatedAsyncioTestCase):
    flags_rules = document()
    flags_client = AsyncMemoryClient
    flags_context = Context("user-9")

    async def test_rules_and_client_and_context_are_its_own(self) -> None:
        self.flags({"checkout-cta": "urgent"})
        assert await self.flags.client.wait_ready() is True  # type: ignore[misc]
        assert self.flags.value("checkout-cta", default="") == "Buy now"
        self.exposures.assert_seen_once("checkout-cta", "urgent", unit="user-9")
