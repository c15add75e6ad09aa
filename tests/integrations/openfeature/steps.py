"""The steps of the specification's scenarios, and the rules that they ask about."""

# ruff: noqa: ARG002 - arguments are what the specification's interfaces say

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable
from typing import Any

from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode, OpenFeatureError, ProviderFatalError
from openfeature.flag_evaluation import FlagEvaluationDetails, FlagType
from openfeature.hook import Hook, HookContext, HookHints
from openfeature.provider import ProviderStatus

from flagstaff import Client
from flagstaff.integrations.openfeature import FlagstaffProvider
from flagstaff.sources import Publish
from flagstaff.testing import MemorySource
from tests.conformance.gherkin import Scenario, Step

PICTURES = {"showImages": True, "title": "Check out these pics!", "imagesPerPage": 100}
BALLMER = {"attribute": "email", "op": "eq", "value": "ballmer@macrosoft.com"}


def flag(default: str, **variants: Any) -> dict[str, Any]:
    return {"default": default, "variants": {name: {"value": value} for name, value in variants.items()}}


def targeted(zero: Any, other: Any) -> dict[str, Any]:
    """Served the zero to one person and, by default, to all; the first counts as targeting."""
    return flag("zero", zero=zero, other=other) | {"rules": [{"when": BALLMER, "serve": "zero"}]}


def disabled(off: Any, on: Any) -> dict[str, Any]:
    return flag("on", on=on, off=off) | {"enabled": False, "off": "off"}


RULES: dict[str, Any] = {
    "version": 1,
    "flags": {
        "boolean-flag": flag("on", on=True, off=False),
        "string-flag": flag("greeting", greeting="hi", parting="bye"),
        "integer-flag": flag("ten", one=1, ten=10),
        "float-flag": flag("half", tenth=0.1, half=0.5),
        "object-flag": flag("template", empty={}, template=PICTURES),
        "boolean-zero-flag": flag("zero", zero=False, other=True),
        "string-zero-flag": flag("zero", zero="", other="str"),
        "integer-zero-flag": flag("zero", zero=0, other=1),
        "float-zero-flag": flag("zero", zero=0.0, other=1.0),
        "object-zero-flag": flag("zero", zero={}, other=PICTURES),
        "boolean-targeted-zero-flag": targeted(False, True),
        "string-targeted-zero-flag": targeted("", "str"),
        "integer-targeted-zero-flag": targeted(0, 1),
        "float-targeted-zero-flag": targeted(0.0, 1.0),
        "object-targeted-zero-flag": targeted({}, PICTURES),
        "boolean-disabled-flag": disabled(False, True),
        "string-disabled-flag": disabled("bye", "hi"),
        "integer-disabled-flag": disabled(1, 10),
        "float-disabled-flag": disabled(0.1, 0.5),
        "object-disabled-flag": disabled({"a": 1}, PICTURES),
        "wrong-flag": flag("one", one="uno", two="dos"),
        "metadata-flag": flag("on", on=True, off=False)
        | {"metadata": {"string": "1.0.2", "integer": 2, "float": 0.1, "boolean": True}},
        "context-aware": flag("external", internal="INTERNAL", external="EXTERNAL")
        | {
            "rules": [
                {
                    "when": {
                        "all": [
                            {"attribute": "fn", "op": "eq", "value": "Sulisław"},
                            {"attribute": "ln", "op": "eq", "value": "Świętopełk"},
                            {"attribute": "age", "op": "eq", "value": 29},
                            {"attribute": "customer", "op": "eq", "value": False},
                        ]
                    },
                    "serve": "internal",
                }
            ]
        },
        "complex-targeted": flag("external", internal="INTERNAL", external="EXTERNAL")
        | {
            "rules": [
                {
                    "when": {
                        "all": [
                            BALLMER,
                            {"attribute": "role", "op": "eq", "value": "admin"},
                            {"attribute": "age", "op": "ge", "value": 65},
                            {"attribute": "customer", "op": "eq", "value": False},
                        ]
                    },
                    "serve": "internal",
                }
            ]
        },
    },
}


