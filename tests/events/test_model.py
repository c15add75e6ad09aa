"""The bytes of an event."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import mmh3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagstaff.events.model import Encoder, Form, Unencodable, check_unit
from tests.events.lab import NOON, Arm

SDK = Path(__file__).parents[2] / "sdk"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def encoder() -> Encoder:
    return Encoder("shop", "live", "0123456789abcdef")


def exposure(encoder: Encoder, arm: Arm, unit: str, now: float, number: int) -> bytes:
    return encoder.form(arm).render(unit, now, number)


def exposure_id(encoder: Encoder, arm: Arm, unit: str, day: str) -> str:
    return encoder.form(arm).identify(unit, day)


def track(encoder: Encoder, value: object = None, properties: Any = None) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(
        encoder.track("order-placed", "user-42", "targeting_key", value, properties, NOON, 7)
    )
    return decoded


def test_an_exposure_is_a_cloud_event(encoder: Encoder) -> None:
    record = exposure(encoder, Arm(), "user-42", NOON, 7)

    event = json.loads(record)
    assert list(event) == [
        "specversion",
        "id",
        "source",
        "type",
        "subject",
        "time",
        "datacontenttype",
        "sequence",
        "process",
        "data",
    ]
    assert event == {
        "specversion": "1.0",
        "id": exposure_id(encoder, Arm(), "user-42", "2026-11-22"),
        "source": "/flagstaff/shop/live",
        "type": "flagstaff.exposure",
        "subject": "user-42",
        "time": "2026-11-22T12:00:00.250Z",
        "datacontenttype": "application/json",
        "sequence": "000000000007",
        "process": "0123456789abcdef",
        "data": {
            "flag": "checkout-cta",
            "experiment": "cta-wording",
            "variant": "urgent",
            "unit": "user-42",
            "unit_type": "targeting_key",
            "rule": "0",
            "revision": 3,
        },
    }


def test_a_track_is_a_cloud_event(encoder: Encoder) -> None:
    assert track(encoder, 49.9, {"currency": "EUR"}) == {
        "specversion": "1.0",
        "id": "0123456789abcdef-7",
        "source": "/flagstaff/shop/live",
        "type": "flagstaff.track",
        "subject": "user-42",
        "time": "2026-11-22T12:00:00.250Z",
        "datacontenttype": "application/json",
        "sequence": "000000000007",
        "process": "0123456789abcdef",
        "data": {
            "event": "order-placed",
            "unit": "user-42",
            "unit_type": "targeting_key",
            "value": 49.9,
            "properties": {"currency": "EUR"},
        },
    }


def test_a_loss_is_a_cloud_event_without_a_number(encoder: Encoder) -> None:
    losses = [{"reason": "queue_full", "flag": "checkout-cta", "variant": "calm", "count": 3}]

    one, two = (json.loads(encoder.loss(losses, NOON)) for _ in range(2))  # type: ignore[arg-type]

    assert (one["id"], two["id"]) == ("0123456789abcdef-loss-1", "0123456789abcdef-loss-2")
    assert one["data"] == {"dropped": losses}
    assert "sequence" not in one
    assert "subject" not in one


# -- ids -----------------------------------------------------------------------------------------------


def test_the_id_is_murmurhash3_of_what_tells_exposures_apart(encoder: Encoder) -> None:
    text = "2026-11-22\0shop\0live\0cta-wording\0003\0urgent\0targeting_key\0user-42"

    assert exposure_id(encoder, Arm(), "user-42", "2026-11-22") == f"{mmh3.hash128(text, signed=False):032x}"


# Whoever stores exposures relies on these. Do not change them.
@pytest.mark.parametrize(
    ("unit", "digest"),
    [
        ("user-42", "d9aaee359b6f82d748186ca39a037143"),
        ("", "d1bc80f6593028dcdaa106e876a875c6"),
        ("é🦜", "8e71504ad197bf14c339eb3f4f96ced0"),
        ("\ud800", "25b4b67e13d0ea8ee0ec7f611e36a176"),
        ("a\0b", "30433d13d3738fe312829487d7b599d8"),
    ],
)
def test_ids_never_change(encoder: Encoder, unit: str, digest: str) -> None:
    assert exposure_id(encoder, Arm(), unit, "2026-11-22") == digest


def test_ids_are_the_same_in_every_process() -> None:
    program = """
