"""All that the page of one study must say, part by part."""

import functools
from pathlib import Path

from tests.analysis.report.oracle.answer import say_answer, say_seed_by_seed
from tests.analysis.report.oracle.cells import say_all_cells
from tests.analysis.report.oracle.grid import say_effects, say_levels
from tests.analysis.report.oracle.inference import say_inference
from tests.analysis.report.oracle.labels import say_swaps_of_labels
from tests.analysis.report.oracle.learning import say_claims, say_curves, say_gaps, say_generalisation
from tests.analysis.report.oracle.records import Oracle
from tests.analysis.report.oracle.robustness import say_best, say_failures, say_robustness, say_shares, say_usable
from tests.analysis.report.oracle.seeds import say_plan
from tests.analysis.report.oracle.side_by_side import say_compared
from tests.analysis.report.oracle.speed import say_times
from tests.analysis.report.oracle.spelling import Expected
from tests.analysis.report.oracle.trust import (
    say_completeness,
    say_next_pair,
    say_noise,
    say_seed_noise,
    say_specifications,
)
from tests.analysis.report.oracle.tuning import say_best_cell, say_tuned

PARTS = (
    say_answer,
    say_seed_by_seed,
    say_effects,
    say_levels,
    say_curves,
    say_claims,
    say_gaps,
    say_generalisation,
    say_robustness,
    say_shares,
    say_failures,
    say_usable,
    say_best,
    say_times,
    say_inference,
    say_tuned,
    say_best_cell,
    say_compared,
    say_completeness,
    say_specifications,
    say_next_pair,
    say_noise,
    say_seed_noise,
    say_swaps_of_labels,
    say_plan,
    say_all_cells,
)
"""In the order of the page."""
OF_PAIRS = (say_gaps, say_generalisation, say_failures, say_noise)
"""Those that have nothing to say where no cell can have a pair."""


@functools.cache
def expectation(folder: Path, alpha: float, margin: float, others: tuple[Path, ...] = ()) -> Expected:
    oracle, found = Oracle(folder, alpha, margin, others), Expected()
    for part in PARTS:
        if oracle.of.common or part not in OF_PAIRS:
            part(oracle, found)
    return found
