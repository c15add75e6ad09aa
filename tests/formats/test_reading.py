"""From bytes to data: three ways of writing a document down, and what none of them lets pass."""

from __future__ import annotations

import builtins
import json
import re
import tomllib
from typing import Any

import pytest

from flagstaff.core.evaluate import Snapshot
from flagstaff.errors import ConfigError, MissingExtraError, RulesError
from flagstaff.formats import FORMATS, check_format, load
from flagstaff.formats.native import SUFFIXES, Loaded
from flagstaff.formats.suggest import did_you_mean

TOML = """
version = 1
[flags.cta]
default = "control"
variants = { control = "Buy", urgent = { value = "Buy now", enabled = false } }
rules = [
  { start = 2026-01-12T08:00:00Z, end = 2026-02-01T00:00:00.5+01:00, serve = "urgent" },
  { when = { attribute = "app", op = "semver_ge", value = "4.2.0" }, split = { control = 34, urgent = 66 } },
]
[segments]
staff = { attribute = "email", op = "ends_with", value = "@shop.test" }
"""

YAML = """
version: 1
flags:
  cta:
    default: control
    variants:
      control: Buy
      urgent: { value: Buy now, enabled: false }
    rules:
      - { start: 2026-01-12T08:00:00Z, end: "2026-02-01T00:00:00.500000+01:00", serve: urgent }
      - when: [{ attribute: app, op: semver_ge, value: 4.2.0 }]
        split: { control: 34, urgent: 66 }
segments:
  staff: { attribute: email, op: ends_with, value: "@shop.test" }
"""


def refusal(data: bytes, suffix: str = ".json", *, strict: bool = True) -> str:
    with pytest.raises(RulesError) as caught:
        load(data, suffix=suffix, source="rules", strict=strict)
    [problem] = caught.value.problems
    assert problem.path == ""
    return problem.message


def test_three_ways_of_writing_say_the_same() -> None:
    toml, yaml = load(TOML.encode(), suffix=".toml"), load(YAML.encode(), suffix=".yaml")
    plain = load(toml.canonical_json)
    assert toml.canonical == yaml.canonical == plain.canonical
    assert toml.canonical_json == yaml.canonical_json == plain.canonical_json
    assert toml.rules == yaml.rules == plain.rules


def test_points_in_time_need_no_quotes_in_toml() -> None:
    [rule, _] = load(TOML.encode(), suffix=".toml").canonical["flags"]["cta"]["rules"]
    assert rule["when"] == {
        "time": {"start": "2026-01-12T08:00:00+00:00", "end": "2026-02-01T00:00:00.500000+01:00"}
    }


@pytest.mark.parametrize("written", ["2026-01-12T08:00:00", "2026-01-12", "08:00:00"])
def test_a_time_without_a_zone_is_no_point_in_time_in_toml_either(written: str) -> None:
    data = f'version = 1\n[flags.f]\nrules = [{{ start = {written}, serve = "on" }}]'
    with pytest.raises(RulesError, match=r"flags\.f\.rules\[0\]\.start: must be a point in time with a zone"):
        load(data.encode(), suffix=".toml")


def test_plain_data_need_not_be_written_down() -> None:
    given = {"version": 1, "flags": {"f": {"rules": ({"serve": "on"},)}}}
    assert load(given).canonical == load(json.dumps(given).encode()).canonical
    assert load(tomllib.loads(TOML)).rules == load(TOML.encode(), suffix=".toml").rules


# -- refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"{", "not JSON: Expecting property name"),
        (b'{"version": 1}}', "not JSON: Extra data: line 1 column 15"),
        (b'{"version": 1, "version": 1}', "not JSON: the name 'version' occurs twice in one object"),
        (b'{"flags": {"a": {}, "b": {}, "\\u0061": {}}}', "the name 'a' occurs twice in one object"),
        (b'{"version": NaN}', "not JSON: NaN is no JSON number"),
        (b'{"version": Infinity}', "not JSON: Infinity is no JSON number"),
        (b'{"version": -Infinity}', "not JSON: -Infinity is no JSON number"),
        (b'{"version": \xff}', "not JSON: 'utf-8' codec can't decode byte 0xff"),
        (b'{"version": "\xed\xa0"}', "not JSON: 'utf-8' codec can't decode byte"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a":' * 100_000, "nested too deep"),
        (b'{"version": ' + b"1" * 5_000 + b"}", "Exceeds the limit (4300 digits)"),
        (b"[]", "a rules document is an object, not list"),
        (b"null", "a rules document is an object, not NoneType"),
        (b'"version"', "a rules document is an object, not str"),
    ],
)
def test_what_json_leaves_open_is_refused(data: bytes, message: str, strict: bool) -> None:
    assert message in refusal(data, strict=strict)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("depth", [500, 900, 980, 5_000])
