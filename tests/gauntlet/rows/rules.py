"""Rules that arrive late, broken, or not at all, and what is decided meanwhile."""

from __future__ import annotations

import itertools
import json
import random
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from email.utils import formatdate
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from flagstaff import Client, Context
from flagstaff.formats import NATIVE
from flagstaff.net.http import Http
from flagstaff.net.message import Response, TransportError
from flagstaff.sources.http import Fetched, HttpSource
from flagstaff.sources.store import Kept, RulesStore
from flagstaff.testing import MemorySource
from tests.gauntlet.misrule import document, good, misruled
from tests.gauntlet.stage import Row, Rows, Scale, until
from tests.net.badserver import Behaviour, answer, cut, drip, hang

__all__ = ["ROWS", "damaged"]

_USER = Context("user-1", country="NL")


def start_up(scale: Scale) -> Row:
    """The rules server hangs, dawdles or can't be reached: construction doesn't wait, ``wait_ready`` does."""
    rounds, met = 3 * scale, 0
    faults: dict[str, Behaviour] = {
        "hang": hang,
        "dawdle": drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"),
    }
    constructing: dict[str, float] = {}
    overshoot: dict[str, float] = {}
    for (name, fault), _ in itertools.product(faults.items(), range(rounds)):
        with misruled() as misrule:
            misrule.change(fault)
            misrule.client().close(0)  # what is loaded by the first client of all
            begun = time.perf_counter()
            client = misrule.client()
            _quickest(constructing, name, time.perf_counter() - begun)
            begun = time.perf_counter()
            assert not client.wait_ready(0.2)
            _quickest(overshoot, name, time.perf_counter() - begun - 0.2)
            until(lambda: misrule.met)
            met += misrule.met
    with _deaf_resolver() as asked:
        for number in range(rounds):
            begun = time.perf_counter()
            client = Client("http://flags.test", events=None, directory=tempfile.gettempdir())
            _quickest(constructing, "no answer from DNS", time.perf_counter() - begun)
            until(partial(lambda already: len(asked) > already, number))
            client.close(0)
    with _full_backlog() as address:
        for _ in range(rounds):
            begun = time.perf_counter()
            client = Client(address, events=None, directory=tempfile.gettempdir())
            _quickest(constructing, "no entry", time.perf_counter() - begun)
            client.close(0)
    slowest, latest = max(constructing.values()) * 1000, max(overshoot.values()) * 1000
    return Row(
        "Construction never waits for the network",
        f"{4 * rounds} clients, {len(constructing)} faults, the best of each",
        f"constructed in {slowest:.1f} ms, wait_ready {latest:.0f} ms late",
        f"{met} requests and {len(asked)} look-ups of a name were left hanging",
        met >= 2 * rounds,
        slowest <= 20 and latest <= 50,
    )


def _quickest(times: dict[str, float], name: str, taken: float) -> None:
    """What else the machine does only adds to a time."""
    times[name] = min(taken, times.get(name, taken))


@contextmanager
def _deaf_resolver() -> Iterator[list[str]]:
    """Names are looked up and never found, while this lasts; which ones."""
    asked: list[str] = []
    over = threading.Event()

    def look_up(host: str, *_: object, **__: object) -> Any:
        asked.append(host)
        over.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    with mock.patch.object(socket, "getaddrinfo", look_up):
        try:
            yield asked
        finally:
            over.set()


