"""Contrasts: arm minus baseline on one endpoint, over the pairs of a cell or over all cells.

Over all cells the unit is the seed: its differences are averaged over the grid first, since the cells of a
seed share weights and images and are not independent. For the same reason the cells are tested together, by
flipping each seed's whole row. Tests stand in a fixed order, each at alpha: first the grid, then its cells
(Maurer, Hothorn & Lehmacher 1995); see ``sequence``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.findings.statistics import EXACT, IN_CSV, JOINT, STATISTICS, compute, in_order
from analysis.records.cells import row_of
from analysis.records.pairs import Pairs, Scored, over_cells, pair
from analysis.records.tables import PRIMARY
from analysis.stats.effect_sizes import Effect
from analysis.stats.intervals import Interval, simultaneous, t_interval
from analysis.stats.multiple_tests import holm, max_t
from analysis.stats.paired_tests import Test
from analysis.stats.power import seeds_to_reach
from study.spec.factors import Cell, in_words

VERDICTS = {
    "better": "it helps",
    "worse": "it hurts",
    "better, by less than the margin": "it helps, by less than the margin that matters",
    "worse, by less than the margin": "it hurts, by less than the margin that matters",
    "equivalent": "any difference is smaller than the margin that matters",
    "inconclusive": "the data do not decide",
    "not testable": "there are too few pairs, or differences without spread, for a test",
}


@dataclass(frozen=True)
class SimultaneousInference:
    """A cell among all cells of its endpoint, which are tested together."""

    n_cells: int
    max_t: Test
    p_holm: float
    """Holm's p of the sign-flip tests: the fallback that knows nothing of how cells depend."""
    ci: Interval
    """Simultaneous interval: all cells' hold at once with probability 1 - alpha."""
    inner: Interval
    """Simultaneous 1 - 2 alpha interval: within the margin, it is two one-sided tests in every cell at once."""


@dataclass(frozen=True)
class Contrast:
    """Arm minus baseline on one endpoint. Accuracies are fractions; NaN where there is no such number."""

    cell: Cell | None
    """None over all cells."""
    baseline: str
    arm: str
    endpoint: str
    estimand: str
    alpha: float
    margin: float
    n_pairs: int
    """Independent differences: pairs of the cell, or seeds with a pair in every cell."""
    n_cells: int
    """Cells averaged over: 1 in a cell, over all cells those in which both arms can be trained."""
    n_runs: int
    """Runs behind each side: the denominator of the failures."""
    n_failed_baseline: int
    """Runs of the baseline that diverged or failed to learn."""
    n_failed_arm: int
    n_diverged_baseline: int
    n_diverged_arm: int
    mean_baseline: float
    mean_arm: float
    mean_diff: float
    sd_diff: float
    t: Test
    sign_flip: Test
    wilcoxon: Test
    equivalence: Test
    ci: Interval
    ci_sign_flip: Interval
    hl: Interval
    ci_bootstrap: Interval
    d_z: Effect
    g_z: Effect
    prob_better: Effect
    joint: SimultaneousInference | None
    """None over all cells."""
    verdict: str
    reason: str | None
    """Why there is no verdict, or what is odd about the differences."""

    @property
    def over_all_cells(self) -> bool:
        return self.cell is None


PLAIN = (
    "baseline", "arm", "endpoint", "n_pairs", "n_runs", "n_failed_baseline", "n_failed_arm", "mean_baseline",
    "mean_arm", "mean_diff", "sd_diff",
)  # fmt: skip
OF_JOINT = {
    **{f"p_max_t{end}": f"max_t.{attribute}" for end, attribute in EXACT.items()},
    "ci_sim_low": "ci.low",
    "ci_sim_high": "ci.high",
    "p_holm": "p_holm",
}