def test_data_that_is_nested_too_deep_is_refused_wherever_it_lies(depth: int, strict: bool) -> None:
    """Whether the parser, the model or a walk through the data gives up first."""
    nest = b"[" * depth + b"]" * depth
    for data in (
        b'{"version": 1, "unknown": ' + nest + b', "flags": {"f": 5}}',
        b'{"version": 1, "flags": {"f": {"default": "a", "variants": {"a": ' + nest + b"}}}}",
        b'{"version": 1, "segments": {"s": {"all": ' + nest + b"}}}",
    ):
        try:
            loaded = load(data, strict=strict)
        except RulesError as error:
            assert "nested" in str(error) or "no such field" in str(error) or strict  # noqa: PT017
        else:
            assert not strict
            assert loaded.warnings


def test_plain_data_that_is_nested_too_deep_is_refused() -> None:
    deep: Any = []
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(RulesError, match="is nested too deep"):
        load({"version": 1, "flags": {"f": {"variants": {"a": deep}}}}, strict=False)
    circle: dict[str, Any] = {"version": 1}
    circle["segments"] = circle
    with pytest.raises(RulesError, match="is nested too deep"):
        load(circle)


def test_a_document_with_very_many_names_is_read_in_no_time() -> None:
    names = ",".join(f'"name-{number}": 1' for number in range(100_000))
    assert "'name-99999' occurs twice" in refusal(f'{{{names}, "name-99999": 2}}'.encode())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"version = ", "not TOML: Invalid value (at end of document)"),
        (b"version = 1\nversion = 1", "not TOML: Cannot overwrite a value"),
        (b"[flags]\n[flags]", "not TOML: Cannot declare ('flags',) twice"),
        (b"\xff", "not TOML: 'utf-8' codec can't decode byte 0xff"),
        (b"a = " + b"[" * 10_000, "not TOML: nested too deep"),
    ],
)
def test_what_is_no_toml_is_refused(data: bytes, message: str) -> None:
    assert message in refusal(data, ".toml")


@pytest.mark.parametrize("suffix", [".yaml", ".yml"])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"flags: [", "not YAML: while parsing a flow node"),
        (b"a: 1\nb: 2\na: 3", "the name 'a' occurs twice in one mapping"),
        (b"flags: { f: {}, g: {}, f: {} }", "the name 'f' occurs twice in one mapping"),
        (b"a: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
        (b"? [a, b]\n: 1", "found unhashable key"),
        (b"a: \xff", "not YAML: unacceptable character #x00ff: invalid start byte"),
        (b"[" * 10_000, "not YAML: nested too deep"),
        (b"a: &a [*a]", "is nested too deep"),
        (b"- 1", "a rules document is an object, not list"),
        (b"", "a rules document is an object, not NoneType"),
    ],
)
def test_what_is_no_yaml_is_refused(data: bytes, message: str, suffix: str) -> None:
    assert message in refusal(data, suffix)


@pytest.mark.parametrize("suffix", [".ini", "", ".JSON", "json"])
def test_a_file_of_an_unknown_kind_is_refused(suffix: str) -> None:
    kinds = re.escape(", ".join(SUFFIXES))
    with pytest.raises(
        ConfigError, match=f"path: a rules file ends in {kinds}, not in {suffix or 'nothing'}: x"
    ):
        load(b"{}", suffix=suffix, source="x")


