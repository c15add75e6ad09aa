"""How the parts of a document go together: every name exists, shares fit, nothing goes in circles.

A check finds all problems at once. Each belongs to a part (a flag, a segment, …), so that a reader who must
not fail can leave out the flags that stand on a broken part and keep the rest.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice, pairwise
from typing import NamedTuple

from flagstaff.core.buckets import BUCKETS
from flagstaff.core.conditions import parse_instant, prepare
from flagstaff.errors import Problem
from flagstaff.formats.suggest import did_you_mean

from .canonical import default_of, off_of, serve_of, variant_names, weights_of
from .document import (
    AllCondition,
    AnyCondition,
    Condition,
    Conditions,
    Document,
    DrawCondition,
    ExperimentModel,
    FlagModel,
    LeafCondition,
    NotCondition,
    PrerequisiteCondition,
    RuleModel,
    SegmentCondition,
    StepModel,
    TimeCondition,
    WeightModel,
    thousandths,
)
from .graph import MAX_DEPTH, Part, faults

__all__ = ["Found", "check"]

_HINTS = 20_000
"""Among how many names all in all the one that was meant is looked for: it takes time."""

_NOUNS = {"flags": "flag", "segments": "segment", "experiments": "experiment", "layers": "layer"}


class Found(NamedTuple):
    """What a check found: problems by part, and which part uses which, and how often."""

    problems: list[tuple[Part, Problem]]
    uses: dict[Part, Counter[Part]]


def check(document: Document, unreadable: Collection[str] = ()) -> Found:
    """Every problem in how a document's parts go together.

    ``unreadable`` names flags that were left out of the document: they may be prerequisites all the same.
    """
    checker = _Checker(document, unreadable)
    checker.run()
    return Found(checker.problems, dict(checker.uses))


class _Checker:
    def __init__(self, document: Document, unreadable: Collection[str]) -> None:
        self._document = document
        self._unreadable = unreadable
        self._part = Part("", "")
        self.problems: list[tuple[Part, Problem]] = []
        self.uses: dict[Part, Counter[Part]] = defaultdict(Counter)
        self._own: dict[Part, int] = {}
        self._salts: dict[str, dict[str, Part]] = defaultdict(dict)
        self._hints = _HINTS

    def run(self) -> None:
        document = self._document
        for name, segment in document.segments.items():
            self._begin("segments", name)
            self._conditions(str(self._part), segment)
        for name, experiment in document.experiments.items():
            self._begin("experiments", name)
            self._experiment(name, experiment)
        for name in document.holdouts:
            self._begin("holdouts", name)
            self._holdout(name)
        for key, flag in document.flags.items():
            self._begin("flags", key)
            self._flag(key, flag)
        self._layers()
        self._faults()
        self._shared_salts()

    def _begin(self, section: str, name: str) -> None:
        self._part = Part(section, name)
        if section in ("segments", "flags"):
            self._own[self._part] = 1

    def _report(self, path: str, message: str, part: Part | None = None) -> None:
        part = part or self._part
        flag = part.name if part.section == "flags" else None
        self.problems.append((part, Problem(path, message, flag)))

    def _exists(self, path: str, section: str, name: str) -> bool:
        """Whether a part exists; the part at hand then stands on it."""
        names: Mapping[str, object] = getattr(self._document, section)
        if name in names:
            self.uses[self._part][Part(section, name)] += 1
            return True
        self._report(path, f"no such {_NOUNS[section]}: {name}{self._hint(name, names)}")
        return False

    def _hint(self, name: str, names: Collection[str]) -> str:
        self._hints -= len(names)
        return did_you_mean(name, names) if self._hints > 0 else ""

    # -- conditions ----------------------------------------------------------------------------------

    def _conditions(self, path: str, given: Conditions | None) -> None:
        if isinstance(given, list):
            for index, item in enumerate(given):
                self._condition(f"{path}[{index}]", item, 1)
        elif given is not None:
            self._condition(path, given, 1)

    def _condition(self, path: str, node: Condition, depth: int) -> None:
        if depth > MAX_DEPTH:
            self._report(path, f"conditions lie more than {MAX_DEPTH} deep")
            return
        self._own[self._part] += 1
        for key, child in _children(node):
            self._condition(f"{path}.{key}", child, depth + 1)
        match node:
            case LeafCondition():
                self._leaf(path, node)
            case SegmentCondition():
                self._exists(path, "segments", node.segment)
            case PrerequisiteCondition():
                self._prerequisite(path, node)
            case DrawCondition():
                self._draws(node.bucket.salt, path)
                self._slots(f"{path}.in", node.in_)
            case TimeCondition():
                self._window(path, node.time.start, node.time.end)

    def _leaf(self, path: str, node: LeafCondition) -> None:
        try:
            prepare(node.op, node.value)
        except ValueError as error:
            self._report(f"{path}.value", f"{node.op}: {error}")

    def _prerequisite(self, path: str, node: PrerequisiteCondition) -> None:
        if node.flag in self._unreadable or not self._exists(path, "flags", node.flag):
            return
        wanted = [node.variant] if isinstance(node.variant, str) else node.variant or []
        for variant in wanted:
            self._variant(path, node.flag, variant)

    def _window(self, path: str, start: str | None, end: str | None) -> None:
        first, last = parse_instant(start), parse_instant(end)
        if first is not None and last is not None and first >= last:
            self._report(path, "ends before it starts")

    def _slots(self, path: str, slots: Sequence[Sequence[float]]) -> None:
        for index, (low, high) in enumerate(slots):
            if low >= high:
                self._report(f"{path}[{index}]", f"is empty: {low:g} to {high:g}")

    # -- experiments, layers, holdouts -----------------------------------------------------------------

    def _experiment(self, name: str, experiment: ExperimentModel) -> None:
        path = str(self._part)
        self._weights(f"{path}.split", experiment.split)
        arms = dict.fromkeys(part.variant for part in weights_of(experiment.split))
        for unit, variant in experiment.pins.items():
            self._one_of(f"{path}.pins.{unit}", "variant", variant, arms)
        self._winner(path, experiment, arms)
        if experiment.layer is None:
            self._alone(name, experiment)
        else:
            self._layered(path, experiment.layer, experiment)
        if experiment.status == "running":
            self._draws(experiment.salt or name, path)

    def _winner(self, path: str, experiment: ExperimentModel, arms: Collection[str]) -> None:
        if experiment.winner is not None:
            self._one_of(f"{path}.winner", "variant", experiment.winner, arms)
        elif experiment.status == "decided":
            self._report(f"{path}.winner", "is missing: a decided experiment serves its winner")

    def _alone(self, name: str, experiment: ExperimentModel) -> None:
        if experiment.slots is not None:
            self._report(f"{self._part}.slots", "belong to a layer; outside one, say traffic")
        if experiment.traffic is not None and experiment.traffic < 100 and experiment.status == "running":
            self._draws(f"{experiment.salt or name}:traffic", str(self._part))

    def _layered(self, path: str, layer: str, experiment: ExperimentModel) -> None:
        if experiment.traffic is not None:
            self._report(f"{path}.traffic", "is decided by the slots in a layer; give one or the other")
        if experiment.slots is None:
            self._report(f"{path}.slots", f"are missing: which part of layer {layer}, such as [[0, 50]]")
        self._slots(f"{path}.slots", experiment.slots or [])
        if self._exists(f"{path}.layer", "layers", layer):
            self._same_unit(path, experiment, "layer", layer, self._document.layers[layer].unit)

    def _same_unit(
        self, path: str, experiment: ExperimentModel, kind: str, name: str, unit: str | list[str]
    ) -> None:
        if _names(experiment.unit) != _names(unit):
            self._report(f"{path}.unit", f"must be that of {kind} {name}: {unit}, not {experiment.unit}")

    def _holdout(self, name: str) -> None:
        holdout, path = self._document.holdouts[name], str(self._part)
        self._draws(holdout.salt or name, path)
        for index, key in enumerate(holdout.experiments):
            if self._exists(f"{path}.experiments[{index}]", "experiments", key):
                self.uses[Part("experiments", key)][self._part] += 1
                self._same_unit(
                    f"experiments.{key}", self._document.experiments[key], "holdout", name, holdout.unit
                )

    def _layers(self) -> None:
        taken: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
        for name, experiment in self._document.experiments.items():
            if experiment.layer is not None and experiment.status not in ("stopped", "decided"):
                taken[experiment.layer] += [
                    (thousandths(low), thousandths(high), name) for low, high in experiment.slots or []
                ]
        for layer, slots in taken.items():
            self._overlaps(layer, sorted(slots))
            if layer in self._document.layers:
                part = Part("layers", layer)
                self._draws(self._document.layers[layer].salt or layer, str(part), part)

    def _overlaps(self, layer: str, slots: list[tuple[int, int, str]]) -> None:
        end, first = 0, ""
        for start, stop, second in slots:
            if start < min(end, stop):
                both = f"{start / 1000:g} to {min(end, stop) / 1000:g}"
                message = f"overlap those of {first} in layer {layer}: {both} percent belong to both"
                self._report(f"experiments.{second}.slots", message, Part("experiments", second))
            end, first = max((end, first), (stop, second))

    # -- flags -------------------------------------------------------------------------------------------

    def _flag(self, key: str, flag: FlagModel) -> None:
        path, variants = str(self._part), variant_names(flag)
        default = default_of(flag)
        if default is None:
            self._report(f"{path}.default", f"is missing; one of {_listed(variants)}")
        else:
            self._variant(f"{path}.default", key, default)
            self._variant(f"{path}.off", key, off_of(flag) or default)
        for unit, variant in flag.pins.items():
            self._variant(f"{path}.pins.{unit}", key, variant)
        for index, gate in enumerate(flag.gates):
            self._condition(f"{path}.gates[{index}]", gate, 1)
        for index, rule in enumerate(flag.rules):
            self._rule(f"{path}.rules[{index}]", key, flag, rule)
        self._rule_ids(path, flag.rules)

    def _rule_ids(self, path: str, rules: list[RuleModel]) -> None:
        seen: set[str] = set()
        for index, rule in enumerate(rules):
            name = rule.id or str(index)
            if name in seen:
                self._report(f"{path}.rules[{index}].id", f"is used twice: {name}")
            seen.add(name)

    def _rule(self, path: str, key: str, flag: FlagModel, rule: RuleModel) -> None:
        self._own[self._part] += 1
        if rule.segment is not None:
            self._exists(f"{path}.segment", "segments", rule.segment)
        self._window(path, rule.start, rule.end)
        self._conditions(f"{path}.when", rule.when)
        serve = serve_of(rule)
        outcomes = [name for name in ("serve", "split", "experiment") if getattr(rule, name) is not None]
        if len(outcomes) > 1 or (not outcomes and serve is None):
            said = " and ".join(outcomes) or "neither"
            self._report(path, f"a rule says one of serve, split and experiment; this one says {said}")
        elif rule.experiment is not None:
            self._measured(path, key, rule, rule.experiment)
        else:
            self._unmeasured(path, key, flag, rule, serve)

    def _measured(self, path: str, key: str, rule: RuleModel, experiment: str) -> None:
        for name in ("rollout", "salt", "unit"):
            if getattr(rule, name) is not None:
                self._report(
                    f"{path}.{name}", f"is the experiment's business; say it in experiments.{experiment}"
                )
        if not self._exists(f"{path}.experiment", "experiments", experiment):
            return
        model = self._document.experiments[experiment]
        named = [part.variant for part in weights_of(model.split)] + list(model.pins.values())
        for variant in dict.fromkeys(named):
            self._variant(f"{path}.experiment {experiment}", key, variant)

    def _unmeasured(self, path: str, key: str, flag: FlagModel, rule: RuleModel, serve: str | None) -> None:
        salt = rule.salt or flag.salt or key
        if serve is not None:
            self._variant(f"{path}.serve", key, serve)
        if rule.split is not None:
            self._weights(f"{path}.split", rule.split)
            for part in weights_of(rule.split):
                self._variant(f"{path}.split", key, part.variant)
        if rule.split is not None and rule.rollout is not None:
            self._draws(f"{salt}:traffic", str(self._part))
        if rule.split is not None or rule.rollout is not None:
            self._draws(salt, str(self._part))
        elif rule.salt is not None or rule.unit is not None:
            self._report(path, "salt and unit say nothing in a rule that draws no bucket")
        if isinstance(rule.rollout, list):
            self._steps(f"{path}.rollout", rule.rollout)

    def _steps(self, path: str, steps: list[StepModel]) -> None:
        times = [parse_instant(step.at) or 0.0 for step in steps]
        for index, (before, after) in enumerate(pairwise(times), 1):
            if after <= before:
                self._report(f"{path}[{index}].at", "is not later than the step before")

    # -- shared between them -------------------------------------------------------------------------------

    def _variant(self, path: str, flag: str, variant: str) -> None:
        self._one_of(path, f"variant of {flag}", variant, variant_names(self._document.flags[flag]))

    def _one_of(self, path: str, noun: str, name: str, names: Collection[str]) -> None:
        if name not in names:
            hint = self._hint(name, names) or f"; there are {_listed(names)}"
            self._report(path, f"no such {noun}: {name}{hint}")

    def _weights(self, path: str, split: dict[str, float] | list[WeightModel]) -> None:
        parts = weights_of(split)
        total = sum(thousandths(part.weight) for part in parts)
        if total != BUCKETS:
            self._report(path, f"the weights sum to {total / 1000:g}, not to 100")
        for name, count in Counter(part.variant for part in parts).items():
            if count > 1:
                self._report(path, f"has {name} twice")

    def _draws(self, salt: str, path: str, part: Part | None = None) -> None:
        self._salts[salt][path] = part or self._part

    def _shared_salts(self) -> None:
        meant = set(self._document.shared_salts)
        for salt, paths in self._salts.items():
            if len(paths) > 1 and salt not in meant:
                first, *others = sorted(paths)
                message = (
                    f"draws with the same salt as {_listed(others)}: {salt!r}, so their units fall alike; "
                    "give one a salt of its own, or name the salt in shared_salts if that is meant"
                )
                self._report(first, message, paths[first])

    def _faults(self) -> None:
        for part, message in faults(self.uses, self._own):
            self._report(str(part), message, part)


def _names(path: str | list[str]) -> list[str]:
    return [path] if isinstance(path, str) else path


def _listed(names: Collection[str]) -> str:
    """The names, or the first of them."""
    first = list(islice(names, 20))
    return ", ".join(first) + (f" and {len(names) - len(first):,} more" if len(names) > len(first) else "")


def _children(node: Condition) -> Iterator[tuple[str, Condition]]:
    match node:
        case AllCondition():
            yield from ((f"all[{index}]", item) for index, item in enumerate(node.all))
        case AnyCondition():
            yield from ((f"any[{index}]", item) for index, item in enumerate(node.any))
        case NotCondition():
            yield "not", node.not_