def _columns() -> dict[str, str]:
    """Return the attribute path in a contrast of each column of ``contrasts.csv`` after those of the cell."""
    columns = {name: name for name in PLAIN}
    for key in in_order(IN_CSV):
        of_key = OF_JOINT if key == JOINT else STATISTICS[key].columns
        columns |= {column: f"{key}.{path}" for column, path in of_key.items()}
    return columns | {"verdict": "verdict", "reason": "reason"}


COLUMNS = _columns()


def compute_contrasts(study: Scored, alpha: float, margin: float) -> list[Contrast]:
    """Return all contrasts of a study: over all cells first, then cell by cell, for every endpoint and arm."""
    contrasts = []
    for arm in study.treatments:
        for endpoint in study.endpoints:
            pairs = pair(study, arm, endpoint)
            contrasts.append(over_all_cells(pairs, alpha, margin))
            contrasts += in_cells(study.cells, pairs, alpha, margin)
    return contrasts


def over_all_cells(pairs: Pairs, alpha: float, margin: float) -> Contrast:
    """Return the contrast of the seeds' means over the grid; seeds without a pair in some cell are left out."""
    table = pairs.complete
    sides = table.groupby("seed")[["of_baseline", "of_arm"]].mean().to_numpy(float)
    d = over_cells(pairs.rows(pairs.cells))
    contrast = _contrast(pairs, None, sides, d, table, alpha, margin)
    inner = t_interval(d, 1 - 2 * alpha)
    decision = verdict(contrast.t, contrast.mean_diff, inner, alpha, margin)
    return replace(contrast, verdict=decision, reason=contrast.t.reason)


def in_cells(cells: Sequence[Cell], pairs: Pairs, alpha: float, margin: float) -> list[Contrast]:
    """Return the contrasts of one arm and endpoint in every cell of the grid, tested together."""
    alone = [_in_cell(pairs, cell, alpha, margin) for cell in cells]
    table = pairs.matrix(cells)
    tests, wide, narrow = max_t(table), simultaneous(table, 1 - alpha), simultaneous(table, 1 - 2 * alpha)
    p_holm = holm([contrast.sign_flip.pvalue for contrast in alone])
    together = [
        SimultaneousInference(len(cells), test, float(p), ci, inner)
        for test, p, ci, inner in zip(tests, p_holm, wide, narrow, strict=True)
    ]
    return [_among(contrast, joint) for contrast, joint in zip(alone, together, strict=True)]


def _in_cell(pairs: Pairs, cell: Cell, alpha: float, margin: float) -> Contrast:
    table = pairs.cell(cell)
    sides = table[["of_baseline", "of_arm"]].to_numpy(float)
    return _contrast(pairs, cell, sides, table.difference.to_numpy(float), table, alpha, margin)


def _among(contrast: Contrast, joint: SimultaneousInference) -> Contrast:
    """Return a cell's contrast with its verdict among all cells."""
    enough, n = seeds_to_reach(contrast.alpha), contrast.n_pairs
    reason = contrast.t.reason or (f"{n} pairs: the exact test needs {enough}" if n < enough else None)
    test = replace(joint.max_t, reason=joint.max_t.reason or reason)
    decision = verdict(test, contrast.mean_diff, joint.inner, contrast.alpha, contrast.margin)
    return replace(contrast, joint=joint, verdict=decision, reason=reason)


