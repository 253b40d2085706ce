"""What is claimed of arms on one endpoint: their differences in every cell and the means, tested as one family.

A cell's member is the difference over the pairs in which both arms learn; how many learn is told beside it (the two
parts of an estimand where failure is an outcome, ICH E9(R1); Permutt & Li 2017). The mean over the cells takes all
pairs, failures as they ended, with the seed as its unit: the cells of a seed share weights and images. A verdict is
what the simultaneous interval says, so that neither contradicts the other.

Several comparisons, of arms with the baseline or of all pairs of arms, are one family too: the sign patterns that flip
a seed's whole row know how comparisons that share an arm depend (for a control, Dunnett 1955; Westfall & Young 1993).
What has no such row, an interval at 1 - 2 alpha or of cross-fitted scores, is held over them by Bonferroni's level.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.findings.tipping import Side, Tipping, tipping
from analysis.records.cells import rows_in
from analysis.records.pairs import Pairs, zero_rounding_noise
from analysis.stats.families import simultaneous_inference
from analysis.stats.intervals import Interval, t_interval
from analysis.stats.multiple_tests import bonferroni_level, holm
from analysis.stats.paired_tests import Test, sign_flip, why_degenerate
from analysis.stats.power import seeds_to_reach
from analysis.stats.scale import rescale, standard_deviation
from study.spec.factors import Cell, in_words

VERDICTS = {
    "better": "it is better",
    "worse": "it is worse",
    "better, by less than the margin": "it is better, by less than the margin that matters",
    "worse, by less than the margin": "it is worse, by less than the margin that matters",
    "equivalent": "any difference is smaller than the margin that matters",
    "mixed": "it is better in some cells and worse in others",
    "inconclusive": "the data do not decide",
    "withheld": "no verdict, because runs are missing",
    "description": "a description, no verdict",
    "counts alone": "an arm does not learn here, so the runs that learn are counted and no difference is given",
}


@dataclass(frozen=True)
class SimultaneousInference:
    """A member of a family that is tested together: the cells of an endpoint and the means over them, of every arm."""

    n_members: int
    test: Test
    """Its p-value is adjusted for all members."""
    p_holm: float
    """Holm's p of the cells' sign-flip tests, the fallback that knows nothing of how cells depend; NaN for the mean."""
    ci: Interval
    """Simultaneous interval: all members' hold at once with probability 1 - alpha."""


@dataclass(frozen=True)
class Bounds:
    """The mean difference whatever the missing runs would have scored (Horowitz & Manski 2000)."""

    n_missing: int
    """Pairs of begun seeds of which a run has no record."""
    low: float
    high: float

    @property
    def agree(self) -> bool:
        """Whether both ends lie on one side of zero."""
        return self.low > 0 or self.high < 0

    def within(self, margin: float) -> bool:
        """Return whether both ends lie within the margin."""
        return -margin < self.low and self.high < margin


@dataclass(frozen=True)
class Member:
    """Arm minus baseline on one endpoint in a cell or over all. Accuracies are fractions; NaN where there is none."""

    cell: Cell | None
    """None over all cells."""
    baseline: str
    arm: str
    endpoint: str
    estimand: str
    alpha: float
    margin: float
    n_pairs: int
    """Differences behind the mean: the cell's pairs in which both arms learn, or seeds with a pair in every cell."""
    n_cells: int
    """Cells averaged over: 1 in a cell, over all cells those in which both arms can be trained."""
    n_better: int
    """Differences above zero."""
    n_runs: int
    """Runs of each side in pairs: the denominator of the failures."""
    n_failed_baseline: int
    """Runs of the baseline that diverged or did not learn."""
    n_failed_arm: int
    n_diverged_baseline: int
    n_diverged_arm: int
    mean_baseline: float
    mean_arm: float
    mean_diff: float
    sd_diff: float
    ci: Interval
    """Student's interval of this difference alone."""
    inner: Interval
    """The same at 1 - 2 alpha, for all comparisons of the family together: within the margin it is two one-sided tests
    of equivalence (Schuirmann 1987)."""
    joint: SimultaneousInference | None
    """None where there are too few pairs, or differences without spread, for a test."""
    bounds: Bounds | None
    """None where no run of a begun seed is missing."""
    tipping: Tipping | None
    """None where neither side is better or chance is not known."""
    verdict: str
    reason: str | None
    """Why there is no verdict, or what is odd about the differences."""

    @property
    def over_all_cells(self) -> bool:
        return self.cell is None

    @property
    def negligible(self) -> bool:
        """Whether its own interval at 1 - 2 alpha lies within the margin, and so do the bounds of what is missing."""
        return is_negligible(self.inner, self.bounds, self.margin)

    @property
    def shown(self) -> Interval:
        """The interval that decides: the simultaneous one of a member that is tested, else Student's."""
        return self.ci if self.joint is None else self.joint.ci


