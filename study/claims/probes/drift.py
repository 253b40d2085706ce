"""What the steps of a training and the choice of a batch do inside a network: three readings of covariate shift.

Networks of DEPTH hidden layers of WIDTH units are trained by Adam on batches of BATCH images, with torch's default
first weights. At ``n_points`` steps, equally spaced from FIRST to the last, is measured, by hidden layer l = 1, 2, ...,
whose output h_l (behind normalisation and activation, as while training) is what the next linear layer is given:

- ``drift``: over one fixed set of FIXED training images, taken as one batch, |mean of a unit after the step - before|
  over its sd before, each averaged over the live units first. A mean of the units' own ratios would be that of the one
  unit that hardly varies: 15 in a layer whose other units move by 0.1.
- ``sampling``: with the network as before the step, the sd over BATCHES batches of a unit's mean, over the sd of the
  unit over all their images; root mean square over live units. Batches are drawn as in training, one permutation of
  the images after another, those of other steps anew. By chance alone it is 1/sqrt(BATCH).
- ``live``: share of the units whose sd over the fixed images is above zero. Where no unit is live, drift and sampling
  are NaN.
- ``gradient_l2``, ``gradient_cos``: gradient ICS of the weights behind layer l (Santurkar et al. 2018, definition 2.1):
  G is their gradient on the step's batch before the step, G' that once the layers in front have made the step (weights,
  biases, gamma and beta), but not those weights and what is behind. ||G - G'|| / ||G||, and the cosine of G and G';
  NaN where there is no gradient.
- ``loss``: of the step's batch before the step, in nats per image; ``layer`` is empty.

Noise is drawn anew in every pass, before and after the step and for G and G', as from one step of a training to the
next: so what is measured of noisy batch norm holds its noise. Images are drawn by seed. All draws are from streams of
their own, and all passes go through a copy, so the training has the bits of one that nobody measures.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from study.claims.measuring import Context, Measured
from study.data.dataset import Dataset
from study.data.images import ImageBatch
from study.data.streams import generator
from study.engine.lockstep import copies
from study.engine.lockstep.stacks import Lockstep
from study.engine.lockstep.training import first_steps
from study.spec.cohorts import Cohort
from study.spec.design import Design

DEPTH, WIDTH, BATCH = 10, 32, 64
FIRST = 20
"""The first step that is measured: the very first ones are Adam's warm-up."""
FIXED, BATCHES = 1000, 40


def measure(unit: str, context: Context) -> Sequence[Measured]:
    settings = context.settings
    design = Design(
        context.data,  # type: ignore[arg-type]
        arms=(unit,), batch_sizes=(BATCH,), lrs=(settings["lr"],), seeds=range(context.extent.seeds),
        hidden=(WIDTH,) * DEPTH, vary={"activation": (settings["activation"],)},
    )  # fmt: skip
    cohort = Cohort.whole(design)
    measuring = Measuring(design, cohort, context, points(settings["steps"], settings["n_points"]))
    first_steps(design, cohort, context.images, settings["steps"], measuring)
    return measuring.rows


def points(steps: int, n_points: int) -> list[int]:
    """Return the steps that are measured.

    >>> points(600, 8)
    [20, 103, 186, 269, 351, 434, 517, 600]
    """
    return [round(step) for step in np.linspace(min(FIRST, steps), steps, n_points)]