class Silent(MemorySource):
    """A source whose rules never come."""

    def attach(self, publish: Publish) -> None:
        pass


class Fatal(FlagstaffProvider):
    """A provider that finds out, while it starts, that it never will."""

    def initialize(self, evaluation_context: EvaluationContext) -> None:
        raise ProviderFatalError("of no use")


class Held(FlagstaffProvider):
    """A provider that starts for as long as the test wants."""

    def __init__(self, client: Client, released: threading.Event) -> None:
        super().__init__(client)
        self._released = released

    def initialize(self, evaluation_context: EvaluationContext) -> None:
        self._released.wait(20)


class Recording(Hook):
    """A hook that keeps what it is called with."""

    def __init__(self, before: EvaluationContext | None = None) -> None:
        self.called: list[str] = []
        self.details: dict[str, FlagEvaluationDetails[Any]] = {}
        self.context = EvaluationContext()
        self._before = before

    def before(self, hook_context: HookContext, hints: HookHints) -> EvaluationContext | None:
        self.called.append("before")
        return self._before

    def after(self, hook_context: HookContext, details: FlagEvaluationDetails[Any], hints: HookHints) -> None:
        self.called.append("after")
        self.details["after"] = details

    def error(self, hook_context: HookContext, exception: Exception, hints: HookHints) -> None:
        self.called.append("error")

    def finally_after(
        self, hook_context: HookContext, details: FlagEvaluationDetails[Any], hints: HookHints
    ) -> None:
        self.called.append("finally")
        self.details["finally"] = details


class Retrieving(FlagstaffProvider):
    """A provider that keeps the context which it is asked with."""

    asked = EvaluationContext()

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: Any = None
    ) -> Any:
        self.asked = evaluation_context
        return super().resolve_boolean_details(flag_key, default_value, evaluation_context)


TYPES: dict[str, tuple[FlagType, Callable[[str], Any]]] = {
    "boolean": (FlagType.BOOLEAN, lambda text: text.strip('"') == "true"),
    "string": (FlagType.STRING, lambda text: text.strip('"')),
    "integer": (FlagType.INTEGER, lambda text: int(text.strip('"'))),
    "float": (FlagType.FLOAT, lambda text: float(text.strip('"'))),
    "object": (FlagType.OBJECT, lambda text: json.loads(text.replace('\\"', '"') or "{}")),
}


def parsed(kind: str, text: str) -> Any:
    return TYPES[kind.lower()][1](text)


