"""Does the engine compute the tutorial's formulas?

Measure ``error``, by formula: the largest absolute difference of what the engine computes in float64 and its oracle.
"""

from collections.abc import Sequence

import numpy as np

from study.claims.measuring import Context, Measured
from study.claims.oracles import ORACLES, Inputs
from study.spec.claims.experiments import Extent
from study.spec.datasets import DatasetSpec


def units(data: DatasetSpec, extent: Extent) -> Sequence[str]:
    return [*ORACLES]


def measure(unit: str, context: Context) -> Sequence[Measured]:
    from study.claims.engine_formulas import inputs

    return [Measured("error", error(unit, inputs()), unit)]


def error(name: str, of: Inputs) -> float:
    """Return the largest absolute error of the engine in a formula, a key of ORACLES."""
    from study.claims.engine_formulas import COMPUTED

    expected = ORACLES[name](of)
    computed = COMPUTED[name](of).numpy().reshape(expected.shape)
    return float(np.abs(computed - expected).max())
