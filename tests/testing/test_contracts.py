"""The contract suites, over every source and sink that there is, and over some that break them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import SkipTest

import pytest

from flagstaff.formats import NATIVE
from flagstaff.net.http import Http
from flagstaff.runtime.clock import SystemClock
from flagstaff.sources import Publish, Source
from flagstaff.sources.file import FileSource
from flagstaff.sources.http import HttpSource
from flagstaff.sources.last_known_good import LastKnownGood
from flagstaff.sources.static import StaticSource
from flagstaff.sources.store import RulesStore
from flagstaff.sources.stream import StreamSource
from flagstaff.testing import MemorySink, MemorySource, SinkContract, SourceContract
from tests.client.lab import document, scripted, tagged
from tests.net.badserver import answer


class TestMemorySource(SourceContract):
    def make_source(self) -> Source:
        return MemorySource(document())


class TestStaticSource(SourceContract):
    def make_source(self) -> Source:
        return StaticSource(document(), format=NATIVE, clock=SystemClock())


class TestFileSource(SourceContract):
    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.path = tmp_path / "flags.json"

    def make_source(self) -> Source:
        self.path.write_text(json.dumps(document()))
        return FileSource(self.path, format=NATIVE, clock=SystemClock(), interval=1.0)

    def break_source(self, source: Source) -> None:  # noqa: ARG002
        self.path.unlink()

    def mend_source(self, source: Source) -> None:  # noqa: ARG002
        self.path.write_text(json.dumps(document()))


class TestHttpSource(SourceContract):
    def setup_method(self) -> None:
        self.opened: list[Http] = []

    @pytest.fixture(autouse=True)
    def _server(self) -> Iterator[None]:
        with scripted() as self.server:
            self.server.rules = tagged(document(), '"1"')
            yield
        for opened in self.opened:
            opened.close()

    def make_source(self) -> Source:
        return self.fetching(self.opening())

    def opening(self) -> Http:
        http = Http(None)
        self.opened.append(http)
        return http

    def fetching(self, http: Http) -> HttpSource:
        http.expect(self.server.url)
        endpoint = NATIVE.endpoint(self.server.url, None)
        return HttpSource(endpoint, http=http, format=NATIVE, clock=SystemClock(), interval=30.0)

    def break_source(self, source: Source) -> None:  # noqa: ARG002
        self.server.rules = answer(status=503)

    def mend_source(self, source: Source) -> None:  # noqa: ARG002
        self.server.rules = tagged(document(), '"1"')

    def test_an_async_client_takes_it(self) -> None:
        raise SkipTest("it was made with what blocks; the clients' own tests have it with what awaits")


class TestStreamSource(TestHttpSource):
    """Where there is no stream; one that waits for news takes a thread to test it on."""

    def make_source(self) -> Source:
        http = self.opening()
        return StreamSource(
            self.fetching(http), self.server.url, http=http, clock=SystemClock(), interval=30.0
        )


class TestLastKnownGood(TestHttpSource):
    @pytest.fixture(autouse=True)
    def _directory(self, tmp_path: Path) -> None:
        self.store = RulesStore(tmp_path, "the only one")

    def make_source(self) -> Source:
        source = self.fetching(self.opening())
        return LastKnownGood(source, self.store, format=NATIVE, clock=SystemClock())


class TestMemorySink(SinkContract):
    def make_sink(self) -> MemorySink:
        return MemorySink()

    def received(self, sink: Any) -> Sequence[Mapping[str, Any]]:
        return list(sink.events)

    def break_sink(self, sink: Any) -> None:
        sink.fault = OSError("down")


class TestAwaitedSink(SinkContract):
    """A sink whose ``send`` is awaited."""

    class Kept:
        def __init__(self) -> None:
            self.events: list[Mapping[str, Any]] = []

        async def send(self, events: Sequence[Mapping[str, Any]], /) -> None:
            self.events.extend(events)

    def make_sink(self) -> Kept:
        return self.Kept()

    def received(self, sink: Any) -> Sequence[Mapping[str, Any]]:
        return list(sink.events)


# -- they can fail -------------------------------------------------------------------------------------


class Sloppy(MemorySource):
    """A source that never says when its rules were current, and talks too much."""

    def attach(self, publish: Publish) -> None:
        super().attach(publish)
        self.checked = None

    def describe(self) -> str:
        return "two\nlines"


class Forgetful(MemorySink):
    """A sink that loses every tenth event, changes others, swallows its errors."""

    def send(self, events: Sequence[Mapping[str, Any]], /) -> None:
        if self.fault is not None:
            return
        for number, event in enumerate(events):
            if number % 10:
                super().send([event])
            else:
                event["data"].clear()


def run(contract: SourceContract | SinkContract) -> dict[str, str]:
    """What each test of a contract says."""
    found = {}
    for name in sorted(name for name in dir(contract) if name.startswith("test_")):
        try:
            getattr(contract, name)()
        except AssertionError as error:
            found[name] = str(error)
        except SkipTest:
            pass
    return found


def test_a_source_that_breaks_its_contract_is_told_how() -> None:
    class Broken(SourceContract):
        def make_source(self) -> Source:
            return Sloppy(document())

    assert set(run(Broken())) == {"test_it_describes_itself_in_one_line", "test_it_hands_over_rules"}


def test_a_sink_that_breaks_its_contract_is_told_how() -> None:
    class Broken(TestMemorySink):
        def make_sink(self) -> MemorySink:
            return Forgetful()

    found = run(Broken())

    assert set(found) == {
        "test_a_client_delivers_into_it",
        "test_it_leaves_the_events_alone",
        "test_it_raises_what_it_cant_take",
        "test_it_takes_a_batch_that_comes_again",
        "test_it_takes_a_batch_whole",
    }
    assert all(found.values())


def test_a_contract_asks_for_what_it_needs() -> None:
    with pytest.raises(NotImplementedError, match="how to make the source"):
        SourceContract().test_it_hands_over_rules()
    with pytest.raises(NotImplementedError, match="how to make the sink"):
        SinkContract().test_it_takes_a_batch_whole()
