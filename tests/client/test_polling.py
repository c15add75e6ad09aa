"""The source of rules from a server, driven by hand: real answers, but a clock and dice of the test's own."""

from __future__ import annotations

import random
from collections.abc import Iterator
from email.utils import formatdate

import pytest

from flagstaff import Secret
from flagstaff.formats import NATIVE
from flagstaff.net.http import Http
from flagstaff.sources.http import HttpSource
from tests.client.lab import Server, encoded, numbered, scripted, tagged
from tests.net.badserver import Behaviour, Visit, answer, cut, redirect, zipped

NOON = 1_795_262_400.0  # 2026-11-21T12:00:00Z


class Poller:
    """Asks a source what to do, does it, and tells it; time passes only here."""

    def __init__(self, url: str, interval: float, key: str | None = None) -> None:
        self.now = 5_000.0
        self.dice = 0.5
        self.published: list[int | None] = []
        self._http = Http()
        self.source = HttpSource(
            NATIVE.endpoint(url, Secret(key) if key else None),
            http=self._http,
            format=NATIVE,
            clock=self,
            interval=interval,
            rng=self,
        )
        self.source.attach(lambda loaded: self.published.append(loaded.rules.revision))

    def time(self) -> float:
        return NOON + self.now - 5_000.0

    def monotonic(self) -> float:
        return self.now

    def random(self) -> float:
        return self.dice

    def poll(self) -> float:
        """Poll now; the seconds until the next time."""
        step = self.source.next(self.now)
        assert not isinstance(step, float), "it is not time yet"
        try:
            self.source.done(step, self.source.perform(step), self.now)
        except Exception as error:  # noqa: BLE001 - as a driver does
            self.source.done(step, error, self.now)
        then = self.source.next(self.now)
        wait = then if isinstance(then, float) else 0.0
        assert not isinstance(self.source.next(self.now + wait + 1e-6), float)
        return wait

    def skip(self, seconds: float) -> None:
        self.now += seconds + 1e-6

    def close(self) -> None:
        self._http.close()


@pytest.fixture(scope="module")
def _running() -> Iterator[Server]:
    with scripted() as it:
        yield it


@pytest.fixture
def server(_running: Server) -> Server:
    """One server for all: nobody polls it but the test itself."""
    _running.visits.clear()
    return _running


@pytest.fixture
def poller(server: Server) -> Iterator[Poller]:
    server.rules = tagged(numbered(5), '"5"')
    made = Poller(server.url, 30.0)
    yield made
    made.close()


# -- when all is well ----------------------------------------------------------------------------------


def test_the_first_poll_is_due_at_once_and_the_next_after_the_interval(poller: Poller) -> None:
    assert poller.poll() == pytest.approx(30.0)
    assert poller.published == [5]


def test_the_interval_has_a_tenth_of_jitter_on_either_side(poller: Poller) -> None:
    rng = random.Random(7)
    waits = []
    for _ in range(50):
        poller.dice = rng.random()
        waits.append(poller.poll())
        poller.skip(waits[-1])

    assert 27.0 <= min(waits) < 27.6
    assert 32.4 < max(waits) <= 33.0


def test_what_has_not_changed_is_confirmed_but_not_published_again(poller: Poller, server: Server) -> None:
    poller.skip(poller.poll())

    poller.poll()

    assert server.polls[1].header("if-none-match") == '"5"'
    assert poller.published == [5]
    assert poller.source.checked == poller.now


@pytest.mark.parametrize(
    "etag",
    [None, "", '"naïve"', '"' + "x" * 2000 + '"', '"tab\there"'],
    ids=["none", "empty", "latin", "long", "tab"],
)
def test_a_tag_that_can_not_be_sent_back_is_not(poller: Poller, server: Server, etag: str | None) -> None:
    body = encoded(numbered(5))
    server.rules = answer(body) if etag is None else answer(body, ETag=etag)
    poller.skip(poller.poll())

    poller.poll()

    assert not server.polls[1].header("if-none-match")
    assert poller.published == [5, 5]


def test_rules_without_a_tag_are_fetched_anew_after_rules_with_one(poller: Poller, server: Server) -> None:
    poller.skip(poller.poll())
    server.rules = answer(encoded(numbered(6)))
    poller.skip(poller.poll())

    poller.poll()

    assert [visit.header("if-none-match") for visit in server.polls] == [None, '"5"', None]
    assert poller.published == [5, 6, 6]


def test_gzip_is_understood(poller: Poller, server: Server) -> None:
    server.rules = zipped(encoded(numbered(6)))

    poller.poll()

    assert poller.published == [6]


# -- what is no better than what there is --------------------------------------------------------------


def bad(status: int, **headers: str) -> Behaviour:
    return answer(b"<html>no</html>", status, **headers)


def reset(_visit: Visit) -> None:
    raise ConnectionResetError


