from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flagstaff import Client, Context
from tests.cli.lab import SHOP, RulesServer, answer, invoke, write


def rows(*arguments: str, stdin: str | None = None) -> dict[str, dict[str, Any]]:
    """Give each variant's row, of one flag."""
    (flag,) = answer("simulate", *arguments, stdin=stdin)["flags"]
    return {row["variant"]: row for row in flag["variants"]}


def test_shares_stand_beside_what_is_expected(shop: str) -> None:
    result = invoke("simulate", shop, "-n", "2000", "-a", "country=NL")

    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["flag", "variant", "units", "share", "expected", "off", "by"]
    assert [line[:2] for line in lines[1:]] == [
        ["new-checkout", "on"],
        ["new-checkout", "off"],
        ["checkout-cta", "control"],
        ["checkout-cta", "urgent"],
        ["checkout-cta", "calm"],
    ]
    assert [line[4] for line in lines[1:]] == ["25.000%", "75.000%", "67.000%", "16.500%", "16.500%"]
    assert all(abs(float(line[5])) < 4 for line in lines[1:])


def test_the_units_counted_are_those_that_a_client_would_serve(shop: str) -> None:
    found = rows(shop, "checkout-cta", "-n", "500")

    with Client.from_file(shop) as client:
        served = [client.variant("checkout-cta", Context(f"user-{number}")) for number in range(1, 501)]
    assert {name: row["units"] for name, row in found.items()} == {
        name: served.count(name) for name in ("control", "urgent", "calm")
    }


def test_only_the_flags_that_were_named_are_decided_each_once(shop: str) -> None:
    told = answer("simulate", shop, "new-checkout", "new-checkout", "-n", "10")

    assert told["units"] == 10
    assert [flag["flag"] for flag in told["flags"]] == ["new-checkout"]


def test_where_chance_has_no_part_nothing_is_off(shop: str) -> None:
    found = rows(shop, "new-checkout", "-n", "10", "-a", "country=DE")

    assert found["off"] == {
        "variant": "off",
        "units": 10,
        "share": 1.0,
        "expected": 1.0,
        "deviation": None,
    }
    assert "–" in invoke("simulate", shop, "new-checkout", "-n", "10").stdout


def test_what_can_not_be_worked_out_is_a_dash(tmp_path: Path) -> None:
    many = [
        {
            "when": {"bucket": {"salt": f"c{number}"}, "in": [[0, 50]]},
            "rollout": 50,
            "salt": f"r{number}",
        }
        for number in range(20)
    ]
    path = write(tmp_path, {"version": 1, "flags": {"a": {"rules": many}}})

    assert {row["expected"] for row in rows(path, "-n", "10").values()} == {None}
    assert all(
        line.split()[-2:] == ["–", "–"]
        for line in invoke("simulate", path, "-n", "10").stdout.splitlines()[1:]
    )


EVERYBODY: dict[str, dict[str, Any]] = {
    "unleash": {
        "version": 2,
        "features": [
            {
                "name": "a",
                "enabled": True,
                "strategies": [
                    {
                        "name": "flexibleRollout",
                        "parameters": {"rollout": "50", "stickiness": "default", "groupId": "a"},
                        "variants": [{"name": "x", "weight": 300}, {"name": "y", "weight": 700}],
                    }
                ],
            }
        ],
    },
    "growthbook": {
        "features": {
            "a": {
                "defaultValue": "none",
                "rules": [
                    {
                        "variations": ["p", "q"],
                        "weights": [0.3, 0.7],
                        "coverage": 0.5,
                        "meta": [{"key": "x"}, {"key": "y"}],
                    }
                ],
            }
        }
    },
    "optimizely": {
        "version": "4",
        "featureFlags": [{"id": "1", "key": "a", "rolloutId": "2", "experimentIds": [], "variables": []}],
        "rollouts": [
            {
                "id": "2",
                "experiments": [
                    {
                        "id": number,
                        "key": number,
                        "status": "Running",
                        "audienceIds": [],
                        "variations": [{"id": key, "key": key, "featureEnabled": True} for key in "xy"],
                        "trafficAllocation": traffic,
                    }
                    # Whom the first one doesn't get, the second isn't asked for: only the last.
                    for number, traffic in (
                        ("11", [{"entityId": "x", "endOfRange": 1500}]),
                        ("12", [{"entityId": "x", "endOfRange": 10000}]),
                        ("13", [{"entityId": "y", "endOfRange": 4118}]),
                    )
                ],
            }
        ],
        "experiments": [],
    },
    "eppo": {
        "flags": {
            "a": {
                "key": "a",
                "enabled": True,
                "variationType": "STRING",
                "variations": {key: {"key": key, "value": key} for key in "xy"},
                "totalShards": 100,
                "allocations": [
                    {
                        "key": "all",
                        "splits": [
                            {
                                "variationKey": key,
                                "shards": [
                                    {"salt": "traffic", "ranges": [{"start": 0, "end": 50}]},
                                    {"salt": "split", "ranges": [{"start": start, "end": end}]},
                                ],
                            }
                            for key, start, end in (("x", 0, 30), ("y", 30, 100))
                        ],
                    }
                ],
            }
        }
    },
    "launchdarkly": {
        "flags": {
            "a": {
                "on": True,
                "salt": "s",
                "variations": ["p", "q", "r"],
                "fallthrough": {
                    "rollout": {
                        "kind": "experiment",
                        "variations": [
                            {"variation": number, "weight": weight}
                            for number, weight in enumerate((15_000, 35_000, 50_000))
                        ],
                    }
                },
            }
        }
    },
    "flagsmith": {
        "environment": {"key": "e", "name": "E"},
        "features": {"a": {"key": "1", "name": "a", "enabled": False, "value": "none"}},
        "segments": {
            "7": {
                "key": "7",
                "name": "half",
                "rules": [
                    {
                        "type": "ALL",
                        "conditions": [{"property": "", "operator": "PERCENTAGE_SPLIT", "value": "50"}],
                    }
                ],
                "overrides": [
                    {
                        "key": "2",
                        "name": "a",
                        "enabled": True,
                        "value": "q",
                        "variants": [{"key": "x", "value": "p", "weight": 30, "priority": 1}],
                    }
                ],
            }
        },
    },
}


