"""Every problem that a document can have, where it is said to be and what is said of it."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any, TypeAlias

import pytest

from flagstaff.errors import Problem, RulesError
from flagstaff.formats import load
from tests.strategies import INSTANTS

GONE = object()

VALID: dict[str, Any] = {
    "version": 1,
    "project": "shop",
    "environment": "production",
    "shared_salts": ["twice"],
    "segments": {
        "staff": {"attribute": "email", "op": "ends_with", "value": "@shop.test"},
        "early": {"bucket": {"salt": "early"}, "in": [[0, 10]]},
    },
    "layers": {"basket": {}},
    "holdouts": {"untouched": {"size": 5, "experiments": ["wording"]}},
    "experiments": {
        "wording": {"split": {"control": 50, "urgent": 50}, "layer": "basket", "slots": [[0, 50]]},
        "colour": {"split": {"control": 50, "urgent": 50}, "traffic": 50},
    },
    "flags": {
        "cta": {
            "variants": {"control": "Buy", "urgent": {"value": "Buy now"}},
            "default": "control",
            "rules": [{"segment": "staff", "serve": "urgent"}, {"experiment": "wording"}],
        },
        "checkout": {"rules": [{"when": [{"flag": "cta", "variant": ["urgent"]}], "rollout": 25}]},
    },
}


def changed(*changes: tuple[str, Any]) -> dict[str, Any]:
    """The valid document with what lies at each path replaced; GONE takes it out."""
    document = deepcopy(VALID)
    for path, value in changes:
        *way, last = [int(step) if step.isdecimal() else step for step in path.split("/")]
        place: Any = document
        for step in way:
            place = place[step]
        if value is GONE:
            del place[last]
        else:
            place[last] = value
    return document


def problems(document: Any) -> list[str]:
    try:
        load(document)
    except RulesError as error:
        return [str(problem) for problem in error.problems]
    return []


def leaf(op: str, value: Any) -> dict[str, Any]:
    return {"attribute": "x", "op": op, "value": value}


Change: TypeAlias = tuple[str, Any]

RULE = "flags/checkout/rules/0"
WHEN = f"{RULE}/when"
AT = "flags.checkout.rules[0]"

STATUSES = "'draft', 'qa', 'running', 'stopped' or 'decided'"
INSTANT = "must be a point in time with a zone, such as 2026-01-31T09:00:00Z"
CONDITION = "a condition has one of the keys attribute, segment, flag, all, any, not, bucket, time"

SHAPES: list[Any] = [
    # -- the document
    ("version", GONE, ["version: is missing"]),
    ("version", 2, ["version: should be 1"]),
    ("flgas", {}, ["flgas: no such field; did you mean flags?"]),
    ("$shema", "x", ["$shema: no such field; did you mean $schema?"]),
    ("wholly-other", 1, ["wholly-other: no such field"]),
    ("flags", [], ["flags: should be a valid dictionary"]),
    ("revision", -1, ["revision: should be greater than or equal to 0"]),
    ("revision", 1.5, ["revision: should be a valid integer"]),
    ("project", "", ["project: should have at least 1 character"]),
    ("project", "x" * 257, ["project: should have at most 256 characters"]),
    ("project", "a\nb", ["project: must not hold control characters"]),
    ("project", 5, ["project: should be a valid string"]),
    ("description", "x" * 10_001, ["description: should have at most 10000 characters"]),
    ("shared_salts", "twice", ["shared_salts: should be a valid list"]),
    # -- names
    ("flags/\x1b[31m", {}, [r"flags.\x1b[31m: must not hold control characters"]),
    ("flags/", {}, ["flags.: should have at least 1 character"]),
    ("flags/" + "x" * 257, {}, [f"flags.{'x' * 257}: should have at most 256 characters"]),
    ("segments/a\0b", {"all": []}, [r"segments.a\x00b: must not hold control characters"]),
    # -- flags
    ("flags/cta", 5, ["flags.cta: should be a valid dictionary"]),
    ("flags/cta/defalt", "x", ["flags.cta.defalt: no such field; did you mean default?"]),
    ("flags/cta/enabled", "yes", ["flags.cta.enabled: should be a valid boolean"]),
    ("flags/cta/variants", {}, ["flags.cta.variants: should have at least 1 item after validation, not 0"]),
    ("flags/cta/variants/urgent", {"valeu": 1}, [
        "flags.cta.variants.urgent.value: is missing",
        "flags.cta.variants.urgent.valeu: no such field; did you mean value?",
    ]),
    ("flags/cta/variants/urgent", {"value": 1, "enabled": 1}, [
        "flags.cta.variants.urgent.enabled: should be a valid boolean",
    ]),
    ("flags/cta/variants/urgent", float("inf"), ["flags.cta.variants.urgent: must be a finite number"]),
    ("flags/cta/variants/urgent", [float("nan")], ["flags.cta.variants.urgent: must be a finite number"]),
    ("flags/cta/variants/urgent", {"value": {"a": ["\ud800"]}}, [
        "flags.cta.variants.urgent.value: must not hold half of a surrogate pair",
    ]),
    ("flags/cta/variants/urgent", {"value": {"\udfff": 1}}, [
        "flags.cta.variants.urgent.value: must not hold half of a surrogate pair",
    ]),
    ("flags/cta/variants/urgent", {"value": {1: 1}}, [
        "flags.cta.variants.urgent.value: must be what JSON can hold, not a value of type int",
    ]),
    ("flags/cta/variants/urgent", [b"x"], [
        "flags.cta.variants.urgent: must be what JSON can hold, not a value of type bytes",
    ]),
    pytest.param("flags/cta/variants/urgent", 10**5000, [
        "flags.cta.variants.urgent: must be a number of fewer digits",
    ], id="huge"),
    ("flags/cta/metadata", {"a": [1]}, [
        "flags.cta.metadata.a: must be text, a number or a boolean, not a value of type list",
    ]),
    ("flags/cta/metadata", {"a": float("nan")}, ["flags.cta.metadata.a: must be a finite number"]),
    ("flags/cta/tags", ["a", 5], ["flags.cta.tags[1]: should be a valid string"]),
    ("flags/cta/pins", {"u": 5}, ["flags.cta.pins.u: should be a valid string"]),
    ("flags/cta/rules", {}, ["flags.cta.rules: should be a valid list"]),
    # -- rules
    (RULE, 5, [f"{AT}: should be a valid dictionary"]),
    (f"{RULE}/rolout", 5, [f"{AT}.rolout: no such field; did you mean rollout?"]),
    (f"{RULE}/rollout", "25%", [f"{AT}.rollout: should be a valid number"]),
    (f"{RULE}/rollout", True, [f"{AT}.rollout: should be a valid number"]),
    (f"{RULE}/rollout", 100.001, [f"{AT}.rollout: should be less than or equal to 100"]),
    (f"{RULE}/rollout", -0.001, [f"{AT}.rollout: should be greater than or equal to 0"]),
    (f"{RULE}/rollout", 0.0001, [f"{AT}.rollout: 0.0001 has more than three decimals"]),
    (f"{RULE}/rollout", float("nan"), [f"{AT}.rollout: should be a finite number"]),
    (f"{RULE}/rollout", [], [f"{AT}.rollout: should have at least 1 item after validation, not 0"]),
    (f"{RULE}/rollout", [{"at": "2026-01-01", "percent": 5}], [
        f"{AT}.rollout[0].at: {INSTANT}, not '2026-01-01'",
    ]),
    (f"{RULE}/rollout", [{"at": "2026-01-01T00:00:00Z"}], [f"{AT}.rollout[0].percent: is missing"]),
    (f"{RULE}/start", 5, [f"{AT}.start: should be a valid string"]),
    (f"{RULE}/split", {}, [f"{AT}.split: should have at least 1 item after validation, not 0"]),
    (f"{RULE}/split", [{"variant": "on", "wieght": 100}], [
        f"{AT}.split[0].weight: is missing",
        f"{AT}.split[0].wieght: no such field; did you mean weight?",
    ]),
    (f"{RULE}/unit", [], [f"{AT}.unit: should have at least 1 item after validation, not 0"]),
    (f"{RULE}/unit", ["a"] * 17, [f"{AT}.unit: should have at most 16 items after validation, not 17"]),
    (f"{RULE}/unit", {"a": 1}, [f"{AT}.unit: should be a valid string"]),
    # -- conditions
    *[(WHEN, given, [
        f"{AT}.when: {CONDITION}; a list of them means all",
    ]) for given in (5, "staff", True, {}, {"atribute": "x"})],
    (WHEN, [5], [
        f"{AT}.when[0]: {CONDITION}; a list of them means all",
    ]),
    (WHEN, {"attribute": "x"}, [f"{AT}.when.op: is missing"]),
    (WHEN, {"attribute": ["x", 5], "op": "eq"}, [f"{AT}.when.attribute[1]: should be a valid string"]),
    (WHEN, {**leaf("eq", 1), "vlaue": 1}, [f"{AT}.when.vlaue: no such field; did you mean value?"]),
    (WHEN, {"segment": "staff", "op": 1}, [f"{AT}.when.op: no such field"]),
    (f"{RULE}/rollout", [{"at": INSTANTS[0], "percent": 5, "percnt": 6}], [
        f"{AT}.rollout[0].percnt: no such field; did you mean percent?",
    ]),
    (WHEN, {"all": [{"not": {"any": [{"segment": 5}]}}]}, [
        f"{AT}.when.all[0].not.any[0].segment: should be a valid string",
    ]),
    (WHEN, {"all": {}}, [f"{AT}.when.all: should be a valid list"]),
    (WHEN, {"flag": "cta", "variant": []}, [
        f"{AT}.when.variant: should have at least 1 item after validation, not 0",
    ]),
    (WHEN, {"flag": "cta", "variant": 5}, [f"{AT}.when.variant: should be a valid string"]),
    (WHEN, {"flag": "cta", "varaint": "a"}, [f"{AT}.when.varaint: no such field; did you mean variant?"]),
    (WHEN, {"bucket": {"slat": "x"}, "in": [[0, 1]]}, [
        f"{AT}.when.bucket.salt: is missing",
        f"{AT}.when.bucket.slat: no such field; did you mean salt?",
    ]),
    (WHEN, {"bucket": {"salt": "x"}}, [f"{AT}.when.in: is missing"]),
    (WHEN, {"bucket": {"salt": "x"}, "in": [[0]]}, [
        f"{AT}.when.in[0]: should have at least 2 items after validation, not 1",
    ]),
    (WHEN, {"time": {"strat": "x"}}, [f"{AT}.when.time.strat: no such field; did you mean start?"]),
    # -- experiments, layers, holdouts
    ("experiments/colour/split", GONE, ["experiments.colour.split: is missing"]),
    ("experiments/colour/split", {"control": True}, [
        "experiments.colour.split.control: should be a valid number",
    ]),
    ("experiments/colour/status", "runing", [
        f"experiments.colour.status: should be {STATUSES}; did you mean running?",
    ]),
    ("experiments/colour/revision", 0, ["experiments.colour.revision: should be greater than or equal to 1"]),
    ("experiments/colour/trafic", 5, ["experiments.colour.trafic: no such field; did you mean traffic?"]),
    ("experiments/colour/metrics", {"primry": "x"}, [
        "experiments.colour.metrics.primry: no such field; did you mean primary?",
    ]),
    ("layers/basket/slat", "x", ["layers.basket.slat: no such field; did you mean salt?"]),
    ("holdouts/untouched/sise", 1, ["holdouts.untouched.sise: no such field; did you mean size?"]),
    ("holdouts/untouched/size", GONE, ["holdouts.untouched.size: is missing"]),
]  # fmt: skip

SALTS = (
    "so their units fall alike; give one a salt of its own, or name the salt in shared_salts if that is meant"
)
OVERLAP = "overlap those of wording in layer basket"
NETWORK = "must be a network such as 10.0.0.0/8: 'x' does not appear to be an IPv4 or IPv6 network"
OTHER = "experiments/other"
SPLIT: dict[str, Any] = {"control": 50, "urgent": 50}

FITS: list[tuple[list[tuple[str, Any]], list[str]]] = [
    # -- flags
    ([("flags/cta/default", GONE)], ["flags.cta.default: is missing; one of control, urgent"]),
    ([("flags/cta/default", "contrl")], [
        "flags.cta.default: no such variant of cta: contrl; did you mean control?",
        "flags.cta.off: no such variant of cta: contrl; did you mean control?",
    ]),
    ([("flags/cta/off", "xyz")], ["flags.cta.off: no such variant of cta: xyz; there are control, urgent"]),
    ([("flags/checkout/default", "maybe")], [
        "flags.checkout.default: no such variant of checkout: maybe; there are on, off",
    ]),
    ([("flags/cta/pins", {"u": "urgnt"})], [
        "flags.cta.pins.u: no such variant of cta: urgnt; did you mean urgent?",
    ]),
    ([("flags/cta/variants", {**{f"v{n}": n for n in range(30)}, "urgent": 1}), ("flags/cta/rules", [])], [
        f"flags.cta.{name}: no such variant of cta: control; there are "
        f"{', '.join(f'v{n}' for n in range(20))} and 11 more"
        for name in ("default", "off")
    ]),
    ([("flags/cta/gates", [{"segment": "stafff"}, {"flag": "chekout"}])], [
        "flags.cta.gates[0]: no such segment: stafff; did you mean staff?",
        "flags.cta.gates[1]: no such flag: chekout; did you mean checkout?",
    ]),
    # -- rules
    ([(f"{RULE}/id", "same"), ("flags/checkout/rules", [{"id": "1", "serve": "on"}, {"serve": "on"}])], [
        "flags.checkout.rules[1].id: is used twice: 1",
    ]),
    ([(f"{RULE}/serve", "onn")], [f"{AT}.serve: no such variant of checkout: onn; did you mean on?"]),
    ([(f"{RULE}/segment", "stuff")], [f"{AT}.segment: no such segment: stuff; did you mean staff?"]),
    ([(RULE, {})], [f"{AT}: a rule says one of serve, split and experiment; this one says neither"]),
    ([(RULE, {"serve": "on", "split": {"on": 100}})], [
        f"{AT}: a rule says one of serve, split and experiment; this one says serve and split",
    ]),
    ([(RULE, {"serve": "on", "experiment": "colour"})], [
        f"{AT}: a rule says one of serve, split and experiment; this one says serve and experiment",
    ]),
    ([(RULE, {"serve": "on", "salt": "x"})], [
        f"{AT}: salt and unit say nothing in a rule that draws no bucket",
    ]),
    ([(RULE, {"serve": "on", "unit": "org"})], [
        f"{AT}: salt and unit say nothing in a rule that draws no bucket",
    ]),
    ([(RULE, {"split": {"on": 50, "of": 49.999}})], [
        f"{AT}.split: the weights sum to 99.999, not to 100",
        f"{AT}.split: no such variant of checkout: of; did you mean off?",
    ]),
    ([(RULE, {"split": [{"variant": "on", "weight": 50}, {"variant": "on", "weight": 50}]})], [
        f"{AT}.split: has on twice",
    ]),
    ([(f"{RULE}/start", "2026-02-01T00:00:00Z"), (f"{RULE}/end", "2026-02-01T01:00:00+01:00")], [
        f"{AT}: ends before it starts",
    ]),
    ([(f"{RULE}/rollout", [
        {"at": "2026-02-01T00:00:00Z", "percent": 5}, {"at": "2026-02-01T01:00:00+01:00", "percent": 6},
        {"at": "2026-01-01T00:00:00Z", "percent": 7},
    ])], [
        f"{AT}.rollout[1].at: is not later than the step before",
        f"{AT}.rollout[2].at: is not later than the step before",
    ]),
    # -- conditions
    ([(WHEN, leaf("gt", "5"))], [f"{AT}.when.value: gt: must be a finite number, not text"]),
    ([(WHEN, {"attribute": "x", "op": "in"})], [f"{AT}.when.value: in: must be a list, not a boolean"]),
    ([(WHEN, [leaf("matches", "a)")])], [
        f"{AT}.when[0].value: matches: ')' at position 1 closes no group",
    ]),
    ([(WHEN, {"any": [{"not": leaf("in_cidr", "x")}]})], [
        f"{AT}.when.any[0].not.value: in_cidr: {NETWORK}",
    ]),
    ([(WHEN, {"flag": "cta", "variant": "urgnt"})], [
        f"{AT}.when: no such variant of cta: urgnt; did you mean urgent?",
    ]),
    ([(WHEN, {"bucket": {"salt": "b"}, "in": [[5, 5], [7, 6]]})], [
        f"{AT}.when.in[0]: is empty: 5 to 5", f"{AT}.when.in[1]: is empty: 7 to 6",
    ]),
    ([(WHEN, {"time": {"start": "2026-02-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"}})], [
        f"{AT}.when: ends before it starts",
    ]),
    ([("segments/staff", {"segment": "erly"})], [
        "segments.staff: no such segment: erly; did you mean early?",
    ]),
    # -- experiments
    ([("experiments/colour/pins", {"u": "contrl"})], [
        "experiments.colour.pins.u: no such variant: contrl; did you mean control?",
    ]),
    ([("experiments/colour/split", {"control": 60, "urgent": 50})], [
        "experiments.colour.split: the weights sum to 110, not to 100",
    ]),
    ([("experiments/colour/status", "decided")], [
        "experiments.colour.winner: is missing: a decided experiment serves its winner",
    ]),
    ([("experiments/colour/winner", "x")], [
        "experiments.colour.winner: no such variant: x; there are control, urgent",
    ]),
    ([("experiments/colour/slots", [[0, 50]])], [
        "experiments.colour.slots: belong to a layer; outside one, say traffic",
    ]),
    ([("experiments/wording/traffic", 50)], [
        "experiments.wording.traffic: is decided by the slots in a layer; give one or the other",
    ]),
    ([("experiments/wording/slots", GONE)], [
        "experiments.wording.slots: are missing: which part of layer basket, such as [[0, 50]]",
    ]),
    ([("experiments/wording/slots", [[50, 50]])], ["experiments.wording.slots[0]: is empty: 50 to 50"]),
    ([("experiments/wording/layer", "baskt")], [
        "experiments.wording.layer: no such layer: baskt; did you mean basket?",
    ]),
    ([("experiments/wording/unit", "org"), ("holdouts/untouched/unit", "org")], [
        "experiments.wording.unit: must be that of layer basket: targeting_key, not org",
    ]),
    ([("holdouts/untouched/unit", ["user", "id"])], [
        "experiments.wording.unit: must be that of holdout untouched: ['user', 'id'], not targeting_key",
    ]),
    ([("holdouts/untouched/experiments", ["wordng"])], [
        "holdouts.untouched.experiments[0]: no such experiment: wordng; did you mean wording?",
    ]),
    ([("flags/cta/rules/1", {"experiment": "wordng"})], [
        "flags.cta.rules[1].experiment: no such experiment: wordng; did you mean wording?",
    ]),
    ([("flags/cta/rules/1/rollout", 5), ("flags/cta/rules/1/salt", "x"), ("flags/cta/rules/1/unit", "org")], [
        f"flags.cta.rules[1].{name}: is the experiment's business; say it in experiments.wording"
        for name in ("rollout", "salt", "unit")
    ]),
    ([(RULE, {"experiment": "colour"})], [
        f"{AT}.experiment colour: no such variant of checkout: {name}; there are on, off"
        for name in ("control", "urgent")
    ]),
    # -- layers
    ([(OTHER, {"split": SPLIT, "layer": "basket", "slots": [[49.5, 60]]})], [
        f"experiments.other.slots: {OVERLAP}: 49.5 to 50 percent belong to both",
    ]),
    ([("experiments/wording/slots", [[0, 50], [10, 20]])], [
        f"experiments.wording.slots: {OVERLAP}: 10 to 20 percent belong to both",
    ]),
    ([  # the long one overlaps both of the short ones, which lie one after the other
        ("experiments/a", {"split": SPLIT, "layer": "basket", "slots": [[10, 20]]}),
        ("experiments/b", {"split": SPLIT, "layer": "basket", "slots": [[30, 40]]}),
    ], [
        f"experiments.a.slots: {OVERLAP}: 10 to 20 percent belong to both",
        f"experiments.b.slots: {OVERLAP}: 30 to 40 percent belong to both",
    ]),
    # -- salts
    ([("flags/checkout/salt", "colour")], [
        f"experiments.colour: draws with the same salt as flags.checkout: 'colour', {SALTS}",
    ]),
    ([("layers/basket/salt", "colour:traffic")], [
        f"experiments.colour: draws with the same salt as layers.basket: 'colour:traffic', {SALTS}",
    ]),
    ([("holdouts/untouched/salt", "early")], [
        f"holdouts.untouched: draws with the same salt as segments.early: 'early', {SALTS}",
    ]),
    ([(WHEN, {"bucket": {"salt": "wording"}, "in": [[0, 1]]})], [
        f"experiments.wording: draws with the same salt as flags.checkout.rules[0].when: 'wording', {SALTS}",
    ]),
    # -- circles and chains
    ([("segments/staff", {"segment": "staff"})], ["segments.staff: goes in a circle: staff > staff"]),
    ([("segments/staff", {"not": {"segment": "early"}}), ("segments/early", [{"segment": "staff"}])], [
        "segments.early: goes in a circle: early > staff > early",
        "segments.staff: goes in a circle: staff > early > staff",
    ]),
    ([("flags/cta/gates", [{"flag": "checkout"}])], [
        "flags.checkout: goes in a circle: checkout > cta > checkout",
        "flags.cta: goes in a circle: cta > checkout > cta",
    ]),
    ([("segments/staff", {"flag": "cta"})], [
        "flags.cta: goes in a circle: flags.cta > segments.staff > flags.cta",
        "segments.staff: goes in a circle: segments.staff > flags.cta > segments.staff",
    ]),
]  # fmt: skip


def test_the_document_that_the_others_are_made_from_is_valid() -> None:
    assert problems(VALID) == []


@pytest.mark.parametrize(("path", "value", "wanted"), SHAPES)
def test_a_value_of_the_wrong_shape_is_told(path: str, value: Any, wanted: list[str]) -> None:
    assert problems(changed((path, value))) == wanted


@pytest.mark.parametrize(("changes", "wanted"), FITS)
def test_parts_that_do_not_fit_are_told(changes: list[tuple[str, Any]], wanted: list[str]) -> None:
    assert problems(changed(*changes)) == wanted


@pytest.mark.parametrize(
    "changes",
    [
        [("shared_salts", ["colour"]), ("flags/checkout/salt", "colour")],
        [("experiments/colour/status", "stopped"), ("flags/checkout/salt", "colour")],
        [("experiments/colour/traffic", 100), ("layers/basket/salt", "colour:traffic")],
        [("flags/checkout/rules", [{"rollout": 5}, {"split": {"on": 100}}])],
        [("flags/checkout/rules", [{"serve": "on"}]), ("flags/checkout/salt", "colour")],
        [(OTHER, {"split": SPLIT, "layer": "basket", "slots": [[50, 100]]})],
        [(OTHER, {"split": SPLIT, "layer": "basket", "slots": [[0, 99]], "status": "stopped"})],
        [(OTHER, {
            "split": SPLIT, "layer": "basket", "slots": [[0, 99]], "status": "decided", "winner": "urgent",
        })],
        [("layers/basket/unit", ["targeting_key"]), ("holdouts/untouched/unit", ["targeting_key"])],
        [("flags/cta/rules", []), ("flags/checkout/rules", [])],
        [("segments/staff", []), ("segments/early", {"any": []})],
        [(WHEN, {"time": {}})],
    ],
)  # fmt: skip
def test_what_only_looks_wrong_is_let_pass(changes: list[tuple[str, Any]]) -> None:
    assert problems(changed(*changes)) == []


def test_all_problems_are_told_at_once() -> None:
    found = problems(
        changed(("flags/cta/default", "x"), ("segments/staff", {"segment": "y"}), ("flags/checkout/off", "z"))
    )
    assert [line.split(":")[0] for line in found] == [
        "segments.staff", "flags.cta.default", "flags.cta.off", "flags.checkout.off",
    ]  # fmt: skip


def test_a_problem_of_a_flag_names_the_flag() -> None:
    document = changed(("flags/cta/default", "x"), ("segments/staff", {"segment": "y"}))
    with pytest.raises(RulesError) as caught:
        load(document, source="shop.json")
    assert {problem.path: problem.flag for problem in caught.value.problems} == {
        "segments.staff": None,
        "flags.cta.default": "cta",
        "flags.cta.off": "cta",
    }
    assert str(caught.value).startswith("shop.json: 3 problems\n  segments.staff: no such segment: y")
    with pytest.raises(RulesError) as caught:
        load(changed(("flags/cta/rules", 5)))
    assert [problem.flag for problem in caught.value.problems] == ["cta"]
    assert str(caught.value).startswith("document: 1 problem\n")


def test_problems_are_equal_if_they_say_the_same_of_the_same_place() -> None:
    assert Problem("a", "is wrong") == Problem("a", "is wrong", "a")
    assert len({Problem("a", "x"), Problem("a", "x"), Problem("b", "x"), Problem("a", "y")}) == 3
    assert Problem("", "is wrong") != "is wrong"
    assert (str(Problem("", "is wrong")), repr(Problem("a", "b"))) == ("is wrong", "Problem('a', 'b')")


# -- limits ------------------------------------------------------------------------------------------------


def nested(depth: int, inner: Any) -> Any:
    for _ in range(depth):
        inner = {"not": inner}
    return inner


def test_conditions_may_lie_32_deep() -> None:
    assert problems(changed((WHEN, nested(31, {"segment": "staff"})))) == []
    found = problems(changed((WHEN, nested(32, {"segment": "staff"}))))
    assert found == [f"{AT}.when{'.not' * 32}: conditions lie more than 32 deep"]


def test_values_may_lie_32_deep() -> None:
    value: Any = "x"
    for _ in range(31):
        value = [value]
    assert problems(changed(("flags/cta/variants/urgent", value))) == []
    found = problems(changed(("flags/cta/variants/urgent", [value])))
    assert found == ["flags.cta.variants.urgent: must not be nested more than 32 deep"]


CHAIN = "stands on a chain of more than 32 segments and prerequisites"


def test_chains_may_be_32_long() -> None:
    """Segments and prerequisites count alike, however they take turns."""
    for section, link in [("segments", "segment"), ("flags", "flag")]:
        parts: dict[str, Any] = {"c0": [] if section == "segments" else {}}
        for number in range(1, 34):
            asks = {link: f"c{number - 1}"}
            parts[f"c{number}"] = asks if section == "segments" else {"gates": [asks]}
        assert problems({"version": 1, section: parts}) == [
            f"{section}.c32: {CHAIN}",
            f"{section}.c33: {CHAIN}",
        ]
    segments: dict[str, Any] = {"c0": []}
    flags: dict[str, Any] = {}
    for number in range(1, 18):
        flags[f"c{number}"] = {"gates": [{"segment": f"c{number - 1}"}]}
        segments[f"c{number}"] = {"flag": f"c{number}"}
    found = problems({"version": 1, "segments": segments, "flags": flags})
    assert sorted(found) == [f"flags.c17: {CHAIN}", f"segments.c16: {CHAIN}", f"segments.c17: {CHAIN}"]


def test_a_long_way_counts_even_where_there_is_a_short_one() -> None:
    segments = {
        f"s{number:02}": {"all": [{"segment": f"s{lower:02}"} for lower in range(max(0, number - 2), number)]}
        for number in range(34)
    }
    found = problems({"version": 1, "segments": segments})
    assert f"segments.s32: {CHAIN}" in found
    assert not any(line.startswith("segments.s15:") for line in found)


def test_a_big_circle_is_told_without_its_names() -> None:
    ring = {f"s{number}": {"segment": f"s{(number + 1) % 40}"} for number in range(40)}
    found = problems({"version": 1, "segments": ring})
    assert len(found) == 40
    assert {line.split(": ")[1] for line in found} == {"goes in a circle of 40 segments and flags"}


def test_who_only_leads_into_a_circle_is_not_in_it() -> None:
    segments = {"a": {"segment": "b"}, "b": {"segment": "b"}, "c": {"all": [{"segment": "a"}]}}
    assert problems({"version": 1, "segments": segments}) == ["segments.b: goes in a circle: b > b"]


def test_an_answer_may_come_to_100_000_conditions() -> None:
    """Twice as many on every level: 2 to the 16th is fine, 2 to the 17th is not."""
    segments: dict[str, Any] = {"s0": []}
    for number in range(1, 20):
        segments[f"s{number}"] = {"any": [{"segment": f"s{number - 1}"}, {"segment": f"s{number - 1}"}]}
    found = problems({"version": 1, "segments": segments})
    assert found[0].startswith("segments.s15: comes to more than 100,000 conditions")
    assert len(found) == 5


def test_a_part_may_have_10_000_rules_and_conditions() -> None:
    many = [{"segment": "staff"}] * 10_000
    for changes in ([("segments/early", many)], [("flags/checkout/gates", many)]):
        [found] = problems(changed(*changes))
        assert found.endswith(": has more than 10,000 rules and conditions")
    assert problems(changed(("segments/early", many[:9_000]))) == []


def test_only_so_much_time_goes_into_guessing_what_was_meant() -> None:
    names: dict[str, Any] = {f"name-{number}": [] for number in range(1_000)}
    wanted = [{"segment": f"nmae-{number}", "serve": "on"} for number in range(300)]
    found = problems({"version": 1, "segments": names, "flags": {"f": {"rules": wanted}}})
    guessed = ["did you mean" in line for line in found]
    assert guessed == [True] * 19 + [False] * 281


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    "flag",
    [
        {"rules": [1] * 100_000},
        {"rules": [{"when": {"all": [1] * 60_000}}]},
        {"pins": {str(number): number for number in range(60_000)}},
    ],
)
def test_a_part_of_very_many_pieces_is_refused_as_a_whole(flag: Any, strict: bool) -> None:
    data = json.dumps({"version": 1, "flags": {"f": flag, "g": {}}}).encode()
    problem = "flags.f: has more than 50,000 fields and items"
    if strict:
        assert problems(data) == [problem]
    else:
        loaded = load(data, strict=False)
        assert (loaded.rules.malformed, list(loaded.rules.flags)) == ({"f": problem}, ["g"])


def test_a_long_list_of_values_is_no_fault() -> None:
    customers = [f"customer-{number}" for number in range(100_000)]
    assert problems({"version": 1, "segments": {"s": leaf("in", customers)}}) == []


@pytest.mark.parametrize("strict", [True, False])
def test_a_document_with_very_many_broken_parts_is_refused(strict: bool) -> None:
    flags = {f"flag-{number}": number for number in range(10_001)}
    with pytest.raises(RulesError) as caught:
        load({"version": 1, "flags": flags}, strict=strict)
    assert len(caught.value.problems) <= 1_000
