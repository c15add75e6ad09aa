"""Those who asked to be told when something happens to a client, or to stand in front of what it does."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["Listeners", "in_front_of"]


class Listeners:
    """Functions of the host; one that raises harms nobody else. ``of`` names what they hear of."""

    def __init__(self, of: str) -> None:
        self._of = of
        self._functions: dict[object, Callable[[Any], None]] = {}

    def __bool__(self) -> bool:
        return bool(self._functions)

    def add(self, function: Callable[[Any], None]) -> Callable[[], None]:
        """Have it called from now on. Returns a function that ends that."""
        registration = object()
        self._functions[registration] = function

        def end() -> None:
            self._functions.pop(registration, None)

        return end

    def tell(self, news: object) -> None:
        """Call them all."""
        for function in list(self._functions.values()):
            try:
                function(news)
            except Exception as error:  # noqa: BLE001 - a listener is the host's code; it must not stop the client
                from flagstaff.runtime.notice import warn

                warn("client", "a listener for %s raised %s", self._of, type(error).__name__)


def in_front_of(owner: Any, name: str, wrap: Callable[[Callable[..., Any]], Any]) -> Callable[[], None]:
    """Put a wrapper in front of one object's method; its class and other objects of it know nothing of that.

    Returns a function that takes it off again.
    """
    before = vars(owner).get(name)
    setattr(owner, name, wrap(getattr(owner, name)))

    def restore() -> None:
        if before is None:
            vars(owner).pop(name, None)
        else:
            setattr(owner, name, before)

    return restore
