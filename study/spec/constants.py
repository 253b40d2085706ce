"""Which numbers of a training are the same in every study? Of the optimiser, the normalisations and the first weights.

Every engine reads them here, the kernel when it is compiled, and so does the text on methods.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt


@dataclass(frozen=True)
class Adam:
    """Kingma & Ba 2015, algorithm 1, with torch's defaults; the rate is the run's."""

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8


ADAM = Adam()
MOMENTUM = 0.9
"""Share of the last step's velocity that is kept by the optimiser ``momentum``."""
NORM_EPS = 1e-5
"""Added to every variance, as torch's normalisations do."""


def initial_bound(n_in: int) -> float:
    """Return the bound b of a linear layer's first weights and biases, uniform on -b to b as in torch.nn.Linear."""
    return float(n_in**-0.5)


@dataclass(frozen=True)
class Init:
    """A distribution of first weights and biases, uniform on -bound to bound."""

    weight: Callable[[int, int], float]
    """(inputs, outputs of the layer) -> bound of its weights."""
    bias: Callable[[int], float]
    """Inputs of the layer -> bound of its biases."""


INITS = {
    "torch": Init(lambda n_in, n_out: initial_bound(n_in), initial_bound),
    "kaiming": Init(lambda n_in, n_out: sqrt(6 / n_in), lambda n_in: 0.0),
    "xavier": Init(lambda n_in, n_out: sqrt(6 / (n_in + n_out)), lambda n_in: 0.0),
}
"""By the levels of the factor ``init``. kaiming: He et al. 2015, equation 10, a variance of 2 / n_in, by which ReLU
keeps the size of signals; xavier: Glorot & Bengio 2010, equation 16. In both papers biases begin at 0. As
torch.nn.init.kaiming_uniform_ for ReLU and xavier_uniform_."""
