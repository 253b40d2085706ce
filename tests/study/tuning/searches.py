"""Shared by the tests of searches: a configuration, a hill to climb in the place of training, and a worker's loop."""

import math

from study.spec.factors import Cell
from study.tuning.search import Finished, Score, Search, SearchConfiguration

CONFIGURATION = SearchConfiguration(
    "digits", "data", "lr=0.0001:1.0,batch_size=16:1024", 5, (12, 9), (1, 2), "cpu", "sobol", 0, "none"
)
OPTIMUM = {"bn": Cell(128, 0.1), "no_bn": Cell(32, 0.003)}


def scores(point: Cell, arm: str = "bn") -> list[Score]:
    """Return scores on a hill over the logarithms, with 900,000 of a million correct at the arm's optimum."""
    off = math.log10(point.lr / OPTIMUM[arm].lr) ** 2 + math.log2(point.batch_size / OPTIMUM[arm].batch_size) ** 2 / 9
    return [Score(seed, 5, 0.1, round(9e5 * math.exp(-off)), 10**6, None) for seed in (1, 2)]


def finish(search: Search, n_trials: int, batch_size: int = 8, arm: str = "bn") -> list[Finished]:
    """Ask and tell until no trial is left; returns the finished ones."""
    while True:
        search.enqueue_missing(n_trials, batch_size)
        asked = search.ask(batch_size)
        for index, point in asked:
            assert search.tell(index, scores(point, arm))
        if not asked:
            return search.finished()
