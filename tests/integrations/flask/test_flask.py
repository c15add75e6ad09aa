from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, abort, render_template_string
from flask_debugtoolbar import DebugToolbarExtension

from flagstaff import AsyncClient, Client, ConfigError, Context, Decision
from flagstaff.integrations.flask import (
    Flagstaff,
    current_flags,
    flag_evaluated,
    flag_required,
    rules_updated,
)
from tests.client.lab import Server, eventually, scripted, tagged
from tests.integrations.web.lab import RULES, SECRET, token_for


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "flags.json"
    path.write_text(json.dumps(RULES))
    return path


@pytest.fixture
def client() -> Iterator[Client]:
    with Client.from_document(RULES, override_secret=SECRET) as client:
        yield client


@pytest.fixture
def app(client: Client) -> Flask:
    app = Flask("shop")
    app.config.update(SECRET_KEY="sesame", FLAGSTAFF_CLIENT=client)
    Flagstaff(app)
    return app


# -- configuration -------------------------------------------------------------------------------------


def test_an_app_is_configured_by_names_with_a_prefix(rules: Path) -> None:
    app = Flask("shop")
    app.config["FLAGSTAFF_FILE"] = rules
    app.config["FLAGSTAFF_OVERRIDE_SECRET"] = SECRET
    app.config["FLAGSTAFF_OPTIONS"] = {"durability": "memory"}
    app.config["FLAGSTAFF_VISITOR_COOKIE"] = None
    app.config["FLAGSTAFF_CONTEXT_LOADER"] = lambda request: request.args.get("user")
    flags = Flagstaff(app)
    app.add_url_rule("/", view_func=lambda: str(current_flags.context))

    with app.app_context(), flags.client:
        assert flags.client.accepts_tokens
        response = app.test_client().get("/?user=user-42")
        assert response.text == "Context('user-42', {})"
        assert "Set-Cookie" not in response.headers


def test_the_environment_does_for_what_is_not_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted() as server:
        server.rules = tagged(RULES, '"1"')
        monkeypatch.setenv("FLAGSTAFF_URL", server.url)
        app = Flask("shop")
        flags = Flagstaff(app)
        with app.app_context(), flags.client:
            assert flags.client.wait_ready(20)
            assert app.config["FLAGSTAFF_URL"] is None


@pytest.mark.parametrize(
    ("config", "setting"),
    [
        ({}, "FLAGSTAFF_URL"),
        ({"URL": "flags.example.com"}, "FLAGSTAFF_URL"),
        ({"FILE": "/no/such/file.toml"}, "FLAGSTAFF_FILE"),
        ({"CLIENT": AsyncClient.from_document(RULES)}, "FLAGSTAFF_CLIENT"),
        ({"URL": "http://127.0.0.1:1", "KEY": "a b"}, "FLAGSTAFF_KEY"),
        ({"URL": "http://127.0.0.1:1", "OVERRIDE_SECRET": "short"}, "FLAGSTAFF_OVERRIDE_SECRET"),
        ({"URL": "http://127.0.0.1:1", "OPTIONS": {"durability": "tape"}}, "FLAGSTAFF_DURABILITY"),
    ],
)
def test_a_setting_that_can_not_work_is_named_at_once(config: dict[str, Any], setting: str) -> None:
    app = Flask("shop")
    app.config.update({f"FLAGSTAFF_{name}": value for name, value in config.items()})

    with pytest.raises(ConfigError) as caught:
        Flagstaff(app)

    assert caught.value.setting == setting
    assert str(caught.value).startswith(f"{setting}: ")
    assert "short" not in str(caught.value)


def test_one_extension_serves_several_apps_and_each_only_once(rules: Path) -> None:
    flags, apps = Flagstaff(), [Flask("first"), Flask("second")]
    for app in apps:
        app.config["FLAGSTAFF_FILE"] = rules
        flags.init_app(app)
    first, second = (app.extensions["flagstaff"].client for app in apps)

    try:
        assert first is not second
        with apps[0].app_context(), flags.override({"checkout-cta": "urgent"}):
            assert flags.client is first
            assert first.variant("checkout-cta", Context("u")) == "urgent"
            assert second.variant("checkout-cta", Context("u")) != "urgent"
        with pytest.raises(RuntimeError, match="import and use that instance"):
            flags.init_app(apps[0])
        with pytest.raises(RuntimeError, match="has a Flagstaff already"):
            Flagstaff(apps[0])
    finally:
        first.close()
        second.close()