import sys
sys.path.insert(0, sys.argv[1])
from flagstaff.events.model import Encoder
from tests.events.lab import Arm
print(Encoder("shop", "live").form(Arm()).identify("user-42", "2026-11-22"))
"""
    ids = {
        subprocess.run(
            [sys.executable, "-c", program, str(SDK)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            check=True,
            text=True,
            timeout=50,
        ).stdout.strip()
        for seed in ("1", "2")
    }

    assert ids == {exposure_id(Encoder("shop", "live"), Arm(), "user-42", "2026-11-22")}


def test_an_id_differs_in_everything_that_tells_exposures_apart() -> None:
    ids = {
        exposure_id(Encoder(project, environment), arm, unit, day)
        for project, environment, arm, unit, day in [
            ("shop", "live", Arm(), "user-42", "2026-11-22"),
            ("shop2", "live", Arm(), "user-42", "2026-11-22"),
            ("shop", "test", Arm(), "user-42", "2026-11-22"),
            ("shop", "live", Arm(experiment="x"), "user-42", "2026-11-22"),
            ("shop", "live", Arm(variant="calm"), "user-42", "2026-11-22"),
            ("shop", "live", Arm(revision=4), "user-42", "2026-11-22"),
            ("shop", "live", Arm(unit_type="org_id"), "user-42", "2026-11-22"),
            ("shop", "live", Arm(), "user-43", "2026-11-22"),
            ("shop", "live", Arm(), "user-42", "2026-11-23"),
        ]
    }

    assert len(ids) == 9


def test_flag_and_rule_are_no_part_of_the_id(encoder: Encoder) -> None:
    assert exposure_id(encoder, Arm(), "u", "d") == exposure_id(encoder, Arm(flag="x", rule=None), "u", "d")


def test_the_id_in_an_exposure_is_of_its_own_day(encoder: Encoder) -> None:
    midnight = NOON - NOON % 86_400
    moments = [midnight - 0.001, midnight, midnight + 86_399.999, midnight + 86_400]

    events = [json.loads(exposure(encoder, Arm(), "u", moment, 1)) for moment in moments]

    days = ["2026-11-21", "2026-11-22", "2026-11-22", "2026-11-23"]
    assert [event["time"][:10] for event in events] == days
    assert [event["id"] for event in events] == [exposure_id(encoder, Arm(), "u", day) for day in days]


# -- text ----------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(codec=None, exclude_categories=[]), max_size=30)


@given(unit=TEXT, flag=TEXT, experiment=TEXT, variant=TEXT, kind=TEXT, rule=TEXT | st.none())
def test_any_text_survives_as_ascii_json(  # noqa: PLR0917 - hypothesis hands them in by name
    unit: str, flag: str, experiment: str, variant: str, kind: str, rule: str | None
) -> None:
    arm = Arm(variant, flag, experiment, kind, rule, 2**70)

    record = exposure(Encoder("é/\ud800", ""), arm, unit, NOON, 10**13)

    assert record.isascii()
    assert not any(byte < 32 for byte in record)
    event = json.loads(record)
    assert event["subject"] == event["data"]["unit"] == unit
    assert event["data"] == {
        "flag": flag,
        "experiment": experiment,
        "variant": variant,
        "unit": unit,
        "unit_type": kind,
        "rule": rule,
        "revision": 2**70,
    }


def test_the_source_is_percent_quoted() -> None:
    event = json.loads(exposure(Encoder("my shop/é", "\ud800"), Arm(), "u", NOON, 1))

    assert event["source"] == "/flagstaff/my%20shop%2F%C3%A9/%5Cud800"


def test_a_project_may_be_renamed(encoder: Encoder) -> None:
    exposure(encoder, Arm(), "u", NOON, 1)
    encoder.rename("other", "test")

    event = json.loads(exposure(encoder, Arm(), "u", NOON, 2))

    assert event["source"] == "/flagstaff/other/test"
    assert event["id"] == exposure_id(Encoder("other", "test"), Arm(), "u", "2026-11-22")


def test_a_child_process_is_another_process(encoder: Encoder) -> None:
    before = json.loads(exposure(encoder, Arm(), "u", NOON, 1))
    encoder.forked()
    after = json.loads(exposure(encoder, Arm(), "u", NOON, 1))

    assert before["process"] != after["process"] == encoder.process
    assert len(encoder.process) == 16
    assert before["id"] == after["id"]


def test_ten_thousand_arms_are_no_leak(encoder: Encoder) -> None:
    for revision in range(10_000):
        exposure(encoder, Arm(revision=revision), "u", NOON, 1)

    assert len(encoder.forms) <= 4096
    assert json.loads(exposure(encoder, Arm(revision=1), "u", NOON, 1))["data"]["revision"] == 1


# -- bounds --------------------------------------------------------------------------------------------


def test_a_unit_is_bounded() -> None:
    check_unit("u" * 65_000)

    for unit in ("u" * 65_536, "é" * 11_000):
        with pytest.raises(Unencodable) as caught:
            check_unit(unit)
        assert caught.value.reason == "too_large"


# -- forms ---------------------------------------------------------------------------------------------


@given(names=st.lists(TEXT, min_size=7, max_size=7), rule=TEXT | st.none(), revision=st.integers(), unit=TEXT)
def test_a_form_that_was_kept_makes_the_same_bytes(
    names: list[str], rule: str | None, revision: int, unit: str
) -> None:
    fields: Any = (*names, rule, revision)
    form = Form(*fields)

    again = Form.decode(form.encode())

    assert form.encode().isascii()
    assert again.render(unit, NOON, 7) == form.render(unit, NOON, 7)
    assert (again.flag, again.variant) == (form.flag, form.variant)


FIELDS: list[Any] = [*"pecfxvu", "rule", 3]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        *(json.dumps([*FIELDS[:at], [], *FIELDS[at + 1 :]]).encode() for at in range(len(FIELDS))),
        json.dumps([*FIELDS[:-1], True]).encode(),
        json.dumps([*FIELDS, 1]).encode(),
    ],
)
def test_what_is_no_form_is_refused(text: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        Form.decode(text)


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -1, 2**53 + 1, 0.1, -1e308, "text", "\ud800", [1, [2]], {"a": {"b": None}}, (1, 2)],
)
def test_a_track_carries_whatever_json_can_hold(encoder: Encoder, value: object) -> None:
    data = track(encoder, value, {"inner": value})["data"]

    assert (
        data["value"] == data["properties"]["inner"] == (list(value) if isinstance(value, tuple) else value)
    )


def test_properties_may_be_any_mapping(encoder: Encoder) -> None:
    assert track(encoder, None, MappingProxyType({"a": 1}))["data"]["properties"] == {"a": 1}
    assert track(encoder, None, None)["data"]["properties"] == {}


def cycle() -> list[Any]:
    ring: list[Any] = []
    ring.append(ring)
    return ring


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (math.nan, "not_encodable"),
        (-math.inf, "not_encodable"),
        ([math.inf], "not_encodable"),
        (object(), "not_encodable"),
        (Decimal("1.5"), "not_encodable"),
        (b"bytes", "not_encodable"),
        ({1, 2}, "not_encodable"),
        ({(1, 2): 3}, "not_encodable"),
        (cycle(), "not_encodable"),
        (deep(100), "not_encodable"),
        (deep(100_000), "not_encodable"),
        (10**10_000, "not_encodable"),
        (10**100_000, "too_large"),
        ("x" * 65_536, "too_large"),
        ("é" * 20_000, "too_large"),
        ([0] * 40_000, "too_large"),
        ({str(i): None for i in range(20_000)}, "too_large"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else type(value).__name__,
)
def test_what_json_can_not_hold_is_refused_under_a_reason(
    encoder: Encoder, value: object, reason: str
) -> None:
    with pytest.raises(Unencodable) as caught:
        track(encoder, value)
    assert caught.value.reason == reason
    with pytest.raises(Unencodable):
        track(encoder, None, {"x": value})


def test_a_value_that_grows_without_end_costs_no_more_than_a_large_one(encoder: Encoder) -> None:
    value: list[Any] = []
    for _ in range(60):
        value = [value, value]  # 2**60 leaves, if anybody walked to them all

    with pytest.raises(Unencodable) as caught:
        track(encoder, value)

    assert caught.value.reason == "too_large"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(value=JSON, properties=st.dictionaries(TEXT, JSON, max_size=4))
def test_json_goes_in_and_comes_out(value: object, properties: dict[str, object]) -> None:
    data = track(Encoder("shop", "live"), value, properties)["data"]

    assert (data["value"], data["properties"]) == (value, properties)
