"""What will the command do for a ledger? Its experiments, done or missing, and their time; no numerics, no torch."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from study.claims.lost import check_manifest
from study.claims.registry import Registry
from study.claims.workers import Unit
from study.data.lazy import DATA_DIR, ImageSource
from study.engine import registry
from study.errors import UsageError
from study.inference import complete as inference
from study.runner.console import Console
from study.runner.execution import Execution
from study.runner.forecast import expected_throughput, forecast
from study.runner.plan import describe_data, describe_time, make_plan
from study.runner.progress import Progress, duration
from study.spec.analysis_rule import AskedRule
from study.spec.checks import counted
from study.spec.claims.experiments import EXPERIMENTS, EXTENTS, PROBES, QUICK, Probe, Study, Tuned
from study.spec.claims.fixed import Fixed
from study.spec.commands import claims_into, shown_path
from study.spec.datasets import DatasetSpec
from study.spec.design import Design
from study.spec.runs import Run
from study.store.claims_folder import PICTURES, ClaimsFolder
from study.store.study_folder import Folder
from study.tuning import plan as tuning_plan
from study.tuning.budget import Budget
from study.tuning.complete import Optimisation
from study.tuning.space import Space

SHOWN_IN_PICTURES = "cats"
"""The study whose images ``pictures.parquet`` shows."""
LOST = "manifest.json is lost; it is written again, since the parts were made under what this command asks for"
FOR_VERDICTS = 6
"""The least seeds with which a test of signs can reach a level of 0.05."""


@dataclass(frozen=True)
class Ledger:
    """A ledger with what this command has for it."""

    fixed: Fixed
    folder: ClaimsFolder
    n_workers: int
    registry: Registry
    data_dir: Path = DATA_DIR

    @property
    def data(self) -> DatasetSpec:
        return self.fixed.data

    @property
    def asked(self) -> AskedRule:
        """The level by which the sub-studies are judged."""
        return AskedRule(alpha=self.fixed.alpha)

    def study_folder(self, key: str) -> Folder:
        return Folder(self.folder.studies / key)

    def execution(self, networks: bool = False) -> Execution:
        """Return how a sub-study is trained: by the fastest engine that knows its arms and factors."""
        return Execution("cpu", workers=self.n_workers, inference=False, networks=networks)

    def keeps_networks(self, study: Study) -> bool:
        """Whether the networks of a study are evaluated, or measured by a probe."""
        probes = [one for key in self.fixed.experiments if isinstance(one := EXPERIMENTS[key], Probe)]
        return study.evaluated or any(study.key in probe.of for probe in probes)

    def evaluated_runs(self, design: Design, folder: Folder) -> list[Run]:
        """Return the runs of the seeds that all experiments share; once the study's tables are there, those that did
        not diverge."""
        try:
            trained = inference.trained(folder, design)
        except UsageError:  # not compacted yet, or damaged: the study's own command makes them again
            trained = design.grid
        return [run for run in trained if run.seed in range(self.fixed.extent.seeds)]

    def optimisation(self, tuned: Tuned, progress: Progress, command: str, source: ImageSource) -> Optimisation:
        """Return the search and its fresh seeds."""
        design = tuned.design(self.data, self.fixed.extent)
        budget = Budget(self.fixed.extent.trials, seeds=tuned.trial_seeds, space=Space.parse(tuned.space))
        folder, execution = self.study_folder(tuned.key), self.execution()
        return Optimisation(design, budget, folder, source, execution, progress, command, asked=self.asked)

    def units(self, key: str) -> list[Unit]:
        """Return the units of a probe."""
        return [Unit(key, name) for name in PROBES[key].units(self.data, self.fixed.extent)]

    @property
    def has_pictures(self) -> bool:
        return SHOWN_IN_PICTURES in self.fixed.experiments


@dataclass(frozen=True)
class Planned:
    """An experiment: how much of it there is, how much is done, and the time that the rest takes."""

    experiment: str
    noun: str
    n: int
    n_done: int
    seconds: float
    aspect: str = ""
    """Such as ``modes``, where the experiment has more than one."""

    @property
    def name(self) -> str:
        return ", ".join(filter(None, (self.experiment, self.aspect)))

    @property
    def line(self) -> str:
        if self.n_done == self.n:
            return f"{counted(self.n, self.noun)}, done"
        done = f"{self.n_done} done, " if self.n_done else ""
        return f"{counted(self.n, self.noun)}, {done}about {duration(self.seconds)}"


def planned(ledger: Ledger) -> list[Planned]:
    """Return what there is to do, in the order in which it is done."""
    done = ledger.folder.done(ledger.fixed)
    found: list[Planned] = []
    for key in ledger.fixed.experiments:
        experiment = EXPERIMENTS[key]
        found += PLANNERS[type(experiment)](ledger, experiment, done)
    if ledger.has_pictures:
        found.append(Planned(PICTURES, "table", 1, int(PICTURES in done), 0.0 if PICTURES in done else 2.0))
    return found


def _of_study(ledger: Ledger, study: Study, done: set[str]) -> list[Planned]:
    design, folder = study.design(ledger.data, ledger.fixed.extent), ledger.study_folder(study.key)
    execution = ledger.execution()
    trained = folder.done(design)
    runs = [run for run in design.runs if run.applicable]
    model = registry.likely_costs(execution.engine, design, "cpu", None)
    cohorts = make_plan(design, trained, execution)
    seconds = forecast(model, design, cohorts, [], ledger.n_workers, folder.path.parent).seconds if cohorts else 0.0
    found = [Planned(study.key, "run", len(runs), len(trained), seconds)]
    if study.evaluated:
        evaluated = ledger.evaluated_runs(design, folder)
        todo = inference.missing(folder, design, evaluated, inference.Extent())
        work = sum(inference.work(design, run, evaluations, model) for run, evaluations in todo.items())
        throughput, _ = expected_throughput(model, design, folder.path.parent) if todo else (1.0, "")
        seconds = work / throughput / ledger.n_workers
        found.append(Planned(study.key, "network", len(evaluated), len(evaluated) - len(todo), seconds, "modes"))
    return found


def _of_tuned(ledger: Ledger, tuned: Tuned, done: set[str]) -> list[Planned]:
    source = ImageSource(ledger.data, ledger.data_dir)
    optimisation = ledger.optimisation(tuned, Progress(quiet=True), "", source)
    n = tuning_plan.amount(optimisation)
    model = tuning_plan.likely_costs(optimisation)
    left = tuning_plan.ahead(optimisation, model)
    throughput, _ = expected_throughput(model, optimisation.design, optimisation.folder.path.parent)
    return [
        Planned(tuned.key, "trial", n.trials, n.trials_done, left.trials / throughput, "search"),
        Planned(tuned.key, "run", n.runs, n.runs_done, left.runs / throughput),
    ]


def _of_probe(ledger: Ledger, probe: Probe, done: set[str]) -> list[Planned]:
    units = ledger.units(probe.key)
    n_done = sum(unit.key in done for unit in units)
    seconds = ledger.registry[probe.key].seconds * (len(units) - n_done) / ledger.n_workers
    return [Planned(probe.key, "unit", len(units), n_done, seconds)]


PLANNERS: Mapping[type, Callable[[Ledger, Any, set[str]], list[Planned]]] = {
    Study: _of_study,
    Tuned: _of_tuned,
    Probe: _of_probe,
}


# --- agreed and announced


def agreed(folder: ClaimsFolder, wanted: Fixed, named: Collection[str]) -> Fixed:
    """Return what the ledger has fixed, or fixes now: what is ``wanted``. Parts without a manifest must have it too.

    ``named``: which of ``dataset``, ``extent`` and ``alpha`` the command names. Others than the ledger's are refused.
    """
    folder.check_not_archived()
    fixed = folder.fixed()
    for key in (fixed or wanted).experiments:
        study = Folder(folder.studies / key)
        check_manifest(study)
        study.check_not_archived()
        folder.check_data(study.read_manifest())
    if fixed is None:
        folder.check_parts(wanted)
        return wanted
    fixed.check_program()
    asked = replace(fixed, **{name: getattr(wanted, name) for name in named})
    if asked != fixed:
        raise UsageError(
            f"{shown_path(folder.path)} was begun {_in_words(fixed)}, and this command asks for it"
            f" {_in_words(asked)}: that is fixed before the first run. Choose another --study-id, or go on with"
            f" {claims_into(folder.path, *options_of(fixed))}"
        )
    return fixed


def _in_words(fixed: Fixed) -> str:
    extent = fixed.extent
    return f"on {fixed.data.name} to the {extent.name} extent with {extent.seeds} seeds and alpha {fixed.alpha:g}"


def options_of(fixed: Fixed) -> list[str]:
    """Return the options by which a command asks for what was fixed."""
    extent = fixed.extent
    quick = ["--quick"] if extent.name == QUICK.name else []
    seeds = ["--seeds", str(extent.seeds)] if extent.seeds != EXTENTS[extent.name].seeds else []
    return ["--dataset", fixed.dataset, *quick, *seeds]


def announce(ledger: Ledger, plan: list[Planned], console: Console, absent: str | None = None) -> None:
    """Say what the command will do."""
    fixed, width = ledger.fixed, max(len(key) + 2 for key in (*EXPERIMENTS, *(one.name for one in plan)))
    asked = [row for row in fixed.rows if fixed.why_not(row) is None]
    seconds = sum(one.seconds for one in plan)
    lost = ledger.folder.lacks_manifest()
    begun = f"{'as' if lost or ledger.folder.manifest.exists() else 'to be'} fixed before the first run"
    few = f"         rows whose unit is the seed need {FOR_VERDICTS} seeds or more for a verdict"
    lines = [
        *describe_data(ledger.data, absent),
        f"folder   {shown_path(ledger.folder.path)}",
        f"extent   {fixed.extent.name}, {fixed.extent.seeds} seeds, alpha {fixed.alpha:g}, {begun}",
        *([f"         {LOST}"] if lost else []),
        *([few] if fixed.extent.seeds < FOR_VERDICTS else []),
        f"rows     {len(asked)} of {len(fixed.rows)} are asked",
        *(f"  {one.name:<{width}}{one.line}" for one in plan),
        *(f"  {key:<{width}}not run: {why}" for key, why in _not_run(fixed).items()),
    ]
    if seconds:
        lines.append(f"time     {describe_time(seconds, ledger.n_workers, 'rough costs and the last studies')}")
    console.emit("plan", "\n".join(lines), dataset=fixed.dataset, folder=str(ledger.folder.path))


def _not_run(fixed: Fixed) -> dict[str, str]:
    """Return why experiments are not run, by key."""
    reasons = {}
    for key, experiment in EXPERIMENTS.items():
        if key not in fixed.experiments:
            left_out = f"the {fixed.extent.name} extent leaves it out" if key in fixed.extent.left_out else None
            reasons[key] = experiment.why_not(fixed.data) or left_out or "no row that is asked needs it"
    return reasons
