from __future__ import annotations

import asyncio
import json
import unittest
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template, TemplateSyntaxError
from django.test import AsyncClient, RequestFactory, SimpleTestCase, override_settings
from django.test import Client as Browser
from django.urls import include, path
from django.views import View

from flagstaff import AsyncClient as AwaitedClient
from flagstaff import Client, ConfigError, OverrideError
from flagstaff.integrations.django import FlagRequiredMixin, flag_required, get_client
from flagstaff.integrations.django.conf import current_site
from flagstaff.integrations.django.test import override_flags
from tests.integrations.django import project
from tests.integrations.web.lab import RULES, SECRET, token_for, user_of

MIDDLEWARE = "flagstaff.integrations.django.middleware.FlagstaffMiddleware"
UPDATE_CACHE = "django.middleware.cache.UpdateCacheMiddleware"
FETCH_CACHE = "django.middleware.cache.FetchFromCacheMiddleware"
URGENT = {"checkout-cta": "urgent"}


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "flags.json"
    path.write_text(json.dumps(RULES))
    return path


@pytest.fixture
def client() -> Iterator[Client]:
    made = Client.from_document(RULES, override_secret=SECRET)
    with made, override_settings(FLAGSTAFF={"CLIENT": made}):
        yield made


# -- settings ------------------------------------------------------------------------------------------


def test_settings_that_change_are_honoured(rules: Path) -> None:
    with override_settings(FLAGSTAFF={"FILE": rules, "OVERRIDE_SECRET": SECRET}):
        first = get_client()
        assert get_client() is first
        assert first.accepts_tokens
        with override_settings(FLAGSTAFF={"FILE": rules}):
            assert get_client() is not first
            assert not get_client().accepts_tokens
        assert get_client().accepts_tokens
        assert get_client() is not first


def test_a_client_of_the_projects_own_is_never_closed(rules: Path) -> None:
    with Client.from_file(rules) as mine:
        with override_settings(FLAGSTAFF={"CLIENT": mine}):
            assert get_client() is mine
        assert not mine._closed


def test_functions_may_be_named_by_their_paths(client: Client) -> None:
    told = {"CLIENT": client, "CONTEXT_LOADER": f"{project.__name__}.load"}
    with override_settings(FLAGSTAFF=told):
        assert current_site().loader is project.load


@pytest.mark.parametrize(
    ("told", "setting"),
    [
        ({}, "FLAGSTAFF.URL"),
        ({"URL": "flags.example.com"}, "FLAGSTAFF.URL"),
        ({"FILE": "/no/such/file.toml"}, "FLAGSTAFF.FILE"),
        ({"CLIENT": AwaitedClient.from_document(RULES)}, "FLAGSTAFF.CLIENT"),
        ({"URL": "http://127.0.0.1:1", "OVERRIDE_SECRET": "short"}, "FLAGSTAFF.OVERRIDE_SECRET"),
    ],
)
def test_what_can_not_work_is_named_when_the_server_starts(told: dict[str, Any], setting: str) -> None:
    with override_settings(FLAGSTAFF=told), pytest.raises(ConfigError) as caught:
        project.application("wsgi")

    assert caught.value.setting == setting


# -- checks --------------------------------------------------------------------------------------------


def ids(deploy: bool = False) -> list[str]:
    return [
        message.id or ""
        for message in run_checks(include_deployment_checks=deploy)
        if (message.id or "").startswith("flagstaff.")
    ]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"URL": "https://flags.example.com"}, []),
        ("https://flags.example.com", ["flagstaff.E001"]),
        ({"URL": "http://x", "OVERRIDES_SECRET": "x"}, ["flagstaff.E002"]),
        ({}, ["flagstaff.E003"]),
        ({"URL": "http://x", "FILE": "flags.toml"}, ["flagstaff.E003"]),
        ({"URL": "http://x", "CONTEXT_LOADER": "shop.flags.load"}, ["flagstaff.E004"]),
        ({"URL": "http://x", "CONSENT": 7}, ["flagstaff.E004"]),
        ({"CLIENT": "shop.flags.client"}, ["flagstaff.E004"]),
        ({"CLIENT": AwaitedClient.from_document(RULES)}, ["flagstaff.E004"]),
        ({"URL": "http://x", "OVERRIDE_SECRET": "short"}, ["flagstaff.E005"]),
    ],
)
def test_a_mistake_in_the_settings_has_an_id(told: object, expected: list[str]) -> None:
    with override_settings(FLAGSTAFF=told):
        assert ids() == expected


