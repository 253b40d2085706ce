"""Runs that take every step together, and where each of them sits: what a training step changes.

On a CPU the runs of a cohort form a grid, seeds x rates, and the rates of a seed share its images. A GPU's
kernels choose their order of summation by shape, so there every stack has the same shape:
MAX_RUNS_PER_STACK seats, each with images of its own, the empty ones taken by copies of the first run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Self

import torch
from torch import Tensor

from study.data.images import ImageBatch
from study.engine.lockstep.layers import Stack, cross_entropy, d_cross_entropy, one_row_a_run
from study.spec.cohorts import MAX_RUNS_PER_STACK, Cohort
from study.spec.design import Design


@dataclass(frozen=True)
class Slots:
    """``seeds`` (S,): whose weights and images a row starts from; ``lrs`` (S, R): the rate of every seat."""

    seeds: tuple[int, ...]
    lrs: tuple[tuple[float, ...], ...]

    @classmethod
    def shared(cls, cohort: Cohort) -> Self:
        """A row a seed, its rates side by side."""
        return cls(cohort.seeds, (cohort.lrs,) * len(cohort.seeds))

    @classmethod
    def pinned(cls, cohort: Cohort) -> Self:
        """MAX_RUNS_PER_STACK rows of one run each."""
        runs = list(product(cohort.seeds, cohort.lrs))
        runs += runs[:1] * (MAX_RUNS_PER_STACK - len(runs))
        return cls(tuple(seed for seed, _ in runs), tuple((lr,) for _, lr in runs))


class Lockstep:
    """The stacks of a cohort, one an arm."""

    def __init__(self, design: Design, cohort: Cohort, dtype: torch.dtype, device: torch.device, pinned: bool = False):
        """``pinned`` seats on a CPU too: what a GPU does, for tests."""
        self.cohort = cohort
        self.seats = Slots.pinned(cohort) if pinned or device.type != "cpu" else Slots.shared(cohort)
        lrs = torch.tensor(self.seats.lrs, dtype=dtype, device=device)
        cell, widths = cohort.cell, design.widths_in(cohort.cell)
        self.stacks = [Stack(arm, cell, widths, lrs, self.seats.seeds) for arm in cohort.arms]

    def step(self, images: ImageBatch, labels: Tensor) -> None:
        """One update of every run from images (batch, S, features), labels (S, batch)."""
        self.answers = one_row_a_run(labels, n_rates=len(self.seats.lrs[0]))
        self.logits = []
        for stack in self.stacks:
            logits = stack.forward(images)
            stack.backward(d_cross_entropy(logits, self.answers))
            stack.parameters.step()
            self.logits.append(logits)

    def losses(self) -> Tensor:
        """The last batch's losses before its update, (runs,) in the cohort's order."""
        return self.by_run([cross_entropy(logits, self.answers).mean(-1) for logits in self.logits])

    def by_run(self, of_stacks: Sequence[Tensor]) -> Tensor:
        """A tensor (L, ...) of each stack -> (runs, ...) in the cohort's order; empty seats are left out."""
        n_runs = len(self.cohort.seeds) * len(self.cohort.cells)
        return torch.cat([tensor[:n_runs] for tensor in of_stacks])
