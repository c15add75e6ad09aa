from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import mmh3
import pytest

from flagstaff import Client, ConfigError, Context, Decision, Reason, RulesError
from flagstaff.formats import check_format, load
from flagstaff.formats.flagd import context
from flagstaff.settings import Secret
from tests.formats.oddities import odd


def document(targeting: Any = None, **more: Any) -> dict[str, Any]:
    flag = {"state": "ENABLED", "variants": {"a": "A", "b": "B"}, "defaultVariant": "b"}
    return {"flags": {"f": {**flag, "targeting": {} if targeting is None else targeting, **more}}}


def decide(given: Mapping[str, Any], user: Context | None = None, *, fractional: int = 2) -> Decision:
    options = {"fractional": fractional}
    with Client.from_document(given, format="flagd", format_options=options) as client:
        return client.decide("f", user or Context("u"), "caller")


def holds(condition: Any, user: Context | None = None) -> bool:
    return decide(document({"if": [condition, "a", "b"]}), user).variant == "a"


def warnings_of(given: Mapping[str, Any]) -> str:
    return "\n".join(map(str, load(given, format="flagd").warnings))


# -- flags ---------------------------------------------------------------------------------------------


def test_is_static_without_targeting() -> None:
    decision = decide(document(metadata={"owner": "us"}) | {"metadata": {"owner": "all", "set": 1}})
    assert (decision.variant, decision.value, decision.reason) == ("b", "B", Reason.STATIC)
    assert decision.metadata == {"owner": "us", "set": 1}


@pytest.mark.parametrize("default", [{"defaultVariant": None}, {"defaultVariant": ""}])
@pytest.mark.parametrize("targeting", [{}, {"if": [False, "a"]}])
def test_serves_the_callers_default_where_there_is_none(default: Any, targeting: Any) -> None:
    decision = decide(document(targeting, **default))
    assert (decision.variant, decision.value, decision.reason) == (None, "caller", Reason.DEFAULT)


def test_serves_the_callers_default_of_a_disabled_flag() -> None:
    decision = decide(document({"nope": 1}, state="DISABLED"))
    assert (decision.variant, decision.value, decision.reason) == (None, "caller", Reason.DISABLED)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"state": "ON"}, "state"),
        ({"variants": {}}, "variants"),
        ({"variants": {"a": 1, "b": "x"}}, "variants"),
        ({"variants": {"a": [1], "b": [2]}}, "variants"),
        ({"defaultVariant": "c"}, "defaultVariant"),
        ({"metadata": {"x": {}}}, "metadata"),
        ({"targeting": {"nope": [1]}}, "nope"),
        ({"targeting": {"$ref": "nope"}}, "nope"),
        ({"targeting": {"==": [1, 1], "!=": [1, 1]}}, "operators"),
    ],
)
def test_harms_one_flag_alone(more: Any, said: str) -> None:
    given = document(**more)
    given["flags"]["other"] = document()["flags"]["f"]
    decision = decide(given)
    assert decision.reason is Reason.MALFORMED
    assert said in (decision.error or "")
    assert said in warnings_of(given)
    with Client.from_document(given, format="flagd") as client:
        assert client.variant("other", Context("u")) == "b"


def test_reads_flags_in_a_list() -> None:
    flag = document()["flags"]["f"]
    assert decide({"flags": [{"key": "f", **flag}]}).variant == "b"
    assert "name of a flag" in warnings_of({"flags": [{**flag}]})


def test_refuses_what_is_no_document_of_flagds() -> None:
    with pytest.raises(RulesError, match="flagd"):
        load({"flags": 7}, format="flagd")


def test_warns_of_what_comes_to_nothing() -> None:
    assert "starts_with" in warnings_of(document({"starts_with": [{"var": "x"}, 7]}))
    assert "weights" in warnings_of(document({"fractional": [["a", 1.5], ["b", 2]]}))
    assert "$flagd.nope" in warnings_of(document({"var": "$flagd.nope"}))
    assert "was not read" in warnings_of(document() | {"flagz": {}})
    assert not warnings_of(document({"fractional": [["a", 1], ["b", 2]]}))


