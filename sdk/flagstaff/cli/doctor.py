"""``flagstaff doctor``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from flagstaff.cli.output import json_option, print_json, print_line
from flagstaff.cli.progress import waiting

if TYPE_CHECKING:
    from flagstaff.client import Client
    from flagstaff.diagnosis import Finding

__all__ = ["doctor"]

_POST_SECONDS = 5.0
_ANSWER_BYTES = 64 * 1024


@click.command(epilog="Exit codes: 0 all is well; 1 something is wrong; 2 it can't be looked at.")
@click.argument("url", metavar="URL", envvar="FLAGSTAFF_URL")
@click.option(
    "--events", metavar="URL", envvar="FLAGSTAFF_EVENTS", help="The collector, if it is another server."
)
@click.option(
    "--wait",
    type=click.FloatRange(0.0, 600.0),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="How long rules are waited for.",
)
@json_option
@click.pass_context
def doctor(ctx: click.Context, *, url: str, events: str | None, wait: float, as_json: bool) -> None:
    """Say what is wrong between this machine and a server, and how to mend it.

    It makes a client as a program would, with the same variables of the environment, waits for rules, and
    sends the collector a batch without events. In a program, client.doctor() looks at that very process.
    """
    from flagstaff.client import Client
    from flagstaff.diagnosis import Diagnosis

    with Client(url, events=None) as client, waiting(f"asking {url}"):
        _settle(client, wait)
        findings = [finding for finding in client.doctor().findings if finding.name != "events"]
        findings.insert(2, _collector(events or url))
    diagnosis = Diagnosis(tuple(findings))
    if as_json:
        print_json(diagnosis.to_dict())
    else:
        for finding in findings:
            print_line(str(finding), "" if finding.ok else "red")
    ctx.exit(0 if diagnosis.ok else 1)


def _settle(client: Client, seconds: float) -> None:
    """Wait until the server has answered, or has failed to."""
    begun = time.monotonic()
    while (lived := time.monotonic() - begun) < seconds:
        status = client.status()
        if status.problems or (status.age is not None and status.age < lived):
            return
        time.sleep(0.02)


def _collector(url: str) -> Finding:
    """Whether a collector takes what this machine sends."""
    from flagstaff.diagnosis import Finding
    from flagstaff.net.http import Http
    from flagstaff.net.message import Request, TransportError, host_of
    from flagstaff.settings import Settings, base_url

    settings = Settings(key=None, poll_interval=None, flush_interval=None, default_poll_interval=30.0)
    headers = {"Content-Type": "application/cloudevents-batch+json"}
    if settings.key is not None:
        headers["Authorization"] = f"Bearer {settings.key.reveal()}"
    address, http = f"{base_url('events', url)}/v1/events", Http()
    try:
        answer = http.send(
            Request("POST", address, headers, b"[]", timeout=_POST_SECONDS, max_bytes=_ANSWER_BYTES)
        )
    except TransportError as error:
        return Finding("collector", str(error), "Check the address and the network; events wait meanwhile.")
    finally:
        http.close()
    if 200 <= answer.status < 300:
        return Finding("collector", f"{host_of(url)} takes events")
    return Finding(
        "collector",
        f"{host_of(url)} answered {answer.status} to a batch without events",
        "Check the address and the key (FLAGSTAFF_KEY).",
    )
