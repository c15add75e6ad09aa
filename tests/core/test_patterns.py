from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagstaff.core.patterns import (
    Pattern,
    charset,
    compile_pattern,
    ecmascript_classes,
    matcher,
    moves,
    python_classes,
    unicode_classes,
)

# -- what the syntax means -----------------------------------------------------------------------

FOUND = [
    ("", ""),
    ("", "anything"),
    ("b", "abc"),
    ("a|b|", "zzz"),
    ("^abc$", "abc"),
    ("a.c", "a😀c"),
    ("(?s)a.c", "a\nc"),
    ("a[^b]c", "a\nc"),
    ("^a{2,4}$", "aaa"),
    ("^a{2,}?$", "aaaaaa"),
    ("^a{2}$", "aa"),
    ("^a{0}b$", "b"),
    ("^(?:a{0}){3,}b$", "b"),
    ("^a{00002}$", "aa"),
    ("^(?:a?b??){3}$", ""),
    ("^(|a)+$", "aaa"),
    ("^(a|b)*?c$", "abbac"),
    ("^(?P<one>a)(?<two>b)$", "ab"),
    ("a{", "a{"),
    ("a{,}", "a{,}"),
    ("a{x}", "a{x}"),
    ("a{1", "a{1"),
    ("a{1,2,3}", "a{1,2,3}"),
    ("]}", "]}"),
    (r"\Aab\z", "ab"),
    (r"\bcat\b", "a cat!"),
    (r"\Bat\b", "cat"),
    (r"\B", ""),
    (r"^\B\B!\B$", "!"),
    ("^*a", "a"),
    (r"(\b){2}a", "a"),
    ("(?m)^b$", "a\nb\nc"),
    ("(?m)a$\n^\n", "a\n\n"),
    ("(?m:^)b", "a\nb"),
    ("(?i)ABC", "xabcx"),
    ("^(?i)abc$", "ABC"),
    ("a(?i)b|c", "C"),
    ("(?i:a)b", "Ab"),
    ("(?i)a(?-i)b", "Ab"),
    ("(?i-s:A).", "ab"),
    ("(?Us)a.+b", "a\nb"),
    ("(?i)[^a-z]", "1"),
    (r"^[\d\-a]+$", "1-a"),
    (r"^[\w-.]+$", "a-.b"),
    ("^[]a]+$", "]a"),
    ("^[^]a]$", "b"),
    ("^[-a]+[a-]+$", "-a-"),
    ("^[a-c-e]+$", "b-e"),
    (r"[\b]", "\b"),
    (r"^[\]\\\x41-\x{43}]+$", "]\\ABC"),
    ("[[:alpha:][:digit:]]{2}", "!a1"),
    ("^[[:^space:]]+$", "é"),
    ("(?i)^[[:upper:]]$", "a"),
    ("[[:alpha]", "["),
    (r"^\t\n\r\f\v\a$", "\t\n\r\f\v\a"),
    (r"^\x41\x{1F600}\u00e9\u{e9}$", "A😀éé"),
    (r"^\s\S\d\D\w\W$", "\v!7x_é"),
    (r"^\.\-\é\_\ $", ".-é_ "),
    (r"\ud800", "\ud800"),
    ("(?i)straße", "STRAẞE"),
    ("(?i)^[k-k]$", "\N{KELVIN SIGN}"),
    ("(?i)^σ$", "ς"),
]

NOT_FOUND = [
    ("a", ""),
    ("^abc$", "abc\n"),
    ("a.c", "a\nc"),
    ("^a{2,4}$", "aaaaa"),
    ("^a{2,}$", "a"),
    (r"\bcat\b", "concat"),
    (r"\b", ""),
    (r"\B", "a"),
    ("a^b", "a\nb"),
    ("a$b", "ab"),
    ("^b", "a\nb"),
    ("(?m)^b(?-m)$", "a\nb\n"),
    ("(a(?i)b)c", "aBC"),
    ("(?i:a)b", "AB"),
    ("(?i)[^a]", "A"),
    ("(?i)i", "ı"),
    ("(?i)i", "İ"),
    ("(?i)ss", "ß"),
    (r"(?i)^\w$", "ſ"),
    (r"\d", "٣"),
    (r"\w", "é"),
    (r"[^\x{0}-\x{10FFFF}]", "any"),
    ("[[:alpha:]]", "1é"),
    ("(?:){3}a", "b"),
]


