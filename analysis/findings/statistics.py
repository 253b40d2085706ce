"""The statistics of the paired differences of a contrast, each a value.

Each names its columns, its heading and its source. To add one: a function in ``analysis.stats``, a value here, and its
field in ``contrasts.Contrast``; tables take it at their end.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from analysis.stats.effect_sizes import cohen_dz, hedges_gz, prob_better
from analysis.stats.intervals import bootstrap_t, hodges_lehmann, sign_flip_interval, t_interval
from analysis.stats.paired_tests import equivalence, paired_t, sign_flip, wilcoxon

Differences = NDArray[np.float64]
Kind = Literal["p", "exact p", "points", "number", "probability"]
EXACT = {"": "pvalue", "_extreme": "n_extreme", "_patterns": "n_total"}
"""Attributes of an exact test, its p-value and the fraction of patterns that it is, by the ends of their columns."""


@dataclass(frozen=True)
class Statistic:
    """A statistic of the differences (n,) of a contrast."""

    key: str
    """Its field in a contrast and in ``report.json``."""
    compute: Callable[[Differences, float, float], Any]
    """(differences, level, margin) -> a Test, an Interval or an Effect."""
    source: str
    columns: Mapping[str, str] = field(default_factory=dict)
    """The attribute of the result by column of ``contrasts.csv``."""
    heading: str = ""
    """Heading of its column on the page, where it has one; ``{arm}`` and ``{baseline}`` stand for their tags."""
    kind: Kind = "p"
    """Number format on the page, by its columns in order."""


def _exact(name: str) -> dict[str, str]:
    return {f"{name}{end}": attribute for end, attribute in EXACT.items()}


def _interval(name: str) -> dict[str, str]:
    return {name: "estimate", f"{name}_low": "low", f"{name}_high": "high"}


STATISTICS = {
    statistic.key: statistic
    for statistic in (
        Statistic(
            "t", lambda d, level, margin: paired_t(d), "Student 1908",
            {"t": "statistic", "df": "df", "p_t": "pvalue"}, "p, paired t",
        ),
        Statistic(
            "sign_flip", lambda d, level, margin: sign_flip(d), "Fisher 1935", _exact("p_sign_flip"), "p, sign-flip",
            "exact p",
        ),
        Statistic(
            "wilcoxon", lambda d, level, margin: wilcoxon(d), "Wilcoxon 1945", _exact("p_wilcoxon"), "p, Wilcoxon",
            "exact p",
        ),
        Statistic(
            "equivalence", lambda d, level, margin: equivalence(d, margin), "Schuirmann 1987",
            {"p_tost": "pvalue"}, "p, equivalence (two one-sided t)",
        ),
        Statistic(
            "ci", lambda d, level, margin: t_interval(d, level), "Student 1908",
            {"ci_low": "low", "ci_high": "high"}, kind="points",
        ),
        Statistic("ci_sign_flip", lambda d, level, margin: sign_flip_interval(d, level), "Hartigan 1969"),
        Statistic(
            "hl", lambda d, level, margin: hodges_lehmann(d, level), "Hodges & Lehmann 1963", _interval("hl"),
            "Hodges-Lehmann", "points",
        ),
        Statistic("ci_bootstrap", lambda d, level, margin: bootstrap_t(d, level), "Efron & Tibshirani 1993, sec. 12.5"),
        Statistic("d_z", lambda d, level, margin: cohen_dz(d, level), "Cohen 1988, section 2.5", {"d_z": "estimate"}),
        Statistic(
            "g_z", lambda d, level, margin: hedges_gz(d, level), "Hedges 1981", _interval("g_z"), "g_z", "number"
        ),
        Statistic(
            "prob_better", lambda d, level, margin: prob_better(d, level), "Clopper & Pearson 1934",
            {"prob_better": "estimate"}, "P({arm} > {baseline})", "probability",
        ),
    )
}  # fmt: skip
"""The statistics by key, in the order of a contrast's fields."""

JOINT = "joint"
"""Place of the columns of the cells' joint tests among those of the statistics."""
IN_CSV = ("ci", "t", "d_z", "sign_flip", "wilcoxon", "hl", "g_z", "prob_better", JOINT, "equivalence")
ON_PAGE = ("hl", "t", "sign_flip", "wilcoxon", JOINT, "g_z", "prob_better", "equivalence")


def in_order(first: tuple[str, ...]) -> list[str]:
    """Return the keys of statistics and JOINT, those of ``first`` before all others."""
    return [*first, *(key for key in STATISTICS if key not in first)]


def compute(d: Differences, level: float, margin: float) -> dict[str, Any]:
    """Return every statistic of the differences, by key."""
    return {key: statistic.compute(d, level, margin) for key, statistic in STATISTICS.items()}
