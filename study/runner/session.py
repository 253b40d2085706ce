"""One command's training of a study: load the data, write the manifest, train the plan, record how long it took."""

import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from study.data.lazy import ImageSource
from study.engine import costs, devices, environment, numerics, registry
from study.engine.environment import Machine
from study.engine.machine import memory_left
from study.errors import EnvironmentFault, UsageError
from study.runner import jobs, provenance
from study.runner.execution import Execution
from study.runner.forecast import expected_throughput, unevaluated
from study.runner.outcome import INTERRUPTED, OUT_OF_TIME, TERMINATED, Outcome, OutOfTime, Terminated
from study.runner.progress import Progress
from study.spec.analysis_rule import AS_FIXED, AskedRule, FixedRule, fixed_rule
from study.spec.arms import default_baseline
from study.spec.cohorts import Cohort
from study.spec.design import Design
from study.store import network_files
from study.store.manifest import Manifest, baseline_of, session_of
from study.store.schemas import SCHEMA_VERSION
from study.store.study_folder import Folder

if TYPE_CHECKING:  # torch takes seconds to import; a command that has nothing to train never does
    from study.data.dataset import Dataset


@dataclass(frozen=True)
class Place:
    """Device, engine and number of workers of a command's training."""

    device: str
    engine: str
    n_workers: int


