"""What goes over the wire: CloudEvents 1.0 in JSON, encoded once and never again."""

from __future__ import annotations

import os
import time
from itertools import chain, count
from json import JSONEncoder
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import mmh3

from flagstaff.events.ledger import NOT_ENCODABLE, TOO_LARGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flagstaff.events.ledger import Loss

__all__ = ["Encoder", "Exposed", "Unencodable"]

_MAX_BYTES = 64 * 1024  # of one event's data
_MAX_DEPTH = 64
_MAX_SPECS = 4096

# ASCII and strict: what leaves here is JSON to everybody, lone surrogates included.
_json = JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode
_text = encode_basestring_ascii


class Exposed(Protocol):
    """What every exposure of one arm has in common; ``key`` tells two arms apart."""

    @property
    def key(self) -> str: ...
    @property
    def flag(self) -> str: ...
    @property
    def experiment(self) -> str: ...
    @property
    def variant(self) -> str: ...
    @property
    def unit_type(self) -> str: ...
    @property
    def rule(self) -> str | None: ...
    @property
    def revision(self) -> int: ...


class Unencodable(ValueError):  # noqa: N818 - it is the event's fault, not an error of ours
    """An event that can't go out; ``reason`` is the one it is counted under."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class _Form(NamedTuple):
    """The parts of an exposure that its unit and its moment don't change."""

    identity: str  # the beginning of what the id is drawn from
    head: str
    data: str
    tail: str


class Encoder:
    """Encodes events of one process: the id, the sequence number and the bytes are fixed at birth.

    ``project`` and ``environment`` name the source; ``process`` is 16 hex digits, drawn at random
    unless given.
    """

    def __init__(self, project: str, environment: str, process: str | None = None) -> None:
        self._reports = count(1)
        self.process: str = process or _draw()
        self._second = (-1, "")
        self._forms: tuple[str, dict[str, _Form]] = ("", {})
        self._project, self._environment = project, environment
        self._source = _source(project, environment)

    def rename(self, project: str, environment: str) -> None:
        """Name another source from now on: new rules may belong to another project."""
        if (project, environment) != (self._project, self._environment):
            self._project, self._environment = project, environment
            self._source = _source(project, environment)
            self._forms = ("", {})

    def forked(self) -> None:
        """Become a child process's own: another process, counting from one."""
        self._reports = count(1)
        self.process = _draw()
        self._forms = ("", {})

    def exposure_id(self, spec: Exposed, unit: str, day: str) -> str:
        """Return the id that every process gives to this unit's exposure of the day ``YYYY-MM-DD`` (UTC).

        32 hex digits of MurmurHash3 x64 128 (Austin Appleby, 2011), seed 0, over the day, the
        project, the environment and what tells the exposure apart, joined by NULs, in UTF-8.
        """
        return _digest(self._identity(spec, day) + unit)

    def exposure(self, spec: Exposed, unit: str, now: float, sequence: int) -> bytes:
        """Encode the fact that a unit met a variant; ``now`` is seconds since the epoch.

        Raises Unencodable for a unit of more than 64 KiB.
        """
        stamp = self._stamp(now)
        form = self._form(spec, stamp[:10])
        name = _text(unit)
        if len(name) > _MAX_BYTES:
            raise Unencodable(TOO_LARGE, f"a unit may be {_MAX_BYTES} bytes long")
        return (
            f'{{"specversion":"1.0","id":"{_digest(form.identity + unit)}"{form.head}{name}'
            f',"time":"{stamp}","datacontenttype":"application/json","sequence":"{sequence:012d}"'
            f"{form.data}{name}{form.tail}"
        ).encode("ascii")

    def track(  # noqa: PLR0917 - an event's parts, in the order of the wire
        self,
        event: str,
        unit: str,
        unit_type: str,
        value: object,
        properties: Mapping[str, Any] | None,
        now: float,
        sequence: int,
    ) -> bytes:
        """Encode something that happened to a unit; ``value`` and ``properties`` are what JSON can hold.

        Raises Unencodable for anything else, for NaN and the infinities, for more than 64 KiB and
        for nesting beyond 64 levels.
        """
        data = {
            "event": event,
            "unit": unit,
            "unit_type": unit_type,
            "value": value,
            "properties": properties if isinstance(properties, dict) else dict(properties or {}),
        }
        identity = f"{self.process}-{sequence}"
        return self._event("flagstaff.track", identity, data, now, unit=unit or None, sequence=sequence)

    def loss(self, losses: Sequence[Loss], now: float) -> bytes:
        """Encode how many events were dropped; it has no sequence number, for it explains missing ones."""
        data = {"dropped": list(losses)}
        return self._event("flagstaff.loss", f"{self.process}-loss-{next(self._reports)}", data, now)

    def _event(
        self,
        kind: str,
        identity: str,
        data: Mapping[str, object],
        now: float,
        *,
        unit: str | None = None,
        sequence: int | None = None,
    ) -> bytes:
        event = {
            "specversion": "1.0",
            "id": identity,
            "source": self._source,
            "type": kind,
            "subject": unit,
            "time": self._stamp(now),
            "datacontenttype": "application/json",
            "sequence": None if sequence is None else f"{sequence:012d}",
            "process": self.process,
        }
        head = _json({name: value for name, value in event.items() if value is not None})
        return f'{head[:-1]},"data":{_bounded(data)}}}'.encode("ascii")

    def _form(self, spec: Exposed, day: str) -> _Form:
        of_day, forms = self._forms
        if of_day != day or len(forms) > _MAX_SPECS:
            forms = {}
            self._forms = (day, forms)  # one reference: another thread never sees half of it
        form = forms.get(spec.key)
        if form is None:
            form = forms[spec.key] = self._new_form(spec, day)
        return form

    def _new_form(self, spec: Exposed, day: str) -> _Form:
        flag, experiment, variant = map(_text, (spec.flag, spec.experiment, spec.variant))
        rule = "null" if spec.rule is None else _text(spec.rule)
        return _Form(
            identity=self._identity(spec, day),
            head=f',"source":{_text(self._source)},"type":"flagstaff.exposure","subject":',
            data=f',"process":{_text(self.process)},"data":{{"flag":{flag},"experiment":{experiment}'
            f',"variant":{variant},"unit":',
            tail=f',"unit_type":{_text(spec.unit_type)},"rule":{rule},"revision":{spec.revision:d}}}}}',
        )

    def _identity(self, spec: Exposed, day: str) -> str:
        parts = (day, self._project, self._environment, spec.experiment, str(spec.revision))
        return "\0".join((*parts, spec.variant, spec.unit_type, ""))

    def _stamp(self, now: float) -> str:
        """Return a time in RFC 3339, UTC, with milliseconds."""
        second = int(now)
        of_second, text = self._second
        if of_second != second:
            text = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
            self._second = (second, text)
        return f"{text}{int((now - second) * 1000):03d}Z"


