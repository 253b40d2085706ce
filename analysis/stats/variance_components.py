"""Sources of the noise: the seeds, the test images, the epoch that happened to be the last.

``two_way`` says how far a difference would move with other seeds, and with other seeds and other images;
``variance_ratio`` what the shared seeds bought; ``spread`` how much of a run's accuracy is the epoch at which it
stopped. Nothing here tests: see ``analysis.stats.paired_tests``. Arrays in, small named results out, NaN with a reason
where there is no number.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.stats.intervals import Interval, t_interval
from analysis.stats.scale import in_unit, unit_of

ROUNDING = 1e-13
"""A sum of squares below this share of all squares is the rounding of zero."""


@dataclass(frozen=True)
class TwoWay:
    """Differences by seed and image taken apart, and three intervals for their mean; see ``two_way``."""

    n_seeds: int
    n_images: int
    this_test_set: Interval
    """Other seeds, these images: the t interval of the seeds' means, df = S - 1."""
    new_images: Interval
    """Other seeds and other images of the same kind."""
    new_images_conservative: Interval
    """The same without the subtraction: too wide rather than too narrow."""
    df_new_images: float = math.nan
    """Satterthwaite's degrees of freedom of ``new_images``, and below of the conservative one."""
    df_conservative: float = math.nan
    unit: float = 1.0
    """Mean squares and variances are in its square: 1 but for differences whose squares are no numbers."""
    ms_seeds: float = math.nan
    """Mean squares, of which the intervals are made."""
    ms_images: float = math.nan
    ms_residual: float = math.nan
    var_seeds: float = math.nan
    """Variance of one difference by cause, never below zero; ``reason`` says where an estimate was."""
    var_images: float = math.nan
    var_residual: float = math.nan
    reason: str | None = None


def two_way(c: ArrayLike, level: float = 0.95) -> TwoWay:
    """Return how far the mean of ``c`` would move: with other seeds, and with other seeds and other test images.

    ``c`` (seeds, images): correct_arm - correct_baseline, -1, 0 or 1, or its mean over cells. Seeds and images
    are both samples and cross (Owen 2007): c = mean + seed + image + residual. With S seeds, N images and mean
    squares MS, the variance of the mean is MS_s/(SN) for these images and (MS_s + MS_e - MS_r)/(SN) for new
    ones, with Satterthwaite's (1946) degrees of freedom. Where that is not above zero, the conservative
    MS_s + MS_e stands in and ``reason`` says so. With two or three seeds Satterthwaite's number is itself noise:
    intervals for new images of level 95 % then cover 87 to 99 %, from five seeds on 94 to 96 % (measured).
    Fewer than two seeds or images: NaN and the reason. A ValueError where ``c`` is no finite matrix.

    >>> result = two_way([[1, 0, 1, 0], [1, 0, 0, 0], [1, 1, 1, 0]])
    >>> round(result.ms_seeds, 4), round(result.ms_images, 4), round(result.ms_residual, 4)
    (0.25, 0.5556, 0.1389)
    """
    c = np.asarray(c)
    if c.ndim != 2:
        raise ValueError(f"differences form a matrix of seeds and images, these have the shape {c.shape}")
    S, N = c.shape
    unit = unit_of(np.array([c.max(), c.min()], np.float64)) if c.size else 1.0
    c = in_unit(c, unit)
    squares = _sum_of_squares(c)
    means = c.mean(axis=1, dtype=np.float64) if N else np.empty(0)
    this_test_set = t_interval(means, level)
    if S < 2 or N < 2:
        few = f"{S} seeds and {N} images: two of each are needed to tell their noise apart"
        none = Interval("two-way", S, this_test_set.estimate, math.nan, math.nan, level, few)
        return TwoWay(S, N, this_test_set.times(unit), none.times(unit), none.times(unit), reason=few)
    ms = _mean_squares(c, squares)
    conservative, df_conservative = _conservative(ms, this_test_set.estimate, (S, N), level)
    new_images, df = _new_images(ms, conservative, df_conservative, (S, N))
    components, reason = _components(ms, (S, N))
    return TwoWay(
        S,
        N,
        this_test_set.times(unit),
        new_images.times(unit),
        conservative.times(unit),
        df,
        df_conservative,
        unit,
        *ms,
        *components,
        reason=reason or conservative.reason,
    )


