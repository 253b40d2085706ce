"""Loss and correct answers of a stack of networks on every image of a split."""

from collections.abc import Sequence

import torch
from torch import Tensor

from study.data.images import Batch, Pixels
from study.engine.lockstep.layers import cross_entropy

Affine = Sequence[tuple[Tensor, Tensor]]
"""Weight and bias by layer, as ``Stack.affine`` makes them."""

CHUNK, RUNS = 1000, 6  # images and runs at a time on a CPU: weights and features stay in the cache (results/LOG.md)
CHUNK_GPU = 10_000  # images at a time on a GPU, and all runs


def evaluate(affine: Affine, pixels: Pixels, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Loss (L,) in nats per image (float64) and correct (L, n) bool, of all images and their labels (n,)."""
    n_runs = len(affine[0][0])
    size, chunk = (RUNS, CHUNK) if labels.device.type == "cpu" else (n_runs, CHUNK_GPU)
    groups = [
        [(w[start : start + size], b[start : start + size]) for w, b in affine] for start in range(0, n_runs, size)
    ]
    parts = [_evaluate(some, pixels, labels, chunk) for some in groups]
    loss, correct = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    return loss, correct


def _evaluate(affine: Affine, pixels: Pixels, labels: Tensor, chunk: int) -> tuple[Tensor, Tensor]:
    (weight, bias), *rest = affine
    first = weight.transpose(0, 1).contiguous()[None], bias[:, 0]  # all runs as the rates of one seed
    total = torch.zeros(len(weight), dtype=torch.float64, device=labels.device)
    correct = []
    for start, answers in zip(range(0, len(labels), chunk), torch.split(labels, chunk), strict=True):
        logits = _logits(first, rest, pixels.chunk(start, start + len(answers)))
        total += cross_entropy(logits, answers.expand(len(total), 1, -1)).double().sum(-1)
        correct.append(_first_largest(logits) == answers)
    return total / len(labels), torch.cat(correct, -1)


def _logits(first: tuple[Tensor, Tensor], rest: Affine, images: Batch) -> Tensor:
    """Images (batch, 1, features) -> (L, classes, batch)."""
    weight, bias = first
    *hidden, (readout, offset) = rest
    h = images.times(weight)[:, 0].add_(bias).relu_().transpose(0, 1)
    for weight, bias in hidden:
        h = torch.baddbmm(bias, h, weight).relu_()
    return torch.baddbmm(offset, readout, h.mT)


def _first_largest(logits: Tensor) -> Tensor:
    """argmax over the classes, (L, classes, batch) -> (L, batch), by operations that run over the images.

    torch's own takes as long as all else here but the first product. Where a logit is NaN, no class is the
    largest and the answer is one past the last.
    """
    n_classes = logits.shape[-2]
    classes = torch.arange(n_classes, dtype=torch.uint8, device=logits.device)[:, None]
    return torch.where(logits == logits.amax(-2, keepdim=True), classes, n_classes).amin(-2)
