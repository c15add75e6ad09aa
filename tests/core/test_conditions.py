from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import IntEnum, StrEnum
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagstaff.core.conditions import OPERATORS, parse_instant, prepare, semver_key
from flagstaff.core.prepared import Memo, Prepared
from tests.strategies import Contrary, Yes


class Country(StrEnum):
    NL = "NL"


class Level(IntEnum):
    THREE = 3


TRUE, FALSE, UNKNOWN = True, False, None
LONG = "4.2.0-" + "a" * 250  # the longest text that is read as a version has 256 characters

TABLE: list[tuple[str, Any, dict[bool | None, list[Any]]]] = [
    (
        "eq",
        "NL",
        {
            TRUE: ["NL", Country.NL],
            FALSE: ["nl", "", "NLD", 0, 5, 1.5, True, False, "\ud800", "N\0"],
            UNKNOWN: [None, [], ["NL"], {}, {"NL": 1}, ("NL",), {"NL"}, b"NL", datetime.now(UTC), Decimal(1)],
        },
    ),
    (
        "eq",
        1,
        {
            TRUE: [1, 1.0, Level(3) - 2],
            FALSE: [0, 2, 1.5, -1, "1", True, False, math.nan, math.inf, 10**400],
            UNKNOWN: [None, [1], {}, Decimal(1), 1j],
        },
    ),
    ("eq", 3.0, {TRUE: [3, 3.0, Level.THREE], FALSE: [3.5, "3.0"]}),
    ("eq", True, {TRUE: [True], FALSE: [False, 1, 1.0, "true", 0], UNKNOWN: [None, [True]]}),
    ("eq", False, {TRUE: [False], FALSE: [True, 0, 0.0, ""], UNKNOWN: [None]}),
    ("eq", 10**400, {TRUE: [10**400], FALSE: [math.inf, 10**400 + 1, 1]}),
    ("eq", "", {TRUE: [""], FALSE: [" ", 0, False], UNKNOWN: [None, []]}),
    ("ne", "NL", {TRUE: ["BE", 5, True], FALSE: ["NL"], UNKNOWN: [None, ["NL"], b"NL"]}),
    ("ne", 1, {TRUE: [2, "1", True, math.nan], FALSE: [1, 1.0], UNKNOWN: [None, []]}),
    ("in", ["NL"], {TRUE: ["NL"], FALSE: ["BE", 1], UNKNOWN: [None, ["NL"]]}),
    ("in", ["NL", "BE"], {TRUE: ["NL", "BE"], FALSE: ["DE", 1, True], UNKNOWN: [None, ["NL"], {}, b"NL"]}),
    (
        "in",
        ["NL", 1, True],
        {TRUE: ["NL", 1, 1.0, True], FALSE: ["1", 0, False, "true", math.nan], UNKNOWN: [None, [1], {"NL"}]},
    ),
    ("in", ("NL", 2), {TRUE: ["NL", 2, 2.0], FALSE: [True, "2"]}),
    ("in", [0, 1], {TRUE: [0, 1, 0.0], FALSE: [True, False, "0"]}),
    ("in", [False], {TRUE: [False], FALSE: [0, True]}),
    ("not_in", ["NL", "BE"], {TRUE: ["DE", 5], FALSE: ["NL"], UNKNOWN: [None, []]}),
    ("not_in", [True, 7], {TRUE: [False, 1, "7"], FALSE: [True, 7.0], UNKNOWN: [None]}),
    (
        "lt",
        5,
        {
            TRUE: [4, 4.999, -math.inf, -(10**400), Level.THREE],
            FALSE: [5, 5.0, 6, math.inf, 10**400],
            UNKNOWN: [None, "4", True, False, math.nan, [4], Decimal(4), 4j],
        },
    ),
    ("le", 5, {TRUE: [5, 4], FALSE: [5.001], UNKNOWN: [True, "5", None, math.nan]}),
    ("gt", 5, {TRUE: [6, math.inf, 10**400], FALSE: [5, 4], UNKNOWN: [True, "6", None]}),
    ("ge", 5.5, {TRUE: [5.5, 6], FALSE: [5], UNKNOWN: ["6", None]}),
    ("gt", 10**400, {TRUE: [10**400 + 1, math.inf], FALSE: [10**400, 1.5]}),
    (
        "contains",
        "beta",
        {
            TRUE: ["beta", "a beta b", ["beta"], ("x", "beta"), {"beta"}, frozenset({"beta"}), [[], "beta"]],
            FALSE: ["", "BETA", [], ["a beta b"], [None, ["beta"]], set(), [{}]],
            UNKNOWN: [None, 5, True, {"beta": 1}, b"beta"],
        },
    ),
    (
        "contains",
        ["a", "b", 7],
        {
            TRUE: ["xa", "b", ["a"], [7], [7.0], [["c"], "b"], [{}, "a"]],
            FALSE: ["7", "", ["7"], [True], [["a"]]],
            UNKNOWN: [None, 7],
        },
    ),
    (
        "contains",
        ["a", "b"],
        {TRUE: ["cab", ["b"], [["c"], "a"], [{"a": 1}, "b"]], FALSE: [[["a"]], [None]]},
    ),
    ("contains", 7, {TRUE: [[7]], FALSE: [["7"], []], UNKNOWN: ["7", 7, None]}),
    ("contains", True, {TRUE: [[True]], FALSE: [[1]], UNKNOWN: ["True"]}),
    ("contains", "", {TRUE: ["", "x", [""]], FALSE: [[]]}),
    ("starts_with", "NL-", {TRUE: ["NL-1", "NL-"], FALSE: ["xNL-", ""], UNKNOWN: [None, 5, ["NL-1"]]}),
    ("starts_with", ["a", "b"], {TRUE: ["ax", "bx"], FALSE: ["xa"], UNKNOWN: [b"a"]}),
    ("ends_with", ["@a.test", "@b.test"], {TRUE: ["ann@b.test"], FALSE: ["@b.tes", "@A.TEST"], UNKNOWN: [1]}),
    ("ends_with", "", {TRUE: ["", "x"], UNKNOWN: [None]}),
    ("matches", "^a+$", {TRUE: ["a", "aaa"], FALSE: ["", "b", "aab"], UNKNOWN: [None, 5, True, ["a"], b"a"]}),
    ("matches", "b", {TRUE: ["abc"], FALSE: ["x" * 1000]}),
    (
        "semver_eq",
        "4.2.0",
        {
            TRUE: ["4.2.0", "4.2.0+build.1"],
            FALSE: ["4.2.1", "4.2.0-rc.1", LONG],
            UNKNOWN: [
                None,
                4.2,
                "4.2",
                "v4.2.0",
                "04.2.0",
                "4.2.0-",
                "4.2.0-01",
                "4.2.0 ",
                LONG + "a",
                ["4.2.0"],
            ],
        },
    ),
    ("semver_ne", "4.2.0", {TRUE: ["4.2.1"], FALSE: ["4.2.0"], UNKNOWN: ["4", None]}),
    ("semver_lt", "4.2.0", {TRUE: ["4.1.99", "4.2.0-rc.1", "0.0.0"], FALSE: ["4.2.0", "4.10.0"]}),
    ("semver_le", "4.2.0", {TRUE: ["4.2.0", "4.2.0+x"], FALSE: ["4.2.1"]}),
    ("semver_gt", "4.2.0", {TRUE: ["4.10.0", "10.0.0"], FALSE: ["4.2.0", "4.2.0+z"]}),
    ("semver_ge", "4.2.0-rc.2", {TRUE: ["4.2.0-rc.2", "4.2.0-rc.10", "4.2.0"], FALSE: ["4.2.0-rc.1"]}),
    (
        "before",
        "2026-01-31T09:00:00Z",
        {
            TRUE: [
                "2026-01-31T08:59:59.999999Z",
                "2026-01-31T09:59:59+01:00",
                datetime(2026, 1, 31, tzinfo=UTC),
            ],
            FALSE: ["2026-01-31T09:00:00Z", "2026-01-31t04:00:00-05:00", "2026-02-01 00:00:00z"],
            UNKNOWN: [None, 0, "2026-01-31", "2026-01-31T09:00:00", datetime(2026, 1, 1), "x"],  # noqa: DTZ001
        },
    ),
    (
        "after",
        "2026-01-31T09:00:00Z",
        {TRUE: ["2026-01-31T09:00:00.000001Z"], FALSE: ["2026-01-31T09:00:00Z"]},
    ),
    (
        "in_cidr",
        "10.0.0.0/8",
        {
            TRUE: ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3", "::ffff:a01:203"],
            FALSE: ["11.0.0.1", "::1", "::10.1.2.3", "0.0.0.0"],
            UNKNOWN: [
                None,
                167838211,
                "10.1",
                "10.01.2.3",
                "10.0.0.0/8",
                "",
                "x" * 300,
                b"10.1.2.3",
                ["10.1.2.3"],
            ],
        },
    ),
    (
        "in_cidr",
        ["2001:db8::/32", "192.0.2.7"],
        {TRUE: ["2001:db8::1", "192.0.2.7", "2001:DB8::%eth0"], FALSE: ["192.0.2.8", "2001:db9::"]},
    ),
    ("in_cidr", "::/0", {TRUE: ["::1"], FALSE: ["10.1.2.3", "::ffff:10.1.2.3"]}),
    ("in_cidr", "0.0.0.0/0", {TRUE: ["10.1.2.3", "::ffff:10.1.2.3"], FALSE: ["::1"]}),
    ("in_cidr", "::ffff:10.0.0.0/104", {TRUE: ["10.1.2.3", "::ffff:10.1.2.3"], FALSE: ["11.1.2.3", "::1"]}),
    ("in_cidr", "::ffff:0:0/96", {TRUE: ["10.1.2.3", "::ffff:1.2.3.4"], FALSE: ["::1"]}),
    ("exists", True, {TRUE: ["", 0, False, [], {}, math.nan, object()], FALSE: [None]}),
    ("exists", False, {TRUE: [None], FALSE: ["", 0, False]}),
]


