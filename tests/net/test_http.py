"""Requests against servers that misbehave on purpose, blocking and awaiting alike."""

from __future__ import annotations

import asyncio
import gc
import gzip
import os
import socket
import subprocess
import sys
import threading
import time
import traceback
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from flagstaff.errors import FlagstaffError
from flagstaff.net.http import AsyncHttp, Http, Request, TransportError
from tests.net.badserver import (
    Behaviour,
    Visit,
    answer,
    cut,
    drip,
    endless,
    hang,
    redirect,
    serving,
    zipped,
)
from tests.net.conftest import Send

SDK = Path(__file__).parents[2] / "sdk"
OK = b"HTTP/1.1 200 OK\r\n"


def get(url: str, timeout: float = 20.0, max_bytes: int = 1 << 20, **headers: str) -> Request:
    return Request("GET", url, headers, timeout=timeout, max_bytes=max_bytes)


def refusal(send: Send, request: Request) -> TransportError:
    with pytest.raises(TransportError) as caught:
        send(request)
    return caught.value


# -- what works ----------------------------------------------------------------------------------------


def test_an_answer_has_its_status_lower_case_headers_and_body(send: Send) -> None:
    with serving(answer(b"hello", 418, ETag='"v1"')) as server:
        response = send(get(server.url))

    assert (response.status, response.headers["etag"], response.body) == (418, '"v1"', b"hello")
    assert repr(response) == "Response(418, 5 bytes)"


def test_a_post_arrives_with_its_headers_and_its_body(send: Send) -> None:
    with serving(answer(status=202)) as server:
        request = Request("POST", f"{server.url}/v1/events", {"Authorization": "Bearer k"}, b"\0\xff")
        assert send(request).status == 202

    (visit,) = server.visits
    assert visit.head.startswith("POST /v1/events HTTP/1.1")
    assert (visit.header("authorization"), visit.body) == ("Bearer k", b"\0\xff")


def test_nothing_but_gzip_is_ever_asked_for(send: Send) -> None:
    with serving(answer()) as server:
        send(Request("GET", server.url, {"accept-encoding": "br, zstd"}))

    assert server.visits[0].head.lower().count("accept-encoding") == 1
    assert server.visits[0].header("accept-encoding") == "gzip"


def test_gzip_is_decoded(send: Send) -> None:
    with serving(zipped(b"rules" * 1000)) as server:
        assert send(get(server.url)).body == b"rules" * 1000


def test_gzip_in_several_members_is_decoded(send: Send) -> None:
    body = gzip.compress(b"one ") + gzip.compress(b"two")
    with serving(answer(body, Content_Encoding="GZIP")) as server:
        assert send(get(server.url)).body == b"one two"


def test_an_answer_without_a_body_needs_no_gzip(send: Send) -> None:
    with serving(cut(b"HTTP/1.1 304 Fine\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n")) as server:
        assert (send(get(server.url)).status, send(get(server.url)).body) == (304, b"")


def test_a_body_of_exactly_the_bound_is_welcome(send: Send) -> None:
    with serving(answer(b"x" * 1000), zipped(b"x" * 1000)) as server:
        for _ in range(2):
            assert len(send(get(server.url, max_bytes=1000)).body) == 1000


# -- size ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("behaviour", [answer(b"x" * 1001), zipped(b"x" * 1001), endless])
def test_a_body_beyond_the_bound_is_refused(send: Send, behaviour: Behaviour) -> None:
    with serving(behaviour) as server:
        error = refusal(send, get(server.url, max_bytes=1000))

    assert error.kind == "too-large"
    assert str(error) == f"127.0.0.1:{server.port} answered with more than 1,000 bytes"


def test_a_bomb_never_goes_off(send: Send) -> None:
    bomb = gzip.compress(b"\0" * (128 << 20), 6)
    with serving(answer(bomb, Content_Encoding="gzip")) as server:
        tracemalloc.start()
        try:
            error = refusal(send, get(server.url, max_bytes=1 << 20))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert error.kind == "too-large"
    assert peak < 16 << 20


