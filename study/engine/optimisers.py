"""The rule by which parameters move: a value that the stacked optimiser and torch.optim both read."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from study.spec.factors import Cell


@dataclass(frozen=True)
class Adam:
    """Kingma & Ba 2015, algorithm 1, with torch's defaults; the rate is the run's."""

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    def twin(self, parameters: Iterable[Tensor], lr: float) -> torch.optim.Optimizer:
        """Return torch.optim's optimiser for one run."""
        return torch.optim.Adam(parameters, lr=lr, betas=(self.beta1, self.beta2), eps=self.eps)


def for_cell(cell: Cell) -> Adam:
    """Return the rule of the runs of a cell."""
    return Adam()