def _cases() -> Iterator[Any]:
    for op, operand, answers in TABLE:
        for wanted, values in answers.items():
            for value in values:
                yield pytest.param(op, operand, value, wanted, id=f"{op} {operand!r:.20} {value!r:.20}")


@pytest.mark.parametrize(("op", "operand", "value", "wanted"), list(_cases()))
def test_each_operator_answers_true_false_or_unknown(
    op: str, operand: Any, value: Any, wanted: bool | None
) -> None:
    assert prepare(op, operand).test(value) is wanted


def remembered(memo: Memo, value: Any) -> Any:
    """Ask a memo as compiled flags do."""
    return value in memo.true or (value not in memo.others and memo[value])


@pytest.mark.parametrize(("op", "operand", "value", "wanted"), list(_cases()))
def test_the_written_out_form_of_a_test_says_the_same(
    op: str, operand: Any, value: Any, wanted: bool | None
) -> None:
    """Where only *true* counts; a value that can't be looked up raises, and the slow way answers."""
    prepared = prepare(op, operand)
    memo = Memo(prepared.test)
    forms: dict[str, Callable[[], Any]] = {
        "==": lambda: value == prepared.operand,
        "in": lambda: value in prepared.operand,
        "memo": lambda: {remembered(memo, value) for _ in range(2)} == {True},
        "text not in": lambda: (
            value not in prepared.operand if value.__class__ is str else prepared.test(value)
        ),
        "exists": lambda: (value is not None) is prepared.operand,
    }
    if prepared.form:
        try:
            said = forms[prepared.form]()
        except TypeError:
            with pytest.raises(TypeError):
                hash(value)
        else:
            assert (said is True) is (wanted is True)


