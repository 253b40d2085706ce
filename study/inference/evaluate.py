"""What do trained networks predict under other normalisation statistics and other images? Rows of the tables.

Networks of one arm and shape (batch size, activation) are evaluated together; a row never depends on which. What is
evaluated at a time, an ``Evaluation`` names. Nothing here trains, and nothing is written.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from study.data.dataset import Dataset
from study.data.variants import scaling, variant
from study.engine import random_streams
from study.inference import metrics, modes, predictors
from study.inference.corruptions import Form, apply
from study.inference.modes import Mode, Statistics
from study.spec.constants import NORM_EPS
from study.spec.design import Design
from study.spec.inference.conditions import Condition
from study.spec.inference.modes import (
    CLEAN,
    MAIN_BLEND,
    MAIN_BLEND_SIZES,
    MAIN_SIZES,
    Evaluation,
    numbered,
    parse,
)
from study.spec.runs import Run
from study.store.schemas import keys_of

Item = TypeVar("Item")
Row = dict[str, Any]

CLEAN_IMAGES = Condition(*CLEAN)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
ORDERS = ("shuffled", "natural", "sorted")
SWAPS = ((8, 1), (8, 2), (8, 4), (8, 7), (32, 2), (32, 8), (128, 2), (128, 32))
"""Batch size and number of other images replaced; the post replaces 2 in batches of 8."""
N_SWAPPED = 1000  # images that are predicted in two batches each
CHECKED = 8
"""Size of the batches in which the swapped images are predicted by the running averages too."""
COMPOSED = (8, 32)
"""Sizes of batches that are composed at random 32 times."""


class EvalSetting(NamedTuple):
    """An inference mode and, where it needs the test batch, the batch's size and the order of the images."""

    inference: str
    size: int | None = None
    """0 stands for all images in one batch."""
    order: str | None = None


NO_NORM = EvalSetting("none")
PRECISE = EvalSetting("precise")


def main_settings(kept: Sequence[str]) -> list[EvalSetting]:
    """Return the main settings of networks that keep these statistics; those without have the only one."""
    if not kept:
        return [NO_NORM]
    fixed = [EvalSetting(name) for name in (*kept, "population")]
    batches = [EvalSetting("batch", size, "shuffled") for size in MAIN_SIZES]
    return [*fixed, *batches, *(EvalSetting(numbered("blend", MAIN_BLEND), n, "shuffled") for n in MAIN_BLEND_SIZES)]


def further_settings(n_layers: int) -> list[EvalSetting]:
    """Return the settings on the clean images, of networks of ``n_layers``, that are no main ones."""
    batches = [EvalSetting("batch", size, order) for order in ORDERS for size in (*SIZES, 0)]
    blends = [EvalSetting(numbered("blend", n), size, "shuffled") for n in (4, 16, 64) for size in (1, 8, 32, 128)]
    partial = [EvalSetting(name, size, "shuffled") for name in ("mean_only", "var_only") for size in (8, 32, 128)]
    single = [EvalSetting(numbered("layer", layer), size, "shuffled") for layer in range(n_layers) for size in (8, 32)]
    main = {*main_settings(["running"])}
    return [setting for setting in (PRECISE, *batches, *blends, *partial, *single) if setting not in main]


class Ordered(NamedTuple):
    """Test images in the order in which they are put into batches, of each network its own."""

    z: Tensor
    """The first layer's (L, n, width)."""
    labels: Tensor
    """(L, n)."""
    reference: Tensor | None
    """Predicted labels (L, n) by the population statistics; None of networks without."""


