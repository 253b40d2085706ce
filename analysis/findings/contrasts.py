"""Contrasts: arm minus baseline on one endpoint, in every cell and over all, with every statistic of the differences.

What decides is the family's (``findings.family``); the statistics beside it are each of one contrast alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from analysis.findings.family import Member, joint_family, samples
from analysis.findings.statistics import EXACT, IN_CSV, JOINT, STATISTICS, compute, in_order
from analysis.records.cells import row_of
from analysis.records.pairs import Pairs, Scored, pair
from analysis.records.tables import PRIMARY
from analysis.stats.effect_sizes import Effect
from analysis.stats.intervals import Interval
from analysis.stats.paired_tests import Test
from study.spec.factors import Cell


@dataclass(frozen=True)
class Contrast(Member):
    """A member of the family with every statistic of its differences."""

    t: Test
    sign_flip: Test
    wilcoxon: Test
    equivalence: Test
    ci_sign_flip: Interval
    hl: Interval
    ci_bootstrap: Interval
    d_z: Effect
    g_z: Effect
    prob_better: Effect


PLAIN = (
    "baseline", "arm", "endpoint", "n_pairs", "n_runs", "n_failed_baseline", "n_failed_arm", "mean_baseline",
    "mean_arm", "mean_diff", "sd_diff",
)  # fmt: skip
OF_JOINT = {
    **{f"p_adjusted{end}": f"test.{attribute}" for end, attribute in EXACT.items()},
    "ci_sim_low": "ci.low",
    "ci_sim_high": "ci.high",
    "p_holm": "p_holm",
}
OF_TIPPING = {"tipping_rate": "tipping.rate", "tipping_limit": "tipping.limit"}


def _columns() -> dict[str, str]:
    """Return the attribute path in a contrast of each column of ``contrasts.csv`` after those of the cell."""
    columns = {name: name for name in PLAIN}
    for key in in_order(IN_CSV):
        of_key = OF_JOINT if key == JOINT else STATISTICS[key].columns
        columns |= {column: f"{key}.{path}" for column, path in of_key.items()}
    return columns | OF_TIPPING | {"verdict": "verdict", "reason": "reason"}


COLUMNS = _columns()


def compute_contrasts(study: Scored, alpha: float, margin: float) -> list[Contrast]:
    """Return all contrasts of a study: over all cells first, then cell by cell, for every endpoint and arm; those of an
    endpoint are one family."""
    of_endpoints = [
        of_pairs([pair(study, arm, endpoint) for arm in study.treatments], study.cells, alpha, margin)
        for endpoint in study.endpoints
    ]
    of_arms = zip(*of_endpoints, strict=True)
    return [contrast for of_arm in of_arms for of_endpoint in of_arm for contrast in of_endpoint]


def of_pairs(every: Sequence[Pairs], cells: Sequence[Cell], alpha: float, margin: float) -> list[list[Contrast]]:
    """Return the contrasts of each of ``every``: over all cells, then in each of ``cells``."""
    of = [samples(pairs, cells, alpha) for pairs in every]
    members = joint_family([*zip(every, of, strict=True)], alpha, margin)
    return [
        [
            Contrast(**vars(member) | compute(one.d, 1 - alpha, margin))
            for member, one in zip(of_arm, samples_of_arm, strict=True)
        ]
        for of_arm, samples_of_arm in zip(members, of, strict=True)
    ]


def contrast_rows(contrasts: Sequence[Contrast], cell_key: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of ``contrasts.csv``: cell and COLUMNS of every contrast, those over all cells first; None for
    no number."""
    ordered = sorted(contrasts, key=lambda contrast: not contrast.over_all_cells)
    return [
        row_of(contrast.cell, cell_key) | {name: _value(contrast, path) for name, path in COLUMNS.items()}
        for contrast in ordered
    ]


def _value(contrast: Contrast, path: str) -> Any:
    first, _, _ = path.partition(".")
    return None if getattr(contrast, first) is None else attrgetter(path)(contrast)


def overall(contrasts: Sequence[Contrast], arm: str, endpoint: str = PRIMARY) -> Contrast:
    """Return the contrast over all cells of one arm and endpoint."""
    return next(c for c in contrasts if (c.arm, c.endpoint) == (arm, endpoint) and c.over_all_cells)


def by_cell(contrasts: Sequence[Contrast], arm: str, endpoint: str = PRIMARY) -> dict[Cell, Contrast]:
    """Return the contrasts of one arm and endpoint by cell."""
    return {c.cell: c for c in contrasts if (c.arm, c.endpoint) == (arm, endpoint) and c.cell is not None}
