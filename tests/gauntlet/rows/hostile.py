"""Input from people who mean harm: patterns, sizes, shapes, redirects, names, tokens, bytes."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import logging
import random
import subprocess
import sys
import tempfile
import time
import traceback
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from flagstaff import Client, Context, Reason, RulesError, Secret
from flagstaff.core.evaluate import Snapshot
from flagstaff.core.patterns import compile_pattern
from flagstaff.formats import load
from flagstaff.net.http import Http
from flagstaff.net.message import Request, TransportError
from flagstaff.overrides.tokens import TokenChecker
from tests.gauntlet.collector import collecting
from tests.gauntlet.misrule import document, good, misruled
from tests.gauntlet.stage import ROOT, Row, Rows, Scale, best, until
from tests.gauntlet.subject import RULES
from tests.net.badserver import Behaviour, Visit, answer, drip, endless, redirect, serving

__all__ = ["ROWS"]

_USER = Context("user-1")


# -- patterns ------------------------------------------------------------------------------------------------

_BACKTRACKING = [
    "({0}+)+{1}",
    "({0}|{0})*{1}",
    "({0}*)*b{1}",
    "^(({0})+.)+{1}",
    "({0}|{0}{0})+{1}",
    "(.*{0}){{1,8}}{1}",
    "({0}?){{20}}{0}{{20}}{1}",
    "(({0})*)*{0}{1}",
    "({0}+,?)+{1}",
    "({0}+|b)*c{1}",
    "^({0}|.)*({0}|.)*{1}",
]
"""Shapes in which a backtracking engine tries ways without end."""

_ATOMS = [
    *("a", "[ab]", "\\w", ".", "(?:a|b)", "(?:a{1,3})"),
    *("[^b]", "(?:aa?)", "(a)", "a|b", "(?i:a)", "(?:ab?)"),
]
_ENDS = ["$", "!", "\\b.c", "(?:x|$)"]

_COUNTING = [
    "(a|b)*a(a|b){{{0}}}$",
    "[ab]*a[ab]{{{0}}}c",
    "(a.{{1,{0}}}b)+c",
    "a.{{{0}}}b.{{{0}}}c",
    "(.{{1,{0}}}a.{{1,{0}}}b)+c",
    ".*a.{{0,{0}}}b.{{0,{0}}}c",
]
"""Shapes whose automaton has as many states as there are texts of a length, so that none is met twice."""

_LONG = 10_000
_QUICK = 0.001  # seconds for a text that long
_STEADY = 50e-6  # seconds for a character, where every one leads to a state that is new


def patterns(scale: Scale) -> Row:
    """Patterns that explode in a backtracking engine, and those from which an automaton grows without end.

    An evaluation takes time in proportion to the text: little where the automaton's states come again,
    more where they don't, but never more than one step of bounded size for each character.
    """
    made = [shape.format(atom, end) for shape, atom, end in itertools.product(_BACKTRACKING, _ATOMS, _ENDS)]
    texts = ["a" * (_LONG - 1) + "!", "ab" * (_LONG // 2), "a" * 28 + "!"]
    refused, worst, worst_is = 0, 0.0, ""
    for pattern in made:
        try:
            found = compile_pattern(pattern)
        except ValueError:
            refused += 1
            continue
        for text in texts:
            took = best(partial(_seconds, found, text), lambda seconds: seconds / _QUICK, most=50)
            worst, worst_is = max((worst, worst_is), (took, pattern))
    counting = [shape.format(count) for shape, count in itertools.product(_COUNTING, (5, 20, 100, 300))]
    text = "".join(random.Random(14).choices("ab", k=_LONG))
    steps = [(_seconds(compile_pattern(pattern), text) / _LONG, pattern) for pattern in counting]
    step, step_is = max(steps)
    return Row(
        "No pattern can stop an evaluation",
        f"{len(made) + len(counting)} patterns, {refused} refused; texts of {_LONG:,} characters",
        f"{worst * 1000:.1f} ms, for {worst_is}; where no state comes twice, {step * 1e6:.0f} µs a "
        f"character, for {step_is}",
        f"{len(made)} make an engine backtrack, {len(counting)} an automaton grow",
        refused < len(made) / 20,
        worst <= _QUICK and step <= _STEADY,
    )


def _seconds(found: Any, text: str) -> float:
    begun = time.thread_time()
    found(text)
    return time.thread_time() - begun


# -- sizes and times -----------------------------------------------------------------------------------------

_WATCHER = """
import resource, sys, time
from flagstaff import Client
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
client = Client(sys.argv[1], events=None, stream=False, poll_interval=0.1, directory=sys.argv[2])
assert client.wait_ready(20)
before, begun = peak(), time.monotonic()
while not client.status().problems:
    assert time.monotonic() < begun + 30
    time.sleep(0.005)
