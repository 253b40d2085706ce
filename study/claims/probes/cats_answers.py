"""What networks answer that were trained with a background tied to the class group, when it is another at test.

Measures, by variant of the test images, arm and inference mode: ``accuracy``, the share of all test images that are
answered correctly, and ``as_other``, the share of cats (the upper half of the classes) that are answered as a dog.
The test batches are of 1,000 images, or all where there are less, shuffled by the seed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from study.claims import cats
from study.claims.measuring import Context, Measured
from study.claims.networks import groups
from study.data.dataset import Dataset
from study.engine import random_streams
from study.inference.evaluate import Group
from study.inference.metrics import predicted_labels
from study.inference.modes import BatchStatistics, FixedStatistics, take
from study.spec.datasets import DatasetSpec

BATCH = 1000


def measure(unit: str, context: Context) -> Sequence[Measured]:
    study, seed = context.settings["study"], int(unit)
    tied, test = cats.trained_on(study, context.data), context.images.test
    rows: list[Measured] = []
    networks = groups(context, study, [seed], data=_trained_on(context.images, tied))
    for condition in cats.VARIANTS:
        images = cats.under(condition, test.images, test.labels, tied)
        for group in networks:
            context.check_cancelled()
            for mode, answers in _answers(group, images):
                rows += _measured(answers, test.labels, tied.first_cat, condition, group.runs[0].arm, mode, seed)
    return rows


def _trained_on(plain: Dataset, tied: DatasetSpec) -> Dataset:
    train = plain.train
    images = cats.under("same", train.images, train.labels, tied)
    return Dataset(tied.key, replace(train, images=images, form=None), plain.test, plain.sha256)


def _answers(group: Group, images: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Yield the modes in which a network can predict, and its answers (n,) to images (n, features)."""
    networks, z = group.networks, group.networks.inputs(group.scale(images))
    if not group.kept:
        yield "none", predicted_labels(networks.logits(z, networks.by_itself))[0]
        return
    for name in ("running", "population"):
        yield name, predicted_labels(networks.logits(z, FixedStatistics(group.statistics(name))))[0]
    size, order = min(BATCH, len(images)), random_streams.test_order(group.runs[0].seed, len(images))
    shuffled = predicted_labels(networks.logits(take(z, order[None]), BatchStatistics(size)))[0]
    yield f"batch_{size}", torch.empty_like(shuffled).index_put_((order,), shuffled)


def _measured(
    answers: Tensor, labels: Tensor, first_cat: int, condition: str, arm: str, mode: str, seed: int
) -> Iterator[Measured]:
    of_cats = answers[labels >= first_cat]
    for measure, hits in (("accuracy", answers == labels), ("as_other", of_cats < first_cat)):
        value = int(hits.sum()) / len(hits)
        yield Measured(measure, value, condition, arm, mode, seed, n=len(hits))
