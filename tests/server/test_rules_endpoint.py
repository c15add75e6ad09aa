from __future__ import annotations

import hashlib
import json
from pathlib import Path

import httpx
import pytest

from flagstaff.errors import ConfigError
from flagstaff.server.access import Access
from tests.server.lab import Lab, Stage, exposure, lab, post

PLAIN = {"Accept-Encoding": "identity"}


def etags(served: Lab) -> tuple[str, str]:
    return served.rules.current.etag, served.rules.current.compressed_etag


def test_the_canonical_rules_are_served_with_a_strong_tag(served: Lab) -> None:
    answer = served.client.get("/v1/rules", headers=PLAIN)

    assert answer.status_code == 200
    assert answer.content == b'{"flags":{},"version":1}'
    assert answer.headers["etag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    "accepted", ["gzip", "br, GZIP;q=0.5", "*", "gzip, identity;q=0.5", "deflate,*;q=0.1"]
)
def test_the_rules_are_compressed_for_who_takes_it(served: Lab, accepted: str) -> None:
    answer = served.client.get("/v1/rules", headers={"Accept-Encoding": accepted})

    assert answer.headers["content-encoding"] == "gzip"
    assert answer.content == b'{"flags":{},"version":1}'
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["etag"] == etags(served)[1] != etags(served)[0]


@pytest.mark.parametrize("accepted", ["", "br", "gzip;q=0", "*;q=0", "gzip;q=much", "gzip;q=0.1, identity"])
def test_the_rules_are_plain_for_who_does_not(served: Lab, accepted: str) -> None:
    answer = served.client.get("/v1/rules", headers={"Accept-Encoding": accepted})

    assert "content-encoding" not in answer.headers
    assert answer.headers["etag"] == etags(served)[0]


@pytest.mark.parametrize(
    "known", ["{etag}", "W/{etag}", '"other", W/"a, b" ,{etag}', "*", "{compressed}", '"", {etag}']
)
@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_who_has_the_rules_is_told_so(served: Lab, known: str, coding: str) -> None:
    etag, compressed = etags(served)
    headers = {"Accept-Encoding": coding, "If-None-Match": known.format(etag=etag, compressed=compressed)}

    answer = served.client.get("/v1/rules", headers=headers)

    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == (compressed if coding == "gzip" else etag)
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize("known", ["", '"other"', "{bare}", '"{bare}', '"*"', '"x{bare}"', '"a', '"{bare} "'])
def test_who_has_other_rules_gets_these(served: Lab, known: str) -> None:
    headers = {"If-None-Match": known.format(bare=etags(served)[0].strip('"'))}

    assert served.client.get("/v1/rules", headers=headers).status_code == 200


def test_a_tag_may_stand_in_the_second_header_of_the_name(served: Lab) -> None:
    headers = [("If-None-Match", '"other"'), ("If-None-Match", etags(served)[0])]

    assert served.client.get("/v1/rules", headers=headers).status_code == 304


def test_head_tells_the_same_without_the_body(served: Lab) -> None:
    get = served.client.get("/v1/rules", headers=PLAIN)
    head = served.client.head("/v1/rules", headers=PLAIN)

    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-length", "content-type"):
        assert head.headers[name] == get.headers[name]


def test_a_new_version_is_served_to_who_has_the_old(served: Lab) -> None:
    old = served.client.get("/v1/rules")
    served.path.write_text('{"version": 1, "flags": {"new": {}}}')
    assert served.rules.refresh()

    new = served.client.get("/v1/rules", headers={"If-None-Match": old.headers["etag"]})

    assert (new.status_code, new.json()["flags"]) == (200, {"new": {}})
    assert new.headers["etag"] != old.headers["etag"]


def test_a_wrong_file_degrades_health_and_leaves_the_rules(served: Lab) -> None:
    before = served.client.get("/v1/rules")
    served.path.write_text("{")
    served.rules.refresh()
    worse = served.client.get("/healthz")
    served.path.write_text(json.dumps({"version": 1, "flags": {}, "project": "shop"}))
    served.rules.refresh()
    better = served.client.get("/healthz").json()

    assert served.client.get("/v1/rules").json()["project"] == "shop"
    assert (worse.status_code, worse.json()["status"]) == (200, "degraded")
    assert worse.json()["rules"]["etag"] == before.headers["etag"].replace("-gzip", "")
    assert worse.json()["rules"]["fault"] == f"{served.path}: 1 problem\n  flags: is not JSON"
    assert (better["status"], better["rules"]["fault"]) == ("ok", None)


def test_health_tells_the_version_and_its_age(served: Lab) -> None:
    answer = served.client.get("/healthz")

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    report = answer.json()
    assert 0 <= report["rules"].pop("age") < 60
    assert report == {"status": "ok", "rules": {"etag": etags(served)[0], "fault": None}, "events": 0}


def test_health_is_degraded_when_the_events_are_gone(served: Lab, tmp_path: Path) -> None:
    for name in ("events.db", "events.db-wal", "events.db-shm"):
        (tmp_path / name).unlink()

    gone = served.client.get("/healthz")
    post(served.client, [exposure(1)])
    back = served.client.get("/healthz").json()

    assert (gone.status_code, gone.json()["status"], gone.json()["events"]) == (200, "degraded", None)
    assert (back["status"], back["events"]) == ("ok", 1)


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer wrong", "Basic secret-key", "secret-key", "Bearer secret-key2"],
)
def test_without_the_key_nothing_is_told_or_taken(
    stage: Stage, tmp_path: Path, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    with lab(stage, tmp_path, {"flags": {}}, key="secret-key") as served:
        answers = [
            served.client.get("/v1/rules", headers=headers | {"If-None-Match": "*"}),
            post(served.client, [exposure(1)], **headers),
            post(served.client, "nonsense", **headers, **{"Content-Type": "text/plain"}),
        ]
        health = served.client.get("/healthz", headers=headers)

        assert [answer.status_code for answer in answers] == [401, 401, 401]
        assert {answer.headers["www-authenticate"] for answer in answers} == {'Bearer realm="flagstaff"'}
        assert (health.status_code, health.json()) == (200, {"status": "ok"})
        assert served.store.count() == 0


@pytest.mark.parametrize("key", ["secret-key", "schlüssel"])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_with_the_key_everything_opens(stage: Stage, tmp_path: Path, key: str, scheme: str) -> None:
    with lab(stage, tmp_path, {"flags": {}}, key=key) as served:
        served.client.headers["authorization"] = f"{scheme} {key}"

        assert served.client.get("/v1/rules").status_code == 200
        assert post(served.client, [exposure(1)]).status_code == 202
        assert served.client.get("/healthz").json()["events"] == 1


@pytest.mark.parametrize("key", ["", " "])
def test_an_empty_key_is_a_mistake_not_an_open_door(key: str) -> None:
    with pytest.raises(ConfigError, match="key: is empty"):
        Access(key)


def test_the_key_is_in_no_repr() -> None:
    access = Access("secret-key")

    assert "secret-key" not in repr(access) + repr(vars(access))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("GET", "/v1/nothing", 404), ("DELETE", "/v1/rules", 405)],
)
def test_what_is_not_served_is_refused_as_a_problem(served: Lab, method: str, path: str, status: int) -> None:
    answer: httpx.Response = served.client.request(method, path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