@pytest.mark.parametrize(("pattern", "text"), FOUND)
def test_a_pattern_is_found_anywhere_in_a_text(pattern: str, text: str) -> None:
    assert compile_pattern(pattern)(text) is True


@pytest.mark.parametrize(("pattern", "text"), NOT_FOUND)
def test_a_text_without_the_pattern_is_no_match(pattern: str, text: str) -> None:
    assert compile_pattern(pattern)(text) is False


def test_a_pattern_shows_its_text_and_can_be_called_or_searched_with() -> None:
    pattern = compile_pattern("a+")

    assert isinstance(pattern, Pattern)
    assert pattern.pattern == "a+"
    assert repr(pattern) == "Pattern('a+')"
    assert pattern.search("cat") is pattern("cat") is True


# -- the same answers as re ----------------------------------------------------------------------


class Twin(NamedTuple):
    """A pattern for this matcher and the one that means the same to ``re`` with ASCII classes."""

    ours: str
    theirs: str


NO_WORD_EDGE = r"(?!\b)"
"""What RE2 means by \\B: before 3.14, Python's doesn't hold in an empty text."""

ALPHABET = "aAbBkK19_ .-]^\n\t\véд日😀\ud800\udc00"
TEXTS = st.text(ALPHABET, max_size=9)


def same(text: str) -> Twin:
    return Twin(text, text)


@st.composite
def classes(draw: st.DrawFn) -> Twin:
    single = st.sampled_from(ALPHABET).map(re.escape)
    span = st.sampled_from(["a-k", "A-Z", "0-9", "!-~", r"\t-\r", "а-я", r"\ud800-\udfff"])
    items = draw(
        st.lists(
            single | span | st.sampled_from(["\\d", "\\D", "\\w", "\\W", "\\s", "\\S"]),
            min_size=1,
            max_size=3,
        )
    )
    return same(f"[{draw(st.sampled_from(['', '^']))}{''.join(items)}]")


SHARED = [".", "(?s:.)", "^", "(?m:^)", "(?m:$)", r"\A", r"\b", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S"]
LEAVES = st.one_of(
    st.sampled_from(ALPHABET).map(re.escape).map(same),
    st.sampled_from([same(text) for text in SHARED]),
    st.sampled_from([same(""), Twin("$", r"\Z"), Twin(r"\z", r"\Z"), Twin(r"\B", NO_WORD_EDGE)]),
    classes(),
)


@st.composite
def compound(draw: st.DrawFn, inner: st.SearchStrategy[Twin]) -> Twin:
    shape = draw(st.sampled_from(["sequence", "choice", "repeat", "group"]))
    if shape in ("sequence", "choice"):
        parts = draw(st.lists(inner, min_size=2, max_size=3))
        mark = "" if shape == "sequence" else "|"
        return Twin(
            "(" + mark.join(part.ours for part in parts) + ")",
            "(?:" + mark.join(part.theirs for part in parts) + ")",
        )
    part = draw(inner)
    if shape == "repeat":
        low, more = draw(st.integers(0, 3)), draw(st.integers(0, 2))
        count = draw(st.sampled_from(["*", "+", "?", f"{{{low}}}", f"{{{low},}}", f"{{{low},{low + more}}}"]))
        lazy = draw(st.sampled_from(["", "?"]))
        return Twin(f"(?:{part.ours}){count}{lazy}", f"(?:{part.theirs}){count}{lazy}")
    opening = draw(st.sampled_from(["(?:", "(?i:", "(?-i:", "("]))
    return Twin(f"{opening}{part.ours})", f"{opening}{part.theirs})")


TWINS = st.recursive(LEAVES, compound, max_leaves=8)


@given(TWINS, st.lists(TEXTS, min_size=1, max_size=4))
def test_the_answers_are_those_of_re(twin: Twin, texts: list[str]) -> None:
    pattern, reference = compile_pattern(twin.ours), re.compile(twin.theirs, re.ASCII)

    for text in texts:
        assert pattern(text) is (reference.search(text) is not None), (twin, text)


@given(TWINS, st.lists(TEXTS, min_size=2, max_size=4))
def test_a_matcher_that_forgets_all_the_time_gives_the_same_answers(twin: Twin, texts: list[str]) -> None:
    warm = compile_pattern(twin.ours)
    expected = [warm(text) for text in texts]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matcher, "_BUDGET", 1_000)
        forgetful = compile_pattern(twin.ours)
        assert [forgetful(text) for text in texts] == expected


