"""python -m study.bench: measure this machine's training speed, as ratios within one run.

Every implementation starts from the same weights and sees the same batches; the losses of a run that they share are
compared before anything is timed. They take turns, and the best of several rounds counts for each, so that a busy
machine slows them alike.
"""

import json
import platform
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from itertools import pairwise, product
from pathlib import Path

from study.bench import ablation, report, scaling
from study.bench.worker_pool import PEAK, WorkerPool, check_agreement
from study.cli import arguments
from study.cli.exits import say_error
from study.cli.option_groups import Data
from study.data import download
from study.engine import environment
from study.engine.machine import processor
from study.errors import StudyError, UsageError
from study.runner.console import Console
from study.spec.datasets import AUTO, check_dataset
from study.spec.design import Design

WINDOW_SECONDS = 0.25


@dataclass(frozen=True)
class Options(Data):
    """Time the engines on all cores. Compare them with other implementations: the tutorial's DataLoader loop, torch.nn
    with the images in memory, torch.func, and JAX if the extra "bench" is installed. Compare them also with the time of
    the dense arithmetic at this machine's peak for matrix products.

    Examples:
      # two rounds, in a minute
      python -m study.bench --quick
    """

    batch_sizes: tuple[int, ...] = (32, 128, 512)
    """Batch sizes to time."""
    rounds: int = 12
    """Rounds; the best one counts."""
    quick: bool = False
    """Take two rounds."""
    scaling: bool = False
    """Time whole studies of 1 to 50 seeds instead."""
    ablation: bool = False
    """Time the default study's training and inference modes instead, then those that study.ablate adds."""
    report: bool = False
    """Time analysis.report over a million made-up records instead."""
    out: Path = Path("results")
    """Folder in which bench/<date>-<device>.json is written."""


@dataclass(frozen=True)
class Row:
    """One implementation on one arm at one batch size, on all cores."""

    batch_size: int
    arm: str
    way: str
    microseconds: float
    """The time of a run-step: one batch of one run, from the images' numbers to Adam."""
    share_of_peak: float
    """The time of the dense arithmetic at the matrix-product peak, over this."""
    lockstep_is_faster: float
    """The run-steps a second of torch's engine, as a study trains both arms, over those of this one."""
    kernel_is_faster: float | None
    """The run-steps a second of the kernel over those of this one; None where it cannot be built."""


def measure(pools: Sequence[WorkerPool], name: str, batch_size: int, arm: str, rounds: int, peak: float) -> list[Row]:
    """Compare the implementations' losses, then time them by turns; ``peak`` in FLOP per second."""
    made = [(pool, pool.make(batch_size, arm)) for pool in pools]
    facts = {way: fact for _, of_pool in made for way, fact in of_pool.items()}
    check_agreement(facts)
    best = dict.fromkeys(facts, 0.0)
    for _, (pool, of_pool) in product(range(rounds), made):
        for way in of_pool:
            best[way] = max(best[way], pool.time(way, WINDOW_SECONDS, facts[way].whole_machine))
    ideal = peak / dense_flop(Design(name, batch_sizes=(batch_size,)))
    lockstep, kernel = best["lockstep, both arms"], best.get("kernel, both arms")
    return [
        Row(batch_size, arm, way, 1e6 / speed, speed / ideal, lockstep / speed, kernel and kernel / speed)
        for way, speed in best.items()
    ]


def dense_flop(design: Design) -> float:
    """Return the FLOP of a run-step: forward, weight gradient, and input gradient but for the first layer."""
    products = [n_in * n_out for n_in, n_out in pairwise(design.widths)]
    return 2.0 * design.batch_sizes[0] * (3 * sum(products) - products[0])


def matrix_product_peak(pool: WorkerPool, rounds: int) -> float:
    """Return the FLOP per second of square float32 products on all cores at once."""
    from study.bench.implementations import PRODUCT

    return 2.0 * PRODUCT**3 * max(pool.time(PEAK, WINDOW_SECONDS, False) for _ in range(rounds))


def table(rows: Sequence[Row], n_cores: int, peak: float) -> str:
    lines = [
        f"{processor()}, {n_cores} cores, matrix-product peak {peak / 1e9:.0f} GFLOP/s",
        f"{'batch':>5} {'arm':>6} {'way':<22} {'us/run-step':>11} {'of peak':>8} {'lockstep is':>15} {'kernel is':>15}",
    ]
    for row in rows:
        ours = row.way.startswith(("lockstep", "kernel"))
        faster = "" if ours else f"{row.lockstep_is_faster:.1f} x as fast"
        kernel = (
            ""
            if row.kernel_is_faster is None or row.way.startswith("kernel")
            else f"{row.kernel_is_faster:.1f} x as fast"
        )
        lines.append(
            f"{row.batch_size:>5} {row.arm:>6} {row.way:<22} {row.microseconds:>11.1f}"
            f" {row.share_of_peak:>8.2f} {faster:>15} {kernel:>15}".rstrip()
        )
    return "\n".join(lines)


def run(options: Options) -> None:
    """Measure, print the table, write it to ``<out>/bench/``."""
    if options.rounds < 1:
        raise UsageError(f"--rounds {options.rounds}: give at least 1, such as 12")
    if options.report:
        timing = report.measure()
        print(report.line(timing))
        _write(options.out, "report-", "made up", asdict(timing))
        return
    if options.dataset != AUTO:
        check_dataset(options.dataset, AUTO)
    name, notice = download.choose(options.dataset, options.data_dir)
    if notice:
        Console().emit("notice", f"Warning: {notice}", sys.stderr)
    if options.ablation:
        modes = ablation.measure(name, options.data_dir)
        print(ablation.line(modes))
        _write(options.out, "ablation-", name, asdict(modes) | {"share_of_training": modes.share_of_training})
    elif options.scaling:
        timings = scaling.measure(name, options.data_dir)
        print(scaling.table(timings))
        _write(options.out, "scaling-", name, {"studies": [asdict(timing) for timing in timings]})
    else:
        _training(options, name)


def _training(options: Options, name: str) -> None:
    rounds = 2 if options.quick else options.rounds
    from study.data import dataset  # torch takes seconds to import; --help needs none of it

    images = dataset.load(name, options.data_dir)
    with tempfile.TemporaryDirectory() as shared:
        dataset.share(images, Path(shared))
        pools = [WorkerPool(of_engine, name, images.sha256, Path(shared)) for of_engine in (True, False)]
        peak = matrix_product_peak(pools[0], rounds)
        cells = product(options.batch_sizes, ("no_bn", "bn"))
        rows = [row for size, arm in cells for row in measure(pools, name, size, arm, rounds, peak)]
        for pool in pools:
            pool.close()
    print(table(rows, len(pools[0].cores), peak))
    _write(options.out, "", name, {"peak_flop_per_second": peak, "rows": [asdict(row) for row in rows]})


def _write(out: Path, kind: str, name: str, results: dict[str, object]) -> None:
    path = out / "bench" / f"{kind}{date.today().isoformat()}-{platform.machine()}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {
        "device": processor(),
        "dataset": name,
        "versions": environment.versions(("torch", "torchvision", "numpy", "jax")),
    }
    path.write_text(json.dumps(facts | results, indent=1) + "\n", "utf-8")
    print(path)


def main(argv: Sequence[str] | None = None) -> int:
    try:
        run(arguments.read(Options, argv, "python -m study.bench"))
    except StudyError as error:
        say_error("study.bench", error)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
