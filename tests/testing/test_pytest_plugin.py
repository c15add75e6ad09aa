"""The plugin, as a project that uses flagstaff meets it: in real runs of pytest."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from tests.client.lab import document

pytest_plugins = ["pytester"]

# A project of its own: what our own configuration says doesn't count there.
OPTIONS = ("-p", "no:cacheprovider", "-W", "error")


@pytest.fixture(autouse=True)
def _project(pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml(
        '[tool.pytest.ini_options]\naddopts = ["--strict-markers", "--strict-config"]\n'
    )


def run(pytester: pytest.Pytester, code: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(code)
    return pytester.runpytest_subprocess(*OPTIONS, *options)


def configure(pytester: pytest.Pytester, *lines: str) -> None:
    text = "\n".join(["[tool.pytest.ini_options]", 'addopts = ["--strict-markers"]', *lines])
    pytester.makepyprojecttoml(text + "\n")


# -- flags -----------------------------------------------------------------------------------------------


def test_a_test_sets_flags_and_asks_for_them(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import threading

        import flagstaff


        def shop(client, user):
            return "Buy now" if client.enabled("urgent", user) else "Buy"


        def test_set(flags):
            assert not flags.enabled("urgent")
            flags(urgent=True)
            flags({"page-size": 50})
            assert flags.enabled("urgent")
            assert flags.value("page-size", default=20) == 50
            assert shop(flags.client, flagstaff.Context("user-1")) == "Buy now"
            assert threading.active_count() == 1


        def test_the_next_test_begins_anew(flags):
            assert flags.variant("urgent") is None
            assert isinstance(flags.client, flagstaff.Client)
        """,
    )

    result.assert_outcomes(passed=2)


def test_markers_set_flags_the_nearest_last(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import pytest

        pytestmark = pytest.mark.flags({"page-size": 10}, x=True, y=True)


        @pytest.mark.flags(x=False)
        class TestMarked:
            def test_by_the_class(self, flags):
                assert (flags.enabled("x"), flags.enabled("y")) == (False, True)

            @pytest.mark.flags(y=False)
            def test_by_the_function(self, flags):
                assert (flags.enabled("x"), flags.enabled("y")) == (False, False)
                assert flags.value("page-size", default=0) == 10


        def test_without_asking(flagstaff_client):
            assert flagstaff_client.enabled("x")
        """,
    )

    result.assert_outcomes(passed=3)


def test_a_matrix_runs_a_test_once_per_variant(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import pytest


        @pytest.mark.flags_matrix({"checkout-cta": ["control", "urgent"]}, dark=[True, False])
        def test_renders(flags):
            assert flags.variant("checkout-cta") in ("control", "urgent")
            assert flags.variant("dark") in ("on", "off")


        @pytest.mark.flags_matrix(cta=["control", "urgent"])
        @pytest.mark.parametrize("n", [1, 2])
        def test_beside_others(flagstaff_client, n):
            assert flagstaff_client.variant("cta") in ("control", "urgent")
        """,
        "-v",
        "-p",
        "no:randomly",
    )

    result.assert_outcomes(passed=8)
    names = re.findall(r"::(test_renders\[.*?\]) PASSED", result.stdout.str())
    assert names == [
        "test_renders[checkout-cta=control,dark=True]",
        "test_renders[checkout-cta=control,dark=False]",
        "test_renders[checkout-cta=urgent,dark=True]",
        "test_renders[checkout-cta=urgent,dark=False]",
    ]


def test_a_matrix_knows_the_variants_of_the_rules(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("flags.json").write_text(json.dumps(document()))
    configure(pytester, 'flagstaff_rules = "flags.json"')
    result = run(
        pytester,
        """
        import pytest


        @pytest.mark.flags_matrix("checkout-cta")
        def test_renders(flags, exposures):
            variant = flags.variant("checkout-cta")
            exposures.assert_seen_once("checkout-cta", variant, unit="test-user")
        """,
        "-v",
    )

    result.assert_outcomes(passed=2)
    assert "test_renders[checkout-cta=urgent] PASSED" in result.stdout.str()


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ('"checkout-cta"', "flagstaff_rules has no flag checkout-cta; give its variants"),
        ("cta='control'", "cta needs a list of variants, such as cta=[[]True, False[]], not 'control'"),
        ("cta=3", "cta needs a list of variants"),
    ],
)
def test_a_matrix_that_makes_no_sense_says_so(pytester: pytest.Pytester, marker: str, message: str) -> None:
    code = f"import pytest\n@pytest.mark.flags_matrix({marker})\ndef test_it(flags): pass\n"
    result = run(pytester, code)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*::test_it: flags_matrix: *{message}*"])
    assert "_hookexec" not in result.stdout.str()