@contextmanager
def _full_backlog() -> Iterator[str]:
    """An address that lets nobody in: connections are neither accepted nor refused."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = listener.getsockname()[1]
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        yield f"http://127.0.0.1:{port}"


def cold_start(scale: Scale) -> Row:
    """The server goes down; new clients decide by what was kept, as was decided before."""
    asked, starts = 10_000 * scale, 5 * scale
    ready = []
    with misruled() as misrule:
        rules = _rollouts()
        misrule.change(answer(json.dumps(rules).encode(), ETag='"1"'))
        first = misrule.client()
        assert first.wait_ready(10)
        units = [Context(f"user-{number}") for number in range(asked)]
        before = [first.variant(f"flag-{number % 10}", unit) for number, unit in enumerate(units)]
        first.close(1)
        misrule.change(answer(status=503))
        changed = 0
        for _ in range(starts):
            begun = time.perf_counter()
            client = misrule.client()
            answered = client.status().ready
            ready.append(time.perf_counter() - begun)
            assert answered
            after = [client.variant(f"flag-{number % 10}", unit) for number, unit in enumerate(units)]
            changed += sum(one != other for one, other in zip(before, after, strict=True))
            until(lambda: misrule.met)
            client.close(1)
        quickest = min(ready) * 1000
        return Row(
            "The last good rules serve a cold start",
            f"{starts} starts, {asked:,} decisions each",
            f"{changed} changed, ready after {quickest:.1f} ms at best",
            f"{misrule.met} polls answered 503",
            not changed and misrule.met > 0,
            quickest <= 20,
        )


def _rollouts() -> dict[str, Any]:
    flags = {f"flag-{number}": {"rules": [{"rollout": 5 + 10 * number}]} for number in range(10)}
    return {"version": 1, "revision": 1, "flags": flags}


def kept_files(scale: Scale) -> Row:
    """What was kept is damaged in every way: a miss each time, never a crash and never half of it."""
    rounds = 2_000 * scale
    draw = random.Random(10)
    raised = adopted = missed = 0
    with tempfile.TemporaryDirectory(prefix="gauntlet-") as place:
        store = RulesStore(Path(place, "rules"), "native\0https://flags.test\0key")
        body = json.dumps(document(1, 20)).encode()
        store.save(Kept(body, '"1"', 1e9))
        whole = store.path.read_bytes()
        for _ in range(rounds):
            changed = damaged(whole, draw)
            store.path.write_bytes(changed)
            try:
                found = store.load(2e9)
            except Exception:  # noqa: BLE001 - what must not happen is counted
                raised += 1
                continue
            adopted += found is not None and changed != whole
            missed += found is None
    return Row(
        "A damaged file is a miss",
        f"{rounds:,} damaged files",
        f"{raised} exceptions, {adopted} adopted",
        f"{missed:,} misses",
        not raised and not adopted and missed > rounds * 0.9,
    )


def damaged(whole: bytes, draw: random.Random) -> bytes:
    at, length = draw.randrange(len(whole)), draw.randint(1, 200)
    match draw.randrange(7):
        case 0:
            return whole[:at] + bytes([whole[at] ^ 1 << draw.randrange(8)]) + whole[at + 1 :]
        case 1:
            return whole[:at]
        case 2:
            return whole[:at] + whole[at + length :]
        case 3:
            return whole[:at] + bytes(length) + whole[at + length :]
        case 4:
            return whole[:at] + whole[at : at + length] + whole[at:]
        case 5:
            return whole.replace(b"flagstaff-rules 1", b"flagstaff-rules 2")
        case _:
            return draw.randbytes(length)


_BAD: dict[str, Behaviour] = {
    "truncated": cut(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b'{"version": 1, "flags": {'),
    "half a document": answer(b'{"version": 1, "flags": {'),
    "HTML": answer(b"<html>please log in</html>", Content_Type="text/html"),
    "empty": answer(b""),
    "a list": answer(b"[]"),
    "another version": answer(b'{"version": 2, "flags": {}}'),
    "an older revision": good(0),
    "another environment": answer(json.dumps(document(9) | {"environment": "staging"}).encode()),
    "not a number": answer(b'{"version": 1, "revision": NaN}'),
    "a huge number": answer(b'{"version": 1, "revision": 1' + b"0" * 5000 + b"}"),
    "a twin": answer(b'{"version": 1, "flags": {}, "flags": {}}'),
    "too deep": answer(b'{"version": 1, "flags": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}"),
    "not Unicode": answer(b'{"version": 1, "project": "\xff\xfe"}'),
    "mislabelled": answer(b'{"version": 1}', Content_Encoding="gzip"),
    "204": answer(status=204),
    "304": answer(status=304),
    "401": answer(status=401),
    "500": answer(status=500),
}


def bad_bytes(scale: Scale) -> Row:
    """Whatever comes back, rules that worked stay; when good ones come, they are adopted."""
    clients, rounds = 50, 1 if scale == 1 else 12
    kinds = [*_BAD] * rounds
    with ThreadPoolExecutor(clients) as pool:  # nearly all of the time goes by in waiting to try again
        found = sum(pool.map(_met_bad_bytes, range(clients), itertools.repeat(kinds)), Counter[str]())
    cases = len(kinds) * clients
    return Row(
        "Bad bytes never replace good rules",
        f"{cases:,} bad answers of {len(_BAD)} kinds, good ones in between",
        f"{found['changed']} changed a decision, {cases - found['told']} were not told",
        f"{found['met']:,} requests met them",
        not found["changed"] and found["told"] == cases and found["met"] >= cases,
    )


def _met_bad_bytes(number: int, kinds: Sequence[str]) -> Counter[str]:
    """What became of one client that meets bad answers of these kinds, in an order of its own."""
    seen, revision = Counter[str](), 3
    with misruled() as misrule:
        misrule.change(good(revision))
        client = misrule.client(poll_interval=0.1)
        until(partial(_serves, client, revision))
        for name in random.Random(number).sample(kinds, len(kinds)):
            misrule.change(_BAD[name])
            until(lambda: misrule.met)
            confirmed = name == "304"  # which says that nothing has changed
            until(lambda: client.status().problems, 0 if confirmed else 20, quietly=True)
            seen["told"] += confirmed or bool(client.status().problems)
            seen["changed"] += client.value("flag-0", _USER) != revision
            seen["met"] += misrule.met
            revision += 1
            misrule.change(good(revision))
            until(partial(_serves, client, revision))
    return seen


def bad_flag(scale: Scale) -> Row:
    """One flag of a thousand is broken: the others are decided, that one says what is wrong with it."""
    broken: list[Any] = [
        7,
        {"default": "nobody", "variants": {"a": 1}},
        {"rules": [{"when": {"attribute": "a", "op": "nobody", "value": 1}, "serve": "on"}]},
        {"rules": [{"when": {"attribute": "a", "op": "matches", "value": "(" * 500}, "serve": "on"}]},
        {"rules": [{"segment": "nowhere", "serve": "on"}]},
        {"rules": [{"split": {"on": 20, "off": 20}}]},
        {"gates": [{"flag": "broken"}]},
        {"rules": [1, 2, 3] * 5000},
    ]
    harmed, silent = 0, 0
    with misruled() as misrule:
        misrule.change(good(1, 999))
        client = misrule.client()
        assert client.wait_ready(10)
        for revision, flag in enumerate(broken * scale, 2):
            rules = document(revision, 999)
            rules["flags"]["broken"] = flag
            misrule.change(answer(json.dumps(rules).encode(), ETag=f'"{revision}"'))
            until(partial(_serves, client, revision))
            decided = client.decide_all(_USER)
            harmed += sum(
                decision.value != revision for key, decision in decided.items() if key.startswith("flag-")
            )
            silent += client.decide("broken", _USER, default=1).reason != "MALFORMED"
    return Row(
        "One bad flag harms that flag alone",
        f"{len(broken) * scale} documents of 1,000 flags",
        f"{harmed} other flags harmed, {silent} broken ones not told",
        f"{len(broken)} kinds of broken flags",
        not harmed and not silent,
    )


def under_fire(scale: Scale) -> Row:
    """Rules come and go, good and bad, while flags are asked for by hostile and friendly contexts."""
    least, polls = 100_000 * scale, 10 * scale
    draw = random.Random(13)
    raised = wrong = count = 0
    behaviours = [*_BAD.values(), *[good(1, 50), good(2, 50), good(3, 50)] * len(_BAD)]
    with misruled() as misrule:
        misrule.change(good(1, 50))
        client = misrule.client(poll_interval=0.1, max_stale=1.0)
        assert client.wait_ready(10)
        contexts: list[Any] = [
            _USER,
            Context(None),
            Context(7),
            None,
            "text",
            Context("u", _Hostile()),
            Context("é\ud800"),
        ]
        while count < least or misrule.met < polls:
            if count % 500 == 0:
                misrule.behave = draw.choice(behaviours)
            try:
                value = client.value(f"flag-{count % 60}", contexts[count % len(contexts)], default=-1)
            except Exception:  # noqa: BLE001 - what must not happen is counted
                raised += 1
            else:
                wrong += value not in range(-1, 4)
            count += 1
        met = misrule.met
    return Row(
        "Asking never raises, whatever happens",
        f"{count:,} evaluations",
        f"{raised} exceptions, {wrong} wrong answers",
        f"{met} requests met {len(_BAD)} kinds of bad answers, and good ones",
        not raised and not wrong and met > 0,
    )


class _Hostile(dict[str, Any]):
    def get(self, *_: object) -> Any:
        raise RuntimeError("no")

    __getitem__ = get


def swaps(scale: Scale) -> Row:
    """Sixteen threads ask for all flags while rules are swapped: nobody sees half of two versions."""
    count = 200 * scale
    looks, mixed = [0] * 16, [0] * 16
    source = MemorySource(document(0, 20))
    client = Client(source, events=None)
    done = threading.Event()

    def look(who: int) -> None:
        latest = 0
        while not done.is_set():
            seen = {decision.value for decision in client.decide_all(_USER).values()}
            mixed[who] += len(seen) != 1 or max(seen) < latest
            latest = max(seen)
            looks[who] += 1

    threads = [threading.Thread(target=look, args=(who,)) for who in range(16)]
    for thread in threads:
        thread.start()
    for revision in range(1, count + 1):
        source.replace(document(revision, 20))
        until(partial(_serves, client, revision))
    done.set()
    for thread in threads:
        thread.join()
    client.close(1)
    return Row(
        "Updates are atomic and in order",
        f"{count:,} swaps, 16 threads",
        f"{sum(mixed)} looks at a mixture or backwards",
        f"{sum(looks):,} looks",
        not any(mixed) and sum(looks) > count,
    )


def _serves(client: Client, revision: int) -> bool:
    return bool(client.value("flag-0", _USER) == revision)


# -- with a clock that is not waited for -------------------------------------------------------------------


class _Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return 1.7e9 + self.now

    def monotonic(self) -> float:
        return self.now


class _Polled:
    """A source, driven by hand through a stretch of time; its server is a function of the time."""

    def __init__(self, seed: int, clock: _Clock, interval: float = 30.0) -> None:
        self._clock = clock
        self.revisions: list[int | None] = []
        self.asked: list[float] = []
        self.source = HttpSource(
            NATIVE.endpoint("http://flags.test", None),
            http=_NO_NETWORK,
            format=NATIVE,
            clock=clock,
            interval=interval,
            rng=random.Random(seed),
        )
        self.source.attach(lambda loaded: self.revisions.append(loaded.rules.revision))

    def step(self, answered: Any) -> float:
        """Let it do what is due now; the seconds until it wants to do more."""
        wait = self.source.next(self._clock.now)
        if isinstance(wait, float | int):
            return wait
        self.asked.append(self._clock.now)
        self.source.done(wait, answered(wait, self.source), self._clock.now)
        return 0.0


_NO_NETWORK = Http()


def _answering(status: int | str, revision: int = 1) -> Any:
    def answered(_job: Any, source: HttpSource) -> Any:
        if isinstance(status, str):
            return TransportError(status, f"flags.test: {status}")
        body = json.dumps(document(revision)).encode() if status == 200 else b""
        return source._read(Response(status, {"etag": f'"{revision}"'}, body))

    return answered


def nothing_final(scale: Scale) -> Row:
    """Ten minutes of one failure, then health: it is noticed within an interval of the slow regime."""
    failures: list[int | str] = [401, 403, 404, 410, 429, 500, 503, "connect", "tls", "dns", "timeout"]
    late, never, asked = 0.0, 0, 0
    for failure, seed in itertools.product(failures, range(scale)):
        clock = _Clock()
        polled = _Polled(seed, clock)
        healthy_at = clock.now + 600
        while clock.now < healthy_at + 900 and not polled.revisions:
            state = failure if clock.now < healthy_at else 200
            clock.now += max(polled.step(_answering(state)), 0.001)
        asked += len(polled.asked)
        never += not polled.revisions
        late = max(late, clock.now - healthy_at)
    return Row(
        "No failure is final",
        f"{len(failures) * scale} outages of 10 minutes",
        f"{never} never recovered, the last after {late:.0f} s",
        f"{asked} requests in vain",
        not never and late <= 330 and asked > len(failures),
    )


def retry_after(scale: Scale) -> Row:
    """The server says when to come again: nobody comes earlier, and nobody stays away for over an hour."""
    early, longest, rounds = 0, 0.0, 100 * scale
    draw = random.Random(18)
    for seed in range(rounds):
        clock = _Clock()
        polled = _Polled(seed, clock)
        seconds = draw.choice([0, 1, 17, 120, 3000, 10**9, -5])
        said = draw.choice([str(seconds), formatdate(clock.time() + min(seconds, 10**8), usegmt=True)])
        if draw.random() < 0.2:
            seconds, said = 0, draw.choice(["soon", "", "1e9", "٣", "-", "0x10"])
        polled.step(lambda *_, said=said: Fetched(Response(429, {"retry-after": said}, b""), None))
        wait = polled.source.next(clock.now)
        assert isinstance(wait, float | int)
        early += wait < min(max(seconds, 0), 3600) - 1.0
        longest = max(longest, wait)
    return Row(
        "Retry-After is obeyed, and bounded",
        f"{rounds} answers: seconds, dates, nonsense",
        f"{early} came early, the longest wait was {longest:,.0f} s",
        f"{rounds} answers of 429",
        not early and longest <= 3600 * 1.1,
    )


def herd(scale: Scale) -> Row:
    """A server of many clients is down for a while: they come back spread over time."""
    clients = 200 * scale
    clock = _Clock()
    polled = [_Polled(seed, clock) for seed in range(clients)]
    down, up, end = clock.now + 120, clock.now + 240, clock.now + 480
    due = [clock.now + random.Random(seed).random() * 30 for seed in range(clients)]
    while (now := min(due)) < end:
        clock.now = now
        index = due.index(now)
        state: int | str = "connect" if down <= now < up else 200
        due[index] = now + max(polled[index].step(_answering(state)), 0.001)
    after = [moment for one in polled for moment in one.asked if up <= moment < end]
    seconds = [sum(int(moment) == second for moment in after) for second in range(int(up), int(end))]
    during = sum(down <= moment < up for one in polled for moment in one.asked)
    usual = clients * (up - down) / 30
    peak, mean = max(seconds), len(after) / len(seconds)
    return Row(
        "After an outage there is no herd",
        f"{clients} clients, two minutes without a server",
        f"worst second {peak / mean:.1f} x the mean, {during / usual:.1f} x the usual during it",
        f"{during:,} requests in vain",
        peak <= 3 * mean + 5 and during > 0,
    )


ROWS: Rows = {
    "start-up": start_up,
    "cold-start": cold_start,
    "kept-files": kept_files,
    "bad-bytes": bad_bytes,
    "bad-flag": bad_flag,
    "under-fire": under_fire,
    "swaps": swaps,
    "nothing-final": nothing_final,
    "retry-after": retry_after,
    "herd": herd,
}
