"""python -m study.bench: this machine's training speed, as ratios measured in one run.

Every way starts from the same weights and sees the same batches; the losses of a run that they share are compared
before anything is timed. Ways take turns, and each is given its best of several rounds, so that a busy machine
slows them alike.
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
from study.bench.team import PEAK, Team, check_agreement
from study.cli import arguments
from study.data import dataset as data
from study.data import download as sources
from study.data.lazy import DATA_DIR
from study.engine.machine import processor
from study.errors import StudyError, UsageError
from study.runner import provenance
from study.spec.design import Design

WINDOW_SECONDS = 0.25


@dataclass(frozen=True)
class Options:
    """Time the engines on all cores against what one would write instead: the tutorial's DataLoader loop, torch.nn
    with the images in memory, torch.func, JAX where the extra ``bench`` is installed; and against the time that its
    dense arithmetic takes at this machine's own matrix-product peak."""

    dataset: str = "auto"
    """As for study.run."""
    data_dir: Path = DATA_DIR
    """As for study.run."""
    batch_sizes: tuple[int, ...] = (32, 128, 512)
    """Batch sizes to time."""
    rounds: int = 12
    """Rounds, of which the best counts."""
    quick: bool = False
    """Two rounds instead."""
    scaling: bool = False
    """Instead, time whole studies of 1 to 50 seeds."""
    ablation: bool = False
    """Instead, time study.ablate on the default study's networks, trained for one epoch."""
    report: bool = False
    """Instead, time analysis.report over a million made-up records."""
    out: Path = Path("results")
    """Where bench/<date>-<device>.json is written."""


@dataclass(frozen=True)
class Row:
    """One way to train one arm at one batch size, on all cores."""

    batch_size: int
    arm: str
    way: str
    microseconds: float
    """Of a run-step: one batch of one run, from the images' numbers to Adam."""
    share_of_peak: float
    """The time of the dense arithmetic at the matrix-product peak, over this."""
    lockstep_is_faster: float
    """The run-steps a second of torch's engine, as a study trains both arms, over those of this way."""
    kernel_is_faster: float | None
    """Likewise those of the kernel; None where it cannot be built."""


def measure(teams: Sequence[Team], name: str, batch_size: int, arm: str, rounds: int, peak: float) -> list[Row]:
    """Compare the ways' losses, then time them by turns; ``peak`` in FLOP per second."""
    made = [(team, team.make(batch_size, arm)) for team in teams]
    facts = {way: of_way for _, of_team in made for way, of_way in of_team.items()}
    check_agreement(facts)
    best = dict.fromkeys(facts, 0.0)
    for _, (team, of_team) in product(range(rounds), made):
        for way in of_team:
            best[way] = max(best[way], team.time(way, WINDOW_SECONDS, facts[way].whole_machine))
    ideal = peak / dense_flop(Design(name, batch_sizes=(batch_size,)))
    lockstep, kernel = best["lockstep, both arms"], best.get("kernel, both arms")
    return [
        Row(batch_size, arm, way, 1e6 / speed, speed / ideal, lockstep / speed, kernel and kernel / speed)
        for way, speed in best.items()
    ]


def dense_flop(design: Design) -> float:
    """Of one run-step's matrix products: forward, weight gradient, and input gradient but for the first layer."""
    products = [n_in * n_out for n_in, n_out in pairwise(design.widths)]
    return 2.0 * design.batch_sizes[0] * (3 * sum(products) - products[0])


def matrix_product_peak(team: Team, rounds: int) -> float:
    """FLOP per second of square float32 products on all cores at once."""
    from study.bench.ways import PRODUCT

    return 2.0 * PRODUCT**3 * max(team.time(PEAK, WINDOW_SECONDS, False) for _ in range(rounds))


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
        took = report.measure()
        print(report.line(took))
        _write(options.out, "report-", "made up", asdict(took))
        return
    name, notice = sources.choose(options.dataset, options.data_dir)
    if notice:
        print(notice)
    if options.ablation:
        modes = ablation.measure(name, options.data_dir)
        print(ablation.line(modes))
        _write(options.out, "ablation-", name, asdict(modes))
    elif options.scaling:
        found = scaling.measure(name, options.data_dir)
        print(scaling.table(found))
        _write(options.out, "scaling-", name, {"studies": [asdict(study) for study in found]})
    else:
        _training(options, name)


def _training(options: Options, name: str) -> None:
    rounds = 2 if options.quick else options.rounds
    images = data.load(name, options.data_dir)
    with tempfile.TemporaryDirectory() as shared:
        data.share(images, Path(shared))
        teams = [Team(of_engine, name, images.sha256, Path(shared)) for of_engine in (True, False)]
        peak = matrix_product_peak(teams[0], rounds)
        cells = product(options.batch_sizes, ("no_bn", "bn"))
        rows = [row for size, arm in cells for row in measure(teams, name, size, arm, rounds, peak)]
        for team in teams:
            team.close()
    print(table(rows, len(teams[0].cores), peak))
    _write(options.out, "", name, {"peak_flop_per_second": peak, "rows": [asdict(row) for row in rows]})


def _write(out: Path, kind: str, dataset: str, found: dict[str, object]) -> None:
    path = out / "bench" / f"{kind}{date.today().isoformat()}-{platform.machine()}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {
        "device": processor(),
        "dataset": dataset,
        "versions": provenance.versions(("torch", "torchvision", "numpy", "jax")),
    }
    path.write_text(json.dumps(facts | found, indent=1) + "\n", "utf-8")
    print(path)


def main(argv: Sequence[str] | None = None) -> int:
    try:
        run(arguments.read(Options, argv, "python -m study.bench"))
    except StudyError as error:
        print(f"study.bench: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
