"""The interval over searches covers what equal tuning gives; that over the seeds of what was chosen does not."""

import numpy as np
import pytest

from tests.analysis.findings.equal_tuning import coverage, searches, surfaces
from tests.study.studies import say


def test_the_fitted_surfaces_give_what_was_measured() -> None:
    """The best of each arm is near the best trial, and batch norm gains what the shipped study gives, or nearly."""
    d = searches(200, surfaces(), np.random.default_rng(1)).mean(axis=1)
    assert 0.004 < d.mean() < 0.010
    assert 0.0005 < d.std(ddof=1) < 0.003


@pytest.mark.slow
def test_six_searches_cover_equal_tuning_within_three_errors_and_one_search_does_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = coverage(400, seed=1, n_for_truth=10_000)
    assert abs(found.of_searches - 0.95) <= 3 * found.error
    assert found.of_one_search < 0.95 - 5 * found.error
    assert found.of_pooled_seeds < 0.95 - 5 * found.error
    say(capsys, str(found))
