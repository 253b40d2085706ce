"""What part 9 must say of the number of seeds."""

import math

from scipy import optimize, special, stats

from tests.analysis.report.oracle.arithmetic import no_spread, noncentral_t
from tests.analysis.report.oracle.records import Oracle
from tests.analysis.report.oracle.spelling import (
    EDGE,
    NO_NUMBER,
    Expected,
    Floats,
    either,
    p_text,
    percent,
    points,
    seeds,
    unsigned,
)


def power(d_z: float, n: int, alpha: float) -> float:
    """Of the paired t test, both tails."""
    critical, away = float(stats.t.isf(alpha / 2, n - 1)), abs(d_z) * math.sqrt(n)
    return 1 - noncentral_t(critical, n - 1, away) + noncentral_t(-critical, n - 1, away)


def seeds_needed(d_z: float, alpha: float) -> int:
    """The fewest seeds with 80 % power: between a half that is too few and a double that is enough."""
    enough = 2
    while power(d_z, enough, alpha) < 0.8:
        enough *= 2
    few = enough // 2
    while enough - few > 1:
        middle = (enough + few) // 2
        few, enough = (few, middle) if power(d_z, middle, alpha) >= 0.8 else (middle, enough)
    return max(2, enough)


def say_plan(o: Oracle, say: Expected) -> None:
    d, n, alpha = o.d, len(o.d), o.alpha
    answers = {f"smallest p that the exact sign-flip test of {seeds(n)} can give": p_text(min(1.0, 2 / 2**n))}
    questions = (
        "power of the paired t test to see a difference of the margin",
        "difference that is seen with 80 % power",
        "seeds needed to see the margin with 80 % power",
        "the same, at the upper 80 % limit of the spread",
    )
    answers |= dict(zip(questions, [NO_NUMBER] * 4 if no_spread(d) else _planned(d, o), strict=True))
    for k in (5, 10, 20, 50, 100):
        half = math.nan if no_spread(d) else float(stats.t.isf(alpha / 2, k - 1)) * d.std(ddof=1) / math.sqrt(k)
        answers[f"half width of the interval at {k} seeds"] = _in_points(half)
    if n:
        for name, value in (("Gaussian mixture", _gaussian_evidence(d)), ("signs alone", _sign_evidence(d))):
            answers[f"e-value after {seeds(n)}, {name} (evidence from {1 / alpha:g} on)"] = _e_value(value)
    say.table("plan-bn", ("question",), ({"question": key, "answer": text} for key, text in answers.items()))


def _planned(d: Floats, o: Oracle) -> list[str]:
    n, sd = len(d), float(d.std(ddof=1))
    upper = sd * math.sqrt((n - 1) / stats.chi2.ppf(0.2, n - 1))
    detectable = optimize.brentq(lambda d_z: power(d_z, n, o.alpha) - 0.8, 0.0, 100.0)
    return [
        percent(power(o.margin / sd, n, o.alpha), 0),
        _in_points(detectable * sd),
        f"{seeds_needed(o.margin / sd, o.alpha):,}",
        f"{seeds_needed(o.margin / upper, o.alpha):,}",
    ]


def _in_points(fraction: float) -> str:
    text = unsigned(points(fraction))
    return text if text == NO_NUMBER else f"{text} points"


def _gaussian_evidence(d: Floats) -> float:
    """sqrt(1/(n + 1)) (1 - S^2 / ((n + 1) V))^(-n/2), S the sum and V the sum of squares (Lai 1976)."""
    n, total, squares = len(d), d.sum(), (d**2).sum()
    return 1.0 if squares == 0 else float(math.sqrt(1 / (n + 1)) * (1 - total**2 / ((n + 1) * squares)) ** (-n / 2))


def _sign_evidence(d: Floats) -> float:
    """2^m B(k + 1/2, m - k + 1/2) / B(1/2, 1/2): k of the m differences that are not zero are positive."""
    k, m = int((d > 0).sum()), int((d != 0).sum())
    return float(2**m * special.beta(k + 0.5, m - k + 0.5) / special.beta(0.5, 0.5))


def _e_value(value: float) -> str:
    near = (value * (1 - EDGE), value, value * (1 + EDGE))
    return either(f"{e:,.0f}" if 100 <= e < 1e9 else f"{e:.3g}" for e in near)
