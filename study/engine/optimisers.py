"""The rule by which parameters move: a value that the stacked optimiser and torch.optim both read."""

from collections.abc import Iterable

import torch
from torch import Tensor

from study.spec.constants import ADAM, Adam
from study.spec.factors import Cell


def twin(rule: Adam, parameters: Iterable[Tensor], lr: float) -> torch.optim.Optimizer:
    """Return torch.optim's optimiser for one run."""
    return torch.optim.Adam(parameters, lr=lr, betas=(rule.beta1, rule.beta2), eps=rule.eps)


def for_cell(cell: Cell) -> Adam:
    """Return the rule of the runs of a cell."""
    return ADAM