@dataclass(frozen=True)
class Session:
    """One command's training of one study."""

    design: Design
    folder: Folder
    execution: Execution
    command: str
    """The command line, as the manifest records it."""
    notice: str | None = None
    """The reason why the data are not those that were asked for."""
    asked: AskedRule = AS_FIXED

    def train(self, plan: list[Cohort], source: ImageSource, progress: Progress) -> Outcome:
        """Train ``plan`` and commit each cohort; the manifest records the plan before, and the timings after."""
        older = self.folder.read_manifest()
        place = self._place(plan, older, progress)
        of_study = older and older["device"].get("engine", "torch-1")
        is_auto = self.execution.engine == "auto"
        why = registry.why(place.engine, self.design, place.device, of_study) if is_auto else None
        emit_place(progress, place.device, place.engine, why)
        data = source.images
        machine = self._machine(plan, data, place)
        if self.design.network is not None:
            network_files.keep(self.folder.path, self.design.network)
        self._write_manifest(data, place, machine, progress)
        self.folder.write_labels(data.test.labels.tolist())
        self._expect(plan, place, progress)
        began = time.monotonic()
        progress.start(plan, partial(costs.for_engine(place.engine).work, self.design))
        outcome = self._train_stoppably(plan, data, place, machine, progress)
        timings = {"training_seconds": time.monotonic() - began}
        if progress.worker_seconds:
            timings["work_per_second_and_worker"] = progress.worked / progress.worker_seconds
        record_timings(self.folder, self.command, timings)
        return outcome

    def _expect(self, plan: list[Cohort], place: Place, progress: Progress) -> None:
        """Say how the command's time divides between training and the inference modes that follow it."""
        model, n_workers = costs.for_engine(place.engine), place.n_workers
        progress.expect(training=model.seconds(self.design, plan, n_workers, 1.0))
        new = unevaluated(self.folder, self.design, self.execution)
        if new:
            progress.expect(inference=model.inference_seconds(self.design, new, self.execution.n_workers, 1.0))

    def _train_stoppably(
        self, plan: list[Cohort], data: "Dataset", place: Place, machine: Machine, progress: Progress
    ) -> Outcome:
        from study.runner import worker_pool

        prefix = f".data{self.execution.shard_suffix}-"
        for stale in self.folder.path.glob(f"{prefix}*"):  # of this shard, when it was killed; others may be at work
            shutil.rmtree(stale)
        try:
            with tempfile.TemporaryDirectory(prefix=prefix, dir=self.folder.path) as shared:
                job = self._job(data, place, machine, Path(shared))
                if place.n_workers > 1:
                    return Outcome(worker_pool.train(job, plan, place.n_workers, data, progress))
                if place.device == "cpu":
                    return Outcome(jobs.train_here(job, plan, data, progress))
                concurrency = self._concurrency(plan, place.device)
                return Outcome(jobs.train_here(job, plan, data.to(place.device), progress, concurrency))
        except OutOfTime:
            return Outcome(stopped=OUT_OF_TIME)
        except KeyboardInterrupt:
            return Outcome(stopped=INTERRUPTED)
        except Terminated:
            return Outcome(stopped=TERMINATED)

    def _machine(self, plan: list[Cohort], data: "Dataset", place: Place) -> Machine:
        """Return this machine, with the numerics digests of the networks that it is to train."""
        cells = {cell for cohort in plan for cell in cohort.cells}
        there = data if place.device == "cpu" else data.to(place.device)
        described = environment.describe(place.device, place.engine)
        return Machine(described, numerics.of_cells(self.design, cells, there, place.engine))

    def _job(self, data: "Dataset", place: Place, machine: Machine, shared: Path) -> jobs.Job:
        return jobs.Job(
            design=self.design,
            study=self.folder.path,
            device=place.device,
            engine=place.engine,
            data_name=data.name,
            data_sha256=data.sha256,
            shared_data=shared,
            deadline=self.execution.deadline(),
            stop_on_error=self.execution.on_error == "stop",
            environment=machine.digest,
            networks=self.execution.networks,
        )

    def _place(self, plan: list[Cohort], older: Manifest | None, progress: Progress) -> Place:
        """Return device, engine and workers as asked for and as the study began; a StudyError if these do not agree."""
        execution = self.execution
        began_with = older and older["device"].get("engine", "torch-1")
        asked = registry.likely_device(execution.device, execution.engine, self.design, began_with)
        device = devices.choose(asked, older and older["device"]["kind"])
        engine, slower = registry.choose(execution.engine, self.design, device, execution.tf32, began_with)
        if slower:
            progress.emit("notice", f"Warning: {slower}", sys.stderr)
        model = costs.for_engine(engine)
        wanted = self._wanted_workers(plan, device, model)
        n_workers = fitting_workers(model, self.design, plan, wanted)
        if n_workers < wanted:
            text = f"Warning: memory is short, so {n_workers} of {wanted} workers train"
            progress.emit("notice", text, sys.stderr)
        return Place(device, engine, n_workers)

    def _wanted_workers(self, plan: list[Cohort], device: str, model: costs.CostModel) -> int:
        """Return 1 for a GPU, and where starting processes takes longer than the work; else as many as asked for."""
        if device != "cpu":
            return 1
        if not model.in_threads:
            throughput, _ = expected_throughput(model, self.design, self.folder.path.parent)
            if model.seconds(self.design, plan, 1, throughput) < 2 * model.start_seconds:
                return 1
        return min(self.execution.n_workers, max(1, len(plan)))

    def _concurrency(self, plan: list[Cohort], device: str) -> int:
        """Return how many cohorts a GPU's free memory holds side by side."""
        free, largest = memory_left(device), max(costs.cohort_bytes(self.design, c) for c in plan)
        return max(1, int((free or 0.0) / largest))

    def _write_manifest(self, data: "Dataset", place: Place, machine: Machine, progress: Progress) -> None:
        """Record what this command is about to do; the entry of the one before moves to ``earlier``.

        Refused where this machine computes with other bits than the study's.
        """
        device = self._device(data, place)
        with self.folder.lock():
            older = self.folder.read_manifest()
            if older is not None:
                self.design.check_extends(Design.from_dict(older["design"]))
                check_same_data(self.folder, older, data.sha256)
            differs = machine.numerics.check(numerics.first_of(older), self.execution.mixed_numerics)
            if differs:
                progress.emit("notice", f"Warning: {differs}", sys.stderr)
            manifest: dict[str, Any] = {
                "schema_version": SCHEMA_VERSION,
                "study_id": older["study_id"] if older else self.folder.path.name,
                "design": self.design.to_dict(),
                "digest": self.design.digest,
                "data": {"name": data.name, "sha256": data.sha256, "notice": self.notice},
                "argv": self.command,
                "git": provenance.git(),
                "device": device,
                "timings": {},
                "date": provenance.today(),
                **machine.entry(),
                **({} if self.execution.networks else {"networks": False}),
                "earlier": [*older["earlier"], session_of(older)] if older else [],
                "looks": older.get("looks", []) if older else [],
                "tables": older.get("tables", {}) if older else {},
                **machine.of_study(older, "training"),
            }
            rule = self._rule(older)
            if rule is not None:
                manifest["analysis_rule"] = asdict(rule)
            baseline = self._baseline(older)
            if baseline is not None:
                manifest["baseline"] = baseline
            if older and "tuning" in older:
                manifest["tuning"] = older["tuning"]
            self.folder.write_manifest(cast(Manifest, manifest))

    def _rule(self, older: Manifest | None) -> FixedRule | None:
        """Return the rule that the study fixed, or fixes by this command; None where its runs began without one."""
        fixed, has_runs = fixed_rule(older), self.folder.has_parts()
        self.asked.check(self.folder.path, fixed, has_runs)
        return fixed if fixed is not None or has_runs else self.asked.fix(provenance.today())

    def _baseline(self, older: Manifest | None) -> str | None:
        """Return the study's baseline, which arms that are added leave as it is; None where it is the default."""
        fixed = baseline_of(older) if older and self.folder.has_parts() else None
        self.asked.check_baseline(self.folder.path, self.design.arms, fixed)
        before = older.get("baseline") if older else None
        baseline = fixed or self.asked.baseline or before
        return None if baseline == default_baseline(self.design.arms) else baseline

    def _device(self, data: "Dataset", place: Place) -> dict[str, Any]:
        kind, name = devices.kind(place.device), devices.name(place.device)
        device = {"kind": kind, "name": name, "engine": place.engine, "workers": place.n_workers}
        first_layer = registry.first_layer(place.engine, self.design, data)
        return device | ({"first_layer": first_layer} if first_layer else {})