def _contrast(
    pairs: Pairs,
    cell: Cell | None,
    sides: NDArray[np.float64],
    d: NDArray[np.float64],
    runs: pd.DataFrame,
    alpha: float,
    margin: float,
) -> Contrast:
    """Return the contrast of ``sides`` (n, 2), baseline and arm of every independent unit, and of ``d`` (n,), their
    difference; ``runs`` are the pairs behind them."""
    level = 1 - alpha
    means = sides.mean(0) if len(sides) else np.full(2, math.nan)
    n_cells = len(pairs.cells) if cell is None else 1
    return Contrast(
        cell=cell,
        baseline=pairs.baseline,
        arm=pairs.arm,
        endpoint=pairs.endpoint,
        estimand=_estimand(pairs, cell, n_cells),
        alpha=alpha,
        margin=margin,
        n_pairs=len(d),
        n_cells=n_cells,
        n_runs=len(runs),
        n_failed_baseline=int(runs.failed_baseline.sum()),
        n_failed_arm=int(runs.failed_arm.sum()),
        n_diverged_baseline=int(runs.diverged_baseline.sum()),
        n_diverged_arm=int(runs.diverged_arm.sum()),
        mean_baseline=float(means[0]),
        mean_arm=float(means[1]),
        mean_diff=float(d.mean()) if len(d) else math.nan,
        sd_diff=float(d.std(ddof=1)) if len(d) > 1 else math.nan,
        **compute(d, level, margin),
        joint=None,
        verdict="not testable",
        reason=None,
    )


def _estimand(pairs: Pairs, cell: Cell | None, n_cells: int) -> str:
    where = f"averaged over {n_cells} cells" if cell is None else f"at {in_words(cell)}"
    return f"mean over {pairs.units} of {pairs.arm} minus {pairs.baseline}, {pairs.what}, {where}"


def verdict(test: Test, estimate: float, inner: Interval, alpha: float, margin: float) -> str:
    """Return one of VERDICTS: ``test`` decides on a difference, the (1 - 2 alpha) interval on whether it matters.

    That interval within +-margin is the two one-sided tests of equivalence (Schuirmann 1987).
    """
    if test.reason is not None or math.isnan(test.pvalue):
        return "not testable"
    negligible = -margin < inner.low and inner.high < margin
    if test.pvalue <= alpha:
        side = "better" if estimate > 0 else "worse"
        return f"{side}, by less than the margin" if negligible else side
    return "equivalent" if negligible else "inconclusive"


@dataclass(frozen=True)
class Step:
    """A hypothesis in the fixed sequence: it may be claimed only where all before it were rejected."""

    what: str
    pvalue: float
    """The smallest adjusted p where the step is of cells."""
    rejected: bool
    licensed: bool


def sequence(contrasts: Sequence[Contrast], arm: str) -> list[Step]:
    """Return the steps of one arm on the primary endpoint: the grid by the paired t test, then its cells by max-T."""
    first, cells = overall(contrasts, arm), by_cell(contrasts, arm).values()
    smallest = min((c.joint.max_t.pvalue for c in cells if c.joint and c.verdict != "not testable"), default=math.nan)
    alpha = first.alpha
    over_grid = Step(first.estimand, first.t.pvalue, first.t.pvalue <= alpha, True)
    return [over_grid, Step(f"any of {len(cells)} cells", smallest, smallest <= alpha, over_grid.rejected)]


def contrast_rows(contrasts: Sequence[Contrast], cell_key: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of ``contrasts.csv``: cell and COLUMNS of every contrast, those over all cells first; None for
    no number."""
    ordered = sorted(contrasts, key=lambda contrast: not contrast.over_all_cells)
    return [
        row_of(contrast.cell, cell_key) | {name: _value(contrast, path) for name, path in COLUMNS.items()}
        for contrast in ordered
    ]


def _value(contrast: Contrast, path: str) -> Any:
    if path.startswith("joint.") and contrast.joint is None:
        return None
    return attrgetter(path)(contrast)


def overall(contrasts: Sequence[Contrast], arm: str, endpoint: str = PRIMARY) -> Contrast:
    """Return the contrast over all cells of one arm and endpoint."""
    return next(c for c in contrasts if (c.arm, c.endpoint) == (arm, endpoint) and c.over_all_cells)


def by_cell(contrasts: Sequence[Contrast], arm: str, endpoint: str = PRIMARY) -> dict[Cell, Contrast]:
    """Return the contrasts of one arm and endpoint by cell."""
    return {c.cell: c for c in contrasts if (c.arm, c.endpoint) == (arm, endpoint) and c.cell is not None}