MeanSquares = tuple[float, float, float]
"""Mean squares of the seeds, of the images, of the residual."""


def _sum_of_squares(c: NDArray) -> float:
    """Return the sum of c^2 without an array of squares; a ValueError names the first entry that is not finite."""
    total = float(np.einsum("si,si->", c, c, dtype=np.float64))
    if not math.isfinite(total):
        seed, image = np.argwhere(~np.isfinite(c))[0]
        raise ValueError(f"differences are finite, that of seed {seed} and image {image} is {c[seed, image]}")
    return total


def _mean_squares(c: NDArray, squares: float) -> MeanSquares:
    """Return the mean squares, from the means along both axes: the residuals, as large as ``c``, are never formed."""
    S, N = c.shape
    of_seeds, of_images = (c.mean(axis=axis, dtype=np.float64) for axis in (1, 0))
    mean = of_seeds.mean()
    ss_s = N * float(np.square(of_seeds - mean).sum())
    ss_e = S * float(np.square(of_images - mean).sum())
    ss_r = squares - S * N * float(mean) ** 2 - ss_s - ss_e
    ss_s, ss_e, ss_r = (ss if ss > ROUNDING * squares else 0.0 for ss in (ss_s, ss_e, ss_r))
    return ss_s / (S - 1), ss_e / (N - 1), ss_r / ((S - 1) * (N - 1))


def _components(ms: MeanSquares, shape: tuple[int, int]) -> tuple[tuple[float, float, float], str | None]:
    """Return the variance of seeds, images and residual, from E MS_s = N var_s + var_r and E MS_e = S var_e + var_r."""
    (ms_s, ms_e, ms_r), (S, N) = ms, shape
    var_s, var_e = (ms_s - ms_r) / N, (ms_e - ms_r) / S
    below = [name for name, var in (("seeds", var_s), ("images", var_e)) if var < 0]
    components = max(0.0, var_s), max(0.0, var_e), ms_r
    if not below:
        return components, None
    return components, f"the variance of the {' and of the '.join(below)} is estimated below zero: taken as zero"


def _conservative(ms: MeanSquares, mean: float, shape: tuple[int, int], level: float) -> tuple[Interval, float]:
    """Return the interval of variance (MS_s + MS_e)/(SN), and its degrees of freedom."""
    (ms_s, ms_e, _), (S, N) = ms, shape
    if ms_s + ms_e == 0:
        reason = "the seeds' means are all equal, and so are the images': the spread is zero"
        return Interval("two-way, conservative", S, mean, mean, mean, level, reason), math.nan
    df = (ms_s + ms_e) ** 2 / (ms_s**2 / (S - 1) + ms_e**2 / (N - 1))  # Satterthwaite 1946
    half = _half(ms_s + ms_e, df, shape, level)
    return Interval("two-way, conservative", S, mean, mean - half, mean + half, level), df


def _new_images(
    ms: MeanSquares, conservative: Interval, df_conservative: float, shape: tuple[int, int]
) -> tuple[Interval, float]:
    """Return the interval of variance (MS_s + MS_e - MS_r)/(SN), or the conservative one with the reason."""
    (ms_s, ms_e, ms_r), (S, N), mean, level = ms, shape, conservative.estimate, conservative.level
    total = ms_s + ms_e - ms_r
    if total <= 0:
        reason = conservative.reason or "MS_s + MS_e - MS_r is not above zero: the conservative MS_s + MS_e instead"
        return Interval("two-way", S, mean, conservative.low, conservative.high, level, reason), df_conservative
    df = total**2 / (ms_s**2 / (S - 1) + ms_e**2 / (N - 1) + ms_r**2 / ((S - 1) * (N - 1)))
    # A sum of mean squares has at least the df of its poorest; a difference near zero can have 0.01, and an
    # interval of 1e100. Held to the poorest, five seeds and no noise of images cover 95 %, not 99 % (measured).
    df = max(df, min(S, N) - 1)
    half = _half(total, df, shape, level)
    return Interval("two-way", S, mean, mean - half, mean + half, level), df


def _half(ms: float, df: float, shape: tuple[int, int], level: float) -> float:
    """Return half the width of an interval for the mean of shape[0] x shape[1] differences."""
    return float(stats.t.ppf((1 + level) / 2, df)) * math.sqrt(ms / math.prod(shape))