# -- targeting -------------------------------------------------------------------------------------------


def test_sees_the_flag_the_time_and_the_key() -> None:
    assert holds({"==": [{"var": "$flagd.flagKey"}, "f"]})
    assert holds({"==": [{"var": "targetingKey"}, "u"]})
    assert holds({"in": ["targetingKey", {"map": [["targetingKey"], {"var": ""}]}]})
    assert holds({"==": [{"var": ["nope", "x"]}, "x"]})
    given = document({"if": [{">=": [{"var": "$flagd.timestamp"}, 1_000]}, "a", "b"]})
    with Client.from_document(given, format="flagd") as client:
        assert client.variant("f", Context()) == "a"


def test_names_a_variant_by_what_it_comes_to() -> None:
    variants = {"true": "yes", "7": "seven"}
    assert decide(document({"==": [1, 1]}, variants=variants, defaultVariant=None)).value == "yes"
    assert decide(document({"+": [3, 4]}, variants=variants, defaultVariant=None)).value == "seven"
    assert decide(document({"cat": "c"})).reason is Reason.GENERAL


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"==": [{"var": "missing"}, 0]}, True),
        ({"==": [{"var": "missing"}, ""]}, False),
        ({"<": [{"var": "text"}, 5]}, False),
        ({"!=": [{"var": "text"}, 5]}, True),
        ({"===": [{"var": "list"}, {"var": "list"}]}, True),
        ({"in": ["", ""]}, False),
        ({"in": [1, [True, "1"]]}, False),
        ({"==": [{"var": "text.length"}, 4]}, True),
        ({"==": [{"var": "list.1"}, 2]}, True),
        ({"all": [{"var": "missing"}, True]}, False),
        ({"==": [{"substr": ["a😀b", 1, 2]}, "😀"]}, True),
        ({"sem_ver": ["v1.2", "=", "1.2.0+b"]}, True),
        ({"sem_ver": ["1.2.3-a.10", ">", "1.2.3-a.9"]}, True),
        ({"sem_ver": ["1.2.3-01", "=", "1.2.3-01"]}, False),
        ({"sem_ver": [{"var": "one"}, "<", {"cat": ["1", ".1"]}]}, True),
        ({"ends_with": [{"var": "text"}, "xt"]}, True),
        ({"starts_with": [{"var": "one"}, "1"]}, False),
    ],
)
def test_works_out(condition: Any, expected: bool) -> None:
    assert holds(condition, Context("u", text="text", list=[1, 2], one=1)) is expected


@pytest.mark.parametrize(
    "targeting",
    [
        {"+": [{"var": "text"}, 1]},
        {"/": [1, {"var": "missing"}]},
        {"map": [{"var": "text"}, {"var": ""}]},
        {"max": ["1", {"var": "one"}]},
        {"in": ["x", {"var": "one"}]},
        {"==": [{"var": "one"}]},
        {"if": {"var": "one"}},
    ],
)
def test_says_what_it_cannot_work_out(targeting: Any) -> None:
    decision = decide(document(targeting), Context("u", text="text", one=1))
    assert (decision.value, decision.reason) == ("caller", Reason.GENERAL)


def test_explains_what_it_computes() -> None:
    with Client.from_document(document({"fractional": [["a", 1]]}), format="flagd") as client:
        assert "targeting" in str(client.explain("f", Context("u")))


# -- fractional -------------------------------------------------------------------------------------------


def share(targeting: Any, user: Context, fractional: int = 2) -> str | None:
    return decide(document(targeting), user, fractional=fractional).variant