@given(st.lists(st.text("abc", min_size=1, max_size=6), min_size=1, max_size=80), st.text("abc", max_size=20))
def test_a_choice_of_many_words_is_the_search_for_each(words: list[str], text: str) -> None:
    assert compile_pattern("|".join(words))(text) is any(word in text for word in words)
    assert compile_pattern(f"^(?:{'|'.join(words)})+$")(text) is bool(
        re.search(rf"^(?:{'|'.join(set(words))})+\Z", text)
    )


def test_a_choice_of_hundreds_of_words_may_be_repeated() -> None:
    pattern = compile_pattern(f"^(?:{'|'.join(f'w{number}s?' for number in range(700))})+$")

    assert pattern("w1w699sw42")
    assert not pattern("w1w700")


@cache
def _up_to(body: str, rest: int) -> re.Pattern[str]:
    return re.compile(rf"(?:{body})(?=(?s:.{{{rest}}})\Z)", re.ASCII)


def rounds(body: str, low: int, high: int, text: str) -> bool:
    """Whether ``text`` is low to high times ``body``, round by round: ``re`` would backtrack."""
    length, body = len(text), body.replace(r"\B", NO_WORD_EDGE)
    ends = [
        [
            end
            for end in range(start, min(start + 14, length) + 1)
            if _up_to(body, length - end).match(text, start)
        ]
        for start in range(length + 1)
    ]
    here = {0}
    for count in range(high + 1):
        if count >= low and length in here:
            return True
        here = {end for start in here for end in ends[start]}
    return False


BODIES = [
    "a",
    "a?",
    "[ab]",
    "ab?",
    "a|bb",
    "ab*",
    "x(?:ab)*",
    "a|bcdefghijklm",
    r"\b|a",
    r"a\b|b",
    r"\b(?:ab?)?|\B",
]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(("low", "high"), [(40, 40), (7, None), (0, 41), (35, 40), (1, 2)])
def test_a_long_repetition_counts_exactly(body: str, low: int, high: int | None) -> None:
    pattern = compile_pattern(f"^({body}){{{low},{'' if high is None else high}}}$")

    for part in ("a", "b", "ab", "xab", "xabab", "bb", "a "):
        for times in (0, 1, 2, 3, 6, 7, 35, 40, 41, 42):
            text = part * times
            assert pattern(text) is rounds(body, low, high or 130, text), text


# -- letters regardless of case ------------------------------------------------------------------


@pytest.mark.parametrize("script", ["AZaz", "ÀÖØÞàöøþ", "ĀĮĲŽ", "ΑΡΣΫαϋ", "АЯЀЏаяѐџ", "ԱՖաֆ", "ႠჅⴀⴥ", "𐐀𐐧𐐨𐑏"])
def test_ignoring_case_is_what_re_does_for_common_letters(script: str) -> None:
    ends = zip(script[::2], script[1::2], strict=True)
    letters = [chr(point) for low, high in ends for point in range(ord(low), ord(high) + 1)]

    for letter in letters:
        ours, theirs = compile_pattern(f"(?i){letter}"), re.compile(letter, re.IGNORECASE)
        for other in {*letters, letter.swapcase(), "\N{KELVIN SIGN}", "ſ", "µ"}:
            assert ours(other) is (theirs.search(other) is not None), (letter, other)


def test_every_letter_with_case_is_known() -> None:
    letters, families = charset._families()
    known = dict(zip(map(chr, letters), families, strict=True))

    for char in map(chr, range(sys.maxunicode + 1)):
        if char not in known:
            assert charset._fold(char) == char
        for other in {char.lower(), char.upper()} - {char, "i"}:
            if len(other) == 1 and char != "ı":
                assert other in known[char], (char, other)


# -- what is refused -----------------------------------------------------------------------------

