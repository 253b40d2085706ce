"""Which numbers of a training are the same in every study? Of the optimiser, the normalisations and the first weights.

Every engine reads them here, the kernel when it is compiled, and so does the text on methods.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Adam:
    """Kingma & Ba 2015, algorithm 1, with torch's defaults; the rate is the run's."""

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8


ADAM = Adam()
NORM_EPS = 1e-5
"""Added to every variance, as torch's normalisations do."""


def initial_bound(n_in: int) -> float:
    """Return the bound b of a linear layer's first weights and biases, uniform on -b to b as in torch.nn.Linear."""
    return float(n_in**-0.5)
