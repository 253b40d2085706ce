"""Loss and correct answers of a stack of networks on every image of a split."""

import torch
from torch import Tensor

from study.data.images import ImageBatch, Images
from study.engine.lockstep.layers import Predictor, cross_entropy

CHUNK, RUNS = 1000, 6  # images and runs at a time on a CPU: weights and features stay in the cache (results/LOG.md)
CHUNK_GPU = 10_000  # images at a time on a GPU, and all runs


def evaluate(networks: Predictor, pixels: Images, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return loss (L,) in nats per image (float64) and correct (L, n) bool, of all images and their labels (n,)."""
    n_runs = len(networks.linears[0][0])
    size, chunk = (RUNS, CHUNK) if labels.device.type == "cpu" else (n_runs, CHUNK_GPU)
    groups = [slice(start, start + size) for start in range(0, n_runs, size)]
    parts = [_evaluate(networks, runs, pixels, labels, chunk) for runs in groups]
    loss, correct = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    return loss, correct


def _evaluate(networks: Predictor, runs: slice, pixels: Images, labels: Tensor, chunk: int) -> tuple[Tensor, Tensor]:
    weight, bias = (tensor[runs] for tensor in networks.linears[0])
    first = weight.transpose(0, 1).contiguous()[None], bias[:, 0]  # all runs as the rates of one seed
    total = torch.zeros(len(weight), dtype=torch.float64, device=labels.device)
    correct = []
    for start, some in zip(range(0, len(labels), chunk), torch.split(labels, chunk), strict=True):
        logits = _logits(networks, runs, first, pixels.chunk(start, start + len(some)))
        total += cross_entropy(logits, some.expand(len(total), 1, -1)).double().sum(-1)
        correct.append(_first_largest(logits) == some)
    return total / len(labels), torch.cat(correct, -1)


def _logits(networks: Predictor, runs: slice, first: tuple[Tensor, Tensor], images: ImageBatch) -> Tensor:
    """Map images (batch, 1, features) to logits (L, classes, batch)."""
    weight, bias = first
    z = images.times(weight)[:, 0].add_(bias).transpose(0, 1)
    *hidden, (readout, offset) = ((w[runs], b[runs]) for w, b in networks.linears[1:])
    h = networks.hidden(0, z, runs)
    for layer, (weight, bias) in enumerate(hidden, start=1):
        h = networks.hidden(layer, torch.baddbmm(bias, h, weight), runs)
    return torch.baddbmm(offset, readout, h.mT)


def _first_largest(logits: Tensor) -> Tensor:
    """Return the argmax over the classes, (L, classes, batch) -> (L, batch), by operations that run over the images.

    torch's own takes as long as all else here but the first product. Where a logit is NaN, no class is the
    largest and the result is one past the last.
    """
    n_classes = logits.shape[-2]
    kind = torch.uint8 if n_classes < 256 else torch.int16  # one byte is fastest, and one past the last must fit
    classes = torch.arange(n_classes, dtype=kind, device=logits.device)[:, None]
    return torch.where(logits == logits.amax(-2, keepdim=True), classes, n_classes).amin(-2)