def test_the_table_speaks_of_every_operator() -> None:
    assert {op for op, _, _ in TABLE} == set(OPERATORS)


@pytest.mark.parametrize(
    ("op", "operand", "message"),
    [
        ("eq", None, "must be text, a number or a boolean, not null"),
        ("eq", [], "must be text, a number or a boolean, not a list"),
        ("eq", {}, "must be text, a number or a boolean, not a table"),
        ("ne", math.nan, "must be a finite number"),
        ("eq", math.inf, "must be a finite number"),
        ("eq", datetime(2026, 1, 1, tzinfo=UTC), "must be text, a number or a boolean, not a point in time"),
        ("eq", b"x", "must be text, a number or a boolean, not bytes"),
        ("in", "NL", "must be a list, not text"),
        ("in", 5, "must be a list, not a number"),
        ("in", [], "must not be empty"),
        ("not_in", [["NL"]], "must be text, a number or a boolean, not a list"),
        ("in", ["NL", None], "must be text, a number or a boolean, not null"),
        ("lt", "5", "must be a finite number, not text"),
        ("le", True, "must be a finite number, not a boolean"),
        ("gt", None, "must be a finite number, not null"),
        ("ge", math.inf, "must be a finite number, not the number inf"),
        ("ge", math.nan, "must be a finite number, not the number nan"),
        ("contains", [], "must not be empty"),
        ("contains", {}, "must be text, a number or a boolean, not a table"),
        ("starts_with", 5, "must be text, not a number"),
        ("ends_with", [], "must not be empty"),
        ("ends_with", ["a", True], "must be text, not a boolean"),
        ("matches", 5, "must be text, not a number"),
        ("matches", "a(", "position"),
        ("matches", "(?=a)", "look-ahead '(?=' at position 0 is not supported"),
        ("semver_ge", 4, "must be text, not a number"),
        ("semver_ge", "4.2", "must be a semantic version such as 4.2.0, not '4.2'"),
        ("before", "2026-01-31", "must be a point in time with a zone, such as 2026-01-31T09:00:00Z"),
        ("after", 1_700_000_000, "must be a point in time with a zone"),
        ("in_cidr", "10.0.0.1/8", "must be a network such as 10.0.0.0/8: 10.0.0.1/8 has host bits set"),
        ("in_cidr", ["10.0.0.0/8", "x"], "must be a network such as 10.0.0.0/8: 'x' does not appear"),
        ("in_cidr", 5, "must be text, not a number"),
        ("in_cidr", [], "must not be empty"),
        ("exists", 1, "must be true or false, not a number"),
        ("exists", "true", "must be true or false, not text"),
        ("exists", None, "must be true or false, not null"),
    ],
)
def test_an_operand_of_the_wrong_kind_is_refused_with_what_it_must_be(
    op: str, operand: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        prepare(op, operand)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


@given(st.sampled_from(sorted(OPERATORS)), _VALUES, _VALUES)
def test_whatever_the_operand_and_the_value_a_test_answers_or_the_operand_is_refused(
    op: str, operand: Any, value: Any
) -> None:
    try:
        prepared = prepare(op, operand)
    except ValueError:
        return
    assert prepared.test(value) in (True, False, None)


@given(st.sampled_from([("eq", "ne"), ("in", "not_in"), ("semver_eq", "semver_ne")]), _VALUES)
def test_a_negated_operator_says_the_opposite_or_unknown_too(pair: tuple[str, str], value: Any) -> None:
    operand: Any = {"eq": "NL", "in": ["NL", 5, True], "semver_eq": "1.0.0"}[pair[0]]
    affirmed, denied = (prepare(op, operand).test(value) for op in pair)
    assert denied is (None if affirmed is None else not affirmed)


# -- versions ----------------------------------------------------------------------------------------------

# Semantic Versioning 2.0.0, section 11: its own examples, in its own order, and what lies between them.
PRECEDENCE = [
    "0.0.0-0",
    "0.0.0",
    "0.0.1",
    "0.1.0",
    "1.0.0-0",
    "1.0.0-2",
    "1.0.0-10",
    "1.0.0-99999999999999999999",
    "1.0.0--",
    "1.0.0-0a",
    "1.0.0-A",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "2.0.0",
    "2.1.0",
    "2.1.1",
    "2.2.0",
    "2.10.0",
    "10.0.0",
    "99999999999999999999999.0.0",
]


@pytest.mark.parametrize(("lower", "higher"), list(pairwise(PRECEDENCE)))
def test_versions_are_ordered_as_section_11_says(lower: str, higher: str) -> None:
    assert prepare("semver_lt", higher).test(lower) is True
    assert prepare("semver_gt", lower).test(higher) is True
    assert prepare("semver_eq", lower).test(higher) is False


@given(st.sampled_from(PRECEDENCE), st.sampled_from(PRECEDENCE))
def test_the_six_comparisons_of_versions_agree(one: str, other: str) -> None:
    sign = (PRECEDENCE.index(one) > PRECEDENCE.index(other)) - (
        PRECEDENCE.index(one) < PRECEDENCE.index(other)
    )
    wanted = {
        "eq": sign == 0,
        "ne": sign != 0,
        "lt": sign < 0,
        "le": sign <= 0,
        "gt": sign > 0,
        "ge": sign >= 0,
    }
    assert {name: prepare(f"semver_{name}", other).test(one) for name in wanted} == wanted


@pytest.mark.parametrize("build", ["+1", "+001", "+a.b-c", "-rc.1+20130313144700", "+exp.sha.5114f85"])
def test_what_follows_a_plus_does_not_count(build: str) -> None:
    assert semver_key(f"1.0.0{build}") == semver_key(f"1.0.0{build}".split("+")[0])


# The grammar's own list of what is no version, from semver.org's regular expression.
@pytest.mark.parametrize(
    "text",
    [
        "", "1", "1.2", "1.2.3-0123", "1.2.3-0123.0123", "1.1.2+.123", "+invalid", "-invalid", "alpha",
        "1.2.3.DEV", "alpha.beta", "01.1.1", "1.01.1", "1.1.01", "1.2.3-", "1.2.3+", "1.2.3-a..b",
        "1.2-SNAPSHOT", "1.2.31.2.3", "1.0.0-alpha_beta", "1.0.0\n", " 1.0.0", "١.٠.٠", "1.0.0-é",
        "-1.0.3-gamma+b7718", "1.2.3+a+b", "1.2.3----RC.01",
    ],
)  # fmt: skip
def test_what_is_no_version_has_no_place_in_the_order(text: str) -> None:
    assert semver_key(text) is None


# -- points in time ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("1970-01-01t00:00:00z", 0.0),
        ("1970-01-01 00:00:00Z", 0.0),
        ("1970-01-01T00:00:00-00:00", 0.0),
        ("1970-01-01T01:00:00+01:00", 0.0),
        ("1969-12-31T18:30:00-05:30", 0.0),
        ("1970-01-01T23:59:00+23:59", 0.0),
        ("1970-01-01T00:00:00.5Z", 0.5),
        ("1970-01-01T00:00:00.000001Z", 0.000001),
        ("1970-01-01T00:00:00.000000999Z", 0.0),
        ("1970-01-01T00:00:00.123456789012345678Z", 0.123456),
        ("1969-12-31T23:59:59Z", -1.0),
        ("2024-02-29T00:00:00Z", 1_709_164_800.0),
        ("0001-01-01T00:00:00Z", -62_135_596_800.0),
        ("0001-01-01T00:00:00+14:00", -62_135_647_200.0),
        ("9999-12-31T23:59:59-12:00", 253_402_343_999.0),
    ],
)
def test_rfc_3339_text_is_a_point_in_time(text: str, seconds: float) -> None:
    assert parse_instant(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "", "2026-01-31", "2026-01-31T09:00:00", "2026-01-31T09:00Z", "20260131T090000Z",
        "2026-01-31T09:00:00 Z", "2026-01-31T09:00:00+01", "2026-01-31T09:00:00+0100",
        "2026-01-31T09:00:00+24:00", "2026-01-31T09:00:00+05:60", "2026-01-31T24:00:00Z",
        "2026-01-31T09:60:00Z", "2016-12-31T23:59:60Z", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
        "0000-01-01T00:00:00Z", "2026-01-31T09:00:00.Z", "2026-01-31T09:00:00,5Z", "2026-01-31T09:00:00Z\n",
        "٢٠٢٦-01-31T09:00:00Z", "2026-1-31T09:00:00Z", "+002026-01-31T09:00:00Z", "2026-W05-6T09:00:00Z",
        "2026-031T09:00:00Z", "1700000000", "2026-01-31T09:00:00." + "1" * 300 + "Z",
    ],
)  # fmt: skip
def test_what_is_no_rfc_3339_text_with_a_zone_is_no_point_in_time(text: str) -> None:
    assert parse_instant(text) is None