def test_an_app_without_it_says_so() -> None:
    with Flask("bare").test_request_context(), pytest.raises(RuntimeError, match="call init_app"):
        current_flags.enabled("banner")


# -- in a request --------------------------------------------------------------------------------------


def test_flags_are_there_in_a_request_that_no_server_took_in(app: Flask) -> None:
    with app.test_request_context("/", headers={"Cookie": "flagstaff_visitor=nobody"}):
        assert current_flags.enabled("banner")
        assert current_flags.context == Context()
    with pytest.raises(RuntimeError, match="outside of"):
        current_flags.enabled("banner")


def test_a_loader_may_be_asynchronous(client: Client) -> None:
    app = Flask("shop")
    flags = Flagstaff(app, client=client)

    @flags.context_loader
    async def load(request: Any) -> dict[str, str]:
        return {"user_id": request.args["user"]}

    app.add_url_rule("/", view_func=lambda: str(current_flags.enabled("members")))

    assert app.test_client().get("/?user=7").text == "True"


def test_templates_ask_for_flags(app: Flask) -> None:
    source = "{% if flag('banner') %}{{ variant('checkout-cta') }}{% endif %}{{ flag('no-such-flag', true) }}"
    app.add_url_rule("/", view_func=lambda: render_template_string(source))

    browser = app.test_client()
    with app.extensions["flagstaff"].client.override({"checkout-cta": "calm"}):
        assert browser.get("/").text == "calmTrue"


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_view_is_for_those_who_have_the_flag(app: Flask, client: Client, kind: str) -> None:
    def plain() -> str:
        return "new"

    async def waiting() -> str:
        return "new"

    view: Any = plain if kind == "plain" else waiting
    app.add_url_rule("/404", view_func=flag_required("new-checkout")(view), endpoint="404")
    app.add_url_rule("/403", view_func=flag_required("new-checkout", otherwise=403)(view), endpoint="403")
    other = flag_required("new-checkout", otherwise=lambda: "old")(view)
    app.add_url_rule("/old", view_func=other, endpoint="old")
    browser = app.test_client()

    assert [browser.get(path).status_code for path in ("/404", "/403", "/old")] == [404, 403, 200]
    assert browser.get("/old").text == "old"
    with client.override({"new-checkout": True}):
        assert [browser.get(path).text for path in ("/404", "/403", "/old")] == ["new"] * 3


def test_error_handlers_and_teardowns_still_see_what_is_forced(app: Flask, client: Client) -> None:
    seen: list[str | None] = []
    app.add_url_rule("/", view_func=lambda: abort(418))
    app.register_error_handler(418, lambda _: (str(current_flags.variant("checkout-cta")), 418))
    app.teardown_request(lambda _: seen.append(client.variant("checkout-cta")))

    token = token_for({"checkout-cta": "urgent"})
    response = app.test_client().get("/", headers={"Flagstaff-Override": token})

    assert (response.text, response.status_code, seen) == ("urgent", 418, ["urgent"])
    assert response.headers["Cache-Control"] == "private, no-store"


# -- signals -------------------------------------------------------------------------------------------


def test_a_signal_tells_what_was_decided(app: Flask) -> None:
    seen: list[tuple[Any, Decision]] = []
    app.add_url_rule("/", view_func=lambda: str(current_flags.value("checkout-cta", "x")))

    def receive(sender: Any, decision: Decision) -> None:
        seen.append((sender, decision))

    with flag_evaluated.connected_to(receive):
        text = app.test_client().get("/").text
    app.test_client().get("/")

    assert [(sender, decision.flag, decision.value) for sender, decision in seen] == [
        (app, "checkout-cta", text)
    ]