def test_a_mark_that_makes_no_sense_says_so(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import pytest

        @pytest.mark.flags("dark_mode")
        def test_it(flags): pass
        """,
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*takes flags with what they are set to, dark_mode=True or *, not 'dark_mode'"]
    )


def test_what_is_set_stands_beside_an_assertion_that_fails(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        def test_misspelt(flags):
            flags(dark_mode=True)
            assert flags.enabled("drak_mode")

        def test_nothing(flags):
            assert flags.enabled("dark_mode")

        def test_many(flags):
            flags({f"flag-{number}": True for number in range(12)})
            assert flags.enabled("dark_mode")
        """,
    )

    result.assert_outcomes(failed=3)
    for shown in ("<flags: dark_mode=True>", "<flags: none>", "flag-9=True, and 2 more>"):
        assert shown in result.stdout.str()


def test_given_rules_a_misspelt_flag_fails_the_test(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("flags.json").write_text(json.dumps(document()))
    configure(pytester, 'flagstaff_rules = "flags.json"')
    result = run(
        pytester,
        """
        import pytest


        def test_right(flags):
            flags({"checkout-cta": "urgent", "banner": True})
            assert flags.value("checkout-cta", default="") == "Buy now"
            assert flags.value("page-size", default=0) == 20


        @pytest.mark.flags(checkout_cta="urgent")
        def test_wrong(flags):
            pass
        """,
    )

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*OverrideError: no such flag: checkout_cta; did you mean checkout-cta?"])


def test_the_client_can_be_another(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import asyncio

        import pytest

        from flagstaff.testing import AsyncMemoryClient


        @pytest.fixture
        def flagstaff_client():
            return AsyncMemoryClient()


        @pytest.mark.flags(x=True)
        def test_awaiting(flags):
            async def ask():
                async with flags.client as client:
                    return await client.wait_ready() and client.enabled("x")

            assert asyncio.run(ask())


        @pytest.mark.anyio
        @pytest.mark.parametrize("anyio_backend", ["asyncio"])
        async def test_async(flags):
            flags(x=True)
            assert await asyncio.to_thread(flags.enabled, "x")
        """,
    )

    result.assert_outcomes(passed=2)


def test_it_is_safe_under_xdist_and_in_threads(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        from concurrent.futures import ThreadPoolExecutor

        import pytest


        @pytest.mark.flags_matrix(n=list(range(20)))
        def test_in_threads(flags, exposures, request):
            expected = request.node.callspec.params["_flags_matrix"]["n"]
            flags.set("cta", "urgent", experiment="wording")
            with ThreadPoolExecutor(8) as pool:
                found = set(pool.map(lambda _: flags.value("n", default=-1), range(50)))
                list(pool.map(lambda _: flags.variant("cta"), range(50)))
            assert found == {expected}
            exposures.assert_seen_once("cta", "urgent")
        """,
        "-n",
        "2",
    )

    result.assert_outcomes(passed=20)


# -- exposures -------------------------------------------------------------------------------------------


def test_an_exposure_that_is_missing_reads_well(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        def test_it(flags, exposures):
            flags.set("checkout-cta", "urgent", experiment="cta-wording")
            flags.variant("checkout-cta")
            exposures.assert_seen("checkout-cta", "control")
        """,
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*AssertionError: nobody met checkout-cta = control",
            "E*exposures:",
            "E*  checkout-cta = urgent for test-user, in cta-wording",
        ]
    )


# -- the network -----------------------------------------------------------------------------------------

MADE = """
import threading

import flagstaff


def swallow():
    try: flagstaff.Client("http://127.0.0.1:9")
    except BaseException: pass


def test_it():
    {body}
"""


@pytest.mark.parametrize(
    "body",
    [
        'flagstaff.Client("http://127.0.0.1:9", key="sdk-hush")',
        'flagstaff.AsyncClient("http://127.0.0.1:9", key="sdk-hush")',
        'flagstaff.Client.from_document({"version": 1}, events="http://127.0.0.1:9", key="sdk-hush")',
        'try: flagstaff.Client("http://127.0.0.1:9")\n    except BaseException: pass',
        "thread = threading.Thread(target=swallow); thread.start(); thread.join()",
    ],
)
def test_a_test_that_would_connect_fails_and_says_how_not_to(pytester: pytest.Pytester, body: str) -> None:
    result = run(pytester, MADE.format(body=body))

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*a flagstaff client of 127.0.0.1:* was made, which would open a real connection in a test.",
            "*The fixture `flags` has one: pass `flags.client`*",
            "*@pytest.mark.flags_network*",
        ]
    )


def test_where_it_was_made_is_shown(pytester: pytest.Pytester) -> None:
    result = run(pytester, MADE.format(body='flagstaff.Client("http://127.0.0.1:9")'))

    result.stdout.fnmatch_lines(["> *flagstaff.Client(*", "test_where_it_was_made_is_shown.py:*: *"])


SERVED = """
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

import flagstaff

asked = []


class Rules(BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(self.path)
        body = b'{"version": 1, "flags": {"x": {"default": "on"}}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def url():
    with HTTPServer(("127.0.0.1", 0), Rules) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
"""


def test_a_test_that_is_meant_to_connect_may(pytester: pytest.Pytester) -> None:
    test = """
@pytest.mark.flags_network
def test_it(url):
    with flagstaff.Client(url, events=None) as client:
        assert client.wait_ready(20), client.status()
        assert client.enabled("x")
"""
    run(pytester, SERVED + test).assert_outcomes(passed=1)


def test_all_may_if_the_configuration_says_so(pytester: pytest.Pytester) -> None:
    configure(pytester, "flagstaff_network = true")
    test = """
def test_it(url):
    with flagstaff.Client(url, events=None) as client:
        assert client.wait_ready(20), client.status()
"""
    run(pytester, SERVED + test).assert_outcomes(passed=1)


def test_a_client_of_an_imported_module_is_kept_from_connecting(pytester: pytest.Pytester) -> None:
    test = """
server = HTTPServer(("127.0.0.1", 0), Rules)
client = flagstaff.Client(f"http://127.0.0.1:{server.server_port}", events=None)
threading.Thread(target=server.serve_forever, daemon=True).start()


def test_it():
    deadline = time.monotonic() + 20
    while "a test opens no connection" not in str(client.status()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "a test opens no connection" in str(client.status())
    assert not asked
    client.close()
    server.shutdown()
    server.server_close()
"""
    result = run(pytester, SERVED + test)

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["flagstaff: a client of 127.0.0.1:* was made outside of any test; it was kept*"]
    )


def test_a_transport_of_the_tests_own_is_no_connection(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import httpx

        import flagstaff


        def test_it():
            transport = httpx.MockTransport(lambda request: httpx.Response(200, json={"version": 1}))
            with httpx.Client(transport=transport) as mine:
                with flagstaff.Client("https://flags.test", events=None, http_client=mine) as client:
                    assert client.wait_ready(20)
        """,
    )

    result.assert_outcomes(passed=1)


# -- a guest ---------------------------------------------------------------------------------------------


def test_a_run_that_has_nothing_to_do_with_flags_loads_next_to_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys


        def test_it():
            ours = {name for name in sys.modules if name.split(".")[0] == "flagstaff"}
            assert ours == {
                "flagstaff", "flagstaff.net", "flagstaff.net.guard", "flagstaff.pytest_plugin",
            }, ours
            assert not {"httpx", "pydantic", "mmh3"} & set(sys.modules)
        """
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:hypothesispytest", "-q"]
    done = subprocess.run(command, cwd=pytester.path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_markers_and_settings_are_listed(pytester: pytest.Pytester) -> None:
    markers = pytester.runpytest_subprocess("--markers").stdout.str()
    settings = pytester.runpytest_subprocess("--help").stdout.str()

    for marker in ("@pytest.mark.flags(", "@pytest.mark.flags_matrix(", "@pytest.mark.flags_network:"):
        assert marker in markers
    assert "flagstaff_rules" in settings
    assert "flagstaff_network" in settings