@dataclass(frozen=True)
class Sample:
    """The differences that a member is made of."""

    cell: Cell | None
    table: pd.DataFrame
    """All its pairs, as in ``Pairs.table``."""
    sides: NDArray[np.float64]
    """(n, 2): baseline and arm of every difference."""
    d: NDArray[np.float64]
    """(n,)."""
    seeds: NDArray[np.int64]
    """(n,): the unit of every difference."""


def samples(pairs: Pairs, cells: Sequence[Cell], alpha: float) -> list[Sample]:
    """Return what is compared: over all cells first, then in each of ``cells``."""
    enough = seeds_to_reach(alpha)
    return [_over_cells(pairs), *(_in_cell(pairs, cell, enough) for cell in cells)]


def _over_cells(pairs: Pairs) -> Sample:
    table = pairs.complete
    means = table.groupby("seed")[["of_baseline", "of_arm"]].mean()
    sizes = table[["of_baseline", "of_arm"]].abs().groupby(table.seed).mean().max(axis=1)
    d = zero_rounding_noise(table.groupby("seed").difference.mean(), sizes)
    return Sample(None, table, means.to_numpy(float), d, means.index.to_numpy())


def _in_cell(pairs: Pairs, cell: Cell, enough: int) -> Sample:
    """Return the pairs in which both learn; none where these are too few for a test and a run failed."""
    table = pairs.cell(cell)
    failed = table.failed_baseline.astype(bool) | table.failed_arm.astype(bool)
    learned = table[~failed]
    if failed.any() and len(learned) < enough:
        learned = learned.iloc[:0]
    sides = learned[["of_baseline", "of_arm"]].to_numpy(float)
    return Sample(cell, table, sides, learned.difference.to_numpy(float), learned.seed.to_numpy())


def family(pairs: Pairs, of: Sequence[Sample], alpha: float, margin: float) -> list[Member]:
    """Return a member for each sample, with its verdict; the first one is over all cells."""
    return joint_family([(pairs, of)], alpha, margin)[0]


def joint_family(every: Sequence[tuple[Pairs, Sequence[Sample]]], alpha: float, margin: float) -> list[list[Member]]:
    """Return the members of several comparisons, all of them one family; of each those of its samples, as ``family``
    does."""
    joint, inner = iter(_jointly([one for _, of in every for one in of], alpha)), inner_level(alpha, max(1, len(every)))
    return [_of_comparison(pairs, of, [next(joint) for _ in of], inner, alpha, margin) for pairs, of in every]


def inner_level(alpha: float, n_comparisons: int) -> float:
    """Return the level of the interval of one comparison that decides on equivalence, where there are so many."""
    return bonferroni_level(1 - 2 * alpha, n_comparisons)


def _of_comparison(
    pairs: Pairs,
    of: Sequence[Sample],
    joint: Sequence[SimultaneousInference | None],
    inner: float,
    alpha: float,
    margin: float,
) -> list[Member]:
    alone = [_member(pairs, one, together, inner, alpha, margin) for one, together in zip(of, joint, strict=True)]
    decided = [_decided(member, one, pairs.chance) for member, one in zip(alone, of, strict=True)]
    return [_among(decided[0], decided[1:]), *decided[1:]]


def _jointly(of: Sequence[Sample], alpha: float) -> list[SimultaneousInference | None]:
    """Return the family's tests and intervals, of the samples that can be tested."""
    enough = seeds_to_reach(alpha)
    tested = [i for i, one in enumerate(of) if len(one.d) >= enough and why_degenerate(rescale(one.d)) is None]
    columns = {i: pd.Series(of[i].d, index=of[i].seeds) for i in tested}
    matrix = pd.DataFrame(columns).sort_index().to_numpy(float)
    found = dict(zip(tested, simultaneous_inference(matrix, 1 - alpha) if tested else [], strict=True))
    in_cells = [i for i, one in enumerate(of) if one.cell is not None]
    p_holm = dict(zip(in_cells, holm([sign_flip(of[i].d).pvalue for i in in_cells]).tolist(), strict=True))
    return [
        SimultaneousInference(len(tested), found[i].test, p_holm.get(i, math.nan), found[i].interval)
        if i in found
        else None
        for i in range(len(of))
    ]


def _member(
    pairs: Pairs, one: Sample, joint: SimultaneousInference | None, inner: float, alpha: float, margin: float
) -> Member:
    d, runs = one.d, one.table
    means = one.sides.mean(0) if len(d) else np.full(2, math.nan)
    return Member(
        cell=one.cell,
        baseline=pairs.baseline,
        arm=pairs.arm,
        endpoint=pairs.endpoint,
        estimand=_estimand(pairs, one.cell),
        alpha=alpha,
        margin=margin,
        n_pairs=len(d),
        n_cells=len(pairs.cells) if one.cell is None else 1,
        n_better=int((d > 0).sum()),
        n_runs=len(runs),
        n_failed_baseline=int(runs.failed_baseline.sum()),
        n_failed_arm=int(runs.failed_arm.sum()),
        n_diverged_baseline=int(runs.diverged_baseline.sum()),
        n_diverged_arm=int(runs.diverged_arm.sum()),
        mean_baseline=float(means[0]),
        mean_arm=float(means[1]),
        mean_diff=float(d.mean()) if len(d) else math.nan,
        sd_diff=standard_deviation(d),
        ci=t_interval(d, 1 - alpha),
        inner=replace(t_interval(d, inner), level=1 - 2 * alpha),
        joint=joint,
        bounds=_bounds(pairs, one),
        tipping=None,
        verdict="description",
        reason=None,
    )