print(peak() - before, client.value("flag-0"))
client.close()
"""


def sizes(scale: Scale) -> Row:
    """Half a gigabyte in half a megabyte, and a body without end: refused while they come."""
    grown, kept, met = [], 0, 0
    bomb = _bomb()
    faults: dict[str, Behaviour] = {"bomb": answer(bomb, Content_Encoding="gzip"), "endless": endless}
    for fault, _ in itertools.product(faults.values(), range(scale)):
        with misruled() as misrule, tempfile.TemporaryDirectory() as directory:
            misrule.change(_after(good(1), fault))
            told = _run(_WATCHER, misrule.server.url, directory).split()
            grown.append(float(told[0]))
            kept += told[1] == "1"
            met += misrule.met - 1
    return Row(
        "No answer can fill the memory",
        f"{len(grown)} processes; 512 MiB from {len(bomb) / 1e6:.1f} MB, and a body without end",
        f"{max(grown):.1f} MiB more, {len(grown) - kept} lost their rules",
        f"{met} answers of that kind",
        max(grown) <= 24 and kept == len(grown) and met >= len(grown),
    )


def _after(first: Behaviour, then: Behaviour) -> Behaviour:
    answers = iter([first])

    def behave(visit: Visit) -> None:
        next(answers, then)(visit)

    return behave


def _bomb() -> bytes:
    packer = zlib.compressobj(1, wbits=31)
    return b"".join(packer.compress(b" " * (1 << 20)) for _ in range(512)) + packer.flush()


def _run(program: str, *arguments: str) -> str:
    environment = {"PYTHONPATH": str(ROOT / "sdk"), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True, text=True, check=True, timeout=60, env=environment,
    )  # fmt: skip
    return done.stdout


def deadlines(scale: Scale) -> Row:
    """An answer that comes drop by drop is given up when its time is over, whatever keeps coming."""
    rounds, off = 3 * scale, []
    timeout = 0.5
    drips = [
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"),
        drip(b"HTTP/1.1 200 OK\r\nX: "),
        drip(b"H", b"T"),
    ]
    visits = 0
    for fault, _ in itertools.product(drips, range(rounds)):
        with serving(fault) as server:
            http = Http()
            begun = time.monotonic()
            try:
                http.send(Request("GET", server.url, timeout=timeout))
            except TransportError:
                off.append(time.monotonic() - begun - timeout)
            http.close()
            visits += len(server.visits)
    late = max(off)
    return Row(
        "Every wait for an answer has a total deadline",
        f"{len(off)} answers, a byte every tenth of a second",
        f"{late * 1000:.0f} ms after the deadline of {timeout * 1000:.0f} ms",
        f"{visits} connections dripped",
        len(off) == len(drips) * rounds and visits > 0,
        late <= 0.1,
    )


# -- shapes --------------------------------------------------------------------------------------------------

_PROMPT = 0.05  # seconds
_TWIN = 3.0
"""What a wide document may take, as a multiple of what a harmless one takes that is as wide."""


class _Shape(NamedTuple):
    document: Any
    harmful: bool = True
    wide: int = 0  # how many parts it has, if that is what is wrong with it


def _flags(count: int, link: Callable[[int], dict[str, Any]]) -> dict[str, Any]:
    return {"version": 1, "flags": {f"f{number}": link(number) for number in range(count)}}


def _circle(count: int) -> dict[str, Any]:
    return _flags(count, lambda number: {"gates": [{"flag": f"f{(number + 1) % count}"}]})


def _circle_of_segments(count: int) -> dict[str, Any]:
    parts = {f"s{number}": {"segment": f"s{(number + 1) % count}"} for number in range(count)}
    flags = {"f": {"rules": [{"segment": "s0", "serve": "on"}]}}
    return {"version": 1, "segments": parts, "flags": flags}


def _shapes() -> dict[str, _Shape]:
    deep: Any = {"attribute": "a", "op": "eq", "value": 1}
    for _ in range(900):
        deep = {"not": deep}
    valued = '{{"version":1,"flags":{{"f":{{"variants":{{"a":{}}},"default":"a"}}}}}}'
    return {
        "depth 100,000": _Shape(b'{"version":1,"flags":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        "conditions 900 deep": _Shape(_flags(1, lambda _: {"rules": [{"when": deep, "serve": "on"}]})),
        "a circle of segments": _Shape(_circle_of_segments(3)),
        "a circle of 5,000 segments": _Shape(_circle_of_segments(5_000), wide=5_000),
        "a circle of 5,000 flags": _Shape(_circle(5_000), wide=5_000),
        "a chain of 5,000 flags": _Shape(
            _flags(5_000, lambda number: {"gates": [{"flag": f"f{number + 1}"}]}), wide=5_000
        ),
        "20,000 flags that ask for what is not there": _Shape(
            _flags(20_000, lambda number: {"rules": [{"segment": f"s{number}", "serve": "on"}]}), wide=20_000
        ),
        "100,000 flags": _Shape(_flags(100_000, lambda _: {}), harmful=False, wide=100_000),
        "an int of 4,000 digits": _Shape(valued.format("1" + "0" * 4000).encode()),
        "not a number": _Shape(valued.format("NaN").encode()),
        "infinity": _Shape(valued.format("-Infinity").encode()),
        "beyond a float": _Shape(valued.format("1e999").encode()),
        "a twin": _Shape(b'{"version":1,"flags":{"f":{},"f":{}}}'),
        "half a surrogate": _Shape(valued.format('"\\ud800"').encode()),
        "two megabytes of numbers": _Shape(
            b'{"version":1,"flags":{"f":{"rules":[' + b"1," * 1_000_000 + b"1]}}}"
        ),
        "10,000 variants": _Shape(
            _flags(1, lambda _: {"variants": {f"v{n}": n for n in range(10_000)}, "default": "v0"}),
            harmful=False,
        ),
        "names of Python's": _Shape(
            {"version": 1, "flags": {"__class__": {}, "../x": {}, "\r\nX: y": {}}},
        ),
    }


def shapes(_: Scale) -> Row:
    """Documents that are too deep, too wide, or go in circles: refused, or the flag is put aside.

    What many parts take to read is in proportion to how many they are, harmful or not: so one that is wide is
    held against a harmless one, of flags that each ask for the same other one.
    """
    made = _shapes()
    wrong = put_aside = 0
    slowest, slowest_is, most, most_is = 0.0, "", 0.0, ""
    twin = 0.0  # seconds for a part
    for name, shape in made.items():
        given = shape.document
        document = given if isinstance(given, bytes) else json.dumps(given).encode()
        try:
            put_aside += _is_put_aside(document)
        except Exception:  # noqa: BLE001 - what must not happen is counted
            wrong += 1
        read = partial(_reading, document)
        if shape.wide:
            twin = twin or _each_of(5_000, lambda number: {"gates": [{"flag": "f0"}] if number else []})
            once = shape.wide * twin
            took = best(read, partial(_share, once * _TWIN), most=max(1, 50_000 // shape.wide))
            most, most_is = max((most, most_is), (took / once, name))
        else:
            decoding = min(_decoding(document) for _ in range(3))
            took = best(read, partial(_share, decoding + _PROMPT), most=10)
            slowest, slowest_is = max((slowest, slowest_is), (took - decoding, name))
    harmful = sum(shape.harmful for shape in made.values())
    return Row(
        "No document can break the reader",
        f"{len(made)} documents, each of another shape",
        f"{wrong} exceptions; the slowest took {slowest * 1000:.0f} ms more than its JSON ({slowest_is}), "
        f"and a wide one {most:.1f} x what a harmless one takes that is as wide ({most_is})",
        f"{put_aside} refused, or put a flag aside",
        not wrong and put_aside == harmful,
        slowest <= _PROMPT and most <= _TWIN,
    )


def _is_put_aside(document: bytes) -> bool:
    """Whether a document is refused, or a flag of it put aside; every other flag answers."""
    try:
        rules = load(document, strict=False).rules
    except RulesError:
        return True
    snapshot = Snapshot(rules, time.time)
    for key in itertools.islice(snapshot.flag_keys(), 100):
        asked = snapshot.decide(key, _USER)
        assert (asked.reason is Reason.MALFORMED) == (key in rules.malformed), (key, asked)
    return bool(rules.malformed)


def _reading(document: bytes) -> float:
    begun = time.thread_time()
    with suppress(RulesError):
        load(document, strict=False)
    return time.thread_time() - begun


def _share(allowed: float, seconds: float) -> float:
    return seconds / allowed


def _decoding(document: bytes) -> float:
    """The seconds that Python takes to read the JSON alone."""
    begun = time.thread_time()
    with suppress(ValueError, RecursionError):
        json.loads(document)
    return time.thread_time() - begun


def _each_of(count: int, link: Callable[[int], dict[str, Any]]) -> float:
    """The seconds for one flag of a harmless document."""
    document = json.dumps(_flags(count, link)).encode()
    return min(_reading(document) for _ in range(3)) / count


# -- keys and names ------------------------------------------------------------------------------------------

_KEY = "sdk-" + "Zq7" * 12


def redirects(scale: Scale) -> Row:
    """A server sends clients elsewhere: the key doesn't go along, and the rules stay."""
    leaked = followed = lost = met = 0
    for status in [301, 302, 303, 307, 308] * scale:
        with serving(good(99)) as thief, misruled() as misrule:
            client = misrule.client(key=_KEY)
            assert client.wait_ready(10)
            misrule.change(redirect(f"{thief.url}/v1/rules", status))
            until(lambda: misrule.met and client.status().problems)  # noqa: B023 - waited for here
            leaked += sum(_KEY in visit.head for visit in thief.visits)
            followed += len(thief.visits)
            lost += client.value("flag-0", _USER) != 1
            met += misrule.met
    return Row(
        "A redirect can't steal the key",
        f"{5 * scale} servers that redirect to another",
        f"the key was sent {leaked} times, {lost} lost their rules",
        f"{met} redirects answered, {followed} followed",
        not leaked and not lost and met >= 5 * scale,
    )


