"""Equal tuning on simulated surfaces, as a row of the table."""

from dataclasses import dataclass

import numpy as np

from analysis.findings.tuning import MIN_SEARCHES
from tests.analysis.findings.equal_tuning import coverage
from tests.calibration.shares import Claim, Share

FOR_TRUTH = 10_000
"""Searches from which the true difference is simulated."""
CLAIMS = {
    "of_searches": Claim("the interval over six searches covers", float, at_least=0.95, at_most=0.95),
    "of_one_search": Claim("the interval over the seeds of one search covers", float, at_most=0.85, kind="control"),
    "of_pooled_seeds": Claim("the interval over the seeds of six searches covers", float, at_most=0.9, kind="control"),
}
"""By the field of a ``Coverage``."""


@dataclass(frozen=True)
class Tuned:
    """Studies of several searches on surfaces fitted to the shipped trials: what does equal tuning give?"""

    what: str = "what equal tuning gives, 64 trials an arm"
    size: int = MIN_SEARCHES

    def measure(self, repeats: int) -> list[Share]:
        """Return the share of studies whose intervals cover."""
        found = coverage(repeats, seed=repeats, n_for_truth=FOR_TRUTH)
        studies = np.arange(repeats) + 0.5
        return [
            Share(self.what, self.size, claim, (studies < getattr(found, name) * repeats).astype(float))
            for name, claim in CLAIMS.items()
        ]