class Group:
    """Trained networks of one arm and shape, with the statistics that its normalisation may use."""

    def __init__(
        self, design: Design, runs: Sequence[Run], weights: Sequence[Mapping[str, NDArray[np.float32]]], data: Dataset,
        check_cancelled: Callable[[], None] = lambda: None,
    ):  # fmt: skip
        """``check_cancelled`` is called several times a second and ends the evaluation by raising."""
        self.design, self.runs, self.check_cancelled = design, runs, check_cancelled
        cell = runs[0].cell
        self.test, self.scale = data.test, scaling(data, cell)
        device = data.test.images.device
        states = [{name: torch.from_numpy(value).to(device) for name, value in state.items()} for state in weights]
        self.networks = predictors.of(design, runs, states, variant(data, cell))
        self.kept = design.statistics(runs[0].arm)
        self.keys = [keys_of(design, run) for run in runs]
        self._statistics: dict[str, Statistics] = {}

    def statistics(self, name: str) -> Statistics:
        """Return statistics that the networks keep, or that follow from the training images and the final weights:
        ``population`` and ``precise``, which sees the images in the file's order, as many at a time as shared a mean
        in training."""
        if name not in self._statistics:
            self._statistics[name] = self.networks.statistics(name, self._each)
        return self._statistics[name]

    def _each(self, items: Iterable[Item]) -> Iterator[Item]:
        for item in items:
            self.check_cancelled()
            yield item

    def rows(self, evaluation: Evaluation) -> Iterable[Row]:
        """Return the rows of an evaluation, for every run."""
        if evaluation.table == "ablation":
            return self.way_rows(Condition(evaluation.shift, evaluation.severity), evaluation.further)
        return {"statistics": self.statistic_rows, "swaps": self.swap_rows, "compositions": self.composition_rows}[
            evaluation.table
        ]()

    def way_rows(self, condition: Condition, further: bool = False) -> list[Row]:
        """Return a row of ``ablation.parquet`` for each run and setting, main or ``further``; on other images than the
        clean ones, which have no further ones, ``precise`` stands beside the main ones."""
        main = main_settings(self.kept)
        if further:
            return self.setting_rows(condition, further_settings(self.networks.n_norms))
        beside = [PRECISE] if self.kept and condition != CLEAN_IMAGES else []
        return self.setting_rows(condition, [*main, *beside])

    def setting_rows(self, condition: Condition, settings: Iterable[EvalSetting]) -> list[Row]:
        """Return a row of ``ablation.parquet`` for each run and these settings."""
        clean = condition == CLEAN_IMAGES
        asked = self._clean if clean else self._asked(condition)
        settings = [s for s in settings if s.size != asked.labels.shape[1]]  # which all images in one batch are
        ordered = {order: self._ordered(order, asked) for order in dict.fromkeys(s.order for s in settings)}
        rows = []
        for setting in self._each(settings):
            images = ordered[setting.order]
            measured = metrics.measure(self._logits(setting, images), images.labels)
            differs = None if images.reference is None else (measured.predicted != images.reference).sum(1)
            rows += self._rows(condition, setting, measured, differs)
        return rows

    @cached_property
    def _clean(self) -> Ordered:
        return self._asked(CLEAN_IMAGES)

    def _asked(self, condition: Condition) -> Ordered:
        """Return the test images under a condition, in the file's order: corrupted first, then scaled."""
        images, labels = apply(condition, self.test.images, self.test.labels, Form.of(self.design.data))
        z = self.networks.inputs(self.scale(images))
        reference = None
        if self.kept:
            exact = modes.FixedStatistics(self.statistics("population"))
            reference = metrics.predicted_labels(self.networks.logits(z, exact))
        return Ordered(z, labels.expand(len(self.runs), -1), reference)

    def _ordered(self, order: str | None, asked: Ordered) -> Ordered:
        """Return ``asked`` in another order: sorted by class, or shuffled by the run's seed."""
        n = asked.labels.shape[1]
        if order in (None, "natural"):
            return asked
        if order == "shuffled":
            drawn = {run.seed: random_streams.test_order(run.seed, n) for run in self.runs}
            rows = torch.stack([drawn[run.seed] for run in self.runs]).to(asked.labels.device)
        else:
            rows = asked.labels.argsort(dim=1, stable=True)
        labels, reference = (None if of is None else of.gather(1, rows) for of in asked[1:])
        assert labels is not None
        return Ordered(modes.take(asked.z, rows), labels, reference)

    def _logits(self, setting: EvalSetting, images: Ordered) -> Tensor:
        """Return logits (L, n, classes), computed in pieces of whole batches."""
        mode, n = self._mode(setting, images), images.z.shape[1]
        size = setting.size or (n if setting.order else 1)
        pieces = torch.split(images.z, max(1, metrics.CHUNK // size) * size, dim=1)
        return torch.cat([self.networks.logits(piece, mode) for piece in pieces], 1)

    def _mode(self, setting: EvalSetting, images: Ordered) -> Mode | None:
        """Return the mode of a setting; by test batches, with the running statistics as its source."""
        if setting == NO_NORM:
            return self.networks.by_itself
        if setting.order is None:
            return modes.FixedStatistics(self.statistics(setting.inference))
        return modes.make(parse(setting.inference), self.statistics("running"), setting.size or images.z.shape[1])

    def _rows(
        self, condition: Condition, setting: EvalSetting, measured: metrics.Measures, flips: Tensor | None
    ) -> list[Row]:
        n = measured.predicted.shape[1]
        size = (setting.size or n) if setting.order else None
        flags = metrics.flags(n, size) if size else None
        columns = (measured.loss, measured.n_correct, measured.ece)
        n_flips = [None] * len(self.runs) if flips is None else flips.tolist()
        return [
            {
                **key,
                "epoch": self.design.epochs,
                "inference": setting.inference,
                "eval_batch_size": size,
                "order": setting.order,
                "shift": condition.name,
                "severity": condition.severity,
                "loss": loss,
                "accuracy": n_correct / n,
                "n_correct": n_correct,
                "n_examples": n,
                "ece": ece,
                "n_flips": flipped,
                "degenerate": flags is not None and flags.degenerate and not self.networks.one_has_variance,
                "last_batch": None if flags is None else flags.last,
            }
            for key, loss, n_correct, ece, flipped in zip(
                self.keys, *(column.tolist() for column in columns), n_flips, strict=True
            )
        ]

    def statistic_rows(self) -> Iterator[Row]:
        """Yield rows of ``statistics.parquet``: how far each statistic lies from the population's, by run and layer."""
        exact = self.statistics("population")
        for name in (*self.kept, "precise"):
            for layer, ((mean, var), (true_mean, true_var)) in enumerate(
                zip(self.statistics(name), exact, strict=True)
            ):
                in_sd = ((mean - true_mean).square() / (true_var + NORM_EPS)).mean((1, 2)).sqrt()
                in_log = ((var + NORM_EPS).log() - (true_var + NORM_EPS).log()).square().mean((1, 2)).sqrt()
                for i, key in enumerate(self.keys):
                    errors = {"rms_mean_error": float(in_sd[i]), "rms_log_var_error": float(in_log[i])}
                    yield {**key, "inference": name, "layer": layer, **errors}

    def swap_rows(self) -> Iterator[Row]:
        """Yield rows of ``swaps.parquet``: the same images in two batches that differ in some of the others."""
        z = self._clean.z
        for index, (size, n_swapped) in enumerate(SWAPS):
            if size + n_swapped > z.shape[1]:
                continue
            drawn = torch.stack([_swap_pairs(z.shape[1], run.seed, index) for run in self.runs])
            change = metrics.swap_sensitivity(self.networks, z, drawn, self._each)
            saved = modes.FixedStatistics(self.statistics("running"))
            flips = metrics.swap_flips(self.networks, z, drawn, saved, self._each) if size == CHECKED else None
            for i, (key, run) in enumerate(zip(self.keys, self.runs, strict=True)):
                measured = {
                    "mean_change": float(change.mean[i]),
                    "value_change": float(change.value[i]),
                    "logit_change": float(change.logit[i]),
                    "flip_rate": float(change.flips[i]),
                    "n_images": drawn.shape[2],
                    "running_flips": None if flips is None else int(flips[i]),
                }
                yield {**key, "eval_batch_size": size, "n_swapped": n_swapped, "draw_seed": run.seed, **measured}

    def composition_rows(self) -> Iterator[Row]:
        """Yield rows of ``compositions.parquet``: all test images in many random batches."""
        z = self._clean.z
        for index, size in enumerate(COMPOSED):
            if size > z.shape[1]:
                continue
            streams = [random_streams.generator(run.seed, "compositions", index) for run in self.runs]
            composition = metrics.composition_sensitivity(self.networks, z, size, streams, each=self._each)
            for i, (key, run) in enumerate(zip(self.keys, self.runs, strict=True)):
                measured = {
                    "any_flip": float(composition.any_flip[i]),
                    "mates_share": float(composition.within_image_share[i]),
                }
                yield {**key, "eval_batch_size": size, "draw_seed": run.seed, **measured}


def _swap_pairs(n_images: int, seed: int, index: int) -> Tensor:
    """Return the batches of the swap ``SWAPS[index]`` for a run's seed: other images and other companions by seed."""
    size, n_swapped = SWAPS[index]
    chosen = random_streams.test_order(seed, n_images)[:N_SWAPPED]
    return metrics.swap_pairs(n_images, size, n_swapped, chosen, random_streams.generator(seed, "swap", index))