REFUSED = [
    ("a(?=b)", "look-ahead '(?=' at position 1 is not supported"),
    ("(?!b)", "negative look-ahead '(?!' at position 0 is not supported"),
    ("(?<=b)", "look-behind '(?<=' at position 0 is not supported"),
    ("(?<!b)", "negative look-behind '(?<!' at position 0 is not supported"),
    ("(?>a)", "atomic group '(?>' at position 0 is not supported"),
    ("(a)(?(1)b|c)", "conditional group '(?(' at position 3 is not supported"),
    ("(?P<x>a)(?P=x)", "back-reference '(?P=' at position 8 is not supported"),
    ("(?#note)", "comment '(?#' at position 0 is not supported"),
    (r"(a)\1", r"back-reference '\1' at position 3 is not supported"),
    (r"\k<x>", r"back-reference '\k' at position 0 is not supported"),
    (r"\0", r"octal escape '\0' at position 0 is not supported"),
    (r"\p{L}", r"Unicode class '\p' at position 0 is not supported; name the ranges"),
    (r"[\PL]", r"Unicode class '\P' at position 1 is not supported; name the ranges"),
    (r"a\Z", r"anchor '\Z' at position 1 is not supported; the end of the text is '\z'"),
    (r"\C", r"single byte '\C' at position 0 is not supported"),
    (r"\Qa\E", r"quotation '\Q' at position 0 is not supported"),
    (r"\y", r"escape '\y' at position 0 is not supported"),
    (r"[\A]", r"escape '\A' at position 1 is not supported"),
    ("a\\", r"'\' at position 1 escapes nothing"),
    ("[\\", r"'\' at position 1 escapes nothing"),
    (r"\x4", r"escape '\x' at position 0 lacks its hexadecimal digits"),
    (r"\x{}", r"escape '\x' at position 0 lacks its hexadecimal digits"),
    (r"\x{41", r"escape '\x' at position 0 lacks its hexadecimal digits"),
    (r"\u00_9", r"escape '\u' at position 0 lacks its hexadecimal digits"),
    (r"\x{110000}", r"escape '\x' at position 0 is beyond the last character, 10FFFF"),
    ("a[b", "'[' at position 1 is never closed"),
    ("[]", "'[' at position 0 is never closed"),
    ("[a-", "'[' at position 0 is never closed"),
    ("[xb-a]", "range at position 2 ends before it starts"),
    (r"[a-\d]", "range at position 1 ends in a class"),
    ("[[:letter:]]", "class '[:' at position 1 has no known name; there are alnum, alpha,"),
    ("a(b", "'(' at position 1 is never closed"),
    ("a)b", "')' at position 1 closes no group"),
    ("(?i", "'(?' at position 0 is never closed"),
    ("(?P<1>a)", "group at position 0 has no proper name"),
    ("(?<a", "group at position 0 has no proper name"),
    ("(?<n>a)(?<n>b)", "group at position 7 has the name of an earlier group"),
    ("(?x)a", "flag 'x' at position 2 is not supported"),
    ("(?i--s)a", "flag '-' at position 4 is not supported"),
    ("(?\n)", r"flag '\n' at position 2 is not supported"),
    ("*a", "'*' at position 0 has nothing to repeat"),
    ("(+a)", "'+' at position 1 has nothing to repeat"),
    ("a|?", "'?' at position 2 has nothing to repeat"),
    ("(?i)*", "'*' at position 4 has nothing to repeat"),
    ("{2}", "'{' at position 0 has nothing to repeat"),
    ("a**", "'*' at position 2 repeats a repetition; put that in a group"),
    ("a{2}{3}", "'{' at position 4 repeats a repetition"),
    ("a+?*", "'*' at position 3 repeats a repetition"),
    ("a*+", "possessive repetition '+' at position 2 is not supported"),
    ("a{2}+", "possessive repetition '+' at position 4 is not supported"),
    ("a{,3}", "repetition at position 1 has no lower bound; write '{0,' for none"),
    ("a{3,2}", "repetition at position 1 has its bounds the wrong way round"),
    ("a{1001}", "repetition at position 1 counts beyond 1,000"),
    ("a{1,99999}", "repetition at position 1 counts beyond 1,000"),
    ("a{" + "9" * 9_000 + "}", "repetition at position 1 counts beyond 1,000"),
    ("((a{1000}){1000})", "the pattern is too large: up to position 10 it needs over 5,000 states"),
    ("(((a{90}){90}){90}){90}", "the pattern is too large: up to position 9 it needs over 5,000 states"),
    ("a" * 6_000, "the pattern is too large: up to position 6000 it needs over 5,000 states"),
    ("(" + "|" * 6_000 + ")", "the pattern is too large: up to position 6001 it needs over 5,000 states"),
    (r"(?:a\b\b\b\b\b){1000}", "the pattern is too large: up to position 15 it needs over 5,000 states"),
    ("a" * 10_001, "the pattern is longer than 10,000 characters"),
    ("(?:ab)?" * 160, "the pattern is too large: its parts lead to over 150 distant places"),
    ("(?i)" + "[!-\U0010ffff]" * 50, "the pattern is too large: up to position"),
    ("(" * 51 + ")" * 51, "'(' at position 50 opens more than 50 groups within one another"),
    ("(" * 10_000, "'(' at position 50 opens more than 50 groups within one another"),
]