class Nowhere(tzinfo):
    """A zone that does not say how far it is from UTC."""

    def utcoffset(self, _: datetime | None) -> None:
        return None

    dst = tzname = utcoffset


def test_a_datetime_with_a_zone_is_a_point_in_time() -> None:
    zone = timezone(timedelta(hours=2))
    assert parse_instant(datetime(1970, 1, 1, 2, 0, 1, 500_000, tzinfo=zone)) == 1.5
    assert parse_instant(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))) == -62_135_647_200.0
    assert parse_instant(datetime(1970, 1, 1)) is None  # noqa: DTZ001
    assert parse_instant(datetime(1970, 1, 1, tzinfo=Nowhere())) is None


@pytest.mark.parametrize("value", [None, 0, 1.5, True, [], {}, b"1970-01-01T00:00:00Z"])
def test_nothing_else_is_a_point_in_time(value: Any) -> None:
    assert parse_instant(value) is None


@given(st.datetimes(timezones=st.timezones()))
def test_a_datetime_and_its_text_are_the_same_point_in_time(moment: datetime) -> None:
    offset = moment.utcoffset()
    if offset is None or offset % timedelta(minutes=1):
        return  # local mean time has seconds, which RFC 3339 has not
    assert parse_instant(moment.isoformat()) == parse_instant(moment) == moment.timestamp()