def _source(project: str, environment: str) -> str:
    from urllib.parse import quote

    names = (quote(name, safe="", errors="backslashreplace") for name in (project, environment))
    return "/".join(("/flagstaff", *names))


def _draw() -> str:
    return os.urandom(8).hex()


def _digest(identity: str) -> str:
    return f"{mmh3.mmh3_x64_128_uintdigest(identity.encode('utf-8', 'surrogatepass'), 0):032x}"


def _bounded(data: Mapping[str, object]) -> str:
    """Encode data of an unknown shape; refuse early what would become too large or too deep."""
    _weigh(data)
    try:
        text = _json(data)
    except (TypeError, ValueError, RecursionError) as error:
        raise Unencodable(NOT_ENCODABLE, type(error).__name__) from None
    if len(text) > _MAX_BYTES:
        raise Unencodable(TOO_LARGE, f"an event's data may be {_MAX_BYTES} bytes long")
    return text


def _weigh(data: object) -> None:
    """Look at no more than could be encoded: a huge or endless value costs no more than a large one."""
    budget = _MAX_BYTES
    level = [data]
    for _ in range(_MAX_DEPTH):
        below: list[object] = []
        for value in level:
            budget -= _weight(value)
            if budget < 0:
                raise Unencodable(TOO_LARGE, f"an event's data may be {_MAX_BYTES} bytes long")
            below += _parts(value)
        if not below:
            return
        level = below
    raise Unencodable(NOT_ENCODABLE, f"an event's data may be nested {_MAX_DEPTH} levels deep")


def _weight(value: object) -> int:
    """At most as many characters as the value takes in JSON, without what is inside."""
    if isinstance(value, (str, dict, list, tuple)):
        return len(value)
    return value.bit_length() // 4 if isinstance(value, int) else 1


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return chain(value, value.values())
    return value if isinstance(value, (list, tuple)) else ()
