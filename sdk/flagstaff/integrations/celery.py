"""Celery: whom a task is done for, and what is forced for them, travel with it.

    end = install(app, client)

    with using(Context("user-42", plan="pro")):
        send_receipt.delay(order)

In the task, ``current_flags().enabled("new-receipt")`` decides for the same user, under the same override
token; tasks that it sends, retries and chains carry both on. Nothing is needed for prefork: the client starts
its threads again in every worker process, and delivers what waits when one ends.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date
from typing import Any

from celery import Celery, signals

from flagstaff import BoundFlags, Client, ConfigError, Context

__all__ = ["HEADER", "current_flags", "install", "using"]

HEADER = "flagstaff"
"""The task header that context and token travel in, as JSON text."""

_LONGEST = 16 * 1024  # characters of it
_FLUSH = 2.0  # seconds: a worker process that ends is not waited for much longer


class _Scope:
    """Whom this thread or task works for, and what stands below it."""

    __slots__ = ("below", "context", "leave", "task")

    def __init__(self, context: Context | None, task: object, leave: Callable[..., Any] | None) -> None:
        self.context = context
        self.task = task
        self.leave = leave
        self.below = _scope.get()
        _scope.set(self)


_scope: ContextVar[_Scope | None] = ContextVar("flagstaff_celery", default=None)
_installed: dict[Celery, Client] = {}


@contextmanager
def using(context: Context) -> Iterator[None]:
    """Send tasks for ``context`` within the block, in this thread or task."""
    scope = _Scope(context, None, None)
    try:
        yield
    finally:
        _scope.set(scope.below)


def current_flags(app: Celery | None = None) -> BoundFlags:
    """The flags of whom the present task is done for; of nobody, where no context came with it.

    ``app`` is the Celery application, by default the current one. ConfigError where it has no client.
    """
    if app is None:
        from celery import current_app

        app = current_app._get_current_object()
    client = _installed.get(app)
    if client is None:
        raise ConfigError("app", "has no client; call flagstaff.integrations.celery.install(app, client)")
    return client.bind(_context() or Context())


def install(
    app: Celery,
    client: Client,
    *,
    sender_context: Callable[[], Context | None] | None = None,
    attributes: Collection[str] | None = None,
) -> Callable[[], None]:
    """Give an application's tasks their flags; returns a function that ends it.

    ``sender_context``
        Whom a task is sent for where ``using`` doesn't say so: in a web application, the visitor.
    ``attributes``
        The names of the attributes that travel; left out, all of them. A header that would be longer than
        16 KiB, or that JSON can't hold, carries the targeting key alone.

    ConfigError where the application has a client already.
    """
    if app in _installed:
        raise ConfigError("app", "has a client already; end the first installation before another")
    _installed[app] = client
    tasks = _Tasks(app, client, sender_context, attributes)
    connected = [
        (signals.before_task_publish, tasks.sent),
        (signals.task_prerun, tasks.begun),
        (signals.task_postrun, tasks.done),
        (signals.worker_process_init, tasks.process_begun),
        (signals.worker_process_shutdown, tasks.process_ended),
        (signals.worker_shutdown, tasks.process_ended),
    ]
    for signal, receiver in connected:
        signal.connect(receiver, weak=False)

    def end() -> None:
        for signal, receiver in connected:
            signal.disconnect(receiver)
        _installed.pop(app, None)

    return end


class _Tasks:
    """What Celery's signals lead to. None of it raises: a task must not fail for its flags."""

    def __init__(
        self,
        app: Celery,
        client: Client,
        sender_context: Callable[[], Context | None] | None,
        attributes: Collection[str] | None,
    ) -> None:
        self._app = app
        self._client = client
        self._sender_context = sender_context
        self._attributes = None if attributes is None else frozenset(attributes)

    def sent(self, headers: dict[str, Any] | None = None, **_named: Any) -> None:
        if headers is None:
            return
        headers.pop(HEADER, None)  # a retry's own, which may be out of date
        context = _context()
        if context is None and self._sender_context is not None:
            try:
                context = self._sender_context()
            except Exception:  # noqa: BLE001 - the host's code, outside of a request perhaps
                context = None
        text = _written(context, self._attributes, self._client.override_token)
        if text is not None:
            headers[HEADER] = text

    def begun(self, task: Any = None, task_id: object = None, **_named: Any) -> None:
        if task is None or task.app is not self._app:
            return
        text = getattr(task.request, HEADER, None)
        if not isinstance(text, str) or len(text) > _LONGEST:
            return
        context, token = _read(text)
        leave = None
        if token is not None:
            override = self._client.override_from(token)
            override.__enter__()
            leave = override.__exit__
        _Scope(context, task_id, leave)

    def done(self, task_id: object = None, **_named: Any) -> None:
        scope = _scope.get()
        if scope is not None and scope.task is not None and scope.task == task_id:
            _scope.set(scope.below)
            if scope.leave is not None:
                scope.leave(None, None, None)

    def process_begun(self, **_named: Any) -> None:
        self._client.wait_ready(0.0)  # starts what a fork has stopped

    def process_ended(self, **_named: Any) -> None:
        self._client.flush(_FLUSH)


def _context() -> Context | None:
    scope = _scope.get()
    return None if scope is None else scope.context


def _written(context: Context | None, attributes: frozenset[str] | None, token: str | None) -> str | None:
    """The header's text; None where there is nothing to tell."""
    told: dict[str, Any] = {} if token is None else {"override": token}
    if context is not None:
        told["key"] = context.targeting_key
    if not told:
        return None
    if context is not None:
        try:
            chosen = {
                name: item
                for name, item in context.attributes.items()
                if attributes is None or name in attributes
            }
            text = _encoded(told | {"attributes": chosen})
            if len(text) <= _LONGEST:
                return text
        except (TypeError, ValueError, RecursionError):
            pass  # something that JSON can't hold
    try:
        text = _encoded(told)
    except (TypeError, ValueError):
        return None  # a targeting key that is none
    return text if len(text) <= _LONGEST else None


def _encoded(told: Mapping[str, Any]) -> str:
    return json.dumps(told, allow_nan=False, separators=(",", ":"), default=_point_in_time)


def _point_in_time(value: Any) -> str:
    """A ``datetime`` as RFC 3339 text, which rules read as well."""
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"a header can't hold a {type(value).__name__}")


def _read(text: str) -> tuple[Context | None, str | None]:
    """What a header tells; whatever is no such header tells nothing."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None, None
    if not isinstance(told, dict):
        return None, None
    key, attributes, token = told.get("key"), told.get("attributes"), told.get("override")
    context = None
    if "key" in told and (key is None or isinstance(key, str | int)):
        context = Context(key, attributes if isinstance(attributes, dict) else {})
    return context, token if isinstance(token, str) else None
