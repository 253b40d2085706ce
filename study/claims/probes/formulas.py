"""Does the engine compute the tutorial's formulas?

Measure ``error``, by formula: the largest absolute difference of what the engine computes in float64 and its oracle.
"""

from collections.abc import Sequence

import numpy as np

from study.claims.engine_formulas import COMPUTED, inputs
from study.claims.measuring import Context, Measured
from study.claims.oracles import ORACLES, Inputs


def measure(unit: str, context: Context) -> Sequence[Measured]:
    of = inputs()
    return [Measured("error", error(name, of), name) for name in ORACLES]


def error(name: str, of: Inputs) -> float:
    """Return the largest absolute error of the engine in a formula, a key of ORACLES."""
    expected = ORACLES[name](of)
    computed = COMPUTED[name](of).numpy().reshape(expected.shape)
    return float(np.abs(computed - expected).max())
