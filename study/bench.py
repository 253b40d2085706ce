"""python -m study.bench: this machine's training speed, as ratios measured in one run.

Every way starts from the same weights and sees the same batches; the losses of a run that they share are
compared before anything is timed. Ways take turns, and each is given its best of several rounds, so that a busy machine
slows them alike. One thread each: the study scales by processes.
"""

import json
import math
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from itertools import pairwise, product
from pathlib import Path
from typing import Protocol

import torch
import tyro
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader
from torchvision.transforms.functional import to_tensor

from study import forecast, provenance, reference, sources, streams, training, workers
from study.data import Dataset, Split, load
from study.design import Design, Run
from study.errors import StudyError, UsageError
from study.options import DATA_DIR
from study.plan import LANES, Cohort

AGREEMENT = 1e-3  # relative difference of the first losses, in float32
WINDOW_SECONDS = 0.25
PLAIN, LOADER, LOCKSTEP = "torch.nn, fused Adam", "torch.nn, DataLoader", "lockstep"


@dataclass(frozen=True)
class Options:
    """Time the engine against a plain torch.nn loop, the tutorial's DataLoader loop, and the time that its
    arithmetic takes at this machine's own matrix-product peak."""

    dataset: str = "auto"
    """As for study.run."""
    data_dir: Path = DATA_DIR
    """As for study.run."""
    batch_sizes: tuple[int, ...] = (32, 128, 512)
    """Batch sizes to time."""
    rounds: int = 5
    """Rounds, of which the best counts."""
    quick: bool = False
    """Two rounds instead."""
    out: Path = Path("results")
    """Where bench/<date>-<device>.json is written."""


@dataclass(frozen=True)
class Row:
    """Microseconds of one run-step (one batch of one run: gather, forward, backward, Adam) on one core."""

    batch_size: int
    arm: str
    way: str
    microseconds: float
    share_of_peak: float
    """The time of the dense arithmetic at the matrix-product peak, over this."""
    speed_up: float
    """Of the lockstep engine over this way."""


class Way(Protocol):
    """A way to train: one call is one step of all its runs and returns their losses."""

    def step(self) -> list[float]: ...


