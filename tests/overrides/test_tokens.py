"""Override tokens: who can make them, who can't, and what is refused."""

from __future__ import annotations

import base64
import hmac
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagstaff import ConfigError, OverrideError, Secret
from flagstaff.overrides.tokens import (
    LONGEST_LIFE,
    LONGEST_TOKEN,
    TokenChecker,
    derived,
    sign,
    sign_token,
)

NOW = 1_800_000_000.0
SECRET, OTHER = Secret("s" * 32), Secret("o" * 32)
WANTED = {"checkout-cta": "urgent", "new-checkout": "on"}
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ é\n"


def token(**changes: Any) -> str:
    settings: dict[str, Any] = {"now": NOW, "lifetime": 3600, "audience": "shop"} | changes
    return sign_token(settings.pop("secret", SECRET), settings.pop("overrides", WANTED), **settings)


def checker(*secrets: Secret, audience: str = "shop") -> TokenChecker:
    return TokenChecker(secrets or (SECRET,), audience)


def signed(claims: object, version: str = "1") -> str:
    """What a holder of the secret who does not use our command may have signed."""
    text = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    head = f"{version}.{base64.urlsafe_b64encode(text).rstrip(b'=').decode()}"
    return f"{head}.{sign(derived(SECRET, 'override'), head)}"


def test_a_token_brings_what_was_put_in() -> None:
    check = checker()

    verdict = check.check(token(), NOW)

    assert (verdict.overrides, verdict.expires, verdict.refused) == (WANTED, NOW + 3600, None)
    assert check.refused() == {}


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=20), min_size=1, max_size=10))
def test_whatever_is_signed_is_read_again(overrides: dict[str, str]) -> None:
    try:
        made = token(overrides=overrides)
    except OverrideError:
        return

    assert checker().check(made, NOW).overrides == overrides
    assert made.isascii()
    assert len(made) <= LONGEST_TOKEN


def test_the_second_secret_is_still_good_and_the_first_signs() -> None:
    assert checker(OTHER, SECRET).check(token(), NOW).refused is None
    assert checker(OTHER).check(token(), NOW).refused == "forged"


@pytest.mark.parametrize(
    ("at", "refused"),
    [(-61, "expired"), (-60, None), (0, None), (3599, None), (3600, "expired"), (1e9, "expired")],
)
def test_a_token_is_good_from_its_making_to_its_end(at: float, refused: str | None) -> None:
    assert checker().check(token(), NOW + at).refused == refused


@pytest.mark.parametrize(("ours", "theirs"), [("shop", "shop/staging"), ("", "shop"), ("shop", "")])
def test_a_token_for_somebody_else_is_refused(ours: str, theirs: str) -> None:
    assert checker(audience=ours).check(token(audience=theirs), NOW).refused == "audience"


def test_a_token_without_audience_is_for_a_client_without_one() -> None:
    assert checker(audience="").check(token(audience=""), NOW).refused is None


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("", "malformed"),
        (None, "malformed"),
        (7, "malformed"),
        ("clear", "malformed"),
        ("2.e30.x", "malformed"),
        ("1..x", "malformed"),
        ("1.é.x", "malformed"),
        ("1.\ud800.x", "malformed"),
        ("1.e30.", "forged"),
        ("1.e30.x", "forged"),
        ("." * LONGEST_TOKEN, "malformed"),
        ("1.e30." + "x" * LONGEST_TOKEN, "oversized"),
    ],
)
def test_what_is_no_token_of_ours_is_refused(text: Any, refused: str) -> None:
    check = checker()

    verdict = check.check(text, NOW)

    assert (verdict.refused, dict(verdict.overrides)) == (refused, {})
    assert check.refused() == {refused: 1}


@pytest.mark.parametrize(
    "claims",
    [
        b"",
        b"\xff",
        b"{",
        b"[" * 700,
        [],
        {},
        {"aud": "shop", "exp": NOW + 1, "iat": NOW},
        {"aud": "shop", "exp": "soon", "iat": NOW, "set": WANTED},
        {"aud": "shop", "exp": None, "iat": NOW, "set": WANTED},
        {"aud": "shop", "exp": NOW + 1, "iat": NOW, "set": ["a"]},
        {"aud": "shop", "exp": NOW + 1, "iat": NOW, "set": {"a": True}},
    ],
)
def test_what_a_holder_of_the_secret_signed_amiss_is_refused(claims: object) -> None:
    assert checker().check(signed(claims), NOW).refused == "malformed"