@pytest.mark.parametrize(
    ("middleware", "expected"),
    [
        ([], ["flagstaff.W001"]),
        ([MIDDLEWARE], []),
        ([UPDATE_CACHE, MIDDLEWARE, FETCH_CACHE], []),
        ([MIDDLEWARE, UPDATE_CACHE, FETCH_CACHE], ["flagstaff.E006"]),
    ],
)
def test_a_middleware_that_is_missing_or_misplaced_has_an_id(
    client: Client, middleware: list[str], expected: list[str]
) -> None:
    with override_settings(MIDDLEWARE=middleware):
        assert ids() == expected


def test_what_production_should_not_have_is_warned_of(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAGSTAFF_OVERRIDES", "banner=off")
    told = {"CLIENT": client, "OVERRIDE_SECRET": SECRET}
    with override_settings(FLAGSTAFF=told, SECRET_KEY=SECRET):
        assert ids() == []
        assert ids(deploy=True) == ["flagstaff.W002", "flagstaff.W003"]


# -- templates -----------------------------------------------------------------------------------------


def rendered(source: str, request: Any = None, **names: Any) -> str:
    return str(Template("{% load flagstaff %}" + source).render(Context({"request": request, **names})))


def test_templates_ask_for_flags(client: Client) -> None:
    with client.override({"checkout-cta": "calm"}):
        source = "{% variant 'checkout-cta' as v %}{{ v }} {% flag_value 'checkout-cta' 'Buy' %}"
        assert rendered(source) == "calm Continue"
    source = "{% flag name %}in{% else %}out{% endflag %}"
    assert rendered(source, name="banner") == "in"
    assert rendered(source, name="new-checkout") == "out"
    assert rendered("{% flag 'new-checkout' %}in{% endflag %}") == ""


def test_templates_ask_for_the_flags_of_their_request(client: Client) -> None:
    told = {"CLIENT": client, "CONTEXT_LOADER": project.load}
    source = "{% flag 'members' %}member{% else %}guest{% endflag %}"
    urls = type("urls", (), {"urlpatterns": [path("", lambda r: HttpResponse(rendered(source, r)))]})

    with override_settings(FLAGSTAFF=told, ROOT_URLCONF=urls):
        assert Browser().get("/").content == b"guest"
        assert Browser().get("/?user=7").content == b"member"


@pytest.mark.parametrize("source", ["{% flag %}{% endflag %}", "{% flag 'a' 'b' %}{% endflag %}"])
def test_a_tag_that_is_misused_says_how_it_is_used(client: Client, source: str) -> None:
    with pytest.raises(TemplateSyntaxError, match="takes the flag's key alone"):
        rendered(source)


# -- views ---------------------------------------------------------------------------------------------


def plain(_: HttpRequest) -> HttpResponse:
    return HttpResponse("new")


async def waiting(_: HttpRequest) -> HttpResponse:
    return HttpResponse("new")


class Plain(FlagRequiredMixin, View):
    flag_required = "new-checkout"

    def get(self, _: HttpRequest) -> HttpResponse:
        return HttpResponse("new")


class Waiting(FlagRequiredMixin, View):
    flag_required = "new-checkout"
    flag_otherwise = 403

    async def get(self, _: HttpRequest) -> HttpResponse:
        return HttpResponse("new")


def old(_: HttpRequest) -> HttpResponse:
    return HttpResponse("old")


class Guarded:
    urlpatterns = [  # noqa: RUF012 - Django's way
        path("plain", flag_required("new-checkout")(plain)),
        path("waiting", flag_required("new-checkout", otherwise=403)(waiting)),
        path("old", flag_required("new-checkout", otherwise=old)(plain)),
        path("old-waiting", flag_required("new-checkout", otherwise=old)(waiting)),
        path("class", Plain.as_view()),
        path("class-waiting", Waiting.as_view()),
    ]


ANSWERS = {
    "/plain": 404,
    "/waiting": 403,
    "/old": 200,
    "/old-waiting": 200,
    "/class": 404,
    "/class-waiting": 403,
}


def test_jinja_asks_for_the_flags_of_the_request(client: Client) -> None:
    pytest.importorskip("jinja2")
    from django.template import engines

    backend = {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "NAME": "jinja",
        "OPTIONS": {"extensions": ["flagstaff.integrations.django.jinja.FlagstaffExtension"]},
    }
    source = '{{ flag("banner") }} {{ variant("checkout-cta") }} {{ flag_value("checkout-cta", "Buy") }}'
    with override_settings(TEMPLATES=[backend]):
        template = engines["jinja"].from_string(source)
        with client.override({"checkout-cta": "urgent"}):
            assert template.render({}, RequestFactory().get("/")) == "True urgent Buy now"
            assert template.render({}) == "True urgent Buy now"  # for nobody


@override_settings(ROOT_URLCONF=Guarded)
def test_a_view_is_for_those_who_have_the_flag(client: Client) -> None:
    browser = Browser()
    assert {path: browser.get(path).status_code for path in ANSWERS} == ANSWERS
    assert browser.get("/old").content == browser.get("/old-waiting").content == b"old"
    with override_flags({"new-checkout": True}):
        assert {browser.get(path).content for path in ANSWERS} == {b"new"}


@override_settings(ROOT_URLCONF=Guarded)
def test_the_same_under_asgi(client: Client) -> None:
    async def visit() -> tuple[dict[str, int], set[bytes]]:
        browser = AsyncClient()
        refused = {path: (await browser.get(path)).status_code for path in ANSWERS}
        with override_flags({"new-checkout": True}):
            return refused, {(await browser.get(path)).content for path in ANSWERS}

    assert asyncio.run(visit()) == (ANSWERS, {b"new"})


def test_a_loader_may_be_a_coroutine_function_under_wsgi_too(client: Client) -> None:
    async def load(request: Any) -> Any:
        await asyncio.sleep(0)
        return user_of(request.META["QUERY_STRING"])

    with override_settings(FLAGSTAFF={"CLIENT": client, "CONTEXT_LOADER": load}):
        assert Browser().get("/?user=7").json()["members"] is True


def test_a_loader_that_would_block_the_loop_is_run_beside_it_or_not_at_all(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    async def hasty(request: Any) -> HttpResponse:
        return HttpResponse(str(request.flags.enabled("members")))

    async def patient(request: Any) -> HttpResponse:
        return HttpResponse(str((await request.aflags()).enabled("members")))

    urls = type("urls", (), {"urlpatterns": [path("hasty", hasty), path("patient", patient)]})

    async def visit() -> list[bytes]:
        browser = AsyncClient()
        return [(await browser.get(f"/{name}?user=7")).content for name in ("hasty", "patient")]

    told = {"CLIENT": client, "CONTEXT_LOADER": project.load}
    with override_settings(FLAGSTAFF=told, ROOT_URLCONF=urls):
        assert asyncio.run(visit()) == [b"False", b"True"]
    assert "the context loader raised SynchronousOnlyOperation" in caplog.text


# -- caches --------------------------------------------------------------------------------------------


@override_settings(
    MIDDLEWARE=[UPDATE_CACHE, MIDDLEWARE, FETCH_CACHE],
    CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "pages"}},
)
def test_djangos_own_page_cache_hands_nobody_anothers_page(client: Client) -> None:
    from django.core.cache import cache

    cache.clear()
    tester, others = Browser(), [Browser() for _ in range(3)]
    forced = tester.get("/", {"flagstaff": token_for(URGENT)}).json()
    assert (forced["variant"], tester.get("/").json()["variant"]) == ("urgent", "urgent")

    told = [browser.get("/").json() for browser in others]
    assert len({each["visitor"] for each in told}) == 3
    assert all(each["reason"] == "SPLIT" for each in told)
    assert [browser.get("/").json() for browser in others] == told