def secrets(scale: Scale) -> Row:
    """A client meets every trouble with logging at DEBUG: its key is nowhere but in the header."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    sent = 0
    try:
        with misruled() as misrule, collecting() as collector:
            collector.behave = lambda _: "401"
            client = misrule.client(key=_KEY, events=collector.url, flush_interval=0.05, override_secret=_KEY)
            for behaviour in [
                answer(status=401),
                answer(b"<html>"),
                redirect("http://127.0.0.1:1/"),
                good(2),
            ] * scale:
                misrule.change(behaviour)
                client.track("seen", _USER)
                until(lambda: misrule.met)
                stream.write(f"{client!r} {client.status()} {client.status().to_dict()} {client.stats()}")
            try:
                Client("http://127.0.0.1:1", key=_KEY + "\n")
            except ValueError as error:
                stream.write("".join(traceback.format_exception(error)))
            except Exception as error:  # noqa: BLE001 - its text is what is looked at
                stream.write("".join(traceback.format_exception(error)))
            stream.write(f"{Secret(_KEY)!r} {vars(client)}")
            client.close(1)
            kept = b"".join(
                path.read_bytes() for path in Path(misrule.directory).rglob("*") if path.is_file()
            )
            sent = sum(_KEY in visit.head for visit in misrule.server.visits)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    told = stream.getvalue().count(_KEY)
    stored = kept.count(_KEY.encode())
    return Row(
        "The key is told to nobody but the server",
        f"{len(stream.getvalue()) // 1000} kB of logs, reprs and tracebacks; {len(kept) // 1000} kB of files",
        f"{told + stored} hits",
        f"the key was sent {sent} times",
        not told and not stored and sent > 0,
    )


_NASTY = [
    "\r\n",
    "\n",
    "\0",
    "\x1b[31m",
    "\u202e",
    "\u2028",
    '"',
    "\\",
    "\ud800",
    "é",
    "🎉",
    "Authorization: x",
]


def injection(scale: Scale) -> Row:
    """Units, attributes and names full of control characters: none of them gets onto the wire as it is."""
    count = 200 * scale
    draw = random.Random(23)
    raw = 0
    with serving(answer(status=202)) as collector, tempfile.TemporaryDirectory() as directory:
        client = Client.from_document(RULES, events=collector.url, directory=directory, flush_interval=0.05)
        for number in range(count):
            text = "".join(draw.choices(_NASTY, k=4)) + str(number)
            client.variant("cta", Context(text, {text: text}))
            client.track(text, Context(text), **{text: text})  # type: ignore[arg-type]
        client.flush(30)
        accepted = client.stats()["accepted"]
        client.close(5)
        for visit in collector.visits:
            raw += sum(byte < 32 or byte > 126 for byte in gzip.decompress(visit.body))
            raw += sum(not line.isprintable() for line in visit.head.split("\r\n"))
    return Row(
        "No value can inject anything",
        f"{count:,} units, names and values",
        f"{raw} raw bytes on the wire",
        f"{accepted:,} events in {len(collector.visits)} posts",
        not raw and accepted >= count and bool(collector.visits),
    )


def names(scale: Scale) -> Row:
    """Names of projects, environments, flags and keys that look like paths: no file outside the directory."""
    count = 100 * scale
    draw = random.Random(25)
    pieces = ["..", "/", "\\", "~", "%2e%2e", "\0", ":", "C:", "a", "rules", "\n", "."]
    outside = inside = 0
    with tempfile.TemporaryDirectory() as place, misruled() as misrule:
        directory = Path(place, "deep", "down", "state")
        for number in range(count):
            name, *others = ["".join(draw.choices(pieces, k=6)) for _ in range(10)]
            printable = name.replace("\0", "").replace("\n", "")
            rules = document(1) | {"project": printable or "p", "environment": printable or "e"}
            misrule.change(answer(json.dumps(rules).encode()))
            url = f"{misrule.server.url}/{printable.replace('/', '%2f').replace(chr(92), '')}x"
            client = Client(
                url, key=f"k{number}", events=misrule.server.url, stream=False, directory=directory
            )
            client.wait_ready(5)
            for told in (name, *others):
                client.track(told, Context(told))
            client.close(0.1)
        for path in Path(place).rglob("*"):
            if path.is_file():
                inside += path.is_relative_to(directory)
                outside += not path.is_relative_to(directory)
    return Row(
        "No name can walk out of the directory",
        f"{10 * count:,} names of flags, {count:,} of projects, environments and places",
        f"{outside} files outside",
        f"{inside} files inside",
        not outside and inside > 0,
    )


def tokens(scale: Scale) -> Row:
    """Override tokens with a change somewhere: none is accepted."""
    rounds = 100_000 * scale
    draw = random.Random(24)
    checker = TokenChecker([Secret("s" * 40), Secret("t" * 40)], "shop")
    token = checker.sign({"cta": "urgent", "new": "on"}, now=1e9, lifetime=3600)
    other = TokenChecker([Secret("u" * 40)], "shop").sign({"cta": "urgent"}, now=1e9, lifetime=3600)
    elsewhere = TokenChecker([Secret("s" * 40)], "other").sign({"cta": "urgent"}, now=1e9, lifetime=3600)
    assert checker.check(token, 1e9).refused is None
    accepted = sum(checker.check(wrong, 1e9).refused is None for wrong in (other, elsewhere))
    accepted += checker.check(token, 1e9 + 3600).refused is None
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ é"
    for _ in range(rounds):
        at, length = draw.randrange(len(token)), draw.randint(0, 3)
        mutated = token[:at] + "".join(draw.choices(alphabet, k=length)) + token[at + draw.randint(0, 3) :]
        accepted += mutated != token and checker.check(mutated, 1e9).refused is None
    refused = sum(checker.refused().values())
    return Row(
        "Override tokens can't be forged",
        f"{rounds:,} mutations; another secret, another audience, expired",
        f"{accepted} accepted",
        f"{refused:,} refused and counted",
        not accepted and refused > rounds * 0.9,
    )


ROWS: Rows = {
    "patterns": patterns,
    "sizes": sizes,
    "deadlines": deadlines,
    "shapes": shapes,
    "redirects": redirects,
    "secrets": secrets,
    "injection": injection,
    "names": names,
    "tokens": tokens,
}