@pytest.mark.parametrize("dialect", EVERYBODY)
def test_other_vendors_shares_are_expected_too(tmp_path: Path, dialect: str) -> None:
    found = rows(write(tmp_path, EVERYBODY[dialect]), "a", "--format", dialect, "-n", "4000")

    expected = sorted(round(row["expected"], 3) for row in found.values() if row["expected"])
    assert expected == [0.15, 0.35, 0.5]
    assert all(abs(row["deviation"] or 0) < 4 for row in found.values())


def test_what_another_vendor_draws_by_something_else_is_a_dash(tmp_path: Path) -> None:
    document = json.loads(json.dumps(EVERYBODY["unleash"]))
    document["features"][0]["strategies"][0]["parameters"]["stickiness"] = "tenant"
    found = rows(write(tmp_path, document), "a", "--format", "unleash", "-n", "20", "-a", "tenant=t")

    assert {row["expected"] for row in found.values()} == {None}


def test_units_may_be_listed_and_each_counts_once(tmp_path: Path, shop: str) -> None:
    units = tmp_path / "units.txt"
    units.write_text("ada\nbob\n\n  ada\r\n")

    told = answer("simulate", shop, "--units", str(units))

    assert told["units"] == 2


def test_units_may_be_contexts_and_each_is_expected_for_itself(shop: str) -> None:
    lines = [json.dumps({"targeting_key": f"u{number}", "country": "NL"}) for number in range(600)]
    lines += [json.dumps({"targeting_key": f"v{number}", "country": "DE"}) for number in range(200)]

    found = rows(shop, "new-checkout", "--units", "-", stdin="\n".join(lines))

    assert found["on"]["expected"] == pytest.approx(0.25 * 0.75)
    assert abs(found["on"]["deviation"]) < 4


def test_a_context_s_own_attributes_win_over_the_fixed_ones(shop: str) -> None:
    line = '{"targeting_key": "u", "country": "DE"}\nv'

    found = rows(shop, "new-checkout", "--units", "-", "-a", "country=NL", stdin=line)

    assert found["on"]["expected"] == pytest.approx(0.125)


def test_rules_that_look_at_the_unit_are_worked_out_unit_by_unit(tmp_path: Path) -> None:
    flag = {
        "pins": {"user-1": "on", "user-2": "off"},
        "rules": [
            {"when": {"attribute": "targeting_key", "op": "ends_with", "value": "7"}, "serve": "on"},
            {"rollout": 50},
        ],
    }
    path = write(tmp_path, {"version": 1, "flags": {"a": flag}})

    found = rows(path, "-n", "1000")

    assert found["on"]["expected"] == pytest.approx((1 + 100 + 898 / 2) / 1000)