# -- tests of a project --------------------------------------------------------------------------------


def test_flags_are_forced_within_a_block(client: Client) -> None:
    with override_flags(URGENT, banner=False):
        assert Browser().get("/").json()["variant"] == "urgent"
        assert not client.enabled("banner")
        with override_flags(banner=True):
            assert client.enabled("banner")
    assert client.enabled("banner")
    with pytest.raises(OverrideError, match="no such flag: baner"), override_flags(baner=True):
        pass


def test_flags_are_forced_for_a_function_and_a_class(client: Client) -> None:
    @override_flags(banner=False)
    def decorated() -> bool:
        return client.enabled("banner")

    @override_flags(URGENT)
    class Tests(SimpleTestCase):
        def test_plain(self) -> None:
            assert self.client.get("/").json()["variant"] == "urgent"

        @override_flags({"checkout-cta": "calm"})
        def test_inner(self) -> None:
            assert self.client.get("/").json()["variant"] == "calm"

        async def test_waiting(self) -> None:
            assert (await self.async_client.get("/")).json()["variant"] == "urgent"

        @override_flags({"checkout-cta": "calm"})
        async def test_inner_waiting(self) -> None:
            assert (await self.async_client.get("/")).json()["variant"] == "calm"

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Tests).run(result)

    assert (result.testsRun, result.errors, result.failures) == (4, [], [])
    assert decorated() is False
    assert client.enabled("banner")
    assert client.variant("checkout-cta") == "control"