class Measuring:
    """An observer of the training of one arm: the rows measured so far."""

    def __init__(self, design: Design, cohort: Cohort, context: Context, steps: Sequence[int]):
        self.cohort, self.context, self.steps = cohort, context, frozenset(steps)
        self.copy = copies.StackCopy(design, cohort, context.images.train.images)
        self.images = Drawn(context.images, cohort)
        self.state: copies.State = {}
        self.rows: list[Measured] = []

    def before(self, step: int, lockstep: Lockstep, images: ImageBatch, labels: Tensor) -> None:
        if step in self.steps:
            self.context.check_cancelled()
            self.state = copies.state_of(lockstep.stacks[0])

    def after(self, step: int, lockstep: Lockstep, images: ImageBatch, labels: Tensor) -> None:
        if step not in self.steps:
            return
        after = copies.state_of(lockstep.stacks[0])
        self._add(step, "loss", None, lockstep.losses(), self.cohort.batch_size)
        self._add_passed_on(step, after)
        for layer, (l2, cosine) in enumerate(gradient_ics(self.copy, self.state, after, images, labels), start=1):
            self._add(step, "gradient_l2", layer, l2)
            self._add(step, "gradient_cos", layer, cosine)

    def _add_passed_on(self, step: int, after: copies.State) -> None:
        fixed = self.images.fixed()
        self.copy.put(self.state)
        earlier = self.copy.passed_on(fixed)
        batches = zip(*map(self.copy.passed_on, self.images.batches()), strict=True)
        spreads = [sampling(torch.stack(layer)) for layer in batches]
        self.copy.put(after)
        layers = zip(earlier, self.copy.passed_on(fixed), spreads, strict=True)
        for layer, (h, moved, (spread, n_spread)) in enumerate(layers, start=1):
            drifted, n_live = drift(h, moved)
            self._add(step, "drift", layer, drifted, n_live)
            self._add(step, "sampling", layer, spread, n_spread)
            self._add(step, "live", layer, n_live / h.shape[-1], h.shape[-1])

    def _add(self, step: int, what: str, layer: int | None, values: Tensor, n: Tensor | int | None = None) -> None:
        """Add a row a seed; ``values`` and ``n``, unless it is one for all, are (seeds,)."""
        counts = n.tolist() if isinstance(n, Tensor) else [n] * len(values)
        (arm,) = self.cohort.arms
        for seed, value, count in zip(self.cohort.seeds, values.tolist(), counts, strict=True):
            self.rows.append(Measured(what, value, arm=arm, seed=seed, layer=layer, step=step, n=count))


class Drawn:
    """The training images that are measured, drawn by seed."""

    def __init__(self, data: Dataset, cohort: Cohort):
        self.pixels, self.n, self.batch = data.train.pixels, len(data.train.labels), cohort.batch_size
        self.streams = [generator(seed, "measured batches", 0) for seed in cohort.seeds]
        drawn = [torch.randperm(self.n, generator=generator(seed, "measured images", 0)) for seed in cohort.seeds]
        self.rows = torch.stack(drawn)[None, :, :FIXED]

    def fixed(self) -> ImageBatch:
        """Return the fixed set of each seed, (S, FIXED, features), or of all images where there are fewer."""
        return next(iter(self.pixels.batches(self.rows)))

    def batches(self) -> Iterator[ImageBatch]:
        """Return the next BATCHES batches of each seed."""
        return iter(self.pixels.batches(torch.stack([*map(self._next, self.streams)], dim=1)))

    def _next(self, stream: torch.Generator) -> Tensor:
        """Return the next batches of a seed, (BATCHES, batch): one permutation after another, cut into batches."""
        return torch.stack([*islice(self._cut(stream), BATCHES)])

    def _cut(self, stream: torch.Generator) -> Iterator[Tensor]:
        while True:
            order = torch.randperm(self.n, generator=stream)
            yield from order[: self.n // self.batch * self.batch].view(-1, self.batch)


class OverUnits(NamedTuple):
    """A mean over live units, (L,), and of how many."""

    value: Tensor
    n: Tensor


def drift(before: Tensor, after: Tensor) -> OverUnits:
    """Return the mean |mean after - mean before| over the mean sd before, both over live units; ``before`` and
    ``after`` are (L, images, units)."""
    h, moved = before.double(), after.double()
    sd, shift = h.std(1), (moved.mean(1) - h.mean(1)).abs()
    live = sd > 0
    return OverUnits((shift * live).sum(-1) / sd.sum(-1), live.sum(-1))


def sampling(batches: Tensor) -> OverUnits:
    """Return the standard deviation of batch means over that of all images, root mean square over live units;
    ``batches`` is (batches, L, images, units)."""
    h = batches.double()
    means, sd = h.mean(2), h.transpose(1, 2).flatten(0, 1).std(0)
    live = sd > 0
    ratio = (means.std(0) / sd).square().where(live, torch.nan)
    return OverUnits(ratio.nanmean(-1).sqrt(), live.sum(-1))


def gradient_ics(
    copy: copies.StackCopy, before: copies.State, after: copies.State, images: ImageBatch, labels: Tensor
) -> list[tuple[Tensor, Tensor]]:
    """Return ||G - G'|| / ||G|| and the cosine of G and G', (L,) each, of each linear layer but the first."""
    copy.put(before)
    found = []
    for index, gradient in enumerate(copy.gradients(images, labels)):
        copy.put(after, layer=index)  # gradient index is of linear layer index + 1
        g, changed = gradient.double(), copy.gradients(images, labels)[index].double()
        norm = g.norm(dim=-1)
        found.append(((g - changed).norm(dim=-1) / norm, (g * changed).sum(-1) / (norm * changed.norm(dim=-1))))
    return found
