"""Whom a decision is for."""

from __future__ import annotations

from collections.abc import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, TypeAlias

    Whom: TypeAlias = "Context | Mapping[str, Any]"

__all__ = ["ANONYMOUS", "Context", "as_context"]


class Context:
    """Whom a flag is decided for: a targeting key and attributes.

    ``targeting_key`` identifies the unit that is bucketed: text, or an int (which counts as its
    decimal text). Without one, rules that draw a bucket don't serve and everything else works.

    Attributes are given by name or, where a name is no identifier, in a mapping; given twice, the
    name wins. Values are what JSON can hold, and ``datetime`` for points in time; ``None`` means that
    the attribute is absent. A lone mapping is kept as it is, not copied: leave it alone while the
    context is in use.

    Where it is needed only once, a plain mapping does as well, with the key under ``targetingKey``.

        >>> Context("user-42", country="NL", plan="pro")
        Context('user-42', {'country': 'NL', 'plan': 'pro'})
        >>> Context("user-42", {"app-version": "4.2.0"})
        Context('user-42', {'app-version': '4.2.0'})
    """

    __slots__ = ("attributes", "targeting_key")

    targeting_key: str | int | None
    attributes: Mapping[str, Any]

    def __init__(
        self,
        targeting_key: str | int | None = None,
        attributes: Mapping[str, Any] | None = None,
        /,
        **named: Any,
    ) -> None:
        self.targeting_key = targeting_key
        if attributes is None:
            self.attributes = named
        elif named:
            self.attributes = {**attributes, **named}
        else:
            self.attributes = attributes

    def __repr__(self) -> str:
        return f"Context({self.targeting_key!r}, {dict(self.attributes)!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Context):
            return NotImplemented
        return self.targeting_key == other.targeting_key and self.attributes == other.attributes

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # values may be lists


ANONYMOUS = Context()


def as_context(given: Whom) -> Context:
    """The context itself, or what a plain mapping says: attributes, and the key under ``targetingKey``.

    Never raises: what is neither comes back as it is, for others to complain of.
    """
    attributes: Any = given
    kind = type(given)  # which, unlike isinstance, can't be lied to
    if kind is not dict and (issubclass(kind, Context) or not issubclass(kind, Mapping)):
        itself: Context = attributes
        return itself
    try:
        key = attributes.get("targetingKey")
    except Exception:  # noqa: BLE001  # a hostile mapping: what is asked of it next will raise again, and be told
        key = None
    return Context(key, attributes)