@dataclass(frozen=True)
class VarianceRatio:
    """The relative efficiency of comparing within seeds; see ``variance_ratio``."""

    n: int
    rho: float
    """Correlation of the arms over the seeds."""
    gain: float
    """Runs that an arm would need without pairs for one with: above 1 where pairing helped."""
    reason: str | None = None


def variance_ratio(of_baseline: ArrayLike, of_arm: ArrayLike) -> VarianceRatio:
    """Return the variance of a difference without pairs over that with: (s_A^2 + s_B^2) / s_D^2, from scores (n,) each.

    With equal spreads it is 1/(1 - rho). Itself a noisy ratio: with few seeds a description, no finding.
    NaN and a reason where a spread is zero or n < 3 (two points are always on a line); where one arm alone has
    no spread, there is no correlation and the gain is 1.

    >>> result = variance_ratio([0.1, 0.2, 0.3, 0.4], [0.3, 0.3, 0.5, 0.5])
    >>> round(result.rho, 3), round(result.gain, 3)
    (0.894, 9.0)
    """
    a, b = _as_scores(of_baseline, 1), _as_scores(of_arm, 1)
    n = len(a)
    if len(b) != n:
        raise ValueError(f"the arms belong to the same seeds, these are {n} and {len(b)} scores")
    if n < 3:
        return VarianceRatio(n, math.nan, math.nan, f"{n} pairs: no correlation to speak of")
    of_baseline, of_arm = (in_unit(side, unit_of(side)) for side in (a, b))
    a, b = (in_unit(side, unit_of(a, b)) for side in (a, b))
    sizes = {"the baseline": (a, a), "the arm": (b, b), "the difference": (b - a, np.maximum(np.abs(a), np.abs(b)))}
    zero = [name for name, (x, size) in sizes.items() if np.ptp(x) <= 1e3 * ROUNDING * np.abs(size).max()]
    reason = f"the spread of {' and of '.join(zero)} is zero" if zero else None
    rho = math.nan if {"the baseline", "the arm"} & {*zero} else float(np.corrcoef(of_baseline, of_arm)[0, 1])
    if "the difference" in zero:
        return VarianceRatio(n, rho, math.nan, reason)
    return VarianceRatio(n, rho, float((a.var(ddof=1) + b.var(ddof=1)) / (b - a).var(ddof=1)), reason)


@dataclass(frozen=True)
class Spread:
    """Standard deviations of one arm's accuracy, in accuracy; see ``spread``."""

    n_seeds: int
    n_epochs: int
    over_seeds: float
    """Standard deviation of the runs' means over the last epochs."""
    over_epochs: float
    """Standard deviation of the epochs within a run, root mean square over the runs."""
    reason: str | None = None


def spread(accuracy: ArrayLike) -> Spread:
    """Return how much is the seed and how much the epoch, from one arm's accuracy (seeds, last epochs).

    ``over_epochs`` near or above ``over_seeds`` says that where one stops matters as much as the seed, and that
    the mean of some epochs is a steadier endpoint than the last one. It holds what a run still learns in these
    epochs, not their noise alone. NaN and a reason with fewer than two seeds or two epochs.

    >>> result = spread([[0.90, 0.92], [0.94, 0.96]])
    >>> round(result.over_seeds, 4), round(result.over_epochs, 4)
    (0.0283, 0.0141)
    """
    x = _as_scores(accuracy, 2)
    seeds, epochs = x.shape
    unit = unit_of(x)
    x = in_unit(x, unit)
    over_seeds = unit * float(x.mean(axis=1).std(ddof=1)) if seeds > 1 and epochs else math.nan
    over_epochs = unit * math.sqrt(float(x.var(axis=1, ddof=1).mean())) if epochs > 1 and seeds else math.nan
    few = [f"{n} {name}" for n, name in ((seeds, "seeds"), (epochs, "epochs")) if n < 2]
    return Spread(seeds, epochs, over_seeds, over_epochs, f"{' and '.join(few)}: no spread" if few else None)


def _as_scores(values: ArrayLike, ndim: int) -> NDArray[np.float64]:
    """Return ``values`` as floats; a ValueError where they have other dimensions or hold NaN or infinity."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != ndim:
        raise ValueError(f"scores have {ndim} dimensions here, these have the shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"scores are finite, number {int(np.argmin(np.isfinite(array)))} is not")
    return array