def test_a_time_that_is_no_number_is_never_now() -> None:
    claims = {"aud": "shop", "exp": float("nan"), "iat": NOW, "set": WANTED}

    assert checker().check(signed(claims), NOW).refused == "expired"


def test_a_signature_for_another_purpose_is_worth_nothing() -> None:
    head = token().rpartition(".")[0]

    for key in (derived(SECRET, "visitor"), SECRET.reveal().encode()):
        assert checker().check(f"{head}.{sign(key, head)}", NOW).refused == "forged"


def test_a_token_has_one_spelling() -> None:
    made, check = token(), checker()
    head, _, signature = made.rpartition(".")
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    others = [f"{head}.{signature[:-1]}{char}" for char in last if char != signature[-1]]
    same_bytes = [
        each
        for each in others
        if base64.urlsafe_b64decode(each.rpartition(".")[2] + "=")
        == base64.urlsafe_b64decode(signature + "=")
    ]

    assert len(same_bytes) == 3  # a decoder drops the last two bits
    others += [made + "=", made + " ", " " + made, f"{head}=.{signature}", made + "\n", "0" + made]
    for other in others:
        assert check.check(other, NOW).refused in ("forged", "malformed")


def mutations(made: str, draw: random.Random) -> str:
    """The token with a few characters changed, lost, moved or put in, or spliced with another of ours."""
    text = list(made)
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        at, kind = draw.randrange(len(text)), draw.randrange(6)
        if kind == 0:
            text[at] = draw.choice(ALPHABET)
        elif kind == 1 and len(text) > 1:
            del text[at]
        elif kind == 2:
            text.insert(at, draw.choice(ALPHABET))
        elif kind == 3:
            other = draw.randrange(len(text))
            text[at], text[other] = text[other], text[at]
        elif kind == 4:
            text[at] = text[at].swapcase()
        else:
            del text[draw.randrange(1, len(text) + 1) :]
    return "".join(text)


@pytest.mark.slow
def test_no_mutation_of_a_token_is_accepted() -> None:
    draw = random.Random(7)
    made = [token(), token(overrides={"a": "b"}), token(overrides={"a": "c"}), token(secret=OTHER)]
    genuine, check = {*made[:3]}, checker()
    accepted = tried = 0
    while tried < 100_000:
        mutated = mutations(draw.choice(made), draw)
        if mutated in genuine:
            continue
        tried += 1
        accepted += check.check(mutated, NOW).refused is None

    assert accepted == 0
    assert sum(check.refused().values()) == tried
    assert check.check(made[0], NOW).refused is None


def test_every_splice_of_two_tokens_is_forged() -> None:
    check = checker()
    parts = [token(overrides={"a": name}).split(".") for name in "bcd"]

    for claims in range(3):
        for signature in range(3):
            refused = check.check(f"1.{parts[claims][1]}.{parts[signature][2]}", NOW).refused
            assert (refused is None) == (claims == signature)


def test_the_whole_signature_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, str]] = []
    plain: Callable[[Any, Any], bool] = hmac.compare_digest

    def compare(ours: str, theirs: str) -> bool:
        compared.append((ours, theirs))
        return plain(ours, theirs)

    monkeypatch.setattr(hmac, "compare_digest", compare)

    checker(SECRET, OTHER).check(token(), NOW)

    assert len(compared) == 2  # every secret is tried, whichever is right
    assert {len(ours) for ours, _ in compared} == {43}


@pytest.mark.parametrize("lifetime", [0, -1, LONGEST_LIFE + 1, float("nan")])
def test_a_lifetime_must_be_within_a_month(lifetime: float) -> None:
    with pytest.raises(ConfigError, match="must be from 1 to 2592000 seconds"):
        token(lifetime=lifetime)


def test_nothing_is_computed_for_what_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hmac, "digest", None)

    assert TokenChecker((), "").check("1." + "x" * LONGEST_TOKEN, NOW).refused == "oversized"


def test_a_token_must_hold_something_and_not_too_much() -> None:
    with pytest.raises(OverrideError, match="must force something"):
        token(overrides={})
    with pytest.raises(OverrideError, match="too long for one token"):
        token(overrides={f"flag-{number}": "a-variant" for number in range(100)})
