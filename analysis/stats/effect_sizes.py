"""Effect sizes of paired differences: arrays in, small named results out."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special, stats

from analysis.stats.paired_tests import as_differences, why_degenerate
from analysis.stats.scale import rescale

LARGE_T = 25.0
NODES, _weights = np.polynomial.hermite_e.hermegauss(120)
WEIGHTS = _weights / _weights.sum()


@dataclass(frozen=True)
class Effect:
    """A standardised size of a difference, with the values that its exact test does not reject."""

    method: str
    n: int
    estimate: float
    low: float = math.nan
    high: float = math.nan
    level: float = 0.95
    reason: str | None = None
    """Why there is no number or no interval, or what counts as zero; None where all is well."""


def cohen_dz(d: ArrayLike, level: float = 0.95) -> Effect:
    """Return the mean over the standard deviation of the differences (Cohen 1988, section 2.5).

    The interval inverts the noncentral t (Steiger & Fouladi 1997).

    >>> round(cohen_dz([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]).estimate, 6)
    1.284558
    """
    sample = rescale(as_differences(d))
    d, n, reason = sample.values, sample.n, why_degenerate(sample)
    if reason:
        return Effect("d_z", n, math.nan, level=level, reason=reason)
    estimate = float(d.mean() / d.std(ddof=1))
    low, high = (  # d_z under which the observed t is that quantile (Steiger & Fouladi 1997)
        _noncentrality(abs(estimate) * math.sqrt(n), n - 1, p) / math.sqrt(n)
        for p in ((1 + level) / 2, (1 - level) / 2)
    )
    if estimate < 0:
        low, high = -high, -low
    return Effect("d_z", n, estimate, low, high, level, sample.note)


def _noncentrality(t: float, df: int, p: float) -> float:
    """Return the noncentrality under which the noncentral t distribution has P(T <= t) = p, for t >= 0."""
    if t > LARGE_T:
        guess, cdf = t * math.sqrt(float(stats.chi2.isf(p, df)) / df), _nct_cdf_large_t
    else:
        guess, cdf = float(special.nctdtrinc(df, p, t)), _nct_cdf  # good to six digits, or far off
    step = 1e-4 * max(1.0, abs(guess))
    while cdf(t, df, guess - step) < p or cdf(t, df, guess + step) > p:
        step *= 2
    return float(optimize.brentq(lambda delta: cdf(t, df, delta) - p, guess - step, guess + step, xtol=1e-13))


def _nct_cdf(t: float, df: int, delta: float) -> float:
    """Return P(T <= t), which falls as the noncentrality ``delta`` grows."""
    return float(special.nctdtr(df, delta, t))


def _nct_cdf_large_t(t: float, df: int, delta: float) -> float:
    """Return P(T <= t) for a large t, where scipy's loses its digits.

    T = (Z + delta) / S with S = chi / sqrt(df), so it is the mean over a normal Z of P(S >= (Z + delta) / t), which
    hardly bends: Gauss and Hermite's nodes.
    """
    least = np.maximum(NODES + delta, 0) / t
    return float(WEIGHTS @ stats.chi2.sf(df * least**2, df))


def hedges_gz(d: ArrayLike, level: float = 0.95) -> Effect:
    """Return d_z without its bias in small samples, and its interval likewise (Hedges 1981).

    J(n - 1) d_z, where J(m) = Gamma(m/2) / (sqrt(m/2) Gamma((m-1)/2)).

    >>> round(hedges_gz([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]).estimate, 6)
    1.173925
    """
    biased = cohen_dz(d, level)
    m = biased.n - 1
    if math.isnan(biased.estimate):
        return replace(biased, method="g_z")
    if m < 2:
        return replace(biased, method="g_z", estimate=math.nan, low=math.nan, high=math.nan, reason="2 pairs: J is 0")
    j = math.exp(special.gammaln(m / 2) - special.gammaln((m - 1) / 2)) / math.sqrt(m / 2)
    return Effect("g_z", biased.n, j * biased.estimate, j * biased.low, j * biased.high, level, biased.reason)


def prob_better(d: ArrayLike, level: float = 0.95) -> Effect:
    """Return P(arm > baseline) + P(tie) / 2 of a pair, with an interval that covers it with ties too.

    Clopper & Pearson's exact interval (1934), a tie counting as half a win and half a loss. Ties make the share less
    uncertain than that, so it covers at least as often as it says: in each tail at most (1 - level) / 2 in all
    trinomial laws of up to 100 pairs that were enumerated, at 80, 95 and 99 %.

    >>> effect = prob_better([1, 2, 0, -1])
    >>> effect.estimate, round(effect.low, 3), round(effect.high, 3)
    (0.625, 0.123, 0.972)
    """
    sample = rescale(as_differences(d))
    n, reason = sample.n, sample.too_few or (None if sample.n else "0 pairs")
    if reason:
        return Effect("P(arm > baseline)", n, math.nan, level=level, reason=reason)
    wins, tail = float((np.sign(sample.values) + 1).sum()) / 2, (1 - level) / 2
    low = float(stats.beta.ppf(tail, wins, n - wins + 1)) if wins else 0.0
    high = float(stats.beta.isf(tail, wins + 1, n - wins)) if wins < n else 1.0
    return Effect("P(arm > baseline)", n, wins / n, low, high, level, sample.note)
