"""For tests: ``override_flags`` as a context manager, and on functions and classes of tests."""

from __future__ import annotations

from typing import Any

from django.test.utils import TestContextDecorator

from .conf import get_client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

__all__ = ["override_flags"]


class override_flags(TestContextDecorator):  # noqa: N801 - as override_settings
    """Force variants while a test runs.

        @override_flags({"checkout-cta": "urgent"}, banner=False)
        class CheckoutTests(TestCase): ...

    A value is a variant's name, or True or False for the variant with that value. OverrideError where the
    rules have no such flag or variant. It reaches the test's own thread or task, which is where Django's test
    client runs views; a live server has threads of its own: send it a token of ``client.sign_override``.
    """

    def __init__(self, overrides: Mapping[str, str | bool] | None = None, /, **named: str | bool) -> None:
        super().__init__()
        self._wanted = {**(overrides or {}), **named}
        self._entered: list[AbstractContextManager[None]] = []

    def enable(self) -> Any:
        """Begin."""
        block = get_client().override(self._wanted)
        block.__enter__()
        self._entered.append(block)

    def disable(self) -> None:
        """End what was begun last."""
        self._entered.pop().__exit__(None, None, None)
