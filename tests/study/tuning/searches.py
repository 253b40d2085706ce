"""What the tests of searches share: terms, a hill to climb in the place of training, and a worker's loop."""

import math

from study.spec.factors import Cell
from study.tuning.search import Finished, Score, Search, Terms

TERMS = Terms("digits", "data", "lr=0.0001:1.0,batch_size=16:1024", 5, (12, 9), (1, 2), "cpu", "sobol", 0, "none")
OPTIMUM = {"bn": Cell(128, 0.1), "no_bn": Cell(32, 0.003)}


def scores(point: Cell, arm: str = "bn") -> list[Score]:
    """A hill over the logarithms, whose top is the arm's optimum, where 900,000 of a million are right."""
    off = math.log10(point.lr / OPTIMUM[arm].lr) ** 2 + math.log2(point.batch_size / OPTIMUM[arm].batch_size) ** 2 / 9
    return [Score(seed, 5, 0.1, round(9e5 * math.exp(-off)), 10**6, None) for seed in (1, 2)]


def finish(search: Search, n_trials: int, at_once: int = 8, arm: str = "bn") -> list[Finished]:
    """Ask and tell until there is nothing left."""
    while True:
        search.fill(n_trials, at_once)
        asked = search.ask(at_once)
        for slot, point in asked:
            assert search.tell(slot, scores(point, arm))
        if not asked:
            return search.finished()
