"""What do trained networks predict under other normalisation statistics and other images? Rows of the tables.

Networks of one arm and shape (batch size, activation) are evaluated together; a row never depends on which. Under the
clean condition every inference mode is evaluated, under the others a few. Nothing here trains, and nothing is written.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from study.data.dataset import Dataset
from study.engine import activations, norms, random_streams
from study.engine.norms import EPS
from study.inference import metrics, modes, statistics
from study.inference.corruptions import Condition, apply
from study.inference.modes import Mode, Networks, Statistics
from study.spec.arms import ARMS
from study.spec.design import Design
from study.spec.inference_modes import CLEAN, numbered, parse
from study.spec.runs import Run
from study.store.schemas import keys_of

Item = TypeVar("Item")

CLEAN_IMAGES = Condition(*CLEAN)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
ORDERS = ("shuffled", "natural", "sorted")
FROM_IMAGES = ("precise", "population")
"""Statistics that are computed from the training images and the final weights; the others the networks keep."""
SWAPS = ((8, 1), (8, 2), (8, 4), (8, 7), (32, 2), (32, 8), (128, 2), (128, 32))
"""Batch size and number of other images replaced; the post replaces 2 in batches of 8."""
N_SWAPPED = 1000  # images that are predicted in two batches each
COMPOSED = (8, 32)
"""Sizes of batches that are composed at random 32 times."""


@dataclass(frozen=True)
class EvalSetting:
    """An inference mode and, where it needs the test batch, the batch's size and the order of the images."""

    inference: str
    size: int | None = None
    order: str | None = None


NO_NORM = EvalSetting("none")


def eval_settings(condition: Condition, n_layers: int, kept: Sequence[str]) -> list[EvalSetting]:
    """Return the settings for networks that keep these statistics of ``n_layers``; size 0 stands for all images in one
    batch."""
    fixed = [EvalSetting(name) for name in (*kept, *FROM_IMAGES)]
    if condition != CLEAN_IMAGES:
        batches = [EvalSetting("batch", size, "shuffled") for size in (8, 32, 128, 512, 0)]
        return [*fixed, *batches, *(EvalSetting(numbered("blend", 16), size, "shuffled") for size in (8, 32))]
    batches = [EvalSetting("batch", size, order) for order in ORDERS for size in (*SIZES, 0)]
    blends = [EvalSetting(numbered("blend", n), size, "shuffled") for n in (4, 16, 64) for size in (1, 8, 32, 128)]
    partial = [EvalSetting(name, size, "shuffled") for name in ("mean_only", "var_only") for size in (8, 32, 128)]
    single = [EvalSetting(numbered("layer", layer), size, "shuffled") for layer in range(n_layers) for size in (8, 32)]
    return [*fixed, *batches, *blends, *partial, *single]


