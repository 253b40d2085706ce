"""What a drawn study is said to show, and whether that is true of its world.

Each claim is a function of one study: 1 or True where it was made (or is wrong, as its name says), else 0; shares lie
between. The controls are rules that look sound and are not: their shares must be as large as theory has them.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import stats

from analysis.findings.answer import Answer, answer, best_on_grid, cross_fitted
from analysis.findings.family import Member, family, samples
from analysis.records.pairs import Pairs, over_cells, pair
from analysis.stats import families
from analysis.stats.evalues import sign_e_process
from analysis.stats.intervals import Interval, t_interval
from analysis.stats.multiple_tests import max_t
from analysis.stats.paired_tests import Test, paired_t
from tests.calibration.worlds import ARM, Floats, Planted, World

ALPHA, MARGIN = 0.05, 0.002
FIRST_LOOK = 6
ROUNDING = 1e-12


@dataclass(frozen=True)
class Study:
    """A study drawn from a world, and what the analysis makes of it."""

    world: World
    accuracy: Floats
    """(seeds, cells, arms)."""

    @cached_property
    def pairs(self) -> Pairs:
        return pair(Planted(self.accuracy, self.world.cells), ARM, "final")

    @cached_property
    def members(self) -> list[Member]:
        """The mean over the cells first, then every cell."""
        return family(self.pairs, samples(self.pairs, self.world.cells, ALPHA), ALPHA, MARGIN)

    @property
    def mean(self) -> Member:
        return self.members[0]

    @cached_property
    def answer(self) -> Answer:
        """All parts; each arm at its best is cross-fitted with a bootstrap and takes longer than all the rest."""
        found = cross_fitted(self.pairs, 1 - ALPHA) if len(self.of_seeds) else None
        best = None if found is None else best_on_grid(self.pairs, found, ALPHA, MARGIN)
        return answer(self.pairs, self.members, best)

    @cached_property
    def differences(self) -> Floats:
        """(seeds, cells), failures as they end; NaN where there is no pair."""
        return np.where(np.abs(d := np.diff(self.accuracy)[..., 0]) < ROUNDING, 0.0, d)

    @cached_property
    def of_seeds(self) -> Floats:
        """The mean differences of the seeds that have all pairs."""
        return over_cells(self.differences[~np.isnan(self.differences).any(1)])

    @cached_property
    def jointly(self) -> list[families.Member]:
        """The family on arrays alone, for worlds without failures: cells, then their mean."""
        return families.simultaneous_inference(np.column_stack([self.differences, self.of_seeds]), 1 - ALPHA)

    @cached_property
    def step_down(self) -> list[Test]:
        """Step-down max-T over the cells."""
        return max_t(self.differences)

    @cached_property
    def null(self) -> Floats:
        """Whether a member of the family has no difference."""
        return np.isclose([*self.world.effects, self.world.mean], 0.0)


def misses(interval: Interval, truth: float) -> bool:
    return not interval.low - ROUNDING <= truth <= interval.high + ROUNDING


# --- what the answer says


def better(study: Study) -> bool:
    return study.mean.verdict.startswith("better")


def better_unqualified(study: Study) -> bool:
    tipping = study.mean.tipping
    return better(study) and tipping is not None and not tipping.qualified


def equivalent(study: Study) -> bool:
    return study.mean.verdict == "equivalent"


def mixed(study: Study) -> bool:
    return study.mean.verdict == "mixed"


def verdict(study: Study) -> bool:
    """Any at all, of the mean or of a cell."""
    said = {member.verdict.split(",")[0] for member in study.members}
    return bool(said & {"better", "worse", "mixed", "equivalent", "inconclusive"})


def mean_misses(study: Study) -> bool:
    return misses(study.mean.shown, study.world.mean)


def cells_miss(study: Study) -> bool:
    """Whether the interval of some cell misses its difference given that both learn."""
    intervals = [(member.shown, gain) for member, gain in zip(study.members[1:], study.world.gain, strict=True)]
    return any(misses(interval, gain) for interval, gain in intervals if not np.isnan(interval.low))


def contradicts(study: Study) -> bool:
    """Whether some verdict is not what its interval says."""
    return any(
        member.verdict.startswith(("better", "worse")) != misses(member.shown, 0)
        for member in study.members
        if member.joint is not None and member.verdict not in ("withheld", "mixed")
    )


# --- the family on arrays


def some_null_rejected(study: Study) -> bool:
    p = np.array([member.test.pvalue for member in study.jointly])
    return bool(((p <= ALPHA) & study.null).any())


def some_interval_misses(study: Study) -> bool:
    truths = [*study.world.effects, study.world.mean]
    return any(misses(member.interval, truth) for member, truth in zip(study.jointly, truths, strict=True))


def _share_found(pvalues: list[float], study: Study) -> float:
    return float((np.array(pvalues) <= ALPHA)[~study.null[:-1]].mean())


def power_in_a_cell(study: Study) -> float:
    """The share of the cells with a difference that are found."""
    return _share_found([member.test.pvalue for member in study.jointly[:-1]], study)


def power_of_the_mean(study: Study) -> bool:
    return study.jointly[-1].test.pvalue <= ALPHA


# --- adding seeds


def sign_evidence(study: Study) -> bool:
    return bool(sign_e_process(study.of_seeds)[FIRST_LOOK - 1 :].max() >= 1 / ALPHA)


# --- controls


def _negligible(d: Floats) -> bool:
    inner = t_interval(d, 1 - 2 * ALPHA)
    return inner.low > -MARGIN and inner.high < MARGIN


def t_says_better(study: Study) -> bool:
    d = study.of_seeds
    return paired_t(d).pvalue <= ALPHA and d.mean() > 0 and not _negligible(d)


def t_misses(study: Study) -> bool:
    return misses(t_interval(study.of_seeds, 1 - ALPHA), study.world.mean)


def all_pairs_miss(study: Study) -> bool:
    """Simultaneous intervals of the cells over all pairs, failures as they ended, about the true means."""
    intervals = [member.interval for member in families.simultaneous_inference(study.differences, 1 - ALPHA)]
    return any(misses(interval, truth) for interval, truth in zip(intervals, study.world.effects, strict=True))


def mean_is_negligible(study: Study) -> bool:
    """Two one-sided tests of the mean over the cells alone."""
    return _negligible(study.of_seeds) and paired_t(study.of_seeds).pvalue > ALPHA


def step_down_contradicts(study: Study) -> bool:
    """Step-down max-T beside simultaneous intervals of the same cells."""
    members = families.simultaneous_inference(study.differences, 1 - ALPHA)
    pairs = zip(study.step_down, members, strict=True)
    return any((test.pvalue <= ALPHA) != misses(member.interval, 0) for test, member in pairs)


def step_down_power(study: Study) -> float:
    return _share_found([test.pvalue for test in study.step_down], study)


def step_down_rejects_null(study: Study) -> bool:
    p = np.array([test.pvalue for test in study.step_down])
    return bool(((p <= ALPHA) & study.null[:-1]).any())


def t_rejects(study: Study) -> bool:
    return paired_t(study.of_seeds).pvalue <= ALPHA


def gaussian_evidence(study: Study) -> bool:
    """Lai's mixture (1976): a likelihood ratio of normal differences."""
    d = study.of_seeds
    n, squares = np.arange(1, len(d) + 1), np.cumsum(d**2)
    log_e = -0.5 * np.log(n + 1) - 0.5 * n * np.log1p(-(np.cumsum(d) ** 2) / ((n + 1) * squares))
    return bool(log_e[FIRST_LOOK - 1 :].max() >= -np.log(ALPHA))


def some_t_rejects(study: Study) -> bool:
    """A t test in every cell, adjusted for none."""
    cells = study.null[:-1]
    return bool((stats.ttest_1samp(study.differences[:, cells], 0.0).pvalue <= ALPHA).any())


def bootstrap_within_cells_misses(study: Study) -> bool:
    """An interval that draws seeds anew in every cell, as if cells were independent."""
    d = study.differences
    rng = np.random.default_rng(abs(int(d.sum() * 1e9)))
    drawn = d[rng.integers(0, len(d), (999, *d.shape)), np.arange(d.shape[1])].mean((1, 2))
    low, high = np.quantile(drawn, [ALPHA / 2, 1 - ALPHA / 2])
    return not low <= study.world.mean <= high
