"""Failures that were not seen: how rare would a collapse of the better arm have to be for it to stay the better one?"""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from analysis.stats.intervals import upper_share

Side = Literal["baseline", "arm"]


@dataclass(frozen=True)
class Tipping:
    """The share of collapsing runs at which the better arm is no better, beside what the seeds exclude."""

    arm: str
    """The better arm."""
    rate: float
    """Share of its runs whose collapse to chance makes the mean difference zero; 0 where it is zero or less already."""
    n_failed: int
    """Seeds of which one of its runs or more failed."""
    n: int
    """Seeds that were seen."""
    limit: float
    """Upper limit of the share of such seeds, one-sided at alpha (Clopper & Pearson 1934)."""
    qualified: bool
    """Whether the limit is above the rate: the seeds leave room for enough collapses to reverse the difference."""


def tipping(table: pd.DataFrame, side: Side, arm: str, chance: float, alpha: float) -> Tipping:
    """Return the tipping rate of the arm on ``side`` of a table of pairs, all of them, failures as they ended.

    With L the mean score of its runs that learn, B the mean of the other arm's runs and c chance, collapses of a share
    r of its runs leave (1 - r) L + r c, which is B at r = (L - B) / (L - c).
    """
    failed = table[f"failed_{side}"].astype(bool)
    other = "of_arm" if side == "baseline" else "of_baseline"
    by_seed = failed.groupby(table.seed).any()
    learned = float(table[f"of_{side}"][~failed].mean())
    rate = tipping_rate(learned, float(table[other].mean()), chance)
    return at_rate(arm, rate, int(by_seed.sum()), len(by_seed), alpha)


def tipping_rate(learned: float, other: float, chance: float) -> float:
    """Return the share of collapses to ``chance`` that brings a mean of ``learned`` down to ``other``, from 0 to 1."""
    return min(1.0, max(0.0, (learned - other) / (learned - chance))) if learned > chance else 0.0


def at_rate(arm: str, rate: float, n_failed: int, n: int, alpha: float) -> Tipping:
    """Return the tipping rate beside what ``n_failed`` of ``n`` seeds exclude."""
    limit = upper_share(n_failed, n, 1 - alpha)
    return Tipping(arm, rate, n_failed, n, limit, limit > rate)
