"""Runs that take every step together, and the slot of each: what a training step changes.

On a CPU the runs of a cohort form a grid, seeds x rates, and the rates of a seed share its images. A GPU's
kernels choose their order of summation by shape, so there every stack has the same shape:
MAX_RUNS_PER_STACK slots, each with images of its own, the batch of runs padded with copies of the first.
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
    """The slots of a stack: ``seeds`` (S,) give each row its weights and images, ``lrs`` (S, R) each slot its rate."""

    seeds: tuple[int, ...]
    lrs: tuple[tuple[float, ...], ...]

    @classmethod
    def shared(cls, cohort: Cohort) -> Self:
        """Return a row a seed, its rates side by side."""
        return cls(cohort.seeds, (cohort.lrs,) * len(cohort.seeds))

    @classmethod
    def fixed_shape(cls, cohort: Cohort) -> Self:
        """Return MAX_RUNS_PER_STACK rows of one run each, padded with copies of the first run."""
        runs = list(product(cohort.seeds, cohort.lrs))
        runs += runs[:1] * (MAX_RUNS_PER_STACK - len(runs))
        return cls(tuple(seed for seed, _ in runs), tuple((lr,) for _, lr in runs))


class Lockstep:
    """The stacks of a cohort, one an arm."""

    def __init__(
        self, design: Design, cohort: Cohort, dtype: torch.dtype, device: torch.device, fixed_shape: bool = False,
        draws: str = "",
    ):  # fmt: skip
        """``fixed_shape`` gives a CPU the slots of a GPU too, for tests; ``draws`` stands in front of the causes of
        what training draws, of networks that are not in training."""
        self.cohort = cohort
        self.slots = Slots.fixed_shape(cohort) if fixed_shape or device.type != "cpu" else Slots.shared(cohort)
        lrs = torch.tensor(self.slots.lrs, dtype=dtype, device=device)
        cell, widths = cohort.cell, design.widths_in(cohort.cell)
        seeds, noise = (list(map(of, self.slots.seeds)) for of in (design.weights_seed, design.order_seed))
        self.stacks = [
            Stack(arm, cell, widths, lrs, seeds, design.init_cause(arm), noise, draws) for arm in cohort.arms
        ]

    def step(self, images: ImageBatch, labels: Tensor) -> None:
        """Update every run once from images (batch, S, features), labels (S, batch)."""
        self.labels = one_row_a_run(labels, n_rates=len(self.slots.lrs[0]))
        self.logits = []
        for stack in self.stacks:
            logits = stack.forward(images)
            stack.backward(d_cross_entropy(logits, self.labels))
            stack.parameters.step()
            self.logits.append(logits)

    def losses(self) -> Tensor:
        """Return the last batch's losses before its update, (runs,) in the cohort's order."""
        return self.by_run([cross_entropy(logits, self.labels).mean(-1) for logits in self.logits])

    def by_run(self, tensors: Sequence[Tensor]) -> Tensor:
        """Return the stacks' tensors (L, ...) as one (runs, ...) in the cohort's order, without the copies."""
        n_runs = len(self.cohort.seeds) * len(self.cohort.cells)
        return torch.cat([tensor[:n_runs] for tensor in tensors])