class World:
    """What one scenario is about; its methods are the steps."""

    def __init__(self) -> None:
        self.closing: list[Callable[[], object]] = []
        self.client = api.get_client()
        self.provider: FlagstaffProvider | None = None
        self.kind = "Boolean"
        self.key = ""
        self.default: Any = None
        self.attributes: dict[str, Any] = {}
        self.details: FlagEvaluationDetails[Any] | None = None
        self.hook = Recording()
        self.levels: list[str] = []
        self.contexts: dict[str, dict[str, Any]] = {}

    def close(self) -> None:
        for close in self.closing:
            close()

    def play(self, scenario: Scenario) -> None:
        for step in scenario.steps:
            self.take(step)

    def take(self, step: Step) -> None:
        for pattern, action in STEPS:
            match = re.fullmatch(pattern, step.text, re.DOTALL)
            if match is not None:
                action(self, step.table, *match.groups())
                return
        raise NotImplementedError(step.text)

    # -- providers

    def flags(self, source: MemorySource | None = None) -> Client:
        client = Client(source or MemorySource(RULES), events=None)
        self.closing.append(client.close)
        return client

    def register(self, provider: FlagstaffProvider, *, wait: bool = True) -> None:
        self.provider = provider
        if wait:
            api.set_provider_and_wait(provider)
        else:
            api.set_provider(provider)

    def stable(self, _table: object) -> None:
        self.register(FlagstaffProvider(self.flags()))

    def retrieving(self, _table: object) -> None:
        self.register(Retrieving(self.flags()))

    def in_state(self, _table: object, state: str) -> None:
        if state == "not ready":
            released = threading.Event()
            self.closing.insert(0, released.set)
            self.register(Held(self.flags(), released), wait=False)
        elif state == "stale":
            source = MemorySource(RULES)
            source.fault = "the server is down"
            self.register(FlagstaffProvider(self.flags(source)))
            self.client.get_boolean_value("boolean-flag", False)
        else:
            silent = FlagstaffProvider(self.flags(Silent()), timeout=0.01)
            provider = silent if state == "error" else Fatal(self.flags())
            try:
                self.register(provider)
            except OpenFeatureError:
                return
            raise AssertionError("the provider started")

    def has_status(self, _table: object, status: str) -> None:
        assert self.client.get_provider_status() is ProviderStatus[status]

    # -- what is asked

    def a_flag(self, _table: object, kind: str, key: str, default: str) -> None:
        self.kind, self.key, self.default = kind, key, parsed(kind, default)

    def context(self, _table: object, key: str, kind: str, value: str) -> None:
        self.attributes[key] = parsed(kind, value)

    def null_context(self, _table: object, key: str) -> None:
        self.attributes[key] = None

    def evaluate(self, _table: object) -> None:
        kind = TYPES[self.kind.lower()][0]
        context = EvaluationContext(None, self.attributes)
        self.details = self.client.evaluate_flag_details(kind, self.key, self.default, context)

    def evaluate_async(self, _table: object) -> None:
        kind = TYPES[self.kind.lower()][0]
        context = EvaluationContext(None, self.attributes)
        self.details = asyncio.run(
            self.client.evaluate_flag_details_async(kind, self.key, self.default, context)
        )

    def ask(self, table: object, kind: str, key: str, default: str | None = None) -> None:
        self.kind, self.key = kind, key
        self.default = {"object": {}}.get(kind) if default is None else parsed(kind, default)
        self.evaluate(table)

    # -- what comes out

    @property
    def found(self) -> FlagEvaluationDetails[Any]:
        assert self.details is not None
        return self.details

    def value(self, _table: object, value: str) -> None:
        expected = parsed(self.kind, value)
        assert self.found.value == expected
        assert type(self.found.value) is type(expected)

    def reason(self, _table: object, reason: str) -> None:
        assert self.found.reason == reason

    def error_code(self, _table: object, code: str) -> None:
        assert self.found.error_code is ErrorCode[code]

    def error(self, _table: object, code: str) -> None:
        assert (self.found.reason, self.found.error_code) == ("ERROR", ErrorCode[code])

    def flag_key(self, _table: object, key: str) -> None:
        assert self.found.flag_key == key

    def variant(self, _table: object, variant: str) -> None:
        assert self.found.variant == variant

    def details_are(self, _table: object, value: str, variant: str, reason: str) -> None:
        assert self.found.value == parsed(self.kind, value)
        assert (self.found.variant, self.found.reason) == (variant, reason)

    def variant_and_reason(self, _table: object, variant: str, reason: str) -> None:
        assert (self.found.variant, self.found.reason) == (variant, reason)

    def is_default(self, _table: object) -> None:
        assert self.found.value == self.default

    def pictures(self, _table: object) -> None:
        assert self.found.value == PICTURES

    def no_metadata(self, _table: object) -> None:
        assert self.found.flag_metadata == {}

    def metadata(self, table: tuple[tuple[str, ...], ...]) -> None:
        for key, kind, value in table[1:]:
            assert self.found.flag_metadata[key] == parsed(kind, value)

    def passes(self, _table: object) -> None:
        assert self.details is not None

    # -- hooks

    def add_hook(self, _table: object) -> None:
        self.client.add_hooks([self.hook])

    def hook_called(self, _table: object, name: str) -> None:
        assert name in self.hook.called

    def hook_details(self, table: tuple[tuple[str, ...], ...], names: str) -> None:
        for name in names.split(", "):
            details = self.hook.details[name]
            for kind, key, value in table[1:]:
                expected = None if value == "null" else parsed(kind, value)
                assert getattr(details, key) == expected, (name, key)

    # -- contexts

    def precedence(self, table: tuple[tuple[str, ...], ...]) -> None:
        self.levels = [row[0] for row in table]

    def entry(self, _table: object, key: str, value: str, level: str) -> None:
        self.contexts.setdefault(level, {})[key] = value

    def entries(self, _table: object, lowest: str, key: str, _value: str) -> None:
        for level in self.levels[: self.levels.index(lowest) + 1]:
            self.entry(_table, key, level, level)

    def some_flag(self, _table: object) -> None:
        made = {level: EvaluationContext(None, entries) for level, entries in self.contexts.items()}
        empty = EvaluationContext()
        api.set_evaluation_context(made.get("API", empty))
        api.set_transaction_context(made.get("Transaction", empty))
        client = OpenFeatureClient(domain=None, version=None)
        client.context = made.get("Client", empty)
        client.add_hooks([Recording(made.get("Before Hooks"))])
        client.get_boolean_value("boolean-flag", False, made.get("Invocation"))
        api.set_transaction_context(empty)

    def merged(self, _table: object, key: str, value: str) -> None:
        assert isinstance(self.provider, Retrieving)
        assert self.provider.asked.attributes[key] == value