WHOLE = encoded(numbered(6))
WRONG: dict[str, tuple[Behaviour, str]] = {
    "204": (answer(status=204), "answered 204"),
    "206": (answer(WHOLE, 206), "answered 206"),
    "304 to nobody": (answer(status=304), "answered 304"),
    "400": (bad(400), "answered 400"),
    "401": (bad(401), "answered 401: the key is refused"),
    "403": (bad(403), "answered 403: the key may not read these rules"),
    "404": (bad(404), "answered 404: there are no rules at this address"),
    "410": (bad(410), "answered 410"),
    "429": (bad(429), "answered 429: too many requests"),
    "500": (bad(500), "answered 500"),
    "503": (bad(503), "answered 503"),
    "captive portal": (bad(200), "no rules document"),
    "empty": (answer(), "no rules document"),
    "not UTF-8": (answer(b"\xff\xfe{}"), "no rules document"),
    "a list": (answer(b"[]"), "no rules document"),
    "a number": (answer(b"7"), "no rules document"),
    "no version": (answer(b'{"flags": {}}'), "no rules document"),
    "a later version": (answer(b'{"version": 2, "flags": {}}'), "no rules document"),
    "flags of another shape": (answer(b'{"version": 1, "flags": []}'), "no rules document"),
    "NaN": (answer(b'{"version": 1, "revision": NaN}'), "no rules document"),
    "twice": (answer(b'{"version": 1, "version": 1}'), "no rules document"),
    "deep": (answer(b'{"version": 1, "flags":' + b"[" * 200_000), "no rules document"),
    "cut": (cut(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + WHOLE), ""),
    "cut gzip": (answer(WHOLE, Content_Encoding="gzip"), "broken gzip"),
    "not HTTP": (cut(b"SSH-2.0-OpenSSH\r\n"), ""),
    "nothing": (reset, ""),
    "loop": (redirect("/v1/rules"), "redirects more than 3 times"),
    "elsewhere": (redirect("http://127.0.0.1:1/v1/rules"), "another origin"),
    "older": (answer(encoded(numbered(4))), "revision 4, older than 5"),
    "another environment": (answer(encoded(numbered(9, environment="qa"))), "rules of default/qa, not of"),
    "another project": (answer(encoded(numbered(9, project="crm"))), "rules of crm/default, not of"),
}


@pytest.mark.parametrize("name", WRONG)
def test_nothing_wrong_replaces_rules_that_work_and_no_failure_is_final(
    poller: Poller, server: Server, name: str
) -> None:
    behaviour, complaint = WRONG[name]
    if "304" not in name:
        poller.skip(poller.poll())
    good, checked = list(poller.published), poller.source.checked

    server.rules = behaviour
    for _ in range(30):
        poller.skip(poller.poll())
        assert complaint in str(poller.source.fault)
    assert server.url.removeprefix("http://") in str(poller.source.fault) or "the server" in str(
        poller.source.fault
    )
    assert poller.published == good
    assert poller.source.checked == checked

    server.rules = tagged(numbered(7), '"7"')
    poller.poll()
    assert poller.published == [*good, 7]
    assert (poller.source.fault, poller.source.checked) == (None, poller.now)


def test_a_server_that_insists_on_an_older_revision_for_an_hour_is_believed(
    poller: Poller, server: Server
) -> None:
    poller.skip(poller.poll())
    server.rules = tagged(numbered(4), '"4"')
    first = poller.now
    while poller.published == [5]:
        wait = poller.poll()
        if poller.published == [5]:
            assert "publish its rules under 6 or more" in str(poller.source.fault)
            poller.skip(wait)

    assert poller.published == [5, 4]
    assert 3600 <= poller.now - first < 3600 + 120
    assert poller.source.fault is None


@pytest.mark.parametrize(
    "between", [tagged(numbered(5), '"5"'), answer(status=304), tagged(numbered(6), '"6"')]
)
def test_one_current_answer_shows_that_the_older_ones_were_stale(
    poller: Poller, server: Server, between: Behaviour
) -> None:
    poller.skip(poller.poll())
    for _ in range(3):
        begun = poller.now
        server.rules = tagged(numbered(4), '"4"')
        while poller.now < begun + 3000:
            poller.skip(poller.poll())
        server.rules = between
        poller.skip(poller.poll())
        assert poller.source.fault is None

    assert 4 not in poller.published


def test_two_older_answers_with_an_outage_between_them_are_not_insistence(
    poller: Poller, server: Server
) -> None:
    poller.skip(poller.poll())
    for rules, seconds in [
        (tagged(numbered(4), '"4"'), 1),
        (bad(503), 4000),
        (tagged(numbered(4), '"4"'), 1),
    ]:
        server.rules = rules
        begun = poller.now
        while poller.now < begun + seconds:
            poller.skip(poller.poll())

    assert poller.published == [5]