def test_a_signal_tells_that_rules_changed() -> None:
    server: Server
    with scripted() as server:
        server.rules = tagged(RULES, '"1"')
        app, seen = Flask("shop"), []
        app.config.update(
            FLAGSTAFF_URL=server.url, FLAGSTAFF_OPTIONS={"poll_interval": 0.1, "durability": "memory"}
        )
        flags = Flagstaff(app)
        with app.app_context(), flags.client as client:
            assert client.wait_ready(20)

            def receive(sender: Any, flags: frozenset[str]) -> None:
                seen.append((sender, flags))

            with rules_updated.connected_to(receive):
                changed = RULES | {"flags": RULES["flags"] | {"banner": {"default": "off"}}}
                server.rules = tagged(changed, '"2"')
                eventually(lambda: seen)
    assert seen[-1] == (app, frozenset({"banner"}))


# -- commands ------------------------------------------------------------------------------------------


def test_the_commands_speak_for_the_apps_own_client(app: Flask, client: Client) -> None:
    run = app.test_cli_runner()

    listed = run.invoke(args=["flagstaff", "list", "--key", "user-1", "-a", "user_id=7"])
    assert "members  on  TARGETING_MATCH\n" in listed.output
    data = json.loads(run.invoke(args=["flagstaff", "list", "--json"]).output)
    assert [row["flag"] for row in data] == sorted(RULES["flags"])

    explained = run.invoke(args=["flagstaff", "explain", "members", "-a", 'user_id="x"'])
    assert "user_id exists" in explained.output
    assert "READY: 4 flags" in run.invoke(args=["flagstaff", "status"]).output

    link = run.invoke(args=["flagstaff", "override", "banner=off", "--url", "http://shop.test/"])
    token = link.output.strip().removeprefix("http://shop.test/?flagstaff=")
    assert client.override_from(token).overrides == {"banner": "off"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["override", "banner=of"], "no such variant of banner: of; did you mean off?"),
        (["override", "banner"], "must read flag=variant"),
        (["override", "banner=on", "--expires", "soon"], "such as 2h"),
        (["list", "-a", "x"], "must read name=value"),
        (["explain", "baner"], "the rules have no flag 'baner'"),
    ],
)
def test_a_command_that_can_not_be_done_says_why(app: Flask, arguments: list[str], message: str) -> None:
    result = app.test_cli_runner().invoke(args=["flagstaff", *arguments])

    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_command_without_rules_says_so() -> None:
    app = Flask("shop")
    app.config.update(FLAGSTAFF_URL="http://127.0.0.1:9", FLAGSTAFF_OPTIONS={"durability": "memory"})
    flags = Flagstaff(app)

    result = app.test_cli_runner().invoke(args=["flagstaff", "status"])

    with app.app_context():
        flags.client.close(0.0)
    assert (result.exit_code, "there are no rules" in result.output) == (1, True)


# -- the debug toolbar ---------------------------------------------------------------------------------


def test_the_panel_shows_each_decision_with_its_trace(app: Flask) -> None:
    app.debug = True
    app.config["DEBUG_TB_PANELS"] = ("flagstaff.integrations.flask.panel.FlagsPanel",)
    DebugToolbarExtension(app)

    @app.route("/")
    def page() -> str:
        return (
            f"<html><body>{current_flags.variant('checkout-cta')}{current_flags.enabled('<b>')}</body></html>"
        )

    @app.route("/none")
    def none() -> str:
        return "<html><body></body></html>"

    token = token_for({"checkout-cta": "urgent"})
    shown = app.test_client().get("/", headers={"Flagstaff-Override": token}).text

    assert "2 asked for" in shown
    assert (
        "<td>checkout-cta</td><td>urgent</td><td>&#x27;Buy now&#x27;</td><td>OVERRIDE (request)</td>" in shown
    )
    assert "forced to urgent by request" in shown
    assert "<p>Rules: shop/default; revision 7; READY: 4 flags from document in memory" in shown
    assert "<td>&lt;b&gt;</td>" in shown
    assert "FLAG_NOT_FOUND" in shown
    assert "This request asked for no flag." in app.test_client().get("/none").text