class Group:
    """Trained networks of one arm and shape, with the statistics that its normalisation may use."""

    def __init__(
        self, design: Design, runs: Sequence[Run], weights: Sequence[Mapping[str, NDArray[np.float32]]], data: Dataset,
        check_cancelled: Callable[[], None] = lambda: None,
    ):  # fmt: skip
        """``check_cancelled`` is called several times a second and ends the evaluation by raising."""
        self.design, self.runs, self.data, self.check_cancelled = design, runs, data, check_cancelled
        device = data.test.images.device
        self.states = [{name: torch.from_numpy(value).to(device) for name, value in state.items()} for state in weights]
        self.norm, self.kept = ARMS[runs[0].arm].norm, ARMS[runs[0].arm].statistics
        self.networks = Networks.from_states(self.states, activations.for_cell(runs[0].cell))

    @cached_property
    def statistics(self) -> dict[str, Statistics]:
        """What is kept, and FROM_IMAGES; ``precise`` sees the images in the file's order, by the runs' batch size."""
        kept = {name: statistics.stored_statistics(self.states, name) for name in self.kept}
        images, size = self.data.train.images, self.runs[0].cell.batch_size
        z, n_whole = statistics.preactivation_batches(self.networks, images), len(images) // size
        return {
            **kept,
            "precise": statistics.precise(self.networks, self._each(islice(z(size), n_whole))),
            "population": statistics.population(self.networks, lambda: self._each(z(statistics.CHUNK))),
        }

    def _each(self, items: Iterable[Item]) -> Iterator[Item]:
        for item in items:
            self.check_cancelled()
            yield item

    def rows(self, condition: Condition) -> list[dict[str, Any]]:
        """Return a row of ``ablation.parquet`` for each run and setting."""
        images, labels = apply(condition, self.data.test.images, self.data.test.labels)
        z = modes.first_preactivation(self.networks, images)
        if not self.kept:
            mode = None if self.norm is None else modes.ByImage(norms.module_of(self.norm).by_image)
            measured = metrics.measure(modes.logits(self.networks, z, mode), labels)
            return self._rows(condition, NO_NORM, measured, None)
        orders = ORDERS if condition == CLEAN_IMAGES else ("shuffled",)
        ordered = {order: self._ordered(order, z, labels) for order in orders}
        rows, reference = [], None
        settings = eval_settings(condition, len(self.networks.norms), self.kept)
        for setting in self._each((EvalSetting("population"), *settings)):
            measured = metrics.measure(self._logits(setting, z, ordered), labels)
            if reference is None:  # the first setting, which comes again in its place
                reference = measured.predicted
                continue
            rows += self._rows(condition, setting, measured, (measured.predicted != reference).sum(1))
        return rows

    def _ordered(self, order: str, z: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return z (L, n, width) with its rows in ``order``, and the place (L, n, 1) of every image in it."""
        n = len(labels)
        if order == "shuffled":
            drawn = {run.seed: random_streams.test_order(run.seed, n) for run in self.runs}
            rows = torch.stack([drawn[run.seed] for run in self.runs]).to(labels.device)
        else:
            shared = labels.argsort(stable=True) if order == "sorted" else torch.arange(n, device=labels.device)
            rows = shared.expand(len(self.runs), n)
        return z.gather(1, rows[..., None].expand_as(z)), rows.argsort(1)[..., None]

    def _logits(self, setting: EvalSetting, z: Tensor, ordered: Mapping[str, tuple[Tensor, Tensor]]) -> Tensor:
        """Return logits (L, n, classes) in the original order of the images."""
        if setting.order is None:
            return modes.logits(self.networks, z, modes.FixedStatistics(self.statistics[setting.inference]))
        rows, places = ordered[setting.order]
        logits = modes.logits(self.networks, rows, self._mode(setting, z.shape[1]))
        return logits.gather(1, places.expand_as(logits))

    def _mode(self, setting: EvalSetting, n_images: int) -> Mode:
        """Return the mode of a setting by test batches, with the running statistics as its source."""
        return modes.make(parse(setting.inference), self.statistics["running"], setting.size or n_images)

    def _rows(
        self, condition: Condition, setting: EvalSetting, measured: metrics.Measures, flips: Tensor | None
    ) -> list[dict[str, Any]]:
        n = measured.predicted.shape[1]
        size = (setting.size or n) if setting.order else None
        flags = metrics.flags(n, size) if size else None
        return [
            {
                **keys_of(self.design, run),
                "epoch": self.design.epochs,
                "inference": setting.inference,
                "eval_batch_size": size,
                "order": setting.order,
                "shift": condition.name,
                "severity": condition.severity,
                "loss": float(measured.loss[i]),
                "accuracy": int(measured.n_correct[i]) / n,
                "n_correct": int(measured.n_correct[i]),
                "n_examples": n,
                "ece": float(measured.ece[i]),
                "n_flips": None if flips is None else int(flips[i]),
                "degenerate": flags is not None and flags.degenerate,
                "last_batch": None if flags is None else flags.last,
            }
            for i, run in enumerate(self.runs)
        ]

    def statistic_rows(self) -> Iterator[dict[str, Any]]:
        """Yield rows of ``statistics.parquet``: how far each statistic lies from the population's, by run and layer."""
        exact = self.statistics["population"]
        for name in (*self.kept, "precise"):
            for layer, ((mean, var), (true_mean, true_var)) in enumerate(
                zip(self.statistics[name], exact, strict=True)
            ):
                in_sd = ((mean - true_mean).square() / (true_var + EPS)).mean((1, 2)).sqrt()
                in_log = ((var + EPS).log() - (true_var + EPS).log()).square().mean((1, 2)).sqrt()
                for i, run in enumerate(self.runs):
                    errors = {"rms_mean_error": float(in_sd[i]), "rms_log_var_error": float(in_log[i])}
                    yield {**keys_of(self.design, run), "inference": name, "layer": layer, **errors}

    def swap_rows(self) -> Iterator[dict[str, Any]]:
        """Yield rows of ``swaps.parquet``: the same images in two batches that differ in some of the others."""
        z = modes.first_preactivation(self.networks, self.data.test.images)
        for index, (size, n_swapped) in enumerate(SWAPS):
            change = metrics.swap_sensitivity(self.networks, z, _swap_pairs(z.shape[1], index), self._each)
            for i, run in enumerate(self.runs):
                measured = {
                    "mean_change": float(change.mean[i]),
                    "value_change": float(change.value[i]),
                    "logit_change": float(change.logit[i]),
                    "flip_rate": float(change.flips[i]),
                }
                yield {**keys_of(self.design, run), "eval_batch_size": size, "n_swapped": n_swapped, **measured}

    def composition_rows(self) -> Iterator[dict[str, Any]]:
        """Yield rows of ``compositions.parquet``: all test images in many random batches."""
        z = modes.first_preactivation(self.networks, self.data.test.images)
        for index, size in enumerate(COMPOSED):
            stream = random_streams.generator(0, "compositions", index)
            composition = metrics.composition_sensitivity(self.networks, z, size, stream, each=self._each)
            for i, run in enumerate(self.runs):
                measured = {
                    "any_flip": float(composition.any_flip[i]),
                    "mates_share": float(composition.within_image_share[i]),
                }
                yield {**keys_of(self.design, run), "eval_batch_size": size, **measured}


@cache
def _swap_pairs(n_images: int, index: int) -> Tensor:
    """Return the batches of the swap ``SWAPS[index]``, the same for all networks."""
    size, n_swapped = SWAPS[index]
    chosen = random_streams.test_order(0, n_images)[:N_SWAPPED]
    return metrics.swap_pairs(n_images, size, n_swapped, chosen, random_streams.generator(0, "swap", index))
