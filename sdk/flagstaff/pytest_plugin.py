"""pytest's fixtures and markers: flags that a test sets, exposures that it reads, no connection by accident.

Nothing is loaded and nothing happens until a test asks for a fixture, uses a marker, or would connect.
"""

from __future__ import annotations

import pytest

from flagstaff.net import guard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from typing import Any, NoReturn

    from flagstaff.testing import (
        AsyncMemoryClient,
        Exposures,
        MemoryClient,
        MemoryFlags,
        MemorySource,
    )

__all__ = ["exposures", "flags", "flagstaff_client"]

_MATRIX = "_flags_matrix"
_MARKERS = {
    "flags(mapping, **flags)": "set flags for this test, as calling the fixture `flags` does",
    "flags_matrix(mapping, **flags)": (
        "run this test once for each variant in a flag's list; a flag's name alone stands for all of its "
        "variants in flagstaff_rules"
    ),
    "flags_network": "let flagstaff open real connections in this test",
}
_HOW = """\
a flagstaff client of {host} was made, which would open a real connection in a test.
Give the code under test a client in memory instead. The fixture `flags` has one: pass `flags.client`, or put
it in place with monkeypatch.setattr. Without fixtures, make a flagstaff.testing.MemoryClient().
If this test is meant to reach a server, mark it with @pytest.mark.flags_network; to let all of them, put
`flagstaff_network = true` into pytest's configuration."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Our two settings."""
    parser.addini("flagstaff_rules", "the rules file of the fixture `flags`, from the root directory on")
    parser.addini("flagstaff_network", "let flagstaff open real connections in tests", "bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Announce the markers, and shut the gate to the network."""
    for marker, meaning in _MARKERS.items():
        config.addinivalue_line("markers", f"{marker}: {meaning}")
    if not config.getini("flagstaff_network"):
        config.pluginmanager.register(_Gate(), "flagstaff-gate")


class _Gate:
    """Refuses every connection of a client's own, and fails the test that would have made one."""

    def __init__(self) -> None:
        self._item: pytest.Item | None = None
        self._refused: str | None = None
        self._elsewhere: set[str] = set()
        guard.shut(self._refuse)

    def pytest_unconfigure(self) -> None:
        guard.shut(None)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._item = item
        try:
            return (yield)
        finally:
            self._item = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Generator[None, object, object]:
        self._refused = None
        result = yield
        if self._refused is not None:  # on another thread, or where somebody caught it
            pytest.fail(self._refused, pytrace=False)
        return result

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for host in sorted(self._elsewhere):
            terminalreporter.write_line(
                f"flagstaff: a client of {host} was made outside of any test; it was kept from connecting"
            )

    def _refuse(self, host: str, planned: bool) -> None:
        __tracebackhide__ = True
        item = self._item
        if item is not None and item.get_closest_marker("flags_network") is not None:
            return
        if planned and item is not None:
            self._refused = _HOW.format(host=host)
            pytest.fail(self._refused)
        if planned:  # by a module that is being imported: its tests may get along without it
            self._elsewhere.add(host)
            return
        raise PermissionError(1, "a test opens no connection")


_MISMARKED = (
    "@pytest.mark.flags takes flags with what they are set to, dark_mode=True or"
    ' {{"checkout-cta": "urgent"}}, not {given}'
)

# -- fixtures --------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def _flagstaff_rules(pytestconfig: pytest.Config) -> MemorySource:
    """The rules that every test begins with, read once."""
    return _configured_rules(pytestconfig)


@pytest.fixture
def flagstaff_client(_flagstaff_rules: MemorySource) -> MemoryClient | AsyncMemoryClient:
    """The client behind ``flags``: one in memory, with the rules of ``flagstaff_rules``.

    Override it to give your tests another, such as an ``AsyncMemoryClient``.
    """
    from flagstaff.testing import MemoryClient

    return MemoryClient(_flagstaff_rules.fresh())


@pytest.fixture
def flags(request: pytest.FixtureRequest, flagstaff_client: MemoryClient | AsyncMemoryClient) -> MemoryFlags:
    """Flags that the test sets by calling it, ``flags(new_checkout=True)``; no threads, no network.

    It has the getters (``enabled``, ``value``, ``variant``, ``decide``, …) for the context ``test-user``; its
    ``client`` goes to the code under test.
    """
    from flagstaff.core.context import Context
    from flagstaff.testing import MemoryFlags

    made = MemoryFlags(flagstaff_client, Context("test-user"))
    for marker in reversed(list(request.node.iter_markers("flags"))):
        if len(marker.args) > 1 or not all(hasattr(given, "keys") for given in marker.args):
            pytest.fail(_MISMARKED.format(given=", ".join(map(repr, marker.args))), pytrace=False)
        made(*marker.args, **marker.kwargs)
    callspec = getattr(request.node, "callspec", None)
    if callspec is not None and _MATRIX in callspec.params:
        made(callspec.params[_MATRIX])
    return made


@pytest.fixture
def exposures(flags: MemoryFlags) -> Exposures:
    """What the client of ``flags`` recorded: ``exposures.assert_seen("checkout-cta", "urgent")``."""
    return flags.client.exposures


@pytest.fixture(name=_MATRIX)
def _matrix(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    """One cell of the matrix; ``flags`` sets it."""
    cell: Mapping[str, Any] = request.param
    return cell


# -- markers ---------------------------------------------------------------------------------------------


def pytest_itemcollected(item: pytest.Item) -> None:
    """Have a marked test's flags set even where it doesn't ask for the fixture."""
    names = getattr(item, "fixturenames", None)
    marked = item.get_closest_marker("flags") or item.get_closest_marker("flags_matrix")
    if marked and names is not None and "flags" not in names:
        names.append("flags")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each combination of its matrix."""
    axes: dict[str, list[Any]] = {}
    for marker in reversed(list(metafunc.definition.iter_markers("flags_matrix"))):
        axes |= _axes(marker, metafunc)
    if axes:
        from itertools import product

        cells = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
        ids = [",".join(f"{flag}={value}" for flag, value in cell.items()) for cell in cells]
        metafunc.fixturenames.append(_MATRIX)
        metafunc.parametrize(_MATRIX, cells, indirect=True, ids=ids)


def _axes(marker: pytest.Mark, metafunc: pytest.Metafunc) -> dict[str, list[Any]]:
    axes: dict[str, Any] = {}
    for given in marker.args:
        axes |= {given: _variants(given, metafunc)} if isinstance(given, str) else given
    axes |= marker.kwargs
    for flag, values in axes.items():
        if isinstance(values, str) or not hasattr(values, "__iter__"):
            example = f"{flag}=[True, False]"
            _misused(metafunc, f"{flag} needs a list of variants, such as {example}, not {values!r}")
    return {flag: list(values) for flag, values in axes.items()}


def _variants(flag: str, metafunc: pytest.Metafunc) -> list[str]:
    """The names of a flag's variants, by the rules file."""
    known = _configured_rules(metafunc.config).variants(flag)
    if not known:
        _misused(metafunc, f"flagstaff_rules has no flag {flag}; give its variants: {flag}=[True, False]")
    return known


def _misused(metafunc: pytest.Metafunc, sentence: str) -> NoReturn:
    """End a test's collection with a sentence alone: the way there leads through pytest only."""
    pytest.fail(f"{metafunc.definition.nodeid}: flags_matrix: {sentence}", pytrace=False)


def _configured_rules(config: pytest.Config) -> MemorySource:
    from flagstaff.testing import MemorySource

    path = config.getini("flagstaff_rules")
    return MemorySource(config.rootpath / path if path else None)