@pytest.mark.parametrize(
    "behaviour",
    [
        answer(b"x", Content_Encoding="br"),
        answer(gzip.compress(gzip.compress(b"x")), Content_Encoding="gzip, gzip"),
        answer(b"<html>", Content_Encoding="gzip"),
        answer(gzip.compress(b"x" * 1000)[:-9], Content_Encoding="gzip"),
        answer(gzip.compress(b"x") + b"garbage", Content_Encoding="gzip"),
    ],
    ids=["unknown", "nested", "no gzip", "cut short", "trailing garbage"],
)
def test_an_encoding_that_can_not_be_trusted_is_refused(send: Send, behaviour: Behaviour) -> None:
    with serving(behaviour) as server:
        assert refusal(send, get(server.url)).kind == "encoding"


# -- time ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "behaviour",
    [
        hang,
        drip(b"HTTP/1.1 2"),
        drip(OK + b"X-Header: "),
        drip(OK + b"Content-Length: 1000000\r\n\r\n"),
        drip(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=["hang", "status line", "headers", "body", "chunks"],
)
def test_the_deadline_is_for_the_whole_answer(send: Send, behaviour: Behaviour) -> None:
    with serving(behaviour) as server:
        began = time.monotonic()
        error = refusal(send, get(server.url, timeout=0.3))
        took = time.monotonic() - began

    assert error.kind == "timeout"
    assert str(error) == f"127.0.0.1:{server.port}: no complete answer in 0.3 s"
    assert server.visits
    assert took < 3


def test_redirects_share_one_deadline(send: Send) -> None:
    def slowly(visit: Visit) -> None:
        visit.rest(0.4)
        redirect("/again")(visit)

    with serving(slowly) as server:
        assert refusal(send, get(server.url, timeout=0.6)).kind == "timeout"
        assert len(server.visits) == 2


def test_a_deadline_that_has_passed_sends_nothing(send: Send) -> None:
    with serving(answer()) as server:
        assert refusal(send, get(server.url, timeout=0.0)).kind == "timeout"
        assert not server.visits


# -- redirects -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_in_the_same_origin_is_followed_with_the_key(send: Send, status: int) -> None:
    with serving(redirect("../rules.json?v=2", status), answer(b"rules")) as server:
        assert send(get(f"{server.url}/v1/rules", Authorization="Bearer k")).body == b"rules"

    assert server.visits[1].path == "/rules.json?v=2"
    assert server.visits[1].header("authorization") == "Bearer k"


@pytest.mark.parametrize(
    "target", ["http://127.0.0.1:{port}/", "//127.0.0.1:{port}/x", "http://localhost:{own}/"]
)
def test_a_redirect_to_another_origin_reaches_nobody(send: Send, target: str) -> None:
    with serving(answer(b"thanks for the key")) as thief:
        with serving(answer()) as server:
            pass
        aim = target.format(port=thief.port, own=server.port)
        with serving(redirect(aim)) as server:
            error = refusal(send, get(server.url, Authorization="Bearer k"))

    assert error.kind == "redirect"
    assert "another origin" in str(error)
    assert not thief.connections


def test_a_redirect_to_another_scheme_is_another_origin(send: Send) -> None:
    with serving(answer()) as server:
        pass
    with serving(redirect(f"https://127.0.0.1:{server.port}/"), answer()) as server:
        assert refusal(send, get(server.url)).kind == "redirect"
        assert len(server.visits) == 1


def test_redirects_are_followed_three_times_and_no_more(send: Send) -> None:
    with serving(*[redirect("/next")] * 3, answer(b"there")) as server:
        assert send(get(server.url)).body == b"there"
    with serving(redirect("/loop")) as server:
        assert refusal(send, get(server.url)).kind == "redirect"
        assert len(server.visits) == 4


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_post_is_never_redirected(send: Send, status: int) -> None:
    with serving(redirect("/elsewhere", status), answer()) as server:
        error = refusal(send, Request("POST", server.url, body=b"events"))
        assert len(server.visits) == 1

    assert error.kind == "redirect"
    assert "redirects a POST" in str(error)


@pytest.mark.parametrize(
    "behaviour", [answer(status=302), redirect("http://[broken"), redirect("http://h:9x/")]
)
def test_a_redirect_to_nowhere_is_refused(send: Send, behaviour: Behaviour) -> None:
    with serving(behaviour) as server:
        # Some clients look at the address themselves, and call it a breach of protocol.
        assert refusal(send, get(server.url)).kind in {"redirect", "protocol"}


# -- failures ------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_nobody_at_home_is_a_failure_to_connect(send: Send) -> None:
    port = free_port()
    error = refusal(send, get(f"http://127.0.0.1:{port}/"))

    assert error.kind == "connect"
    assert str(error).startswith(f"127.0.0.1:{port}: ")


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (cut(b""), "protocol"),
        (cut(b"HTTP/1.1 200 OK\r\nContent-Le"), "protocol"),
        (cut(OK + b"Content-Length: 100\r\n\r\nhalf"), "protocol"),
        (cut(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab"), "protocol"),
        (cut(b"SSH-2.0-OpenSSH_9.2\r\n"), "protocol"),
        (cut(OK + b"X: " + b"x" * 200_000), "protocol"),
    ],
    ids=["nothing", "half a header", "half a body", "half a chunk", "no HTTP", "huge header"],
)
def test_half_an_answer_is_none(send: Send, behaviour: Behaviour, kind: str) -> None:
    with serving(behaviour) as server:
        assert refusal(send, get(server.url)).kind == kind


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http://", "no-url", "http://[::1/", "http://a b/"])
def test_a_url_that_leads_nowhere_is_refused(send: Send, url: str) -> None:
    assert isinstance(refusal(send, get(url)), FlagstaffError)


def test_no_secret_is_in_an_error(send: Send) -> None:
    secret = "s3cr3t"
    address = f"127.0.0.1:{free_port()}"
    urls = [f"http://user:{secret}@{address}/{secret}?token={secret}", f"ftp://{address}/?token={secret}"]
    urls += [f"https://{address}/?token={secret}"]
    for url in urls:
        error = refusal(send, get(url, Authorization=f"Bearer {secret}"))
        assert address in str(error)
        assert secret not in "".join(traceback.format_exception(error)) + repr(error)


def test_plain_text_where_tls_is_expected_is_a_failure_to_connect(send: Send) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer_in_plain_text() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer_in_plain_text)
        thread.start()
        assert refusal(send, get(f"https://127.0.0.1:{listener.getsockname()[1]}/")).kind == "connect"
        thread.join()


