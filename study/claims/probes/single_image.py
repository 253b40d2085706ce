"""Is an image, by running averages, answered alone as it is in a batch?

Each trained network is loaded into torch.nn and predicts every test image twice: alone, and with the others of its
batch of 64. Nothing in the arithmetic keeps the others out but the mode, ``eval``. Measures: ``flips``, the images
whose class differs; ``max_logit_change``, the largest difference of a logit, which is rounding: a matrix product may
sum in another order where it has more rows.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from study.claims.measuring import Context, Measured
from study.claims.networks import groups
from study.engine.reference import Network
from study.inference.evaluate import Group
from study.inference.stacked import Stacked

STUDY, ARM = "post", "bn"
SIZE = 64


class Changes(NamedTuple):
    """What company changes for images."""

    flips: int
    """Images whose class differs."""
    max_logit_change: float


def measure(unit: str, context: Context) -> Sequence[Measured]:
    rows: list[Measured] = []
    for group in groups(context, STUDY, [int(unit)], [ARM]):
        images = group.scale(context.images.test.images)
        found = changes(in_torch(group), images, SIZE, context.check_cancelled)._asdict()
        rows += [
            Measured(name, of, arm=ARM, mode="running", seed=int(unit), n=len(images)) for name, of in found.items()
        ]
    return rows


def in_torch(group: Group) -> nn.Module:
    """Return the first network of a group as a module of torch.nn, in the mode ``eval``."""
    assert isinstance(group.networks, Stacked)
    network, state = Network(group.design, group.runs[0]), group.networks.states[0]
    network.load_state_dict({name: state.get(name, own) for name, own in network.state_dict().items()})
    return network.eval()


def changes(
    predict: Callable[[Tensor], Tensor], images: Tensor, size: int, check_cancelled: Callable[[], None]
) -> Changes:
    """Compare each of the images (n, features) alone with itself in consecutive batches of ``size``; ``predict`` gives
    the logits (m, classes) of m images."""
    flips, largest = 0, 0.0
    with torch.no_grad():
        for batch in torch.split(images, size):
            check_cancelled()
            together, alone = predict(batch), torch.cat([predict(image) for image in torch.split(batch, 1)])
            flips += int((together.argmax(1) != alone.argmax(1)).sum())
            largest = max(largest, (together - alone).abs().max().item())
    return Changes(flips, largest)
