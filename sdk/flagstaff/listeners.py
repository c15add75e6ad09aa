"""Those who asked to be told when something happens to a client."""

from __future__ import annotations

from typing import Generic, TypeVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Listeners"]

T = TypeVar("T")


class Listeners(Generic[T]):
    """Functions of the host; one that raises harms nobody else. ``of`` names what they hear of."""

    def __init__(self, of: str) -> None:
        self._of = of
        self._functions: dict[object, Callable[[T], None]] = {}

    def __bool__(self) -> bool:
        return bool(self._functions)

    def add(self, function: Callable[[T], None]) -> Callable[[], None]:
        """Have it called from now on. Returns a function that ends that."""
        registration = object()
        self._functions[registration] = function

        def end() -> None:
            self._functions.pop(registration, None)

        return end

    def tell(self, news: T) -> None:
        """Call them all."""
        for function in list(self._functions.values()):
            try:
                function(news)
            except Exception as error:  # noqa: BLE001 - a listener is the host's code; it must not stop the client
                from flagstaff.runtime.notice import warn

                warn("client", "a listener for %s raised %s", self._of, type(error).__name__)
