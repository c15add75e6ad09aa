"""The specification's own scenarios, all that apply to a provider that decides in its own process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance import cases
from tests.conformance.gherkin import Scenario, scenarios
from tests.integrations.openfeature.steps import World

NOT_APPLICABLE = {
    "reason-codes-cached": "every decision is made anew, by rules in memory: none is cached",
}


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()


@pytest.mark.parametrize("scenario", cases("openfeature", scenarios))
def test_a_scenario_of_the_specification(scenario: Scenario, world: World) -> None:
    for tag in scenario.tags & NOT_APPLICABLE.keys():
        pytest.skip(NOT_APPLICABLE[tag])
    world.play(scenario)