def test_the_very_first_rules_may_be_of_any_revision_and_environment(poller: Poller, server: Server) -> None:
    server.rules = answer(encoded(numbered(0, environment="qa", project="crm")))

    poller.poll()

    assert poller.published == [0]


@pytest.mark.parametrize("given", [5, 6, None])
def test_the_same_revision_a_newer_one_and_none_at_all_are_adopted(
    poller: Poller, server: Server, given: int | None
) -> None:
    poller.skip(poller.poll())
    rules = numbered(5)
    rules["revision"] = given
    server.rules = answer(encoded(rules))

    poller.poll()

    assert poller.published == [5, given]


def test_a_refused_answer_does_not_change_the_tag(poller: Poller, server: Server) -> None:
    poller.skip(poller.poll())
    server.rules = answer(encoded(numbered(4)), ETag='"4"')
    poller.skip(poller.poll())

    poller.poll()

    assert server.polls[-1].header("if-none-match") == '"5"'


def test_a_document_beyond_the_bound_is_refused(
    poller: Poller, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flagstaff.sources.http.MAX_BYTES", 100)
    server.rules = zipped(encoded(numbered(5)))

    poller.poll()

    assert "more than 100 bytes" in str(poller.source.fault)
    assert poller.published == []


def test_a_server_that_is_not_there_is_a_fault_that_names_it(server: Server) -> None:
    poller = Poller("http://127.0.0.1:1", 30.0)

    poller.poll()

    assert str(poller.source.fault).startswith("127.0.0.1:1: ")
    poller.close()


# -- when to come back ---------------------------------------------------------------------------------


def test_retries_are_spread_ever_wider_up_to_a_minute(poller: Poller, server: Server) -> None:
    server.rules = answer(status=500)
    poller.dice = 0.999

    waits = []
    for _ in range(20):
        waits.append(poller.poll())
        poller.skip(waits[-1])

    assert waits[:4] == pytest.approx([0.999, 1.998, 3.996, 7.992])
    assert waits[-1] == pytest.approx(59.94)
    assert waits == sorted(waits)

    poller.dice = 0.0
    assert poller.poll() == 0.0  # full jitter: a herd that was cut off does not come back as one


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_what_lasts_is_asked_for_again_every_five_minutes_at_the_rarest(
    poller: Poller, server: Server, status: int
) -> None:
    server.rules = answer(status=status)
    poller.dice = 0.999
    waits = []
    begun = poller.now
    while poller.now < begun + 3600.0:
        waits.append(poller.poll())
        poller.skip(waits[-1])

    assert waits[:4] == pytest.approx([2.0, 4.0, 8.0, 16.0], rel=0.01)
    assert waits[-1] == pytest.approx(300.0, rel=0.01)
    assert len(waits) < 22
    server.rules = tagged(numbered(5), '"5"')
    poller.poll()
    assert poller.published == [5]


def test_a_name_that_does_not_resolve_lasts() -> None:
    poller = Poller("http://nowhere.invalid", 30.0)
    poller.dice = 0.999

    poller.skip(poller.poll())

    assert poller.poll() == pytest.approx(4.0, rel=0.01)
    poller.close()


def test_a_long_interval_bounds_the_retries_too(server: Server) -> None:
    server.rules = answer(status=500)
    poller = Poller(server.url, 600.0)
    poller.dice = 0.999

    for _ in range(20):
        poller.skip(poller.poll())

    assert poller.poll() == pytest.approx(599.4)
    poller.close()


def test_a_success_begins_the_retries_anew(poller: Poller, server: Server) -> None:
    server.rules = answer(status=500)
    for _ in range(5):
        poller.skip(poller.poll())
    server.rules = tagged(numbered(5), '"5"')
    poller.skip(poller.poll())
    server.rules = answer(status=500)

    assert poller.poll() == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("-5", 0.0),
        ("1000000000", 3600.0),
        (formatdate(NOON + 90, usegmt=True), 90.0),
        (formatdate(NOON - 90, usegmt=True), 0.0),
        ("soon", 0.0),
        ("", 0.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_for_rest_gets_it_within_bounds(
    poller: Poller, server: Server, status: int, text: str, seconds: float
) -> None:
    server.rules = answer(status=status, Retry_After=text)
    poller.dice = 0.25

    assert poller.poll() == pytest.approx(seconds + 0.25)


# -- who asks ------------------------------------------------------------------------------------------


def test_the_key_goes_into_the_header_and_nowhere_else(server: Server) -> None:
    server.rules = answer(b"{", 200)
    poller = Poller(server.url, 30.0, key="sdk-hidden")

    poller.poll()

    assert server.polls[0].header("authorization") == "Bearer sdk-hidden"
    assert server.polls[0].head.count("sdk-hidden") == 1
    seen = (poller.source.fault, poller.source.describe(), repr(poller.source), repr(poller.source.next(1e9)))
    assert "sdk-hidden" not in "".join(map(str, seen))
    poller.close()
