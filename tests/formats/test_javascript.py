from __future__ import annotations

import math
from typing import Any

import pytest

from flagstaff.formats.javascript import (
    compare,
    loosely_equal,
    number,
    number_text,
    strictly_equal,
    stringify,
    text,
    truthy,
)


@pytest.mark.parametrize("value", [True, 1, -1, 0.5, "0", "false", " ", [], {}, math.inf])
def test_what_counts_as_true(value: object) -> None:
    assert truthy(value)


@pytest.mark.parametrize("value", [None, False, 0, 0.0, -0.0, "", math.nan])
def test_what_counts_as_false(value: object) -> None:
    assert not truthy(value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (-17, "-17"),
        (0.1, "0.1"),
        (123.456, "123.456"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (1.25e-9, "1.25e-9"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (-1.5e300, "-1.5e+300"),
        (2**53, "9007199254740992"),
        (2**53 + 1, "9007199254740992"),
        (12345678901234567890, "12345678901234567000"),
        (10**400, "Infinity"),
        (-(10**400), "-Infinity"),
        (math.nan, "NaN"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
    ],
)
def test_numbers_as_text(value: float, said: str) -> None:
    assert number_text(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        ("a", "a"),
        (1.0, "1"),
        ([], ""),
        ([1, None, "b", [2, 3]], "1,,b,2,3"),
        ({"a": 1}, "[object Object]"),
    ],
)
def test_values_as_text(value: Any, said: str) -> None:
    assert text(value) == said


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (None, 0.0),
        (True, 1.0),
        ("", 0.0),
        (" \t12\ufeff", 12.0),
        ("+1.", 1.0),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("-Infinity", -math.inf),
        ("0x1f", 31.0),
        ("0b101", 5.0),
        ("0O17", 15.0),
        ([], 0.0),
        (["7"], 7.0),
        (10**400, math.inf),
    ],
)
def test_values_as_numbers(value: Any, meant: float) -> None:
    assert number(value) == meant


@pytest.mark.parametrize(
    "value", ["a", "1_0", "inf", "nan", "infinity", "-0x1", "0x", ".", "1 2", "\x1c1", [1, 2], {}, "١"]
)
def test_what_is_no_number(value: Any) -> None:
    assert math.isnan(number(value))


@pytest.mark.parametrize(
    ("left", "right", "sign"),
    [
        ("10", "9", -1),
        ("10", 9, 1),
        (None, 0, 0),
        (True, 1, 0),
        ([5], "5", 0),
        ([2], [10], 1),
        ("\U0001f600", "\uffff", -1),
        ("a", 1, None),
        ({}, 1, None),
        (math.nan, math.nan, None),
    ],
)
def test_order(left: Any, right: Any, sign: int | None) -> None:
    assert compare(left, right) == sign


@pytest.mark.parametrize(
    ("left", "right", "strictly", "loosely"),
    [
        (1, 1.0, True, True),
        (1, True, False, True),
        ("1", 1, False, True),
        (None, None, True, True),
        (None, 0, False, False),
        (None, False, False, False),
        ([], [], False, False),
        ([1], 1, False, True),
        (["a"], "a", False, True),
        ({}, "[object Object]", False, True),
        ("", 0, False, True),
        ("a", "a", True, True),
        (math.nan, math.nan, False, False),
        (2**53, 2**53 + 1, True, True),
    ],
)
def test_equality(left: Any, right: Any, strictly: bool, loosely: bool) -> None:
    assert strictly_equal(left, right) is strictly
    assert strictly_equal(right, left) is strictly
    assert loosely_equal(left, right) is loosely
    assert loosely_equal(right, left) is loosely


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, False),
        ({"2": "x", "1": "y"}, {"1": "y", "2": "x"}, True),
        ({"01": 1, "1": 2}, {"1": 2, "01": 1}, True),
        ([1, 2], [1.0, 2.0], True),
        ([1], ["1"], False),
        ([1], [True], False),
        (1, {"": "1"}, False),
        ([math.inf], [None], True),
        ("é", "é", True),
        ("\ud800", "\ud800", True),
    ],
)
def test_the_same_when_written_out(left: Any, right: Any, same: bool) -> None:
    assert (stringify(left) == stringify(right)) is same
