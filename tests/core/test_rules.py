from __future__ import annotations

from collections.abc import Mapping
from dataclasses import FrozenInstanceError, fields, is_dataclass
from random import Random
from typing import Any

import pytest

from flagstaff.core import rules as engine
from flagstaff.core.buckets import BUCKETS, bucket, cut
from flagstaff.core.conditions import prepare
from flagstaff.core.rules import Between, Bucket, Leaf, Share
from flagstaff.core.subjects import TARGETING_KEY
from flagstaff.formats import load
from tests.strategies import Author


def _nodes(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        yield value
        for field in fields(value):
            yield from _nodes(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _nodes(item)
    elif isinstance(value, tuple):
        for item in value:
            yield from _nodes(item)


def test_rules_cannot_be_changed() -> None:
    kinds = set()
    for seed in range(30):
        for node in _nodes(load(Author(Random(seed)).document()).rules):
            kinds.add(type(node).__name__)
            with pytest.raises(FrozenInstanceError):
                setattr(node, fields(node)[0].name, None)
    nouns = {name for name in engine.__all__ if isinstance(getattr(engine, name), type)}
    assert kinds - {"Scheme"} <= nouns
    foreign = {"Broken", "Computed", "Direct", "Known", "Measure", "Reader"}  # of other dialects
    assert nouns - kinds <= foreign


def test_a_leaf_is_what_it_says_however_it_was_prepared() -> None:
    one, other = (Leaf(("a",), "eq", "x", prepare("eq", "x")) for _ in range(2))
    assert one == other
    assert "prepared" not in repr(one)


def test_the_targeting_key_is_one_object() -> None:
    assert Bucket("salt").unit is TARGETING_KEY


def test_ranges_are_half_open() -> None:
    share = Share(Bucket("s"), ((10, 20), (30, 40)))
    inside = [number for number in range(50) if share.includes(cut(number), 0.0)]
    assert inside == [*range(10, 20), *range(30, 40)]
    assert [bucket(cut(number)) for number in (10, 20)] == [10, 20]
    assert not Share(Bucket("s")).includes(0, 0.0)
    assert Share(Bucket("s"), ((0, BUCKETS),)).includes((1 << 32) - 1, 0.0)


def test_steps_hold_from_their_moment_on() -> None:
    share = Share(Bucket("s"), steps=((10.0, 5), (20.0, 0), (30.0, 100_000)))
    bounds = {now: share.ranges_at(now) for now in (9.9, 10.0, 20.0, 30.0)}
    assert bounds == {9.9: (), 10.0: ((0, 5),), 20.0: (), 30.0: ((0, 100_000),)}


def test_a_window_with_open_ends_holds_always() -> None:
    assert Between(None, None).includes(0.0)
    assert Between(1.0, 2.0).includes(1.0)
    assert not Between(1.0, 2.0).includes(2.0)
    assert not Between(1.0, None).includes(0.0)
    assert not Between(None, 2.0).includes(3.0)