def test_an_error_of_a_strange_client_is_still_ours() -> None:
    class Strange:
        def stream(self, **_: object) -> object:
            error = KeyError("token")
            error.__cause__ = error
            raise error

    with pytest.raises(TransportError) as caught:
        Http(Strange()).send(get("http://flags.example.com/?token=1"))

    assert (caught.value.kind, str(caught.value)) == ("failed", "flags.example.com: KeyError")


# -- whose client --------------------------------------------------------------------------------------


def test_connections_are_kept_and_cookies_are_not() -> None:
    http = Http()
    with serving(answer(b"1", Set_Cookie="id=1"), answer(b"2")) as server:
        http.send(get(server.url))
        http.send(get(server.url))
        http.close()

    assert server.connections == 1
    assert server.visits[1].header("cookie") is None


def test_a_closed_client_sends_nothing(send: Send) -> None:
    http = Http()
    http.close()
    http.close()

    assert refusal(http.send, get("http://127.0.0.1:9/")).kind == "closed"


def test_a_client_that_is_closed_amid_a_request_lets_it_end() -> None:
    http, arrived, closed = Http(), threading.Event(), threading.Event()

    def hesitate(visit: Visit) -> None:
        arrived.set()
        closed.wait(20)
        answer(b"1")(visit)

    with serving(hesitate) as server, ThreadPoolExecutor(1) as pool:
        answering = pool.submit(http.send, get(server.url))
        assert arrived.wait(20)
        http.close()
        closed.set()
        assert answering.result(20).body == b"1"
        del http, answering
        gc.collect()  # which would warn of a socket that nobody has closed