# -- memos -------------------------------------------------------------------------------------------------


class Counted:
    """A predicate that says how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def __call__(self, value: Any) -> bool | None:
        self.asked.append(value)
        return bool(value == "yes")


def test_a_memo_asks_once() -> None:
    counted = Counted()
    memo = Memo(counted)
    assert [memo["yes"], memo["yes"], memo["no"], memo["no"], memo[None], memo[None]] == [
        True, True, False, False, False, False,
    ]  # fmt: skip
    assert counted.asked == ["yes", "no", None]


def test_a_memo_is_bounded() -> None:
    memo = Memo(Counted())
    sizes = []
    for number in range(3 * Memo.LIMIT):
        assert memo[f"value {number}"] is False
        assert memo.others == set(memo)
        sizes.append(len(memo))
    assert max(sizes) == Memo.LIMIT
    assert memo["yes"] is True
    assert memo.true == {"yes"}


@pytest.mark.parametrize("value", ["x" * 257, 5, 1.5, True, ("yes",), Country.NL, Contrary("yes"), Yes()])
def test_a_memo_keeps_no_answer_for_long_text_or_for_what_may_pass_for_something_else(value: Any) -> None:
    counted = Counted()
    memo = Memo(counted)
    assert memo[value] is memo[value]
    assert len(counted.asked) == 2
    assert not memo


def test_a_memo_of_what_cannot_be_a_key_raises_for_its_caller_to_see() -> None:
    with pytest.raises(TypeError):
        Memo(Counted())[["yes"]]


class Insensitive(str):
    """Text that passes for its lower-case form."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self.lower() == other.lower()

    def __hash__(self) -> int:
        return hash(self.lower())


def test_nobody_can_answer_for_somebody_else() -> None:
    memo = Memo(prepare("matches", "^ANN$").test)
    assert memo[Insensitive("ANN")] is True
    assert memo["ann"] is False


@pytest.mark.parametrize(
    ("op", "operand", "form"), [("eq", "x", "=="), ("in", ["x", "y"], "in"), ("eq", 1, "")]
)
def test_only_texts_are_compared_in_place(op: str, operand: Any, form: str) -> None:
    prepared = prepare(op, operand)
    assert isinstance(prepared, Prepared)
    assert prepared.form == form
