"""Which evaluations of a study's trained networks are missing, and their making; resumable.

Needs the networks that training kept, and trains nothing. What is evaluated is not evaluated again.
"""

import sys
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from functools import cache, partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO, cast

from filelock import FileLock

from study.data.lazy import ImageSource
from study.engine import devices, environment, numerics
from study.engine.costs import KERNEL, TORCH, CostModel
from study.engine.environment import Machine
from study.errors import UsageError
from study.spec import commands
from study.spec.commands import shown_path
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.history import OK
from study.spec.inference import conditions
from study.spec.inference.modes import CLEAN, DETAILS, Evaluation, shown_cell
from study.spec.runs import Run
from study.store import network_files, weights
from study.store.claims_manifest import is_ledger
from study.store.inference_tables import Store
from study.store.manifest import Manifest
from study.store.scores import mean_score, scores
from study.store.study_folder import Folder

if TYPE_CHECKING:  # torch is imported by those who evaluate
    from study.data.dataset import Dataset

NETWORKS_PER_GROUP = 4
"""The most networks that are evaluated together: with the test images they bound the memory, for any number of runs."""
ONE_WAY = 0.1
"""Work of the one way in which a network without statistics predicts, as a share of the main inference modes."""

OF_BATCHES, LEAST_TEST = ("swaps", "compositions"), 9
"""Tables of what the others of a batch of 8 do, and the test examples of which one can be replaced there."""

Todo = Mapping[Run, list[Evaluation]]
"""Missing evaluations by run."""


class Report(Protocol):
    """Receiver of the events of an evaluation."""

    def evaluating(self, n_networks: int, work: float) -> None:
        """It begins; ``work`` in units of ``engine.costs``."""
        ...

    def evaluated(self, n_networks: int, work: float) -> None:
        """So many more networks are done."""
        ...

    def emit(self, event: str, text: str, file: TextIO | None = None) -> None:
        """Say one thing."""
        ...


@dataclass(frozen=True)
class Extent:
    """How much of the networks is evaluated."""

    clean: bool = False
    """The test images as they are alone."""
    detailed: frozenset[tuple[str, Cell]] | None = None
    """Arms and cells whose networks have the ``DETAILS`` beside the main ways; None: all."""

    def evaluations(self, design: Design, run: Run) -> list[Evaluation]:
        """Return what is evaluated of a run's network."""
        every = conditions.conditions_of(design.data)
        under = [CLEAN] if self.clean else [(each.name, each.severity) for each in every]
        main = [Evaluation("ablation", *condition) for condition in under]
        detailed = self.detailed is None or (run.arm, run.cell) in self.detailed
        details = [one for one in DETAILS if one.table not in OF_BATCHES or design.data.n_test >= LEAST_TEST]
        return [*main, *details] if detailed and design.statistics(run.arm) else main


def shown(folder: Folder, design: Design, runs: Sequence[Run]) -> Extent:
    """Return the extent that a report of the clean images shows: each arm's shown cell in detail."""
    by_run = cache(partial(scores, folder, design))  # not read where nobody asks

    def score(arm: str, cell: Cell) -> float:
        ids = [design.run_id(run) for run in design.grid if (run.arm, run.cell) == (arm, cell)]
        return mean_score(design, [by_run()[run_id] for run_id in ids if run_id in by_run()])

    cells = {run.arm: sorted({other.cell for other in runs if other.arm == run.arm}) for run in runs}
    return Extent(True, frozenset((arm, shown_cell(of_arm, partial(score, arm))) for arm, of_arm in cells.items()))


def complete_evaluation(
    folder: Folder, design: Design, runs: Sequence[Run], source: ImageSource, device: str, extent: Extent,
    n_workers: int, report: Report, mixed_numerics: bool = False,
) -> None:  # fmt: skip
    """Evaluate what is missing of ``runs`` and write the tables; a second process waits, and then has nothing to do.

    Refused on a machine that computes with other bits than the study's, unless ``mixed_numerics``.
    """
    with FileLock(folder.path / ".ablating"):
        Store(folder.path).clear()
        todo = missing(folder, design, runs, extent)
        if todo:
            chosen = devices.choose(device, of_study=None)
            images = _images(folder, source, chosen)
            _agree_numerics(folder, design, todo, images, mixed_numerics, report)
            folder.write_labels(images.test.labels.tolist())
            _evaluate(folder, design, todo, images, n_workers, report)
        Store(folder.path).compact(folder.own_manifest()["study_id"], design)