class Plain:
    """One run at a time with torch.nn and torch.optim, its images in memory: reference.py, timed."""

    def __init__(self, design: Design, run: Run, data: Dataset):
        self.run, self.data = run, data
        self.network = reference.Network(design, run)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=run.lr, fused=True)
        self.batches = self._batches()

    def _batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        images, labels, size = self.data.train.images, self.data.train.labels, self.run.batch_size
        for epoch in range(1, sys.maxsize):
            order = streams.image_order(self.run.seed, epoch, len(labels))
            for rows in torch.split(order[: len(labels) // size * size], size):
                yield images[rows], labels[rows]

    def step(self) -> list[float]:
        images, labels = next(self.batches)
        loss = nn.functional.cross_entropy(self.network(images), labels)
        self.optimiser.zero_grad()
        torch.autograd.backward(loss)
        self.optimiser.step()
        return [loss.item()]


class Loader(Plain):
    """The same with a DataLoader that makes a tensor of one image after the other: what the tutorial writes."""

    def _batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        images = _Pictures(self.data.train)
        for epoch in range(1, sys.maxsize):
            order = streams.image_order(self.run.seed, epoch, len(images)).tolist()
            yield from DataLoader(images, batch_size=self.run.batch_size, sampler=order, drop_last=True)


class _Pictures(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """Images as torchvision's data sets hold them: bytes, of which each access makes a picture and a tensor."""

    def __init__(self, split: Split):
        side = math.isqrt(split.images.shape[1])
        self.pixels = (split.images * 255).round().to(torch.uint8).view(-1, side, side).numpy()
        self.labels = split.labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        picture = Image.fromarray(self.pixels[index])
        return to_tensor(picture).flatten(), int(self.labels[index])


class Engine:
    """The study's engine on a cohort of one arm: all its runs take a step together."""

    def __init__(self, design: Design, cohort: Cohort, data: Dataset):
        self.cohort, self.data = cohort, data
        self.team = training.Lockstep(design, cohort)
        self.batches = self._batches()

    def _batches(self) -> Iterator[torch.Tensor]:
        for epoch in range(1, sys.maxsize):
            yield from training.batches(self.cohort, epoch, len(self.data.train.labels))

    @torch.no_grad()
    def step(self) -> list[float]:
        losses = self.team.step(*training.gather(self.data.train, next(self.batches)))
        return losses.flatten().tolist()


def measure(data: Dataset, batch_size: int, arm: str, rounds: int, peak: float) -> list[Row]:
    """Compare the ways' losses, then time them by turns; ``peak`` in FLOP per second."""
    lrs, seeds = (0.001, 0.003, 0.01), tuple(range(LANES // 3))
    design = Design(data.name, batch_sizes=(batch_size,), lrs=lrs, seeds=seeds)
    run = Run(batch_size, lrs[0], seeds[0], arm)
    engine = Engine(design, Cohort(batch_size, (arm,), lrs, seeds), data)
    ways: dict[str, Way] = {LOADER: Loader(design, run, data), PLAIN: Plain(design, run, data), LOCKSTEP: engine}
    _check_agreement({name: [way.step()[0] for _ in range(5)] for name, way in ways.items()})
    runs = {LOADER: 1, PLAIN: 1, LOCKSTEP: LANES}
    best = _best_of(rounds, {name: way.step for name, way in ways.items()})
    each = {name: best[name] / runs[name] for name in ways}
    ideal = dense_flop(design) / peak
    return [
        Row(batch_size, arm, name, 1e6 * seconds, ideal / seconds, seconds / each[LOCKSTEP])
        for name, seconds in each.items()
    ]


def dense_flop(design: Design) -> float:
    """Of one run-step's matrix products: forward, weight gradient, and input gradient but for the first layer."""
    products = [n_in * n_out for n_in, n_out in pairwise(design.widths)]
    return 2.0 * design.batch_sizes[0] * (3 * sum(products) - products[0])


def _check_agreement(losses: dict[str, list[float]]) -> None:
    for name, found in losses.items():
        if not all(math.isclose(a, b, rel_tol=AGREEMENT) for a, b in zip(found, losses[PLAIN], strict=True)):
            raise StudyError(f"the losses of {name!r}, {found}, are not torch.nn's, {losses[PLAIN]}; nothing is timed")


def _best_of(rounds: int, steps: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of one step of each way: the mean of a window, the best window of all rounds."""
    best = dict.fromkeys(steps, float("inf"))
    for _ in range(rounds):
        for name, step in steps.items():
            n, began = 0, time.perf_counter()
            while time.perf_counter() - began < WINDOW_SECONDS:
                step()
                n += 1
            best[name] = min(best[name], (time.perf_counter() - began) / n)
    return best


def matrix_product_peak(rounds: int) -> float:
    """FLOP per second of a square float32 product on one core."""
    a = torch.rand(1024, 1024, generator=streams.generator(0, "bench", 0))
    best = _best_of(rounds, {"product": lambda: torch.mm(a, a)})
    return float(2 * 1024**3 / best["product"])


def report(rows: Sequence[Row], peak: float) -> str:
    lines = [
        f"{forecast.processor()}, one core, matrix-product peak {peak / 1e9:.0f} GFLOP/s",
        f"{'batch':>5} {'arm':>6} {'way':<22} {'us/run-step':>11} {'of peak':>8} {'lockstep is':>13}",
    ]
    for row in rows:
        faster = "" if row.way == LOCKSTEP else f"{row.speed_up:.1f} x faster"
        lines.append(
            f"{row.batch_size:>5} {row.arm:>6} {row.way:<22} {row.microseconds:>11.1f}"
            f" {row.share_of_peak:>8.2f} {faster:>13}"
        )
    return "\n".join(lines)


def run(options: Options) -> None:
    """Measure, print the table, write it to ``<out>/bench/``."""
    if options.rounds < 1:
        raise UsageError(f"--rounds {options.rounds}: give at least 1, such as 5")
    workers.prepare_torch()
    name, notice = sources.choose(options.dataset, options.data_dir)
    data = load(name, options.data_dir)
    rounds = 2 if options.quick else options.rounds
    peak = matrix_product_peak(rounds)
    cells = product(options.batch_sizes, ("no_bn", "bn"))
    rows = [row for size, arm in cells for row in measure(data, size, arm, rounds, peak)]
    print("\n".join([*([notice] if notice else []), report(rows, peak)]))
    path = options.out / "bench" / f"{date.today().isoformat()}-{platform.machine()}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    found = {
        "device": forecast.processor(),
        "dataset": name,
        "versions": provenance.versions(),
        "peak_flop_per_second_and_core": peak,
        "rows": [asdict(row) for row in rows],
    }
    path.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(path)


def main(argv: Sequence[str] | None = None) -> int:
    try:
        run(tyro.cli(Options, args=argv, prog="python -m study.bench"))
    except StudyError as error:
        print(f"study.bench: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