def test_the_clients_of_a_caller_are_used_and_left_open() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=request.headers["x-own"].encode())

    with httpx.Client(transport=httpx.MockTransport(handle), headers={"X-Own": "yes"}) as client:
        http = Http(client)
        assert http.send(get("http://flags.example.com/")).body == b"yes"
        http.close()
        assert not client.is_closed


def test_the_async_client_of_a_caller_is_used_and_left_open() -> None:
    async def life() -> bool:
        transport = httpx.MockTransport(lambda _: httpx.Response(200, content=b"yes"))
        async with httpx.AsyncClient(transport=transport) as client:
            http = AsyncHttp(client)
            assert (await http.send(get("http://flags.example.com/"))).body == b"yes"
            await http.close()
            return client.is_closed

    assert not asyncio.run(life())


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # a loop that is closed can't close what it left open
def test_an_async_client_outlives_its_event_loop() -> None:
    def lives(url: str) -> None:
        http = AsyncHttp()

        async def once() -> bytes:
            return (await http.send(get(url))).body

        loop = asyncio.new_event_loop()
        assert loop.run_until_complete(once()) == b"1"
        assert asyncio.run(once()) == b"1"
        assert asyncio.run(once()) == b"1"
        assert loop.run_until_complete(once()) == b"1"
        loop.run_until_complete(http.close())
        with pytest.raises(TransportError, match="closed"):
            loop.run_until_complete(once())
        loop.close()

    with serving(answer(b"1")) as server:
        lives(server.url)
    gc.collect()


def test_a_cancelled_request_is_cancelled() -> None:
    async def life(url: str) -> None:
        http = AsyncHttp()
        task = asyncio.create_task(http.send(get(url)))
        async with asyncio.timeout(20):
            while not server.visits:  # noqa: ASYNC110 - the server is another thread
                await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await http.close()

    with serving(hang) as server:
        asyncio.run(life(server.url))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_process_has_connections_of_its_own() -> None:
    program = """
import os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from flagstaff.net.http import Http, Request

http = Http()
request = Request("GET", sys.argv[1])
assert http.send(request).body == b"1"
pid = os.fork()
if pid == 0:
    fine = http.send(request).body == b"1"
    http.close()
    os._exit(0 if fine else 1)
assert os.waitpid(pid, 0)[1] == 0
assert http.send(request).body == b"1"
http.close()
"""
    with serving(answer(b"1")) as server:
        done = subprocess.run(
            [sys.executable, "-c", program, server.url],
            env={**os.environ, "PYTHONPATH": str(SDK)},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )

    assert (done.returncode, done.stderr) == (0, "")
    assert (server.connections, len(server.visits)) == (2, 3)


# -- what a request may be -----------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\0b", "\x7f", "\x1b[31m", "日本", "\ud800"])
def test_a_header_that_could_inject_is_refused_without_repeating_it(value: str) -> None:
    with pytest.raises(ValueError, match="the header Authorization has") as caught:
        Request("GET", "http://h/", {"Authorization": value})

    assert value not in str(caught.value)


@pytest.mark.parametrize("name", ["", "X Y", "X:", "X\r\n", "é"])
def test_a_header_needs_a_proper_name(name: str) -> None:
    with pytest.raises(ValueError, match="name of a header"):
        Request("GET", "http://h/", {name: "value"})


def test_a_request_shows_nothing_but_its_host_and_can_not_be_changed() -> None:
    request = Request("GET", "http://u:secret@h:80/secret?secret", {"Authorization": "secret"})

    assert repr(request) == "Request(GET h:80)"
    with pytest.raises(AttributeError):
        request.url = "http://elsewhere/"
    with pytest.raises(TypeError):
        request.headers["X"] = "y"  # type: ignore[index]
    assert request.with_headers({"X": "y"}).headers == {"Authorization": "secret", "X": "y"}