FROM_API = 'Context entries for each level from API level down to the "(.*)" level'
FOUND = "the resolved \\w+ details value should be (.*)"

STEPS: list[tuple[str, Callable[..., None]]] = [
    ("a stable provider", World.stable),
    ("a stable provider with retrievable context is registered", World.retrieving),
    ("an? (not ready|error|stale|fatal) provider", World.in_state),
    ('the provider status should be "(.*)"', World.has_status),
    ('an? (\\w+)-flag with key "(.*)" and a fallback value "(.*)"', World.a_flag),
    ('a context containing a key "(.*)", with type "(.*)" and with value "(.*)"', World.context),
    ('a context containing a key "(.*)" with null value', World.null_context),
    ("the flag was evaluated with details", World.evaluate),
    ("the flag was evaluated with details asynchronously", World.evaluate_async),
    ("the evaluation should complete without blocking", World.passes),
    ('the resolved details value should be "(.*)"', World.value),
    ('the reason should be "(.*)"', World.reason),
    ('the error-code should be "(.*)"', World.error_code),
    ('the flag key should be "(.*)"', World.flag_key),
    ('the variant should be "([^"]*)"', World.variant),
    ('the variant should be "(.*)", and the reason should be "(.*)"', World.variant_and_reason),
    ("the resolved metadata is empty", World.no_metadata),
    ("the resolved metadata should contain", World.metadata),
    ("a client with added hook", World.add_hook),
    ('the "(\\w+)" hook should have been executed', World.hook_called),
    ('the "(.*)" hooks should be called with evaluation details', World.hook_details),
    ("A table with levels of increasing precedence", World.precedence),
    ('A context entry with key "(.*)" and value "(.*)" is added to the "(.*)" level', World.entry),
    (
        FROM_API + ', with key "(.*)" and value "(.*)"',
        World.entries,
    ),
    ("Some flag was evaluated", World.some_flag),
    ('The merged context contains an entry with key "(.*)" and value "(.*)"', World.merged),
    # the older scenarios
    (
        'an? (?:non-existent )?(\\w+) flag with key "(.*)" is evaluated '  # noqa: ISC004
        "(?:with details and )?(?:with )?(?:a )?(?:default|fallback) value (.*)",
        World.ask,
    ),
    (
        'an? (object) flag with key "(.*)" is evaluated with (?:details and )?a null default value',
        World.ask,
    ),
    (
        'a string flag with key "(.*)" is evaluated as an (integer), with details and a fallback value (.*)',
        lambda world, table, key, kind, default: world.ask(table, kind, key, default),
    ),
    ("the resolved (?:\\w+) value should be ([^,]*)", World.value),
    ("the resolved (?:\\w+) details value should be ([^,]*)", World.value),
    (
        FOUND + ', the variant should be "(.*)", and the reason should be "(.*)"',
        World.details_are,
    ),
    ("the resolved object (?:details )?value should be contain fields .*", World.pictures),
    ("the default (?:\\w+) value should be returned", World.is_default),
    ('the reason should indicate an error and the error code should indicate .* with "(.*)"', World.error),
]
