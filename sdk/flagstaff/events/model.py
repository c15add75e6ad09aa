"""What goes over the wire: CloudEvents 1.0 in JSON, encoded once and never again."""

from __future__ import annotations

import os
import time
from functools import lru_cache
from itertools import chain, count
from json import JSONEncoder, loads
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, Any, Protocol

from mmh3 import mmh3_x64_128_digest

from flagstaff.events.ledger import NOT_ENCODABLE, TOO_LARGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flagstaff.events.ledger import Loss

__all__ = ["Encoder", "Exposed", "Form", "Unencodable", "check_unit"]

_MAX_BYTES = 64 * 1024  # of one event's data
_MAX_DEPTH = 64
_MAX_SPECS = 4096
_FIELDS = 9  # of a form

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


class Form:
    """What all exposures of one arm by one process have in common: an event but for its unit and its moment.

    Forms of the same fields make the same bytes, in whichever process: an exposure can be kept as its form,
    its unit, its moment and its number, and be encoded when it is sent.
    """

    __slots__ = ("_data", "_fields", "_head", "_identity", "_tail", "_today", "flag", "variant", "weight")

    def __init__(  # noqa: PLR0917 - the order in which they are kept
        self,
        project: str,
        environment: str,
        process: str,
        flag: str,
        experiment: str,
        variant: str,
        unit_type: str,
        rule: str | None,
        revision: int,
    ) -> None:
        names = (project, environment, process, flag, experiment, variant, unit_type)
        self._fields = (*names, rule, revision)
        self.flag: str = flag
        self.variant: str = variant
        self._identity = "\0".join(
            ("", project, environment, experiment, f"{revision:d}", variant, unit_type, "")
        )
        self._today = ("", b"")  # the day of the last event, and what its id is made of but for the unit
        self._head = (
            f'","source":{_text(_source(project, environment))},"type":"flagstaff.exposure","subject":'
        )
        self._data = (
            f'","process":{_text(process)},"data":{{"flag":{_text(flag)},"experiment":{_text(experiment)}'
            f',"variant":{_text(variant)},"unit":'
        )
        rule_text = "null" if rule is None else _text(rule)
        self._tail = f',"unit_type":{_text(unit_type)},"rule":{rule_text},"revision":{revision:d}}}}}'
        #: Bytes of an exposure without its unit.
        self.weight: int = 192 + len(self._head) + len(self._data) + len(self._tail)

    def encode(self) -> bytes:
        """The fields as ASCII, for ``decode``."""
        return _json(self._fields).encode("ascii")

    @classmethod
    def decode(cls, text: bytes) -> Form:
        """The form that ``encode`` wrote; ValueError for anything else."""
        fields: Any = loads(text)
        if not isinstance(fields, list) or len(fields) != _FIELDS:
            raise ValueError("not the fields of a form")
        *names, rule, revision = fields
        if not all(type(name) is str for name in (*names, "" if rule is None else rule)):
            raise ValueError("not the names of a form")
        if type(revision) is not int:
            raise ValueError("not a revision")
        return cls(*fields)

    def identify(self, unit: str, day: str) -> str:
        """The id that every process gives to the unit's exposure of the day ``YYYY-MM-DD`` (UTC).

        32 hex digits of MurmurHash3 x64 128 (Austin Appleby, 2011), seed 0, over the day, the
        project, the environment and what tells the exposure apart, joined by NULs, in UTF-8.
        """
        today, begin = self._today
        if today != day:
            begin = f"{day}{self._identity}".encode("utf-8", "surrogatepass")
            self._today = day, begin
        # The digest lies the lowest byte first.
        return mmh3_x64_128_digest(begin + unit.encode("utf-8", "surrogatepass"), 0)[::-1].hex()

    def render(self, unit: str, now: float, number: int) -> bytes:
        """The event: ``now`` is seconds since the epoch, ``number`` the event's in its process."""
        stamp, name = _stamp(now), _text(unit)
        return (
            f'{{"specversion":"1.0","id":"{self.identify(unit, stamp[:10])}{self._head}{name}'
            f',"time":"{stamp}","datacontenttype":"application/json","sequence":"{number:012d}'
            f"{self._data}{name}{self._tail}"
        ).encode("ascii")


class Encoder:
    """Encodes events of one process: the id, the sequence number and the bytes are fixed at birth.

    ``project`` and ``environment`` name the source; ``process`` is 16 hex digits, drawn at random
    unless given. ``forms`` holds what ``form`` has made: the hot path looks itself.
    """

    def __init__(self, project: str, environment: str, process: str | None = None) -> None:
        self._reports = count(1)
        self.process: str = process or _draw()
        self._project, self._environment = project, environment
        self.forms: dict[Exposed, Form] = {}

    def rename(self, project: str, environment: str) -> None:
        """Name another source from now on: new rules may belong to another project."""
        if (project, environment) != (self._project, self._environment):
            self._project, self._environment = project, environment
            self.forms = {}

    def forked(self) -> None:
        """Become a child process's own: another process, counting from one."""
        self._reports = count(1)
        self.process = _draw()
        self.forms = {}

    def form(self, spec: Exposed) -> Form:
        """The form of an arm's exposures."""
        forms = self.forms  # before the names are read: one that is late must not get among the new ones
        form = forms.get(spec)
        if form is None:
            if len(forms) >= _MAX_SPECS:
                self.forms = forms = {}
            form = forms[spec] = Form(
                self._project,
                self._environment,
                self.process,
                spec.flag,
                spec.experiment,
                spec.variant,
                spec.unit_type,
                spec.rule,
                spec.revision,
            )
        return form

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
            "source": _source(self._project, self._environment),
            "type": kind,
            "subject": unit,
            "time": _stamp(now),
            "datacontenttype": "application/json",
            "sequence": None if sequence is None else f"{sequence:012d}",
            "process": self.process,
        }
        head = _json({name: value for name, value in event.items() if value is not None})
        return f'{head[:-1]},"data":{_bounded(data)}}}'.encode("ascii")


def check_unit(unit: str) -> None:
    """Raises Unencodable for a unit of more than 64 KiB."""
    if len(_text(unit)) > _MAX_BYTES:
        raise Unencodable(TOO_LARGE, f"a unit may be {_MAX_BYTES} bytes long")


def _stamp(now: float) -> str:
    """A time in RFC 3339, UTC, with milliseconds."""
    return _millisecond(int(now * 1000))


@lru_cache(maxsize=256)
def _millisecond(moment: int) -> str:
    second, rest = divmod(moment, 1000)
    return f"{_second(second)}{rest:03d}Z"


@lru_cache(maxsize=256)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))


@lru_cache(maxsize=64)
def _source(project: str, environment: str) -> str:
    from urllib.parse import quote

    names = (quote(name, safe="", errors="backslashreplace") for name in (project, environment))
    return "/".join(("/flagstaff", *names))


def _draw() -> str:
    return os.urandom(8).hex()


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