def _estimand(pairs: Pairs, cell: Cell | None) -> str:
    where = (
        f"averaged over {len(pairs.cells)} cells, failures as they ended"
        if cell is None
        else f"at {in_words(cell)}, given that both learn"
    )
    return f"mean over {pairs.units} of {pairs.arm} minus {pairs.baseline}, {pairs.what}, {where}"


def _bounds(pairs: Pairs, one: Sample) -> Bounds | None:
    """Return the bounds of the mean difference: of a seed's mean over all cells, of the pairs in a cell."""

    def mean(filled: Pairs) -> float:
        if one.cell is None:
            return float(filled.table.groupby("seed").difference.mean().mean())
        table = filled.cell(one.cell)
        return float(table.difference[~(table.failed_baseline | table.failed_arm)].mean())

    n_missing = len(pairs.missing if one.cell is None else rows_in(pairs.missing, one.cell, pairs.cell_key))
    if not n_missing:
        return None
    if pairs.limits is None:
        return Bounds(n_missing, -math.inf, math.inf)
    worst, best = pairs.limits
    return Bounds(n_missing, mean(pairs.filled(best, worst)), mean(pairs.filled(worst, best)))


def _decided(member: Member, one: Sample, chance: float | None) -> Member:
    """Return the member with its verdict, and with its tipping rate where a side is better."""
    enough, n = seeds_to_reach(member.alpha), member.n_pairs
    if not n and member.cell is not None and member.n_failed_baseline + member.n_failed_arm:
        few = f"both arms learn in fewer than {enough} of {member.n_runs} pairs"
        return replace(member, verdict="counts alone", reason=few)
    decision, reason = conclude(member.shown, member.inner, member.bounds, member.alpha, member.margin)
    found = None
    if chance is not None and decision.startswith(("better", "worse")):
        better: Side = "arm" if member.mean_diff > 0 else "baseline"
        found = tipping(one.table, better, member.arm if better == "arm" else member.baseline, chance, member.alpha)
    return replace(member, verdict=decision, reason=reason, tipping=found)


def is_negligible(inner: Interval, bounds: Bounds | None, margin: float) -> bool:
    """Return whether ``inner`` lies within the margin, whatever the missing runs would have scored."""
    return -margin < inner.low and inner.high < margin and (bounds is None or bounds.within(margin))


def conclude(
    interval: Interval, inner: Interval, bounds: Bounds | None, alpha: float, margin: float, units: str = "pairs"
) -> tuple[str, str | None]:
    """Return one of VERDICTS, and why where there is none.

    ``interval`` decides on a difference, ``inner`` on whether it matters; too few pairs for an exact test at ``alpha``,
    or differences without spread, are a description.
    """
    enough, n = seeds_to_reach(alpha), interval.n
    if n < enough:
        return "description", f"{n} {units.removesuffix('s') if n == 1 else units}: a verdict needs {enough}"
    if not interval.low < interval.high:
        return "description", interval.reason
    if bounds is not None and not bounds.agree:
        n_missing = "1 pair lacks" if bounds.n_missing == 1 else f"{bounds.n_missing} pairs lack"
        return "withheld", f"{n_missing} a run, which could reverse the difference"
    negligible = is_negligible(inner, bounds, margin)
    if interval.low > 0 or interval.high < 0:
        side = "better" if interval.estimate > 0 else "worse"
        return f"{side}, by less than the margin" if negligible else side, None
    return ("equivalent" if negligible else "inconclusive"), None


def _among(mean: Member, cells: Sequence[Member]) -> Member:
    """Return the mean over the cells with the verdict that its cells leave: equivalent where it is and every one of
    them (an intersection-union test, Berger 1982), mixed where some are better and others worse.

    The mean counts failures and a cell's difference is given that both learn, so neither stands for the other.
    """
    everywhere = (
        mean.negligible
        and len(cells) == mean.n_cells
        and all(cell.joint is not None and cell.negligible for cell in cells)
    )
    if mean.verdict.endswith("by less than the margin") and not everywhere:
        return replace(mean, verdict=mean.verdict.split(",")[0])
    if mean.verdict not in ("equivalent", "inconclusive"):
        return mean
    counts = tally(cells)
    if counts["better"] and counts["worse"]:
        return replace(mean, verdict="mixed")
    return replace(mean, verdict="equivalent" if everywhere else "inconclusive")


def tally(cells: Sequence[Member]) -> Counter[str]:
    """Return how many cells have each verdict; better and worse by less than the margin count as better and worse."""
    return Counter(cell.verdict.split(",")[0] for cell in cells)