def trained(folder: Folder, design: Design) -> list[Run]:
    """Return the runs of the grid whose networks can predict.

    Tuned runs are left out, since the pairs of a tuned cell differ in more than the arm.
    """
    table = folder.read("runs")
    status = dict(zip(table["run_id"].to_pylist(), table["status"].to_pylist(), strict=True))
    return [run for run in design.grid if status.get(design.run_id(run)) == OK]


def evaluable(folder: Folder, network: str | None = None) -> tuple[Design, list[Run]]:
    """Return the design of a study and its trained runs but for those of which no network was to be kept; a UsageError
    where no inference mode can be chosen.

    ``network`` names the file of the study's network, which is run.
    """
    if is_ledger(folder.path):
        raise UsageError(
            f"{folder.manifest} is that of a ledger of the tutorial's claims, which holds studies and is none. Name the"
            f" folder of one, under {shown_path(folder.path / 'studies')}, or go on with the ledger:"
            f" {commands.claims_into(folder.path)}"
        )
    design = folder.design()
    if design is None:
        raise UsageError(
            f"{shown_path(folder.path)} holds no study (no manifest.json). Train one first:"
            f" {commands.train_into(folder.path)}"
        )
    runs = trained(folder, design)
    if not any_statistics(design, runs):
        raise UsageError(
            f"{shown_path(folder.path)} has no trained run with batch normalisation, so there are no inference modes to"
            " compare"
        )
    networks = weights.Networks(folder.path, design)
    kept = [run for run in runs if not networks.omits(run)]
    return network_files.named_again(folder.path, design, network) if kept else design, kept


def without_networks(folder: Folder) -> str:
    """Return a sentence on a study that was to keep no networks."""
    return (
        f"{shown_path(folder.path)} kept no networks (--no-networks), so there are no inference modes to evaluate; they"
        " need the study trained again under another --study-id, without that option"
    )


def any_statistics(design: Design, runs: Sequence[Run]) -> bool:
    """Whether an arm of ``runs`` has statistics to choose."""
    return any(design.statistics(run.arm) for run in runs)


def missing(folder: Folder, design: Design, runs: Sequence[Run], extent: Extent) -> Todo:
    """Return what is not evaluated yet of ``extent``, by run."""
    done, of = Store(folder.path).done(design), partial(extent.evaluations, design)
    by_run = {run: [one for one in of(run) if (design.run_id(run), one) not in done] for run in runs}
    return {run: evaluations for run, evaluations in by_run.items() if evaluations}


def work(design: Design, run: Run, evaluations: Sequence[Evaluation], model: CostModel = TORCH) -> float:
    """Return the work of evaluating a run's network, in units of ``engine.costs``."""
    n_details = sum(evaluation in DETAILS for evaluation in evaluations)
    main = model.cost_per_inference_image * (1 if design.statistics(run.arm) else ONE_WAY)
    details = model.cost_per_detailed_image / len(DETAILS)
    cost = main * (len(evaluations) - n_details) + details * n_details
    return cost * design.data.n_test * design.n_products(run.arm, run.cell)


def _images(folder: Folder, source: ImageSource, device: str) -> "Dataset":
    manifest, images = folder.read_manifest(), source.images
    if manifest is None or images.sha256 != manifest["data"]["sha256"]:
        raise UsageError(
            f"--data-dir {source.data_dir} holds other images than those that {folder.path} was trained on; name the"
            " folder with the study's data"
        )
    return images if device == "cpu" else images.to(device)


def _engine(folder: Folder, device: str) -> str:
    """Return the engine whose steps show the arithmetic of an evaluation: torch's, which trains what the kernel does as
    well, or the study's own where that is a third one."""
    own = str(folder.own_manifest()["device"].get("engine", TORCH.kind))
    return devices.numerics_id(device, tf32=False) if own.startswith((TORCH.kind, KERNEL.kind)) else own


