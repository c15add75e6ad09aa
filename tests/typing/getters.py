"""What type checkers see of the getters. Nothing here is run: mypy reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, assert_type

from flagstaff import AsyncClient, BoundFlags, Client, Context, Decision, Explanation, Reason


class Limits(TypedDict):
    per_hour: int


def the_type_of_a_value_is_its_defaults(flags: Client | AsyncClient, user: Context) -> None:
    assert_type(flags.value("page-size", user, 20), int)
    assert_type(flags.value("page-size", user, default=20), int)
    assert_type(flags.value("page-size", default=20), int)
    assert_type(flags.value("ratio", user, 0.5), float)
    assert_type(flags.value("greeting", user, "Hello"), str)
    assert_type(flags.value("dark", user, True), bool)
    assert_type(flags.value("colours", user, ["red"]), list[str])
    assert_type(flags.value("limits", user, {"hour": 3}), dict[str, int])
    assert_type(flags.value("limits", user, Limits(per_hour=3)), Limits)
    assert_type(flags.value("greeting", user, "Hello", exposure=False), str)


def a_value_without_a_default_may_be_anything(flags: Client | AsyncClient, user: Context) -> None:
    assert_type(flags.value("page-size"), Any)
    assert_type(flags.value("page-size", user), Any)
    assert_type(flags.value("page-size", user, None), Any)
    assert_type(flags.value("page-size", default=None, exposure=False), Any)


def the_other_getters(flags: Client | AsyncClient, user: Context) -> None:
    assert_type(flags.enabled("new-checkout"), bool)
    assert_type(flags.enabled("new-checkout", user, True, exposure=False), bool)
    assert_type(flags.variant("checkout-cta", user), str | None)
    assert_type(flags.decide("checkout-cta", user, default=3), Decision)
    assert_type(flags.decide_all(user), dict[str, Decision])
    assert_type(flags.explain("checkout-cta", user), Explanation)
    assert_type(flags.bind(user), BoundFlags)


def a_plain_mapping_does_as_a_context(flags: Client | AsyncClient) -> None:
    user = {"targetingKey": "user-1", "plan": "pro"}
    assert_type(flags.enabled("new-checkout", user), bool)
    assert_type(flags.value("page-size", user, 20), int)
    assert_type(flags.bind(user), BoundFlags)
    flags.track("order-placed", user)


def a_bound_view(flags: BoundFlags) -> None:
    assert_type(flags.context, Context)
    assert_type(flags.enabled("new-checkout", default=True), bool)
    assert_type(flags.value("page-size", 20), int)
    assert_type(flags.value("page-size", default="x"), str)
    assert_type(flags.value("page-size"), Any)
    assert_type(flags.variant("checkout-cta"), str | None)
    assert_type(flags.decide("checkout-cta"), Decision)
    assert_type(flags.decide_all(), dict[str, Decision])
    assert_type(flags.explain("checkout-cta"), Explanation)


def a_decision(decision: Decision) -> None:
    assert_type(decision.flag, str)
    assert_type(decision.enabled, bool)
    assert_type(decision.value, Any)
    assert_type(decision.variant, str | None)
    assert_type(decision.reason, Reason)
    assert_type(decision.rule, str | None)
    assert_type(decision.experiment, str | None)
    assert_type(decision.error, str | None)
    assert_type(decision.metadata, Mapping[str, Any])
    assert_type(decision.replace(value=3), Decision)
    decision.metadata["owner"] = "me"  # type: ignore[index]


def mistakes(client: Client, user: Context) -> None:
    client.enabled("new-checkout", user, "yes")  # type: ignore[arg-type]
    client.enabled("new-checkout", "user-1")  # type: ignore[arg-type]
    client.value("page-size", user, 20, False)  # type: ignore[call-overload]
    client.decide_all("user-1")  # type: ignore[arg-type]
    client.bind()  # type: ignore[call-arg]
    assert_type(client.value("page-size", user, 20), str)  # type: ignore[assert-type]
