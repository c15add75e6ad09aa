"""How the parts of a document go together: every name exists, shares fit, nothing goes in circles.

A check finds all problems at once. Each belongs to a part (a flag, a segment, …), so that a reader who must
not fail can leave out the flags that stand on a broken part and keep the rest. What is found in one part
depends on that part and on those that it names: so after a change, no others need be looked at again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

from flagstaff.core.buckets import BUCKETS
from flagstaff.core.conditions import parse_instant
from flagstaff.errors import Problem
from flagstaff.formats.dialects import prepared
from flagstaff.formats.suggest import did_you_mean

from .findings import Findings, Slot, flag_of, listed
from .graph import MAX_DEPTH
from .nouns import computed_of, fault_of_scheme, subject_of
from .parts import Part
from .short import default_of, kind_of, off_of, serve_of, variant_names, weights_of
from .translate import Shared
from .values import thousandths

if TYPE_CHECKING:
    from .document import (
        Conditions,
        ExperimentModel,
        FlagModel,
        HoldoutModel,
        LayerModel,
        PrerequisiteCondition,
        RuleModel,
        StepModel,
        WeightModel,
    )
    from .general import SchemeModel

__all__ = ["Others", "Session", "examine"]

_HINTS = 20_000
"""Among how many names all in all the one that was meant is looked for: it takes time."""

_GENERAL = ("nothing", "draw", "compute", "broken")
"""What rules of other dialects come to."""

_TRANSLATED = {*_GENERAL, "reason", "measure", "miss", "last", "anonymous", "metadata"}
"""What only rules of other dialects have: several of them may be parts of one rule, and share its id."""

_NOUNS = {"flags": "flag", "segments": "segment", "experiments": "experiment", "layers": "layer"}


class Others(Shared, Protocol):
    """The rest of a document, seen from one of its parts."""

    def names(self, section: str) -> Collection[str]:
        """The parts of a section."""
        ...

    def is_unreadable(self, flag: str) -> bool:
        """Whether a flag is there, but too broken to say anything."""
        ...

    def flag(self, name: str) -> FlagModel: ...


class Session:
    """What the examinations of many parts share.

    ``fine`` are operators with operands that are known to fit: in many flags they are the same.
    """

    def __init__(self) -> None:
        self.fine: set[tuple[str, str]] = set()
        self._left = _HINTS

    def hint(self, name: str, names: Collection[str]) -> str:
        """Which name was probably meant, unless that has taken too long already."""
        self._left -= len(names)
        return did_you_mean(name, names) if self._left > 0 else ""


def examine(part: Part, value: Any, others: Others, session: Session) -> Findings:
    """Everything about one part, which has the right shape."""
    return _Examiner(part, others, session).run(value)


class _Examiner:
    def __init__(self, part: Part, others: Others, session: Session) -> None:
        self._part = part
        self._path = f"{part.section}.{part.name}"
        self._others = others
        self._session = session
        self._problems: list[Problem] = []
        self._fault: str | None = None
        self._uses: dict[Part, int] = {}
        self._salts: dict[tuple[str, str], None] = {}
        self._own = 1
        self._taken: tuple[Slot, ...] = ()

    def run(self, value: Any) -> Findings:
        name = self._part.name
        match self._part.section:
            case "flags":
                self._flag(name, value)
            case "segments":
                self._conditions(self._path, value)
            case "experiments":
                self._experiment(name, value)
            case "holdouts":
                self._holdout(name, value)
        problems, draws = tuple(self._problems), tuple(self._salts)
        return Findings(problems, self._fault, self._uses, self._own, draws, self._taken)

    def _report(self, path: str, message: str, *, harmful: bool = True) -> None:
        problem = Problem(path, message, flag_of(self._part))
        self._problems.append(problem)
        if harmful and self._fault is None:
            self._fault = str(problem)

    def _use(self, part: Part, times: int = 1) -> None:
        self._uses[part] = self._uses.get(part, 0) + times

    def _exists(self, path: str, section: str, name: str) -> bool:
        """Whether a part exists; the part at hand then stands on it."""
        self._use(Part(section, name))
        names = self._others.names(section)
        if name in names:
            return True
        self._report(path, self._missing(section, name, names))
        return False

    def _missing(self, section: str, name: str, names: Collection[str]) -> str:
        return f"no such {_NOUNS[section]}: {name}{self._session.hint(name, names)}"

    # -- conditions ----------------------------------------------------------------------------------

    def _conditions(self, path: str, given: Conditions) -> None:
        if isinstance(given, list):
            for index, item in enumerate(given):
                self._condition(f"{path}[{index}]", item, 1)
        else:
            self._condition(path, given, 1)

    def _condition(self, path: str, node: Any, depth: int) -> None:
        if depth > MAX_DEPTH:
            self._report(path, f"conditions lie more than {MAX_DEPTH} deep")
            return
        self._own += 1
        match kind_of(node):
            case "all" | "any" as kind:
                for index, item in enumerate(node[kind]):
                    self._condition(f"{path}.{kind}[{index}]", item, depth + 1)
            case "not" | "known" as kind:
                self._condition(f"{path}.{kind}", node[kind], depth + 1)
            case "flag":
                self._prerequisite(path, node)
                if "that" in node:
                    self._condition(f"{path}.that", node["that"], depth + 1)
            case kind:
                self._single(path, kind, node)

    def _single(self, path: str, kind: str, node: Any) -> None:
        match kind:
            case "attribute":
                self._leaf(path, node["attribute"], node["op"], node.get("value", True))
            case "segment":
                self._exists(path, "segments", node["segment"])
            case "bucket":
                self._draws(node["bucket"]["salt"], path)
                self._slots(f"{path}.in", node["in"])
            case "ranges":
                self._scheme(f"{path}.bucket", node["bucket"])
            case "time":
                self._window(path, node["time"].get("start"), node["time"].get("end"))

    def _leaf(self, path: str, attribute: Any, op: str, value: Any) -> None:
        if isinstance(attribute, dict):
            self._subject(f"{path}.attribute", attribute)
        if type(value) is str and (op, value) in self._session.fine:
            return
        try:
            prepared(op, value)
        except ValueError as error:
            self._report(f"{path}.value", f"{op}: {error}")
        else:
            if type(value) is str:
                self._session.fine.add((op, value))

    def _subject(self, path: str, subject: Any) -> None:
        try:
            subject_of(subject)
        except ValueError as error:
            self._report(path, str(error))

    def _scheme(self, path: str, scheme: SchemeModel) -> None:
        fault = fault_of_scheme(scheme)
        if fault is not None:
            self._report(path, fault)
        if "unit" in scheme:
            self._subject(f"{path}.unit", scheme["unit"])

    def _prerequisite(self, path: str, node: PrerequisiteCondition) -> None:
        """A flag that is not there, or lacks a variant, harms nobody who asks for it: the answer is no."""
        flag, variant = node["flag"], node.get("variant")
        self._use(Part("flags", flag), 0 if "inside" in node else 1)
        if self._others.is_unreadable(flag):
            return
        flags = self._others.names("flags")
        if flag not in flags:
            if "that" not in node:  # a translator has told already
                self._report(path, self._missing("flags", flag, flags), harmful=False)
            return
        names = variant_names(self._others.flag(flag))
        for name in [variant] if isinstance(variant, str) else variant or []:
            self._one_of(path, f"variant of {flag}", name, names, harmful=False)

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
        path, status = self._path, experiment.get("status", "running")
        self._weights(f"{path}.split", experiment["split"])
        arms = dict.fromkeys(part["variant"] for part in weights_of(experiment["split"]))
        for unit, variant in experiment.get("pins", {}).items():
            self._one_of(f"{path}.pins.{unit}", "variant", variant, arms)
        self._winner(status, experiment.get("winner"), arms)
        salt, layer = experiment.get("salt") or name, experiment.get("layer")
        if layer is None:
            self._alone(salt, status, experiment)
        else:
            self._layered(layer, experiment)
        if status == "running":
            self._draws(salt, path)
        for holdout, model in self._others.holdouts(name):
            self._use(Part("holdouts", holdout))
            self._same_unit(experiment, "holdout", holdout, model)

    def _winner(self, status: str, winner: str | None, arms: Collection[str]) -> None:
        if winner is not None:
            self._one_of(f"{self._path}.winner", "variant", winner, arms)
        elif status == "decided":
            self._report(f"{self._path}.winner", "is missing: a decided experiment serves its winner")

    def _alone(self, salt: str, status: str, experiment: ExperimentModel) -> None:
        traffic = experiment.get("traffic")
        if experiment.get("slots") is not None:
            self._report(f"{self._path}.slots", "belong to a layer; outside one, say traffic")
        if traffic is not None and traffic < 100 and status == "running":
            self._draws(f"{salt}:traffic", self._path)

    def _layered(self, layer: str, experiment: ExperimentModel) -> None:
        path, slots = self._path, experiment.get("slots")
        if experiment.get("traffic") is not None:
            self._report(f"{path}.traffic", "is decided by the slots in a layer; give one or the other")
        if slots is None:
            self._report(f"{path}.slots", f"are missing: which part of layer {layer}, such as [[0, 50]]")
        self._slots(f"{path}.slots", slots or [])
        if experiment.get("status") not in ("stopped", "decided"):
            self._taken = tuple(
                Slot(layer, thousandths(low), thousandths(high), self._part.name) for low, high in slots or []
            )
        if self._exists(f"{path}.layer", "layers", layer):
            self._same_unit(experiment, "layer", layer, self._others.layer(layer))

    def _same_unit(
        self, experiment: ExperimentModel, kind: str, name: str, shared: LayerModel | HoldoutModel
    ) -> None:
        ours, theirs = experiment.get("unit", "targeting_key"), shared.get("unit", "targeting_key")
        if _names(ours) != _names(theirs):
            self._report(f"{self._path}.unit", f"must be that of {kind} {name}: {theirs}, not {ours}")

    def _holdout(self, name: str, holdout: HoldoutModel) -> None:
        self._draws(holdout.get("salt") or name, self._path)
        for index, key in enumerate(holdout["experiments"]):
            self._exists(f"{self._path}.experiments[{index}]", "experiments", key)

    # -- flags -------------------------------------------------------------------------------------------

    def _flag(self, key: str, flag: FlagModel) -> None:
        path, variants, default = self._path, variant_names(flag), default_of(flag)
        if default is not None:
            self._one_of(f"{path}.default", f"variant of {key}", default, variants)
        elif "default" not in flag:
            self._report(f"{path}.default", f"is missing; one of {listed(variants)}")
        off = off_of(flag)
        if off is not None:
            self._one_of(f"{path}.off", f"variant of {key}", off, variants)
        for unit, variant in flag.get("pins", {}).items():
            self._one_of(f"{path}.pins.{unit}", f"variant of {key}", variant, variants)
        for index, gate in enumerate(flag.get("gates", ())):
            self._condition(f"{path}.gates[{index}]", gate, 1)
        rules = flag.get("rules") or ()
        for index, rule in enumerate(rules):
            self._rule(f"{path}.rules[{index}]", flag, rule)
        if len(rules) > 1:
            self._rule_ids(rules)

    def _rule_ids(self, rules: Sequence[RuleModel]) -> None:
        seen: set[str] = set()
        for index, rule in enumerate(rules):
            name = rule.get("id") or str(index)
            if name in seen and not rule.keys() & _TRANSLATED:
                self._report(f"{self._path}.rules[{index}].id", f"is used twice: {name}")
            seen.add(name)

    def _rule(self, path: str, flag: FlagModel, rule: RuleModel) -> None:
        self._own += 1
        if "measure" in rule:
            self._subject(f"{path}.measure.unit", rule["measure"].get("unit", "targeting_key"))
        segment, when, start, end = rule.get("segment"), rule.get("when"), rule.get("start"), rule.get("end")
        if segment is not None:
            self._exists(f"{path}.segment", "segments", segment)
        if start is not None and end is not None:
            self._window(path, start, end)
        if when is not None:
            self._conditions(f"{path}.when", when)
        serve, experiment = serve_of(rule), rule.get("experiment")
        general = [name for name in _GENERAL if name in rule]
        if len(general) == 1 and serve is None and rule.get("split") is None and experiment is None:
            self._generally(path, flag, rule)
        elif general or (serve is not None) + (rule.get("split") is not None) + (experiment is not None) != 1:
            self._outcomes(path, rule)
        elif experiment is not None:
            self._measured(path, flag, rule, experiment)
        else:
            self._unmeasured(path, flag, rule, serve)

    def _generally(self, path: str, flag: FlagModel, rule: RuleModel) -> None:
        if "draw" in rule:
            self._scheme(f"{path}.draw.bucket", rule["draw"]["bucket"])
            for arm in rule["draw"]["arms"]:
                self._served(f"{path}.draw", flag, arm["variant"])
        if "compute" in rule:
            try:
                computed_of(rule["compute"])
            except ValueError as error:
                self._report(f"{path}.compute", str(error))

    def _outcomes(self, path: str, rule: RuleModel) -> None:
        names = ("serve", "split", "experiment", *_GENERAL)
        said = " and ".join(name for name in names if rule.get(name) is not None)
        self._report(
            path, f"a rule says one of serve, split and experiment; this one says {said or 'neither'}"
        )

    def _measured(self, path: str, flag: FlagModel, rule: RuleModel, experiment: str) -> None:
        for name in ("rollout", "salt", "unit"):
            if rule.get(name) is not None:
                message = f"is the experiment's business; say it in experiments.{experiment}"
                self._report(f"{path}.{name}", message)
        if not self._exists(f"{path}.experiment", "experiments", experiment):
            return
        model, names = self._others.experiment(experiment), variant_names(flag)
        named = [part["variant"] for part in weights_of(model["split"])] + [*model.get("pins", {}).values()]
        if not {*named} <= names.keys():
            for variant in dict.fromkeys(named):
                self._served(f"{path}.experiment {experiment}", flag, variant)

    def _unmeasured(self, path: str, flag: FlagModel, rule: RuleModel, serve: str | None) -> None:
        split, rollout = rule.get("split"), rule.get("rollout")
        if serve is not None:
            self._served(f"{path}.serve", flag, serve)
        if split is not None:
            self._weights(f"{path}.split", split)
            for part in weights_of(split):
                self._served(f"{path}.split", flag, part["variant"])
        if split is not None or rollout is not None:
            salt = rule.get("salt") or flag.get("salt") or self._part.name
            if split is not None and rollout is not None:
                self._draws(f"{salt}:traffic", self._path)
            self._draws(salt, self._path)
        elif rule.get("salt") is not None or rule.get("unit") is not None:
            self._report(path, "salt and unit say nothing in a rule that draws no bucket")
        if isinstance(rollout, list):
            self._steps(f"{path}.rollout", rollout)

    def _steps(self, path: str, steps: list[StepModel]) -> None:
        times = [parse_instant(step["at"]) or 0.0 for step in steps]
        for index, (before, after) in enumerate(pairwise(times), 1):
            if after <= before:
                self._report(f"{path}[{index}].at", "is not later than the step before")

    # -- shared between them -------------------------------------------------------------------------------

    def _served(self, path: str, flag: FlagModel, variant: str) -> None:
        names = variant_names(flag)
        if variant not in names:
            self._one_of(path, f"variant of {self._part.name}", variant, names)

    def _one_of(
        self, path: str, noun: str, name: str, names: Collection[str], *, harmful: bool = True
    ) -> None:
        if name not in names:
            hint = self._session.hint(name, names) or f"; there are {listed(names)}"
            self._report(path, f"no such {noun}: {name}{hint}", harmful=harmful)

    def _weights(self, path: str, split: dict[str, float] | list[WeightModel]) -> None:
        parts = weights_of(split)
        total = sum(thousandths(part["weight"]) for part in parts)
        if total != BUCKETS:
            self._report(path, f"the weights sum to {total / 1000:g}, not to 100")
        if len({part["variant"] for part in parts}) != len(parts):
            for name, count in Counter(part["variant"] for part in parts).items():
                if count > 1:
                    self._report(path, f"has {name} twice")

    def _draws(self, salt: str, path: str) -> None:
        self._salts[salt, path] = None


def _names(path: str | list[str]) -> list[str]:
    return [path] if isinstance(path, str) else path
