"""What a client answers: values, types, reasons, and never an exception."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flagstaff import Context, Decision, Reason
from flagstaff.shell import Shell
from tests.client.lab import Basket, Driver, Maker, document

STAFF = Context("user-1", email="ann@shop.test")
SOMEBODY = Context("user-2")


@pytest.fixture
def flags(make: Maker) -> Shell:
    return make.from_document().flags


# -- values and their types ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "default", "value"),
    [
        ("banner", False, True),
        ("page-size", 1, 20),
        ("ratio", 0.1, 0.5),
        ("greeting", "", "Hello"),
        ("colours", [], ["red", ["deep"]]),
        ("limits", {}, {"per": {"hour": 3}}),
    ],
)
def test_a_value_has_the_type_of_its_default(flags: Shell, flag: str, default: Any, value: Any) -> None:
    for _ in range(2):  # the second time it is found on the short way
        got = flags.value(flag, SOMEBODY, default)
        assert got == value
        assert type(got) is type(default)
        assert flags.decide(flag, SOMEBODY, default).reason is Reason.STATIC


@pytest.mark.parametrize(
    ("flag", "default"),
    [
        ("banner", 0),
        ("banner", "on"),
        ("page-size", True),
        ("page-size", "20"),
        ("ratio", 1),
        ("ratio", False),
        ("greeting", 3),
        ("greeting", ["Hello"]),
        ("colours", {}),
        ("colours", ()),
        ("limits", []),
        ("limits", object()),
    ],
)
def test_a_value_of_another_type_is_the_default_and_says_why(flags: Shell, flag: str, default: Any) -> None:
    for _ in range(2):
        assert flags.value(flag, SOMEBODY, default) is default
        decision = flags.decide(flag, SOMEBODY, default)
        assert (decision.value, decision.variant, decision.reason) == (default, None, Reason.TYPE_MISMATCH)
        assert f"the default of type {type(default).__name__}" in str(decision.error)


def test_an_int_is_good_enough_for_a_float_but_a_bool_is_no_number(flags: Shell) -> None:
    assert flags.value("page-size", SOMEBODY, 1.5) == 20
    assert flags.value("banner", SOMEBODY, 1.5) == 1.5
    assert flags.decide("banner", SOMEBODY, 1.5).reason is Reason.TYPE_MISMATCH


def test_without_a_default_a_value_may_be_of_any_type(flags: Shell) -> None:
    assert flags.value("greeting", SOMEBODY) == "Hello"
    assert flags.value("limits") == {"per": {"hour": 3}}
    assert flags.value("nope", SOMEBODY) is None


def test_a_mismatch_is_enabled_only_if_the_default_is_true(flags: Shell) -> None:
    assert not flags.decide("greeting", SOMEBODY, 3).enabled
    assert flags.decide("greeting", SOMEBODY, default=True).enabled


@pytest.mark.parametrize("flag", ["colours", "limits"])
def test_a_container_is_the_callers_own_copy(flags: Shell, flag: str) -> None:
    def inner(value: Any) -> Any:
        return value["per"] if isinstance(value, dict) else value[1]

    before = repr(flags.value(flag))
    for spoil in (
        flags.value(flag),
        flags.decide(flag).value,
        flags.decide_all()[flag].value,
        flags.explain(flag).decision.value,
    ):
        inner(spoil).clear()
        spoil.clear()

    assert repr(flags.value(flag)) == before


def test_a_container_that_an_override_serves_is_a_copy_too(flags: Shell) -> None:
    with flags.override(colours="two"):
        flags.value("colours").clear()
        assert flags.value("colours") == ["red", ["deep"]]


# -- enabled, variant, decide --------------------------------------------------------------------------


def test_enabled_follows_the_rules(flags: Shell) -> None:
    assert flags.enabled("new-checkout", STAFF)
    assert not flags.enabled("new-checkout", SOMEBODY)
    assert not flags.enabled("new-checkout", SOMEBODY, default=True)
    assert flags.enabled("greeting", SOMEBODY)  # its value is true


def test_enabled_and_variant_of_an_unknown_flag_are_the_default(flags: Shell) -> None:
    assert flags.enabled("nope") is False
    assert flags.enabled("nope", SOMEBODY, default=True) is True
    assert flags.variant("nope") is None
    assert flags.decide("nope", SOMEBODY, "x").reason is Reason.FLAG_NOT_FOUND


def test_a_variant_is_told_by_name(flags: Shell) -> None:
    assert flags.variant("new-checkout", STAFF) == "on"
    assert flags.variant("page-size", SOMEBODY) == "small"


def test_a_decision_says_what_was_decided_and_why(flags: Shell) -> None:
    decision = flags.decide("new-checkout", STAFF)

    assert decision == Decision(
        "new-checkout", enabled=True, value=True, variant="on", reason=Reason.TARGETING_MATCH, rule="0"
    )
    assert flags.decide("new-checkout", SOMEBODY).reason is Reason.DEFAULT
    assert flags.decide("checkout-cta", SOMEBODY).experiment == "cta-wording"
    assert flags.decide("checkout-cta", SOMEBODY).reason is Reason.SPLIT


def reasons() -> Any:
    """A flag for every reason that depends on the rules alone."""
    return document(
        holdouts={"all": {"size": 100, "experiments": ["kept-out"]}},
        experiments={"kept-out": {"split": {"on": 100}}},
        flags={
            "static": {"default": "on"},
            "default": {"default": "off", "rules": [{"segment": "staff", "serve": "on"}]},
            "targeting_match": {
                "default": "off",
                "rules": [{"when": [], "segment": "anybody", "serve": "on"}],
            },
            "split": {"default": "off", "rules": [{"split": {"on": 100}}]},
            "disabled": {"enabled": False, "default": "on"},
            "prerequisite_failed": {"default": "on", "gates": [{"flag": "disabled"}]},
            "holdout": {"default": "off", "rules": [{"experiment": "kept-out"}]},
        },
        segments={
            "staff": {"attribute": "email", "op": "exists"},
            "anybody": {"not": {"attribute": "targeting_key", "op": "eq", "value": ""}},
        },
    )


def test_every_reason_is_told(make: Maker) -> None:
    flags = make.from_document(reasons()).flags

    decided = {key: str(decision.reason).lower() for key, decision in flags.decide_all(SOMEBODY).items()}

    assert decided == {key: key for key in decided}
    assert len(decided) == 7
    assert flags.decide("split").reason is Reason.TARGETING_KEY_MISSING


# -- all of them, explained, bound ---------------------------------------------------------------------


def test_decide_all_decides_every_flag_as_decide_does(flags: Shell) -> None:
    decisions = flags.decide_all(STAFF)

    assert sorted(decisions) == sorted(document()["flags"])
    assert decisions == {flag: flags.decide(flag, STAFF, exposure=False) for flag in decisions}


def test_decide_all_and_explain_see_overrides(flags: Shell) -> None:
    with flags.override({"checkout-cta": "urgent"}):
        assert flags.decide_all(SOMEBODY)["checkout-cta"].reason is Reason.OVERRIDE
        explained = flags.explain("checkout-cta", SOMEBODY)

    assert explained.decision.variant == "urgent"
    assert str(explained).splitlines() == [
        "checkout-cta = 'Buy now' (OVERRIDE) variant urgent",
        "  forced to urgent by override",
    ]
    assert [step.kind for step in explained.steps] == ["override"]


def test_an_explanation_is_the_decision_with_its_steps(flags: Shell) -> None:
    explained = flags.explain("checkout-cta", SOMEBODY)

    assert explained.decision == flags.decide("checkout-cta", SOMEBODY, exposure=False)
    assert "cta-wording" in str(explained)
    assert explained.to_dict()["decision"]["reason"] == "SPLIT"
    assert flags.explain("nope", SOMEBODY, 3).decision == flags.decide("nope", SOMEBODY, 3)


def test_a_bound_view_answers_as_the_client_does(flags: Shell) -> None:
    bound = flags.bind(STAFF)

    assert bound.context is STAFF
    assert bound.enabled("new-checkout")
    assert bound.enabled("nope", default=True)
    assert bound.value("page-size", 1) == 20
    assert bound.value("nope") is None
    assert bound.variant("new-checkout") == "on"
    assert bound.decide("greeting", default=3) == flags.decide("greeting", STAFF, 3)
    assert bound.decide_all() == flags.decide_all(STAFF)
    assert str(bound.explain("new-checkout")) == str(flags.explain("new-checkout", STAFF))
    assert repr(bound) == f"BoundFlags({STAFF!r})"


# -- whatever is handed in -----------------------------------------------------------------------------


class Spiteful:
    """Raises whenever it is asked for anything that Python may ask of a value."""

    def _raise(self, *_args: object) -> Any:
        raise RuntimeError("no")

    __eq__ = __hash__ = __bool__ = __str__ = __repr__ = __len__ = __iter__ = __lt__ = __contains__ = _raise
    __getattr__ = _raise


class SpitefulMapping(dict[str, Any]):
    """A mapping that can't be looked into."""

    def get(self, *_args: object) -> Any:
        raise RuntimeError("no")

    __getitem__ = __contains__ = get


