"""The number of seeds: what n paired differences can show, and how many would be needed.

Arrays and numbers in, floats and one small named result out. ``d_z`` is the mean of the differences over
their standard deviation; ``d`` (n,) holds one difference per independent unit, arm minus baseline. What
cannot be said is NaN or None, with a ``reason`` in the plan. Left out: the correction for several cells,
which asks for more seeds than these numbers say.
"""

import itertools
import math
from dataclasses import dataclass

from numpy.typing import ArrayLike
from scipy import optimize, stats

from analysis.stats.paired_tests import as_differences, is_constant
from analysis.stats.scale import rescale

HALF_WIDTHS_AT = (5, 10, 20, 50, 100)
"""The numbers of seeds for which a plan says how wide the interval would be."""
FAR = 40.0
"""Times the critical value: t falls short of it with probability below 1e-300, and scipy's law has no digits left."""
BEYOND_REACH = 1e9
"""A number of seeds that no study has."""
ROUNDING = 1e-12
"""A power that misses its target by less is the target, from another order of arithmetic."""


@dataclass(frozen=True)
class Plan:
    """The reach of ``n`` differences, and the number of seeds that a true difference of ``margin`` asks for."""

    n: int
    margin: float
    """The difference to detect, in the units of the differences."""
    alpha: float
    power: float
    """The wanted probability to detect it."""
    attainable_p: float
    seeds_to_reach: int
    sd: float
    """Standard deviation of the differences, in their units, n - 1 in the denominator."""
    upper_sd: float
    """Its upper 80 % confidence limit: a few seeds guess the spread too small as often as too large."""
    power_at_margin: float
    """Power of the paired t test at the present n, were the difference ``margin`` and the spread ``sd``."""
    smallest_detectable: float
    """The difference that the present n detects with the wanted power, in the units of the differences."""
    seeds_needed: int | None
    """Seeds to detect ``margin`` with the wanted power, were the spread ``sd``."""
    seeds_needed_upper: int | None
    """The same, were the spread ``upper_sd``."""
    half_widths: tuple[tuple[int, float], ...]
    """(seeds, half the width of their t interval at level 1 - alpha, in the units of the differences)."""
    reason: str | None = None
    """Why numbers are missing, or what counts as zero; None where all is well."""


def plan(d: ArrayLike, margin: float, alpha: float = 0.05, power: float = 0.8) -> Plan:
    """Return the plan that the differences so far suggest; it takes their spread for the true one.

    >>> planned = plan([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4], margin=1.0)  # Student 1908, hours
    >>> round(planned.power_at_margin, 3), planned.seeds_needed, planned.seeds_needed_upper
    (0.63, 14, 22)
    """
    sample = rescale(as_differences(d))
    d, n = sample.values, sample.n
    sd = math.nan if n < 2 or sample.too_few else 0.0 if is_constant(d) else sample.unit * float(d.std(ddof=1))
    spread = sd if sd > 0 else math.nan
    upper = upper_sd(spread, n)
    d_z, d_z_upper = (margin / spread, margin / upper) if margin > 0 else (math.nan, math.nan)
    return Plan(
        n,
        margin,
        alpha,
        power,
        attainable_p=attainable_p(n),
        seeds_to_reach=seeds_to_reach(alpha),
        sd=sd,
        upper_sd=upper,
        power_at_margin=paired_t_power(d_z, n, alpha),
        smallest_detectable=smallest_detectable(n, alpha, power) * spread,
        seeds_needed=seeds_needed(d_z, alpha, power),
        seeds_needed_upper=seeds_needed(d_z_upper, alpha, power),
        half_widths=tuple((k, float(stats.t.isf(alpha / 2, k - 1)) * spread / math.sqrt(k)) for k in HALF_WIDTHS_AT),
        reason=sample.too_few or _reason(n, sd, margin) or sample.note,
    )


def attainable_p(n: int) -> float:
    """Return the smallest p that the exact sign-flip test of ``n`` differences can give, 2 / 2^n.

    >>> attainable_p(5), attainable_p(6)
    (0.0625, 0.03125)
    """
    return min(1.0, math.ldexp(1.0, 1 - n))


def seeds_to_reach(alpha: float) -> int:
    """Return the fewest seeds with which the exact sign-flip test can reject at ``alpha`` at all: 6 at 0.05."""
    _check_levels(alpha)
    return next(n for n in itertools.count(1) if attainable_p(n) <= alpha)


def paired_t_power(d_z: float, n: float, alpha: float = 0.05) -> float:
    """Return the probability that the two-sided paired t test rejects at ``alpha``; NaN for n < 2.

    Exact for normal differences, by the noncentral t with n - 1 degrees of freedom and noncentrality
    d_z sqrt(n) (Cohen 1988, section 2.5). Both tails: at d_z = 0 it is ``alpha``. ``n`` need not be whole.

    >>> round(paired_t_power(1.0, 10), 4)
    0.8031
    """
    _check_levels(alpha)
    if n < 2 or math.isnan(d_z):
        return math.nan
    noncentrality = abs(d_z) * math.sqrt(n)
    critical = float(stats.t.isf(alpha / 2, n - 1))
    if noncentrality > FAR * (1 + critical):
        return 1.0
    upper = stats.nct.sf(critical, n - 1, noncentrality)
    lower = stats.nct.sf(critical, n - 1, -noncentrality)  # mirrored: scipy 1.17 has NaN for small cdf(-critical)
    return float(upper + lower)