def _agree_numerics(folder: Folder, design: Design, todo: Todo, images: "Dataset", mixed: bool, report: Report) -> None:
    """Refuse, or report, a machine that computes with other bits than the one that began; keep what it adds."""
    device = images.test.images.device.type
    engine = _engine(folder, device)
    found = numerics.of_cells(design, {run.cell for run in todo}, images, engine)
    with folder.lock():
        manifest = folder.own_manifest()
        differs = found.check(numerics.first_of(manifest), mixed)
        machine = Machine(environment.describe(device, engine), found)
        fields = machine.of_study(manifest, "inference modes")
        if differs:
            report.emit("notice", f"Warning: {differs}", sys.stderr)
        else:  # rows of modes name no environment
            del fields["environments"]
        whole = cast(Manifest, {**manifest, **fields})
        if whole != manifest:
            folder.write_manifest(whole)


def _evaluate(folder: Folder, design: Design, todo: Todo, images: "Dataset", n_workers: int, report: Report) -> None:
    """Evaluate group by group: in this thread or, with several groups and workers on a CPU, in several."""
    groups = list(_groups(todo, NETWORKS_PER_GROUP if design.network is None else 1))
    device = images.test.images.device.type
    networks = weights.Networks(folder.path, design)
    job = Job(folder.path, design, devices.numerics_id(device, tf32=False), networks, device)
    if device != "cpu" or min(n_workers, len(groups)) < 2:
        devices.prepare(job.engine)
        done: Generator[list[Run]] = (job.evaluate(runs, todo[runs[0]], images) for runs in groups)
    else:
        done = _in_threads(job, groups, todo, images, n_workers)
    report.evaluating(len(todo), sum(work(design, run, evaluations) for run, evaluations in todo.items()))
    with closing(done):  # however this ends, no thread is at work when it has
        for runs in done:
            report.evaluated(len(runs), sum(work(design, run, todo[run]) for run in runs))


@dataclass(frozen=True)
class Job:
    """The settings that the evaluation of all groups shares."""

    study: Path
    design: Design
    engine: str
    networks: weights.Networks
    device: str

    def evaluate(
        self, runs: Sequence[Run], evaluations: Sequence[Evaluation], images: "Dataset",
        check_cancelled: Callable[[], None] = lambda: None,
    ) -> list[Run]:  # fmt: skip
        """Evaluate a group of networks and commit evaluation by evaluation; returns the runs.

        ``check_cancelled`` is called several times a second and ends the evaluation by raising.
        """
        import torch

        from study.inference.evaluate import Group
        from study.inference.modes import arithmetic
        from study.inference.own import expected_shapes

        tensors = [self.networks.read(run, expected_shapes(self.design, run)) for run in runs]
        group = Group(self.design, runs, tensors, images, check_cancelled)
        made_by = {
            self.design.run_id(run): {
                "network_sha256": self.networks.sha256(run), "arithmetic": arithmetic(self.device)
            }
            for run in runs
        }  # fmt: skip
        with torch.no_grad():
            for evaluation in evaluations:
                Store(self.study).commit({evaluation.table: group.rows(evaluation)}, self.design, made_by)
        return [*runs]


def _in_threads(
    job: Job, groups: Sequence[list[Run]], todo: Todo, images: "Dataset", n_workers: int
) -> Generator[list[Run]]:
    """Evaluate ``groups`` in threads, yielding the runs of each as it ends.

    Threads suffice: torch releases the GIL during its operations, which are long here.
    """
    stopped = threading.Event()
    pool = ThreadPoolExecutor(min(n_workers, len(groups)), initializer=devices.prepare, initargs=(job.engine,))
    try:
        futures = [pool.submit(job.evaluate, runs, todo[runs[0]], images, partial(_check, stopped)) for runs in groups]
        for future in as_completed(futures):
            yield future.result()
    finally:
        stopped.set()  # what is not committed then is evaluated again
        pool.shutdown(cancel_futures=True)


def _check(stopped: threading.Event) -> None:
    if stopped.is_set():
        raise CancelledError


def _groups(todo: Todo, size: int) -> Iterator[list[Run]]:
    """Yield networks of one arm and shape (batch size, activation) that lack the same evaluations, some at a time."""

    def alike(run: Run) -> tuple[object, ...]:
        return run.arm, run.cell.shape, todo[run]

    for _, group in groupby(sorted(todo, key=alike), alike):
        runs = list(group)
        yield from (runs[start : start + size] for start in range(0, len(runs), size))