class SpitefulText(str):
    """A flag's key that breaks when it is looked up."""

    __slots__ = ()

    def __hash__(self) -> int:
        raise RuntimeError("no")


FLAGS: list[Any] = [
    None,
    7,
    [],
    {},
    object(),
    b"banner",
    Spiteful(),
    SpitefulText("banner"),
    "\ud800",
    "\0",
    "",
]
CONTEXTS: list[Any] = [
    None,
    "user-1",
    [("email", "x")],
    Spiteful(),
    {"email": "x"},
    SpitefulMapping(email="x"),
    Context(Spiteful()),  # type: ignore[arg-type]
    Context([]),  # type: ignore[arg-type]
    Context("user-1", SpitefulMapping(email="x")),
    Context("user-1", email=Spiteful()),
    Context("user-1", {7: 8}),  # type: ignore[dict-item]
    Context("\ud800", email="\ud800"),
    Context(10**5000),
]
DEFAULTS: list[Any] = [None, True, 7, object(), Spiteful(), SpitefulMapping(), type, Exception("x")]

GETTERS: dict[str, Callable[[Shell, Any, Any, Any], Any]] = {
    "enabled": lambda flags, flag, context, default: flags.enabled(flag, context, default),
    "value": lambda flags, flag, context, default: flags.value(flag, context, default),
    "variant": lambda flags, flag, context, _: flags.variant(flag, context),
    "decide": lambda flags, flag, context, default: flags.decide(flag, context, default),
    "explain": lambda flags, flag, context, default: flags.explain(flag, context, default),
    "decide_all": lambda flags, _, context, __: flags.decide_all(context),
    "bound": lambda flags, flag, context, default: flags.bind(context).decide(flag, default),
}


