"""What the part "How sure" must say of the number of seeds."""

import math

import numpy as np
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
    answers = {f"smallest p possible in the exact sign-flip test of {seeds(n)}": p_text(min(1.0, 2 / 2**n))}
    questions = (
        "power of the paired t test to detect a difference of the margin",
        "difference detected with 80 % power",
        "seeds needed to detect the margin with 80 % power",
        "the same, if the spread is at its upper 80 % limit",
    )
    answers |= dict(zip(questions, [NO_NUMBER] * 4 if no_spread(d) else _planned(d, o), strict=True))
    for k in (5, 10, 20, 50, 100):
        half = math.nan if no_spread(d) else float(stats.t.isf(alpha / 2, k - 1)) * d.std(ddof=1) / math.sqrt(k)
        answers[f"half-width of the interval with {k} seeds"] = _in_points(half)
    if n:
        better, worse = _decided(o)
        question = f"e-value of {seeds(n)} that one arm is better in more than half of the pairs"
        answers[f"{question} (evidence from {1 / alpha:g} on)"] = _e_value(_sign_evidence(better, worse))
        say.say(
            "trust",
            "It tests whether more than half of the pairs are better, or worse, with BN.",
            f"So far {better} of {n} pair{'' if n == 1 else 's'} {'is' if better == 1 else 'are'} better with BN,"
            f" {worse} worse and {n - better - worse} tied.",
        )
    if n < o.seeds_to_reach:
        have = {0: "No seed has a pair in every setting"}.get(n, f"This study has {seeds(n)}")
        have = "One seed shows a difference but cannot say how sure it is" if n == 1 else have
        say.say("trust", f"{have}; the sign-flip test needs at least {o.seeds_to_reach} seeds for p < {o.alpha:g}.")
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


def _decided(o: Oracle) -> tuple[int, int]:
    """In how many seeds the arm is better and worse, by the mean over the cells; a run that failed alone loses there by
    whatever it lost, two that failed tie."""
    of = o.of
    better = worse = 0
    for seed in np.flatnonzero(of.complete(of.common)):
        total = 0.0
        for cell in of.common:
            d, (bad, bad_arm) = of.difference()[seed, cell], (of.failed[arm][seed, cell] for arm in ("no_bn", "bn"))
            if bad and bad_arm:
                continue
            total += max(abs(d), 1e-9) * (1 if bad else -1) if bad or bad_arm else d
        better, worse = better + (total > 1e-11), worse + (total < -1e-11)
    return better, worse


def _sign_evidence(k: int, worse: int) -> float:
    """2^m B(k + 1/2, m - k + 1/2) / B(1/2, 1/2): k of the m differences that are not zero are positive."""
    m = k + worse
    return float(2**m * special.beta(k + 0.5, m - k + 0.5) / special.beta(0.5, 0.5))


def _e_value(value: float) -> str:
    near = (value * (1 - EDGE), value, value * (1 + EDGE))
    return either(f"{e:,.0f}" if 100 <= e < 1e9 else f"{e:.3g}" for e in near)