def test_the_unit_may_be_an_attribute(tmp_path: Path) -> None:
    experiment = {"split": {"on": 20, "off": 80}, "unit": "org_id", "pins": {"user-1": "on"}}
    path = write(
        tmp_path,
        {
            "version": 1,
            "experiments": {"e": experiment},
            "flags": {"a": {"rules": [{"experiment": "e"}]}},
        },
    )

    assert rows(path, "-n", "100", "--unit", "org_id")["on"]["expected"] == pytest.approx(
        (1 + 99 * 0.2) / 100
    )
    assert rows(path, "-n", "100")["off"]["expected"] == 1.0  # nobody has an org_id


def test_a_draw_of_what_is_fixed_is_no_chance(tmp_path: Path) -> None:
    path = write(tmp_path, {"version": 1, "flags": {"a": {"rules": [{"rollout": 50, "unit": "org_id"}]}}})

    found = rows(path, "-n", "100", "-a", "org_id=acme")

    assert {row["share"] for row in found.values()} == {0.0, 1.0}
    assert all(row["expected"] == row["share"] for row in found.values())


def test_contexts_with_other_units_are_told_apart(tmp_path: Path) -> None:
    rules = [{"rollout": 50, "unit": "org_id"}]
    path = write(tmp_path, {"version": 1, "flags": {"a": {"rules": rules}}})
    lines = "\n".join(json.dumps({"targeting_key": f"u{n}", "org_id": f"org-{n}"}) for n in range(100))

    found = rows(path, "--units", "-", stdin=lines)

    assert 0 < found["on"]["share"] < 1
    assert found["on"]["expected"] == pytest.approx(found["on"]["share"])


def test_prerequisites_and_segments_are_looked_into(tmp_path: Path) -> None:
    document = {
        "version": 1,
        "shared_salts": ["x"],
        "segments": {"half": {"all": [{"bucket": {"salt": "x"}, "in": [[0, 50]]}]}},
        "flags": {
            "base": {"pins": {"user-1": "on"}, "rules": [{"segment": "half", "serve": "on"}]},
            "top": {
                "gates": [{"flag": "base"}, {"segment": "half"}],
                "rules": [{"when": {"segment": "half"}, "serve": "on"}],
            },
        },
    }

    found = rows(write(tmp_path, document), "top", "-n", "1000")

    assert found["on"]["expected"] == pytest.approx(0.5)
    assert abs(found["on"]["deviation"]) < 4


def test_rules_may_come_from_a_server_with_flags_that_are_broken(server: RulesServer) -> None:
    flags = {**SHOP["flags"], "broken": {"default": "x"}}
    server.body = json.dumps({**SHOP, "flags": flags}).encode()

    result = invoke("simulate", server.url, "broken", "-n", "10")

    assert result.exit_code == 0
    assert result.stdout.splitlines()[1].split() == ["broken", "–", "10", "100.000%", "100.000%", "–"]
    assert "flags.broken.default" in result.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["new-chekout"], "the rules have no flag 'new-chekout'; did you mean new-checkout?"),
        (["--units", "missing.txt"], "missing.txt: No such file or directory"),
        (["--units", "empty.txt"], "empty.txt lists no units"),
        (["--units", "latin.txt"], "latin.txt is not UTF-8"),
        (["--units", "broken.txt"], "broken.txt: '{\"targeting_key\"' is no JSON"),
        (["-n", "0"], "0 is not in the range"),
    ],
)
def test_what_can_not_be_simulated_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shop: str, options: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.txt").write_text("\n \n")
    Path("latin.txt").write_bytes(b"caf\xe9")
    Path("broken.txt").write_text('ada\n{"targeting_key"\n')

    result = invoke("simulate", shop, *options)

    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stdout == ""


def test_variants_that_decisions_do_not_name_have_rows_of_their_own() -> None:
    environment = {
        "environment": {"key": "env", "name": "Production"},
        "features": {
            "checkout": {"key": "1", "name": "checkout", "enabled": True, "value": "Buy"},
            "banner": {"key": "2", "name": "banner", "enabled": False, "value": None},
        },
        "segments": {
            "7": {
                "key": "7",
                "name": "pros",
                "rules": [
                    {"type": "ALL", "conditions": [{"property": "p", "operator": "EQUAL", "value": "1"}]}
                ],
                "overrides": [{"key": "3", "name": "checkout", "enabled": False, "value": "Buy now"}],
            }
        },
    }

    def units(*arguments: str) -> dict[str, int]:
        found = rows("-", *arguments, "--format", "flagsmith", "-n", "10", stdin=json.dumps(environment))
        return {name: row["units"] for name, row in found.items()}

    assert units("checkout") == {"Buy": 10, "Buy now off": 0}
    assert units("checkout", "-a", "p=1") == {"Buy": 0, "Buy now off": 10}
    assert units("banner") == {"off": 10}