@pytest.mark.parametrize("getter", GETTERS)
def test_evaluation_never_raises_whatever_is_handed_in(make: Maker, getter: str) -> None:
    driver = make.from_document(events=Basket())
    ask = GETTERS[getter]

    for flag in [*FLAGS, *document()["flags"]]:
        for context in [*CONTEXTS, STAFF]:
            for default in DEFAULTS:
                ask(driver.flags, flag, context, default)

    assert driver.flags.value("page-size", STAFF, 1) == 20


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: type(flag).__name__)
def test_a_hostile_flag_is_an_error_decision_with_the_default(flags: Shell, flag: Any) -> None:
    decision = flags.decide(flag, SOMEBODY, 7)

    assert (decision.value, decision.variant, decision.enabled) == (7, None, False)
    assert decision.reason in {Reason.FLAG_NOT_FOUND, Reason.GENERAL}
    assert decision.error


@pytest.mark.parametrize("context", CONTEXTS[:4], ids=lambda context: type(context).__name__)
def test_a_context_that_is_none_is_an_error_where_the_rules_look_at_it(flags: Shell, context: Any) -> None:
    decision = flags.decide("new-checkout", context, default=True)

    assert (decision.value, decision.enabled, decision.reason) == (True, True, Reason.GENERAL)


def test_tracking_never_raises_whatever_is_handed_in(make: Maker) -> None:
    driver = make.from_document(events=Basket())
    hostile: list[Any] = [None, 7, Spiteful(), "\ud800", [], {}, float("nan"), SpitefulMapping(a=1)]

    for thing in hostile:
        driver.flags.track(thing)
        driver.flags.track("event", thing)
        driver.flags.track("event", STAFF, value=thing)
        driver.flags.track("event", STAFF, thing=thing)

    counts = driver.flags.stats()
    assert counts["accepted"] == 4 * len(hostile)
    assert driver.flush()
    counts = driver.flags.stats()
    assert counts["delivered"] + sum(counts["dropped"].values()) == counts["accepted"]
    assert set(counts["dropped"]) == {"not_encodable"}


def test_nothing_is_decided_before_rules_arrive(server: Any, make: Maker) -> None:
    driver: Driver = make(server.url, events=None)
    flags = driver.flags

    assert flags.decide("banner", SOMEBODY, 3).reason is Reason.NOT_READY
    assert flags.explain("banner", SOMEBODY, 3).decision == flags.decide("banner", SOMEBODY, 3)
    assert flags.enabled("banner", SOMEBODY, default=True) is True
    assert (flags.value("banner", SOMEBODY, 3), flags.variant("banner")) == (3, None)
    assert flags.decide_all(SOMEBODY) == {}