# -- commands ------------------------------------------------------------------------------------------


def called(name: str, *arguments: str) -> str:
    out = StringIO()
    call_command(name, *arguments, stdout=out)
    return out.getvalue()


def test_the_commands_speak_for_the_projects_own_client(client: Client) -> None:
    assert "members  on  TARGETING_MATCH\n" in called("flagstaff_list", "--key", "u", "-a", "user_id=7")
    data = json.loads(called("flagstaff_list", "--format", "json"))
    assert [row["flag"] for row in data] == sorted(RULES["flags"])
    assert "user_id exists" in called("flagstaff_explain", "members")
    traced = json.loads(called("flagstaff_explain", "banner", "--format", "json"))
    assert traced["decision"]["variant"] == "on"
    assert called("flagstaff_status").startswith("READY: 4 flags")

    link = called("flagstaff_override", "banner=off", "--url", "http://shop.test/")
    token = link.strip().removeprefix("http://shop.test/?flagstaff=")
    assert client.override_from(token).overrides == {"banner": "off"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["flagstaff_override", "banner=of"], "no such variant of banner: of; did you mean off?"),
        (["flagstaff_override", "banner=on", "--expires", "soon"], "such as 2h"),
        (["flagstaff_list", "-a", "x"], "must read name=value"),
        (["flagstaff_explain", "baner"], "the rules have no flag 'baner'"),
    ],
)
def test_a_command_that_can_not_be_done_says_why(client: Client, arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        called(*arguments)


def test_a_command_without_rules_says_so() -> None:
    with (
        override_settings(FLAGSTAFF={"URL": "http://127.0.0.1:9", "OPTIONS": {"durability": "memory"}}),
        pytest.raises(CommandError, match="there are no rules"),
    ):
        called("flagstaff_status")


# -- the debug toolbar ---------------------------------------------------------------------------------

TOOLBAR = "debug_toolbar.middleware.DebugToolbarMiddleware"


def page(request: Any) -> HttpResponse:
    shown = request.flags.variant("checkout-cta"), request.flags.enabled("<b>")
    return HttpResponse(f"<html><body>{shown}</body></html>")


class Paged:
    urlpatterns = [  # noqa: RUF012 - Django's way
        path("", page),
        path("__debug__/", include("debug_toolbar.urls")),
    ]


@pytest.mark.parametrize("order", [[TOOLBAR, MIDDLEWARE], [MIDDLEWARE, TOOLBAR]])
@override_settings(
    DEBUG=True,
    INTERNAL_IPS=["127.0.0.1"],
    ROOT_URLCONF=Paged,
    DEBUG_TOOLBAR_PANELS=["flagstaff.integrations.django.panel.FlagsPanel"],
)
def test_the_panel_shows_each_decision_with_its_trace(client: Client, order: list[str]) -> None:
    from debug_toolbar.toolbar import DebugToolbar

    DebugToolbar._panel_classes = None
    seen: list[Any] = []

    def created(sender: Any, toolbar: Any, **_: Any) -> None:
        seen.append(toolbar)

    DebugToolbar._created.connect(created)
    try:
        with override_settings(MIDDLEWARE=order):
            response = Browser().get("/", headers={"Flagstaff-Override": token_for(URGENT)})
    finally:
        DebugToolbar._created.disconnect(created)
        DebugToolbar._panel_classes = None

    assert b"2 asked for" in response.content
    (panel,) = seen[0].panels
    shown = str(panel.content)
    assert (
        "<td>checkout-cta</td><td>urgent</td><td>&#x27;Buy now&#x27;</td><td>OVERRIDE (request)</td>" in shown
    )
    assert "forced to urgent by request" in shown
    assert "<p>Rules: shop/default; revision 7; READY: 4 flags from document in memory" in shown
    assert "<td>&lt;b&gt;</td>" in shown


def test_a_request_that_came_past_the_middleware_is_nobodys(client: Client) -> None:
    request = RequestFactory().get("/")

    assert flag_required("banner")(plain)(request).content == b"new"
