"""A collector, and a pipeline that ends there."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from flagstaff.net.http import Http
from tests.events.lab import Collector, FakeClock, Pipeline, collecting, over_http

MakePipeline = Callable[..., Pipeline]


@pytest.fixture(scope="session")
def http() -> Iterator[Http]:
    made = Http()
    yield made
    made.close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def pipeline(collector: Collector, clock: FakeClock, http: Http) -> Pipeline:
    return Pipeline(over_http(collector.url, clock, http), clock)


@pytest.fixture
def make(collector: Collector, clock: FakeClock, http: Http) -> MakePipeline:
    """Make a pipeline with other options."""

    def make(**options: object) -> Pipeline:
        return Pipeline(over_http(collector.url, clock, http), clock, **options)  # type: ignore[arg-type]

    return make