def test_yaml_without_its_extra_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    really = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "yaml":
            raise ImportError(name)
        return really(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=re.escape("pip install 'flagstaff[yaml]'")):
        load(b"version: 1", suffix=".yaml")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nativ", f"format: must be one of {', '.join(FORMATS)}, not 'nativ'; did you mean native?"),
        ("xyz", f"format: must be one of {', '.join(FORMATS)}, not 'xyz'"),
        (None, f"format: must be one of {', '.join(FORMATS)}, not None"),
    ],
)
def test_an_unknown_format_is_refused(name: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({"version": 1}, format=name)
    assert str(caught.value) == message
    assert [check_format(known).name for known in FORMATS] == list(FORMATS)


def test_only_a_near_name_is_suggested() -> None:
    assert did_you_mean("checkout-cat", ["checkout-cta", "cta"]) == "; did you mean checkout-cta?"
    assert did_you_mean("x", ["checkout-cta", "cta"]) == ""
    assert did_you_mean("x", []) == ""


# -- let pass ----------------------------------------------------------------------------------------------

BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("data", "suffix"),
    [
        (b'{"version": 1}', ".json"),
        (b' \n\t{"version": 1}\r\n', ".json"),
        ('{"version": 1}'.encode("utf-16"), ".json"),
        (b"version = 1", ".toml"),
        (b"version = 1\r\n", ".toml"),
        (b"version: 1", ".yaml"),
        ("version: 1".encode("utf-16"), ".yaml"),
    ],
)  # fmt: skip
def test_a_byte_order_mark_and_blanks_do_not_matter(data: bytes, suffix: str) -> None:
    assert load(data, suffix=suffix).canonical == {"version": 1}
    if not data.startswith((b"\xff\xfe", b"\xfe\xff", b" ")):
        assert load(BOM + data, suffix=suffix).canonical == {"version": 1}
    assert load(bytearray(data), suffix=suffix).canonical == {"version": 1}  # type: ignore[arg-type]


def yaml(text: str) -> Loaded:
    return load(text.encode(), suffix=".yaml")


def test_on_and_off_are_names_in_yaml() -> None:
    loaded = yaml(
        """
        version: 1
        flags:
          f:
            default: off
            pins: { ann: on }
            variants: { on: true, off: False }
            rules: [{ serve: on }]
          g: { rules: [{ split: { on: 50, off: 50 } }] }
        """
    )
    assert loaded.canonical["flags"]["f"]["default"] == "off"
    assert loaded.canonical["flags"]["f"]["variants"]["off"] == {"value": False, "enabled": False}
    assert loaded.canonical["flags"]["f"]["rules"] == [{"id": "0", "serve": "on"}]


def test_norway_is_a_country_in_yaml() -> None:
    loaded = yaml(
        """
        version: 1
        segments: { north: { attribute: country, op: in, value: [NO, no, SE, y, yes, Yes] } }
        flags: { f: { variants: { a: true, b: TRUE, c: yes }, default: a } }
        """
    )
    assert loaded.canonical["segments"]["north"]["value"] == ["NO", "no", "SE", "y", "yes", "Yes"]
    values = [variant["value"] for variant in loaded.canonical["flags"]["f"]["variants"].values()]
    assert values == [True, True, "yes"]


def test_anchors_and_merges_work_in_yaml() -> None:
    loaded = yaml(
        """
        version: 1
        flags:
          a: &base { owner: shop, variants: { x: 1, y: 2 }, default: x }
          b: { <<: *base, default: y }
          c: *base
        """
    )
    defaults = {key: flag["default"] for key, flag in loaded.canonical["flags"].items()}
    assert defaults == {"a": "x", "b": "y", "c": "x"}


def test_reading_yaml_leaves_the_library_as_it_was() -> None:
    import yaml as library

    yaml("version: 1")
    assert library.safe_load("[on, off, NO]") == [True, False, False]


def test_very_large_whole_numbers_are_numbers() -> None:
    big = "9" * 400
    rule = f'{{"when": {{"attribute": "n", "op": "gt", "value": {big}}}, "serve": "a"}}'
    flag = f'{{"variants": {{"a": {big}}}, "default": "a", "rules": [{rule}]}}'
    loaded = load(f'{{"version": 1, "revision": {2**64}, "flags": {{"f": {flag}}}}}'.encode())
    assert loaded.rules.revision == 2**64
    assert loaded.rules.flags["f"].variants["a"].value == int(big)
    assert load(loaded.canonical_json).rules == loaded.rules


def test_a_document_may_say_nothing() -> None:
    loaded = load(b'{"version": 1, "$schema": "urn:flagstaff:rules:1"}')
    assert loaded.canonical == {"version": 1, "$schema": "urn:flagstaff:rules:1"}
    assert (loaded.rules.project, loaded.rules.environment, loaded.rules.revision) == (
        "default",
        "default",
        None,
    )
    assert Snapshot(loaded.rules, lambda: 0.0).flag_keys() == []