def emit_place(progress: Progress, device: str, engine: str, why: str | None = None) -> None:
    """Say on what the runs train and by which engine, and ``why`` that one where nobody asked for it."""
    name = devices.name(device)
    text = f"device   {name}, {registry.in_words(engine)}" + (f" ({why})" if why else "")
    progress.emit_once("device", text, device=devices.kind(device), name=name, engine=engine)


def record_timings(folder: Folder, command: str, timings: dict[str, float]) -> None:
    """Record more timings of a command, whose entry another shard may have moved to ``earlier`` meanwhile."""
    with folder.lock():
        manifest = folder.own_manifest()
        for entry in (manifest, *reversed(manifest["earlier"])):
            if entry["argv"] == command and not timings.keys() & entry["timings"].keys():
                entry["timings"] |= timings
                break
        folder.write_manifest(manifest)


def fitting_workers(model: costs.CostModel, design: Design, plan: Sequence[Cohort], wanted: int) -> int:
    """Return as many of the wanted workers as memory holds; raises EnvironmentFault where not one fits."""
    free = memory_left("cpu")
    needs = {n: model.memory(design, plan, n) for n in range(wanted, 0, -1)}
    fitting = [n for n, need in needs.items() if free is None or need <= free]
    if not fitting:
        raise EnvironmentFault(
            f"training needs about {needs[1] / 1e9:.1f} GB of memory and {(free or 0) / 1e9:.1f} GB are free."
            " Free some, or choose a smaller --hidden or --batch-sizes."
        )
    return fitting[0]


def check_same_data(folder: Folder, manifest: Manifest, sha256: dict[str, str]) -> None:
    """Refuse to train one study on two versions of its data."""
    if manifest["data"]["sha256"] != sha256:
        raise UsageError(
            f"{folder.path} was made from data with the sha256 {manifest['data']['sha256']}; --data-dir holds"
            f" {sha256}. Name the folder with the study's data, or choose another --study-id."
        )
