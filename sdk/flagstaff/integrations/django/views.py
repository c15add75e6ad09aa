"""Views for those who have a flag."""

from __future__ import annotations

from functools import wraps
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import Http404, HttpResponse

from flagstaff import BoundFlags, Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    View = TypeVar("View", bound=Callable[..., Any])

__all__ = ["FlagRequiredMixin", "flag_permission", "flag_required", "flags_of"]


def flags_of(request: Any) -> BoundFlags:
    """A request's flags; nobody's, where the middleware has not seen it (or there is no request)."""
    flags: BoundFlags | None = getattr(request, "flags", None)
    if flags is None:
        from .conf import get_client

        return get_client().bind(Context())
    return flags


def flag_required(flag: str, otherwise: int | Callable[..., Any] = 404) -> Callable[[View], View]:
    """Serve a view to those for whom a flag is enabled; the others get a status code, or another view.

    The view may be a coroutine function; another view must then be one, too.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: Any, *args: Any, **kwargs: Any) -> Any:
            if flags_of(request).enabled(flag):
                return view(request, *args, **kwargs)
            return _other(otherwise, request, args, kwargs)

        @wraps(view)
        async def aguarded(request: Any, *args: Any, **kwargs: Any) -> Any:
            flags = await request.aflags() if hasattr(request, "aflags") else flags_of(request)
            if flags.enabled(flag):
                return await view(request, *args, **kwargs)
            other = _other(otherwise, request, args, kwargs)
            return await other if iscoroutinefunction(otherwise) else other

        made: Any = aguarded if iscoroutinefunction(view) else guarded
        chosen: View = made
        return chosen

    return decorate


def _other(otherwise: int | Callable[..., Any], request: Any, args: Any, kwargs: Any) -> Any:
    if callable(otherwise):
        return otherwise(request, *args, **kwargs)
    if otherwise == 404:
        raise Http404
    return HttpResponse(status=otherwise)


class FlagRequiredMixin:
    """For class-based views: ``flag_required`` names the flag, ``flag_otherwise`` is as in the decorator."""

    flag_required: str
    flag_otherwise: int | Callable[..., Any] = 404

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Serve those who have the flag."""
        above: Any = super()

        async def adispatch(request: Any, *args: Any, **kwargs: Any) -> Any:
            return await above.dispatch(request, *args, **kwargs)

        view = adispatch if getattr(self, "view_is_async", False) else above.dispatch
        otherwise = type(self).flag_otherwise  # not bound: a function here is another view
        return flag_required(self.flag_required, otherwise)(view)(request, *args, **kwargs)


def flag_permission(flag: str) -> type[Any]:
    """A permission for Django REST framework: ``permission_classes = [flag_permission("new-api")]``.

    It goes together with others: ``[IsAuthenticated & ~flag_permission("old-api")]``.
    """
    from rest_framework.permissions import BasePermission

    class FlagPermission(BasePermission):
        message = f"This is for those who have {flag}."

        def has_permission(self, request: Any, view: Any) -> bool:  # noqa: ARG002 - the framework's
            return flags_of(request).enabled(flag)

        def has_object_permission(self, request: Any, view: Any, obj: Any) -> bool:  # noqa: ARG002
            return self.has_permission(request, view)  # "~" turns both round

    return FlagPermission
