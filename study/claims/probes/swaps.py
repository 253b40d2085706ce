"""How much does a batch's mean, and an image's class, depend on who else is in the batch?

The tutorial's own example: an image in two batches of eight that share all but two of the others. Batches are drawn
from the whole test set, for each seed anew, so that the spread over seeds is that of the draws as well as that of the
networks. Measures, of each trained network in train mode:

    mean_ratio  root mean square change of the first layer's batch mean, over images and units, in standard deviations
                of the unit over all test images; over sqrt(2 k) / m, which chance alone gives where k of m images are
                replaced and both batches are drawn without replacement
    flips       share of images whose class differs between their two batches
"""

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Tensor

from study.claims.measuring import Context, Measured
from study.claims.networks import groups
from study.data.streams import generator
from study.inference.metrics import swap_pairs, swap_sensitivity

STUDY, ARM = "post", "bn"
SIZE, SWAPPED = 8, 2
MOST_IMAGES = 4_000
CHANCE = sqrt(2 * SWAPPED) / SIZE


def measure(unit: str, context: Context) -> Sequence[Measured]:
    seed, test = int(unit), context.images.test
    pairs = drawn(seed, len(test.labels))
    rows = []
    for group in groups(context, STUDY, [seed], [ARM]):
        z = group.networks.inputs(group.scale(test.images))
        changed = swap_sensitivity(group.networks, z, pairs[None])
        for name, value in (("mean_ratio", changed.mean.item() / CHANCE), ("flips", changed.flips.item())):
            rows.append(Measured(name, value, arm=ARM, mode=f"batch_{SIZE}", seed=seed, n=pairs.shape[1]))
    return rows


def drawn(seed: int, n: int) -> Tensor:
    """Return the pairs of batches (2, q, SIZE) of a seed: rows of n images, the first of them the image that stays."""
    stream = generator(seed, "claims/swaps", 0)
    return swap_pairs(n, SIZE, SWAPPED, torch.randperm(n, generator=stream)[:MOST_IMAGES], stream)