def test_draws_by_flag_and_key() -> None:
    for number in range(50):
        key = f"user-{number}"
        first = mmh3.hash(f"f{key}", signed=False) * 100 >> 32 < 30
        expected = "a" if first else "b"
        assert share({"fractional": [["a", 30], ["b", 70]]}, Context(key)) == expected
        computed = {"fractional": [["a", {"+": [30, 0]}], ["b", 70]]}
        assert share(computed, Context(key)) == expected
        seeded = {"fractional": [{"cat": ["f", {"var": "id"}]}, ["a", 30], ["b", 70]]}
        assert share(seeded, Context("other", id=key)) == expected


def test_draws_nobody_without_a_key_or_weights() -> None:
    arms = [["a", 30], ["b", 70]]
    for user in (Context(), Context("")):
        assert decide(document({"fractional": arms}), user).reason is Reason.DEFAULT
    cases: list[Any] = [[["a", 0]], [["a", 2**31]], [["a", 1.5]], [["a", "1"]], [["a", 1, 2]], [[]], []]
    for broken in cases:
        assert decide(document({"fractional": broken})).reason is Reason.DEFAULT


def test_draws_by_the_key_where_the_first_operand_is_null() -> None:
    arms = [["a", 30], ["b", 70]]
    for number in range(20):
        user = Context(f"user-{number}")
        expected = share({"fractional": arms}, user)
        assert share({"fractional": [{"var": "missing"}, *arms]}, user) == expected


@pytest.mark.parametrize("fractional", [1, 2])
@pytest.mark.parametrize("first", [7, 0, True, {"var": "x"}])
def test_draws_nobody_by_what_is_no_text(first: Any, fractional: int) -> None:
    user = Context("u", x={"name": "u"})
    for arms in ([["a", 1], ["a", 1]], [["a", {"+": [1, 0]}], ["a", 1]]):
        assert share({"fractional": [first, *arms]}, user, fractional) == "b"  # the default variant


def test_draws_by_any_value_in_the_third_version() -> None:
    arms = [["a", 1], ["b", 1]]
    drawn = {
        share({"fractional": [{"var": "x"}, *arms]}, Context(x=value), 3)
        for value in (1, 2, 3, True, False, 1.5, 1e300, 2**70, [1], {"k": 1}, {"k": {"l": [None]}})
    }
    assert drawn == {"a", "b"}
    null = decide(document({"fractional": [{"var": "x"}, *arms]}), Context("u"), fractional=3)
    assert null.reason is Reason.DEFAULT


@pytest.mark.parametrize("key", ["\ud800", "é" * 9, 7])
@pytest.mark.parametrize("fractional", [1, 2, 3])
def test_draws_whatever_key(key: Any, fractional: int) -> None:
    decision = decide(document({"fractional": [["a", 1]]}), Context(key), fractional=fractional)
    assert decision.error is None


@pytest.mark.parametrize("options", [{"fractional": 4}, {"fractional": "2"}, {"fraction": 2}])
def test_knows_its_options(options: Any) -> None:
    with pytest.raises(ConfigError, match="fractional"):
        check_format("flagd", options)


# -- hostile documents and contexts --------------------------------------------------------------------------


def nested(depth: int, inner: Any) -> Any:
    for _ in range(depth):
        inner = {"!": [inner]}
    return inner


@pytest.mark.parametrize("depth", [40, 85])
def test_works_out_what_is_deep(depth: int) -> None:
    assert holds(nested(depth, {"var": "x"}), Context(x=True)) is (depth % 2 == 0)


@pytest.mark.parametrize(
    "targeting",
    [nested(100, True), {"merge": [[{"var": "x"}] * 30_000]}, [{"var": "x"}] * 30_000],
    ids=["deep", "large", "list"],
)
def test_refuses_what_is_too_deep_or_too_large(targeting: Any) -> None:
    assert decide(document(targeting)).reason is Reason.MALFORMED


def test_refuses_references_that_multiply_or_go_in_circles() -> None:
    bomb = {f"e{n}": {"and": [{"$ref": f"e{n + 1}"}] * 10} for n in range(20)}
    for evaluators in (bomb, {"e0": {"!": {"$ref": "e0"}}}):
        given = document({"$ref": "e0"}) | {"$evaluators": evaluators}
        assert decide(given).reason is Reason.MALFORMED


