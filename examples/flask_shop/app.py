"""A shop of two pages: an experiment on its button, a checkout for those who have logged in."""

from __future__ import annotations

import os
from pathlib import Path

from flask import Flask, redirect, render_template_string, request, session, url_for

from flagstaff.integrations.flask import Flagstaff, current_flags, flag_required

PAGE = """<!doctype html>
<html lang="en">
<head><title>The shop</title></head>
<body>
<h1>A teapot, 49.90</h1>
<p><a class="button" href="{{ url_for('checkout') }}">{{ cta }}</a></p>
{% if flag("new-checkout") %}<p>You will see the new checkout.</p>{% endif %}
<form method="post" action="{{ url_for('login') }}"><button>Log in</button></form>
</body>
</html>
"""

flags = Flagstaff()


@flags.context_loader
def load_context(_request):
    """Who is logged in is an attribute; the unit stays the visitor, before and after."""
    return {"user_id": session.get("user")}


def create_app() -> Flask:
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=os.environ.get("SECRET_KEY", "only for this example"),
        FLAGSTAFF_FILE=Path(__file__).parent / "flags.toml",
    )
    flags.init_app(app)
    add_toolbar(app)

    @app.get("/")
    def home():
        return render_template_string(PAGE, cta=current_flags.value("checkout-cta", "Buy"))

    @app.post("/login")
    def login():
        session["user"] = request.form.get("user", "ada")
        return redirect(url_for("home"))

    @app.get("/checkout")
    @flag_required("new-checkout", otherwise=old_checkout)
    def checkout():
        current_flags.variant("checkout-cta")
        return "The new checkout"

    return app


def old_checkout():
    return "The old checkout"


def add_toolbar(app: Flask) -> None:
    """With `flask --debug run`, and flask-debugtoolbar installed: what each page has asked for, and why."""
    try:
        from flask_debugtoolbar import DebugToolbarExtension
    except ImportError:
        return
    app.config["DEBUG_TB_PANELS"] = ("flagstaff.integrations.flask.panel.FlagsPanel",)
    app.config["DEBUG_TB_INTERCEPT_REDIRECTS"] = False
    app.config["DEBUG_TB_ENABLED"] = os.environ.get("FLASK_DEBUG") == "1"
    DebugToolbarExtension(app)
