"""Does the order of the images within a batch matter?

The tutorial's network, in torch.nn, trains some steps at its setting, and once more with the rows of every batch
reversed: each batch has the same images. Measure ``flips``: test images that the two networks put into different
classes, by running averages and by the exact statistics of all training images. In exact arithmetic there are none.

Of the arm ``bn`` the linear layers have a bias, as in the tutorial, whose gradient batch norm makes zero but for
rounding. Adam divides by the size of that rounding, so the bias moves by whole steps in a direction that rounding
chooses: the batch's own mean takes it away, a running average lags behind it. ``bn_no_bias`` has none.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from torch import Tensor

from study.claims.measuring import Context, Measured
from study.data.dataset import Dataset
from study.engine.reference import train
from study.inference.metrics import predicted_labels
from study.inference.modes import FixedStatistics
from study.inference.stacked import Stacked
from study.spec.claims.experiments import STUDIES
from study.spec.design import Design
from study.spec.runs import Run

ARMS = ("bn", "bn_no_bias")
MODES = ("running", "population")

State = Mapping[str, Tensor]
Arrange = Callable[[Tensor], Tensor]
"""From the images' rows of an epoch's batches (steps, batch) to those in the order in which a batch has them."""


def measure(unit: str, context: Context) -> Sequence[Measured]:
    design = replace(STUDIES["post"].design(context.data, context.extent), arms=ARMS, seeds=(int(unit),))
    return [row for run in design.grid for row in of_run(design, run, context, lambda rows: rows.flip(1))]


def of_run(design: Design, run: Run, context: Context, arrange: Arrange) -> list[Measured]:
    """Return the rows of a run: it as it is against it with the images of every batch in another order."""
    data, n_steps = context.images, context.settings["steps"]
    context.check_cancelled()
    states = [trained(design, run, data, n_steps, order) for order in (lambda rows: rows, arrange)]
    context.check_cancelled()
    return [
        Measured("flips", n, arm=run.arm, mode=mode, seed=run.seed, n=len(data.test.labels))
        for mode, n in flips(design, run, data, states).items()
    ]


def trained(design: Design, run: Run, data: Dataset, n_steps: int, arrange: Arrange) -> State:
    """Return the tensors of a run's network in torch.nn after ``n_steps``."""
    *_, (network, _) = islice(train(design, run, data, arrange), n_steps)
    return network.state_dict()


def flips(design: Design, run: Run, data: Dataset, states: Sequence[State]) -> dict[str, int]:
    """Return by mode how many test images two networks of a run put into different classes."""
    networks = Stacked(design, [run] * len(states), states, data)
    z, counts = networks.inputs(data.test.images), {}
    for mode in MODES:
        logits = networks.logits(z, FixedStatistics(networks.statistics(mode, iter)))
        one, other = predicted_labels(logits)
        counts[mode] = int((one != other).sum())
    return counts