ITEMS = {"var": "items"}
HUGE = {"reduce": [ITEMS, {"cat": [{"var": "accumulator"}, {"var": "accumulator"}]}, "xxxx"]}
WIDE = {"reduce": [ITEMS, {"merge": [{"var": "accumulator"}, {"var": "accumulator"}]}, [1, 2]]}
NEST = {"reduce": [ITEMS, [{"var": "accumulator"}, {"var": "accumulator"}], []]}


@pytest.mark.parametrize("targeting", [HUGE, WIDE, NEST], ids=["text", "list", "nesting"])
def test_bounds_what_an_evaluation_builds(targeting: Any) -> None:
    decision = decide(document(targeting), Context("u", items=[*range(500)]))
    assert decision.reason is Reason.GENERAL


@pytest.mark.parametrize("test", [{"==": [{"var": ""}, "x"]}, {"+": [{"merge": [{"var": ""}]}]}])
def test_bounds_what_long_values_cost(test: Any) -> None:
    decision = decide(document({"filter": [ITEMS, test]}), Context("u", items=[[0] * 2_500] * 2_500))
    assert (decision.reason, decision.error) == (Reason.GENERAL, "the targeting takes too many steps")


def test_bounds_the_steps_of_an_evaluation() -> None:
    items = {"map": [{"merge": [[0] * 500]}, 1]}
    loop = {"map": [items, {"map": [items, {"map": [items, {"var": ""}]}]}]}
    decision = decide(document(loop), Context("u"))
    assert (decision.reason, decision.error) == (Reason.GENERAL, "the targeting takes too many steps")


def test_survives_whatever_a_context_holds() -> None:
    targeting = {
        "if": [{">": [{"var": "x"}, 1]}, {"cat": [{"var": "x"}]}, {"fractional": [{"var": "x"}, ["a"]]}]
    }
    with Client.from_document(document(targeting), format="flagd") as client:
        for value in (None, float("nan"), 10**400, "\ud800", object(), [[]], {"a": object()}, b"", {1: 2}):
            assert isinstance(client.decide("f", Context("u", x=value)), Decision)


def test_survives_odd_documents() -> None:
    drawn = {"fractional": ["s", ["a", 1], ["b", 2]]}
    whole = document({"if": [{"in": [{"var": "x"}, ["y"]]}, "a", drawn]})
    whole |= {"$evaluators": {"e": {"var": "x"}}, "metadata": {"m": 1}}
    for given in odd(whole):
        try:
            client = Client.from_document(given, format="flagd")
        except (RulesError, TypeError):
            continue
        with client:
            client.decide_all(Context("u", x="y"))


# -- where it is served, and to whom -----------------------------------------------------------------


def test_polls_the_address_itself() -> None:
    endpoint = check_format("flagd").endpoint("http://127.0.0.1/flags.json", Secret("s3"))
    assert endpoint.url == "http://127.0.0.1/flags.json"
    assert endpoint.headers == {"Authorization": "Bearer s3"}
    assert check_format("flagd").endpoint("http://127.0.0.1/x", None).headers == {}


def test_takes_flagds_context() -> None:
    assert context({"targetingKey": "u", "x": {"y": 1}}) == Context("u", x={"y": 1})
    assert context({}) == Context()


def test_converts_to_what_decides_alike() -> None:
    given = document({"if": [{"$ref": "e"}, "a", {"fractional": [["a", 1], ["b", 1]]}]})
    given["$evaluators"] = {"e": {"==": [{"var": "plan"}, "pro"]}}
    converted = json.loads(load(given, format="flagd").canonical_json)
    with Client.from_document(converted) as client:
        assert client.variant("f", Context("u", plan="pro")) == "a"
        assert client.variant("f", Context("u")) == decide(given).variant
