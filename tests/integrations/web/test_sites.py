"""What every web integration promises, through a real server and a client that keeps its cookies."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from flagstaff import Client, Context
from flagstaff.integrations.web.page import PAGE_HEADERS, shown
from flagstaff.integrations.web.site import Site
from tests.client.lab import Basket
from tests.integrations.web.lab import RULES, SECRET, token_for
from tests.integrations.web.sites import SITES

URGENT = {"checkout-cta": "urgent"}


class Stage:
    """A client and the site that is built on it; browsers to visit it."""

    def __init__(self, name: str, stack: ExitStack) -> None:
        self.name = name
        self.basket = Basket()
        self.client = stack.enter_context(
            Client.from_document(RULES, events=self.basket, override_secret=SECRET)
        )
        self._stack = stack
        self._url = ""

    def serve(self, **options: Any) -> Stage:
        self._url = self._stack.enter_context(SITES[self.name](self.client, **options))
        return self

    def browser(self, **settings: Any) -> httpx.Client:
        return self._stack.enter_context(httpx.Client(base_url=self._url, timeout=20, **settings))


@pytest.fixture(params=SITES)
def bare(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(request.param, stack)


@pytest.fixture
def stage(bare: Stage) -> Stage:
    return bare.serve()


@pytest.fixture
def browser(stage: Stage) -> httpx.Client:
    return stage.browser()


def set_cookies(response: httpx.Response) -> list[str]:
    """Our cookies, their attributes in order."""
    lines = [line.split("; ") for line in response.headers.get_list("set-cookie")]
    return ["; ".join([first, *sorted(rest)]) for first, *rest in lines if first.startswith("flagstaff_")]


def vary(response: httpx.Response) -> set[str]:
    return {part.strip().lower() for part in response.headers.get("vary", "").split(",") if part}


# -- visitors ------------------------------------------------------------------------------------------


def test_a_visitor_gets_an_id_once_and_keeps_it(browser: httpx.Client) -> None:
    first = browser.get("/")
    told = first.json()
    (cookie,) = set_cookies(first)

    assert told["key"] == told["visitor"]
    assert len(told["visitor"]) == 22
    assert cookie.startswith(f"flagstaff_visitor={told['visitor']}")
    assert cookie.split("; ")[1:] == ["HttpOnly", "Max-Age=34560000", "Path=/", "SameSite=Lax"]
    for _ in range(3):
        again = browser.get("/")
        assert again.json() == told
        assert set_cookies(again) == []
        assert "cookie" in vary(again)


def test_the_id_outlasts_a_login_and_so_does_the_variant(browser: httpx.Client) -> None:
    before = browser.get("/").json()
    logged_in = browser.get("/", params={"user": "42"})
    after = browser.get("/").json()

    assert (before["members"], logged_in.json()["members"], after["members"]) == (False, True, False)
    assert logged_in.json() | {"members": False} == before == after
    assert set_cookies(logged_in) == []


def test_visitors_are_told_apart(stage: Stage) -> None:
    told = [stage.browser().get("/").json() for _ in range(12)]

    assert len({each["visitor"] for each in told}) == 12
    assert {each["variant"] for each in told} <= {"control", "calm"}


def test_who_asks_for_no_flags_gets_no_cookie(browser: httpx.Client) -> None:
    response = browser.get("/plain")

    assert set_cookies(response) == []
    assert "cookie" not in vary(response)


def test_a_page_that_sets_the_cookie_is_kept_by_no_shared_cache(browser: httpx.Client) -> None:
    first, second = browser.get("/public"), browser.get("/public")

    assert first.headers["cache-control"] == "private, max-age=60"
    assert "surrogate-control" not in first.headers
    assert second.headers["cache-control"] == "public, max-age=60, s-maxage=600"
    assert vary(first) == vary(second) == {"accept-encoding", "cookie"}


@pytest.mark.parametrize(
    "forged", ["", "x", "'" * 22, "A" * 22, "A" * 22 + ".x", "A" * 22 + "." + "é" * 43, "A" * 23]
)
def test_an_id_that_we_did_not_give_is_not_believed(bare: Stage, forged: str) -> None:
    browser = bare.serve(visitor_secret="sesame").browser()
    header = f"a=b; flagstaff_visitor={forged}; c=d".encode()

    response = browser.get("/", headers={b"cookie": header})

    assert response.json()["visitor"] not in forged
    assert len(set_cookies(response)) == 1


def test_a_signed_id_survives_a_change_of_secrets(bare: Stage) -> None:
    browser = bare.serve(visitor_secret="old").browser()
    told = browser.get("/").json()
    kept = browser.cookies.get("flagstaff_visitor") or ""

    rotated = bare.serve(visitor_secret=["new", "old"]).browser(cookies={"flagstaff_visitor": kept})
    response = rotated.get("/")
    (renewed,) = set_cookies(response)
    assert response.json() == told
    assert renewed.partition(".")[0] == f"flagstaff_visitor={told['visitor']}"
    assert renewed.partition(";")[0] != f"flagstaff_visitor={kept}"

    value = renewed.partition(";")[0].partition("=")[2]
    later = bare.serve(visitor_secret="new").browser(cookies={"flagstaff_visitor": value}).get("/")
    assert (later.json(), set_cookies(later)) == (told, [])


def test_without_consent_there_is_no_id_and_an_old_one_goes(bare: Stage) -> None:
    browser = bare.serve().browser()
    kept = browser.get("/").cookies["flagstaff_visitor"]

    refusing = bare.serve(consent=lambda _: False).browser(cookies={"flagstaff_visitor": kept})
    response = refusing.get("/")

    assert (response.json()["visitor"], response.json()["key"]) == (None, None)
    assert set_cookies(response) == ["flagstaff_visitor=; HttpOnly; Max-Age=0; Path=/; SameSite=Lax"]
    assert response.json()["reason"] == "TARGETING_KEY_MISSING"
    assert bare.browser().get("/").headers.get_list("set-cookie") == []


def test_a_site_may_do_without_the_cookie(bare: Stage) -> None:
    response = bare.serve(visitor_cookie=None).browser().get("/", params={"user": "42"})

    assert (response.json()["members"], response.json()["visitor"]) == (True, None)
    assert set_cookies(response) == []
    assert "cookie" not in vary(response)


def test_a_site_behind_a_proxy_may_say_that_it_is_secure(bare: Stage) -> None:
    (cookie,) = set_cookies(bare.serve(secure_cookies=True).browser().get("/"))

    assert cookie.endswith("; Secure")


def test_whoever_is_first_asked_for_in_the_body_is_nobody_rather_than_somebody_new(stage: Stage) -> None:
    new, known = stage.browser(), stage.browser()
    visitor = known.get("/").json()["visitor"]

    assert [line.split()[-1] for line in new.get("/late").text.splitlines()] == ["None"] * 3
    assert [line.split()[-1] for line in known.get("/late").text.splitlines()] == [visitor] * 3


def test_a_loader_that_fails_costs_its_attributes_only(
    browser: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        response = browser.get("/", params={"user": "broken"})
        assert response.status_code == 200
        assert response.json()["key"] == response.json()["visitor"]
        assert not response.json()["members"]

    lines = [record.getMessage() for record in caplog.records if record.name.startswith("flagstaff")]
    assert lines == ["the context loader raised ZeroDivisionError; going on without it"]


# -- overrides -----------------------------------------------------------------------------------------


def test_a_link_forces_variants_on_every_page_until_it_is_cleared(
    stage: Stage, browser: httpx.Client
) -> None:
    before = browser.get("/").json()

    landed = browser.get("/plain", params={"flagstaff": token_for(URGENT)})
    (cookie,) = set_cookies(landed)
    assert cookie.startswith("flagstaff_override=1.")
    assert {"Path=/", "HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))
    assert 3590 <= int(cookie.partition("Max-Age=")[2].partition(";")[0]) <= 3600

    for _ in range(2):
        told = browser.get("/").json()
        assert told == before | {"variant": "urgent", "reason": "OVERRIDE", "rung": "request"}
        assert browser.get("/direct").text == "urgent"

    cleared = browser.get("/", params={"flagstaff": "clear"})
    assert cleared.json() == before
    assert set_cookies(cleared) == ["flagstaff_override=; HttpOnly; Max-Age=0; Path=/; SameSite=Lax"]
    assert browser.get("/").json() == before
    assert stage.client.status().refused_overrides == {}


def test_a_forced_page_is_kept_by_no_cache_and_says_what_was_forced(browser: httpx.Client) -> None:
    browser.get("/")
    header = {"Flagstaff-Override": token_for({"checkout-cta": "urgent", "new-checkout": "on"})}

    for path in ("/public", "/plain", "/stream"):
        forced = browser.get(path, headers=header)
        assert forced.headers.get_list("cache-control") == ["private, no-store"]
        assert "surrogate-control" not in forced.headers
        assert vary(forced) >= {"cookie", "flagstaff-override"}
        assert forced.headers["flagstaff-override"] == "checkout-cta=urgent, new-checkout=on"
        assert set_cookies(forced) == []
        assert "flagstaff-override" not in browser.get(path).headers


def test_a_forced_decision_is_no_exposure(stage: Stage, browser: httpx.Client) -> None:
    header = {"Flagstaff-Override": token_for(URGENT)}
    for path in ("/", "/stream", "/direct"):
        browser.get(path, headers=header)
    assert stage.client.stats()["accepted"] == 0

    browser.get("/")
    assert stage.client.stats()["accepted"] == 1


def test_a_body_that_is_made_while_it_is_sent_is_forced_to_its_end_and_nobody_else_is(
    stage: Stage, browser: httpx.Client
) -> None:
    header = {"Flagstaff-Override": token_for(URGENT)}
    plain = browser.get("/direct").text

    for path in ("/stream", "/late"):
        lines = browser.get(path, headers=header).text.splitlines()
        assert [line.split()[:2] for line in lines] == [["urgent", "True"]] * 3
        assert browser.get("/direct").text == plain
    with browser.stream("GET", "/stream", headers=header) as response:
        next(response.iter_raw(1))  # and go away
    assert browser.get("/direct").text == plain
    assert stage.client.override_token is None


def test_visitors_at_the_same_time_do_not_meet_each_others_overrides(stage: Stage) -> None:
    plain = stage.browser().get("/direct").text

    def visit(number: int) -> tuple[str | None, str]:
        wanted = [None, "urgent", "calm", "control"][number % 4]
        header = {} if wanted is None else {"Flagstaff-Override": token_for({"checkout-cta": wanted})}
        with httpx.Client(base_url=stage._url, timeout=20) as visitor:
            lines = visitor.get("/stream", headers=header).text.splitlines()
        (seen,) = {line.split()[0] for line in lines}
        return wanted, seen

    with ThreadPoolExecutor(8) as pool:
        for wanted, seen in pool.map(visit, range(64)):
            assert seen == (wanted or plain)


def test_the_query_is_stronger_than_the_header_and_that_than_the_cookie(browser: httpx.Client) -> None:
    browser.get("/plain", params={"flagstaff": token_for({"checkout-cta": "calm"})})
    header = {"Flagstaff-Override": token_for({"checkout-cta": "control"})}

    assert browser.get("/").json()["variant"] == "calm"
    assert browser.get("/", headers=header).json()["variant"] == "control"
    query = {"flagstaff": token_for(URGENT)}
    assert browser.get("/", headers=header, params=query).json()["variant"] == "urgent"
    assert browser.get("/").json()["variant"] == "urgent"


def test_the_page_that_shows_what_is_forced(stage: Stage, browser: httpx.Client) -> None:
    nothing = browser.get("/", params={"flagstaff": "show"})
    browser.get("/", params={"flagstaff": token_for(URGENT)})
    forced = browser.get("/anything/at/all", params={"flagstaff": "show"})

    assert "Nothing is forced in this browser" in nothing.text
    assert "<td>checkout-cta</td><td>urgent</td>" in forced.text
    assert 'href="?flagstaff=clear"' in forced.text
    for page in (nothing, forced):
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "no-store" in page.headers["cache-control"]


@pytest.mark.parametrize("name", ["wsgi", "asgi", "starlette", "fastapi"])
def test_while_a_site_is_debugged_the_page_tells_what_every_flag_is_and_why(name: str) -> None:
    with ExitStack() as stack:
        stage = Stage(name, stack).serve(debug=True)
        browser, tester = stage.browser(), stage.browser()
        mine = browser.get("/").json()
        page = browser.get("/", params={"flagstaff": "show", "user": "<ada>"}).text
        forced = tester.get("/", params={"flagstaff": token_for(URGENT)}).json()
        theirs = tester.get("/", params={"flagstaff": "show"}).text

        assert [flag for flag in RULES["flags"] if f"<td>{flag}</td>" not in page] == []
        assert f"<td>{mine['variant']}</td>" in page
        assert "user_id exists True: true (was &#x27;&lt;ada&gt;&#x27;)" in page
        assert "<ada>" not in page
        assert f"For <code>Context(&#x27;{mine['visitor']}&#x27;" in page
        assert "Rules: shop/default; revision 7; READY" in page
        assert "<th>Reason</th></tr>" in page
        assert "OVERRIDE (request)" not in page
        assert "OVERRIDE (request)" in theirs
        assert forced["visitor"] in theirs
        assert stage.client.stats()["accepted"] == 1  # the first page's


def test_a_page_that_tells_the_rules_needs_no_secret_and_is_there_for_debugging_alone() -> None:
    with Client.from_document(RULES) as client, ExitStack() as stack:
        for debug in (True, False):
            url = stack.enter_context(SITES["asgi"](client, debug=debug))
            told = httpx.get(f"{url}/plain?flagstaff=show").text
            assert ("user_id exists True" in told, told == "plain") == (debug, not debug)
    with ExitStack() as stack:
        told = Stage("asgi", stack).serve().browser().get("/", params={"flagstaff": "show"}).text
        assert "Rules:" not in told


def test_the_page_keeps_to_its_own_security_policy() -> None:
    (policy,) = (value for name, value in PAGE_HEADERS if name == "Content-Security-Policy")
    style = shown(None).decode().partition("<style>")[2].partition("</style>")[0]

    assert f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" in policy


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (token_for(URGENT, secret="x" * 32), "forged"),
        (token_for(URGENT, lifetime=60, ago=61), "expired"),
        ("1." + "x" * 4000, "oversized"),
        ("nonsense", "malformed"),
        ("\u202e\x00é", "malformed"),
    ],
    ids=["forged", "expired", "oversized", "nonsense", "unprintable"],  # a token would have the time in it
)
def test_a_token_that_is_refused_changes_nothing_and_is_counted(
    stage: Stage, browser: httpx.Client, token: str, reason: str
) -> None:
    plain = browser.get("/direct").text

    in_query = browser.get("/direct", params={"flagstaff": token})
    cookie = {"cookie": f"flagstaff_override={quote(token)}"}
    in_cookie = browser.get("/direct", headers=cookie)
    in_header = browser.get("/direct", headers={b"Flagstaff-Override": quote(token).encode()})

    assert in_query.text == in_cookie.text == in_header.text == plain
    assert set_cookies(in_query) == set_cookies(in_header) == []
    assert set_cookies(in_cookie) == ["flagstaff_override=; HttpOnly; Max-Age=0; Path=/; SameSite=Lax"]
    assert stage.client.status().refused_overrides == {reason: 3}


def test_what_a_good_token_asks_in_vain_is_counted(stage: Stage, browser: httpx.Client) -> None:
    token = token_for(URGENT | {"no-such-flag": "on", "banner": "loud"})

    assert browser.get("/", params={"flagstaff": token}).json()["variant"] == "urgent"

    assert stage.client.status().refused_overrides == {"unknown_flag": 1, "unknown_variant": 1}


@pytest.mark.parametrize(
    "query", ["flagstaff=", "flagstaff", "flagstaff=%ff%00", "a=1&" * 500 + "flagstaff=x"]
)
def test_a_query_made_to_hurt_hurts_nobody(browser: httpx.Client, query: str) -> None:
    assert browser.get(f"/plain?{query}").status_code == 200


@pytest.mark.parametrize("name", SITES)
def test_without_a_secret_links_do_nothing(name: str) -> None:
    with (
        Client.from_document(RULES) as client,
        SITES[name](client) as url,
        httpx.Client(base_url=url) as browser,
    ):
        plain = browser.get("/direct").text
        for token in (token_for(URGENT), "show", "clear"):
            response = browser.get("/direct", params={"flagstaff": token})
            assert (response.text, set_cookies(response)) == (plain, [])


def test_an_application_that_fails_leaves_nothing_behind(stage: Stage, browser: httpx.Client) -> None:
    plain = browser.get("/direct").text

    failed = browser.get("/fails", headers={"Flagstaff-Override": token_for(URGENT)})

    assert failed.status_code == 500
    assert stage.browser().get("/direct").text == plain  # the server hangs up after a failure


def test_a_loader_may_return_what_getters_take_in_place_of_a_context() -> None:
    site = Site(Client.from_document(RULES))

    assert site.context_of({"targetingKey": "user-1", "plan": "pro"}, None).targeting_key == "user-1"
    assert site.context_of({"targetingKey": "user-1", "plan": "pro"}, "visitor-1") == Context(
        "user-1", {"visitor_id": "visitor-1", "targetingKey": "user-1", "plan": "pro"}
    )
