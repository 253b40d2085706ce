"""What training costs: work and bytes of a plan by each engine. Knows no torch, so that ``--dry-run`` answers at once.

The unit of work is one image under one run's parameters, each used once, in a training step. A step has a cost of its
own for each run (Adam) and under torch's engine for each arm (its operations are called, however many runs share
them); an evaluated image costs less than a trained one. The numbers are from a measurement (results/LOG.md); what they
miss of a machine, its throughput makes good (``runner.forecast``).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from study.spec.cohorts import Cohort
from study.spec.design import Design
from study.spec.factors import MAX_VARIANTS, REFERENCE_SETTING, Cell

PROCESS_BYTES = 600e6
"""torch as it comes from PyPI, imported."""
INFERENCE_FEATURES = 100
"""Features of each test image that a worker at the inference modes holds, as a multiple of a layer's width."""


@dataclass(frozen=True)
class CostModel:
    """The cost of training by one of the engines, in units of work: images."""

    kind: str
    """The prefix of the engine's numerics ids."""
    cost_per_run_step: float
    cost_per_arm_step: float
    cost_per_evaluated_image: float
    cost_per_inference_image: float
    """The cost of a test image in the main inference modes of a network with batch norm, by torch under either
    engine."""
    cost_per_detailed_image: float
    """The cost of a test image in all that is evaluated beside them where a report shows it."""
    throughput_per_flop: float
    """Units of work a second for each FLOP a second of the timed matrix product, over the parameters."""
    start_seconds: float
    """The time to import torch, in the command and in its workers where these are processes."""
    in_threads: bool
    """Whether several workers are best threads of one process: the kernel releases Python's lock."""

    @property
    def engine(self) -> str:
        """The value of ``--engine``."""
        return self.kind.removesuffix("-")

    def work(self, design: Design, cohort: Cohort) -> float:
        """Return the work of a cohort, evaluation included."""
        steps = design.epochs * design.steps_per_epoch(cohort.cell)
        evaluated = (design.epochs + 1) * (design.n_train_in(cohort.cell) + design.data.n_test)
        images = steps * (cohort.batch_size + self.cost_per_run_step) + self.cost_per_evaluated_image * evaluated
        n_runs = len(cohort.seeds) * len(cohort.cells)
        per_product = n_runs * images + steps * self.cost_per_arm_step
        return sum(design.n_products(arm, cohort.cell) * per_product for arm in cohort.arms)

    def seconds(self, design: Design, cohorts: Sequence[Cohort], workers: int, throughput: float) -> float:
        """Return the wall time at ``throughput`` work per second and worker; the idle worker takes the next cohort."""
        free = [0.0] * min(workers, max(1, len(cohorts)))  # others have nothing to do
        for cohort in cohorts:
            first = free.index(min(free))
            free[first] += self.work(design, cohort) / throughput
        return self.start_seconds + max(free)

    def inference_seconds(self, design: Design, cohorts: Iterable[Cohort], workers: int, throughput: float) -> float:
        """Return the wall time of the inference modes on the clean test images, of the networks of ``cohorts``; one
        cell of an arm is evaluated in detail."""
        runs = [run for cohort in cohorts for run in cohort.runs if design.statistics(run.arm)]
        n_cells = len({run.cell for run in runs})
        cost = self.cost_per_inference_image + self.cost_per_detailed_image / max(1, n_cells)
        n_products = sum(design.n_products(run.arm, run.cell) for run in runs)
        return cost * design.data.n_test * n_products / throughput / workers

    def memory(self, design: Design, cohorts: Sequence[Cohort], workers: int) -> float:
        """Return the bytes of the command while it trains: the data once, and for each worker its largest cohort; of
        processes each has torch as well."""
        data = 4.0 * (design.data.n_train + design.data.n_test) * design.data.n_features
        variants = variant_bytes(design)
        largest = max((cohort_bytes(design, cohort) for cohort in cohorts), default=0.0)
        if self.in_threads:  # with the images in the kernel's own form
            return PROCESS_BYTES + 2 * (data + variants) + workers * largest
        return PROCESS_BYTES + data + workers * (PROCESS_BYTES + variants + largest)


TORCH = CostModel("torch-", 28, 300, 0.4, 7, 36, throughput_per_flop=0.33, start_seconds=8, in_threads=False)
KERNEL = CostModel("kernel-", 27, 0, 0.5, 22, 118, throughput_per_flop=0.8, start_seconds=4, in_threads=True)
PLAIN = CostModel("plain-", 200, 0, 0.4, 21, 208, throughput_per_flop=0.1, start_seconds=8, in_threads=False)
"""From the small networks that come with the program; the time of a step depends little on their size."""
MODELS = (TORCH, KERNEL, PLAIN)


def for_engine(numerics: str) -> CostModel:
    """Return the cost model of an engine, by its numerics id."""
    return next((model for model in MODELS if numerics.startswith(model.kind)), TORCH)


def inference_bytes(design: Design, workers: int) -> float:
    """Return the bytes that the workers at the inference modes hold beside torch and the data."""
    return 4.0 * INFERENCE_FEATURES * widest(design) * design.data.n_test * workers


def cohort_bytes(design: Design, cohort: Cohort) -> float:
    """Return the bytes of parameters, gradient, Adam's two moments; each layer's features four times; the batch."""
    features = 4 * sum(_widths(design, cohort.cell)[1:]) * cohort.batch_size
    per_run = sum(4.0 * (4 * design.n_parameters(run.arm, run.cell) + features) for run in cohort.runs)
    return per_run + 4.0 * len(cohort.seeds) * cohort.batch_size * design.data.n_features


def variant_bytes(design: Design) -> float:
    """Return the bytes of the images of the cells' own data that a process keeps (``study.data.variants``): fewer of
    them, or at another scale."""
    plain = REFERENCE_SETTING
    own = {(design.n_train_in(cell), cell.scale) for cell in design.shapes} - {(design.data.n_train, plain.scale)}
    n_images = [n + (design.data.n_test if scale != plain.scale else 0) for n, scale in own]
    return 4.0 * sum(sorted(n_images)[-MAX_VARIANTS:]) * design.data.n_features


def all_widths(design: Design) -> set[tuple[int, ...]]:
    """Return the widths of the networks of any cell."""
    return {_widths(design, cell) for cell in design.shapes}


def widest(design: Design) -> int:
    """Return the units of the widest hidden layer of any network."""
    return max(width for widths in all_widths(design) for width in widths[1:-1])


def _widths(design: Design, cell: Cell) -> tuple[int, ...]:
    """Return the widths of a network; of a user's own, whose features nobody has counted, some four times its input."""
    if design.network is None:
        return design.widths_in(cell)
    n, n_classes = design.data.n_features, design.data.n_classes
    return (n, 2 * n, 2 * n, n_classes)