@pytest.mark.parametrize(("pattern", "sentence"), REFUSED, ids=[pattern[:20] for pattern, _ in REFUSED])
def test_what_is_not_supported_is_refused_by_name_and_position(pattern: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        compile_pattern(pattern)


@given(st.text(r"ab(|)[]{}?*+^$.\-:=!<>,19ixP" + "\ud800é", max_size=20))
def test_any_text_is_either_compiled_or_refused(text: str) -> None:
    refusal = ""
    try:
        compile_pattern(text)("ab]1\n")
    except ValueError as error:
        refusal = str(error)

    assert refusal.isprintable()


def test_groups_nest_fifty_deep() -> None:
    pattern = compile_pattern("(?:a|(b" * 25 + "c" + ")*x)+" * 25)

    assert pattern("zzazz")
    assert not pattern("zzcb")


# -- hostile patterns ----------------------------------------------------------------------------


class Reading(str):
    """A text that counts how often its characters are read."""

    __slots__ = ("reads",)

    def __init__(self, _: str) -> None:
        self.reads = 0

    def __iter__(self) -> Iterator[str]:
        for char in super().__iter__():
            self.reads += 1
            yield char


class Work:
    """Counts what searches cost: characters read, steps worked out and the operations of those."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps = self.operations = 0
        reached = moves.Moves.reached

        def counted(made: moves.Moves, positions: int) -> int:
            self.steps += 1
            self.operations += len(made.shifts) + len(made.jumps)
            return reached(made, positions)

        monkeypatch.setattr(moves.Moves, "reached", counted)

    def of(self, pattern: Pattern, text: str) -> tuple[int, int, int]:
        reading, self.steps, self.operations = Reading(text), 0, 0
        pattern(reading)
        return reading.reads, self.steps, self.operations


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    return Work(monkeypatch)


BACKTRACKERS = [
    ("(a+)+$", "a"),
    ("(a|aa)+$", "a"),
    ("(a|a?)+$", "a"),
    ("(.*)*x", "a"),
    ("(.*a){12}x", "a"),
    (r"([a-z]+)*\d", "a"),
    ("((((((a*)*)*)*)*)*)*b", "a"),
    ("(x+x+)+y", "x"),
    (r"^(\w+\s?)*$", "word "),
    (r"(\b|a)*(\B|b)*c", "ab "),
    ("(?:a?){30}a{30}$", "a"),
    ("((a{1,10}){1,10}){1,10}$", "a"),
    ("(a{30}){30}b", "a"),
    ("(a{0,50}b{0,50}){20}c", "ab"),
    (r"^(([a-z0-9_.-]+)@([a-z0-9-]+\.)+[a-z]{2,4};?)+$", "ab@cd.nl;"),
    (r"(?i)(<[^>]*>|\s|&nbsp;)*<script", "<b> &nbsp;"),
    (".*.*.*.*=.*.*;", "a="),
    (r"(?m)^(\s*#.*\n?)+$\z", "# a\n"),
]


@pytest.mark.parametrize(("pattern", "unit"), BACKTRACKERS)
def test_a_pattern_that_ruins_a_backtracker_reads_each_character_once(
    pattern: str, unit: str, work: Work
) -> None:
    compiled = compile_pattern(pattern)
    text = unit * (10_000 // len(unit)) + "!"

    reads, steps, _ = work.of(compiled, text)
    assert reads <= len(text)
    assert steps <= 1_100
    reads, steps, _ = work.of(compiled, text)
    assert reads <= len(text)
    assert steps == 0


BLOWN_UP = [
    "(a|b)*a(a|b){12}c",
    "[ab]*a[ab]{40}c",
    "[ab]*a[ab]{1000}c",
    "(([ab]{1,40})*a[ab]{40}){20}c",
    "(.*a.{600}){2}c",
]


@pytest.mark.parametrize("pattern", BLOWN_UP)
def test_a_pattern_with_too_many_states_to_keep_takes_a_bounded_step_per_character(
    pattern: str, work: Work
) -> None:
    compiled, random = compile_pattern(pattern), Random(1)

    for length in (1_000, 2_000, 4_000):
        reads, steps, operations = work.of(compiled, "".join(random.choices("ab", k=length)))
        assert reads == length
        assert steps <= length + 1
        assert operations <= 25 * (length + 1)


def kept_by(pattern: Pattern) -> int:
    """About how many bytes the states take up that can be reached from the first one."""
    seen = {id(pattern._start): pattern._start, **{id(state): state for state in pattern._states.values()}}
    todo = list(seen.values())
    for state in todo:
        new = {id(target): target for target in state.values() if id(target) not in seen}
        seen.update(new)
        todo.extend(new.values())
    return sum(360 + 60 * len(state) for state in seen.values())


def test_a_pattern_keeps_no_more_than_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matcher, "_BUDGET", 50_000)
    random = Random(2)
    pattern, reference = compile_pattern("a[^c]{9}b[^c]{3}c$"), re.compile(r"a[^c]{9}b[^c]{3}c\Z")

    for _ in range(50):
        text = "".join(random.choices("ab日", k=200)) + random.choice("cd")
        assert pattern(text) is (reference.search(text) is not None)
        assert kept_by(pattern) <= 52_000


def test_a_text_of_ever_new_characters_is_classified_once_per_class(work: Work) -> None:
    pattern = compile_pattern("^[^a]*é+x")

    reads, steps, _ = work.of(pattern, "".join(map(chr, range(0x4E00, 0x9E00))))

    assert reads == 0x5000
    assert steps <= 10


def test_a_text_is_read_only_until_the_answer_is_certain(work: Work) -> None:
    assert work.of(compile_pattern("^b"), "a" * 1_000)[0] == 1
    assert work.of(compile_pattern("ab"), "xab" + "a" * 1_000)[0] == 4


def test_a_very_long_text_is_no_trouble(work: Work) -> None:
    pattern = compile_pattern(r"^(\w+\s?)*\.$")

    assert work.of(pattern, "word " * 60_000 + "!")[0] <= 300_001
    assert pattern("word " * 60_000 + "end.")


def test_the_same_set_of_assertions_shares_its_moves() -> None:
    pattern = compile_pattern("^a.*b$")

    assert [pattern(text) for text in ("", "a", "ab", "a b", "a\n", "ba")] == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]
    assert len({id(moves) for moves in pattern._moves.values()}) <= 4


def test_threads_may_share_a_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matcher, "_BUDGET", 20_000)
    pattern, reference = compile_pattern(r"\ba[^c]{6}b|日+$"), re.compile(r"\ba[^c]{6}b|日+\Z", re.ASCII)
    random = Random(3)
    texts = ["".join(random.choices("abc 日", k=40)) for _ in range(400)]
    expected = [reference.search(text) is not None for text in texts]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: [pattern(text) for text in texts], range(8)))
    finally:
        sys.setswitchinterval(interval)

    assert answers == [expected] * 8


# -- classes of other dialects ---------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", [r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", r"[\w-]", r"a\b.", r"a\B."])
def test_python_s_classes_are_those_of_re(pattern: str) -> None:
    found, expected = compile_pattern(pattern, python_classes), re.compile(pattern)

    for point in (*range(0x3100), *range(0xD700, 0x1F200)):
        text = f"a{chr(point)}"
        if chr(point) != "\n" and not 0xD800 <= point < 0xE000:
            assert found(text) is (expected.search(text) is not None), hex(point)


def test_ecmascript_s_white_space_goes_beyond_ascii_and_nothing_else_does() -> None:
    spaces = {
        chr(point) for point in range(0x10000) if compile_pattern(r"\s", ecmascript_classes)(chr(point))
    }

    assert spaces == {
        *"\t\n\v\f\r \xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff",
        *map(chr, range(0x2000, 0x200B)),
    }
    assert not compile_pattern(r"[\d\w]", ecmascript_classes)("é٧")


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        (r"^\w$", "aÉ9_日\u0301\u200dⒶ\u203f", "-² €"),
        (r"^\d$", "7٧७", "a²½"),
        (r"^\s$", " \t\v\u0085\u00a0\u2028\u3000", "a\u200b_\x1c"),
        (r"^é\b.$", "-€ ", "aé9"),
    ],
)
def test_unicode_s_classes_go_by_its_properties(pattern: str, inside: str, outside: str) -> None:
    found = compile_pattern(pattern, unicode_classes)
    before = "é" if "é" in pattern else ""

    assert [char for char in inside if not found(before + char)] == []
    assert [char for char in outside if found(before + char)] == []
    assert not compile_pattern(r"^\w$")("É")