def smallest_detectable(n: int, alpha: float = 0.05, power: float = 0.8) -> float:
    """Return the d_z that ``n`` seeds detect with this power; NaN for n < 2.

    >>> round(smallest_detectable(10), 3)
    0.996
    """
    _check_levels(alpha, power)
    if n < 2:
        return math.nan
    high = 1.0
    while paired_t_power(high, n, alpha) < power:
        high *= 2
    return float(optimize.brentq(lambda d_z: paired_t_power(d_z, n, alpha) - power, 0.0, high, xtol=1e-14, rtol=1e-14))


def seeds_needed(d_z: float, alpha: float = 0.05, power: float = 0.8) -> int | None:
    """Return the least whole n >= 2 whose power is at least ``power``; None where no n is: d_z zero or NaN.

    >>> seeds_needed(0.5), seeds_needed(1.0), seeds_needed(0.0)
    (34, 10, None)
    """
    real = real_seeds_needed(d_z, alpha, power)
    if not math.isfinite(real):
        return None
    below = math.floor(real)
    return below if paired_t_power(d_z, below, alpha) >= power - ROUNDING else below + 1


def real_seeds_needed(d_z: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """Return the real n >= 2 at which the power is ``power``, or 2 where it is more already.

    Infinite for d_z = 0, whose power is ``alpha`` at every n, and NaN for a d_z of NaN.

    >>> round(real_seeds_needed(0.5), 4)  # R: power.t.test(delta = 0.5, power = 0.8, type = "paired")
    33.3671
    """
    _check_levels(alpha, power)
    if math.isnan(d_z) or d_z == 0:
        return math.nan if math.isnan(d_z) else math.inf
    if paired_t_power(d_z, 2, alpha) >= power:
        return 2.0
    root = float(stats.norm.isf(alpha / 2) + stats.norm.ppf(power)) / abs(d_z)
    high = 4.0 + root * root  # the n of the z test: near the answer, and at once where n is huge
    while math.isfinite(high) and paired_t_power(d_z, high, alpha) < power:
        high *= 2
    if math.isinf(high):
        return math.inf
    return float(optimize.brentq(lambda n: paired_t_power(d_z, n, alpha) - power, 2.0, high, xtol=1e-13, rtol=1e-14))


def seeds_for_equivalence(sd: float, margin: float, alpha: float = 0.05) -> int | None:
    """Return the fewest seeds whose 1 - 2 alpha t interval around a difference of zero lies within the margin.

    t_{1-alpha, n-1} sd / sqrt(n) < margin: about half of such studies find equivalence. None where there is no number,
    or none below a billion.

    >>> seeds_for_equivalence(0.004, 0.002)
    13
    """
    _check_levels(alpha)
    if not (sd >= 0 and margin > 0):
        return None
    root = float(stats.norm.isf(alpha)) * (sd / margin)
    if not root < math.sqrt(BEYOND_REACH):
        return None
    near = max(seeds_to_reach(alpha), math.floor(root**2))  # of known spread, so never too many
    return next(n for n in itertools.count(near) if stats.t.isf(alpha, n - 1) * sd < margin * math.sqrt(n))


def upper_sd(sd: float, n: int, confidence: float = 0.8) -> float:
    """Return the upper confidence limit of the standard deviation that ``sd`` estimates from ``n``; NaN for n < 2.

    sd sqrt((n - 1) / chi2_{n-1, 1-confidence}). A study planned with it has the wanted power with at
    least this confidence (Browne 1995, Statistics in Medicine 14, 1933-1940). For normal differences.

    >>> round(upper_sd(1.0, 5), 3)
    1.558
    """
    if n < 2:
        return math.nan
    return sd * math.sqrt((n - 1) / float(stats.chi2.ppf(1 - confidence, n - 1)))


def _reason(n: int, sd: float, margin: float) -> str | None:
    """Return why numbers of a plan are missing; None where none is."""
    if n < 2:
        return f"{n} pairs: no estimate of the spread"
    if sd == 0:
        return "all differences are equal: the spread is zero"
    if not margin > 0:
        return f"the margin is {margin:g}: no number of seeds detects a difference that is not above zero"
    return None


def _check_levels(alpha: float, power: float | None = None) -> None:
    """Raise a ValueError where ``alpha`` is no level, or ``power`` none above it."""
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}: give a number between 0 and 1, such as 0.05")
    if power is not None and not alpha < power < 1:
        raise ValueError(f"power is {power}: give a number between alpha = {alpha} and 1, such as 0.8")
