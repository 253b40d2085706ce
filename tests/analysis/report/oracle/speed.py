"""What the part on speed must say: time to accuracy."""

import math
from collections.abc import Sequence

import numpy as np

from tests.analysis.report.oracle.arithmetic import max_t, sign_flip, snapped, t_interval
from tests.analysis.report.oracle.records import Oracle
from tests.analysis.report.oracle.spelling import (
    NO_NUMBER,
    NUMBER,
    SIDE,
    Exact,
    Expected,
    Floats,
    Row,
    estimate,
    percent,
    seeds,
)


def say_times(o: Oracle, say: Expected) -> None:
    of, thresholds = o.of, (0.9, 0.95, 0.97)
    complete = of.complete(of.common)
    if not complete.any():
        return
    curves = [of.curve[arm][complete][:, of.common] for arm in ("no_bn", "bn")]
    pairs = {
        t: tuple(np.array([[_first(run, t) for run in row] for row in side]) for side in curves) for t in thresholds
    }
    reached = [t for t in thresholds if np.isfinite(pairs[t]).any()]
    restricted = {t: [np.minimum(side, of.epochs) for side in pairs[t]] for t in reached}
    d = {t: snapped((b - a).mean(axis=1)) for t, (a, b) in restricted.items()}
    joint = dict(zip(reached, max_t(np.column_stack(list(d.values()))) if reached else [], strict=True))
    rows = [_time_row(t, pairs[t], d.get(t), joint.get(t, Exact()), o.level) for t in thresholds]
    say.table("times-bn", ("test accuracy",), rows)
    if not reached:
        say.say("times", f"No run reaches {percent(thresholds[0], 0)} test accuracy within")
        return
    shares = [
        {"test accuracy": percent(t, 0), "epoch": str(epoch)}
        | {
            SIDE[arm]: percent(float((side <= epoch).mean()))
            for arm, side in zip(("no_bn", "bn"), pairs[t], strict=True)
        }
        for t in thresholds
        for epoch in range(1, of.epochs + 1)
    ]
    say.table("reached-bn", ("test accuracy", "epoch"), shares)
    counts = {t: [int(np.isfinite(side).sum()) for side in pairs[t]] for t in thresholds}
    t = next((t for t in thresholds if counts[t][0] != counts[t][1]), thresholds[0])
    without, with_bn = counts[t]
    n = pairs[t][0].size
    runs = "1 run" if n == 1 else f"{n:,} runs"
    say.say("times", f"{with_bn:,} of {runs} with BN reached {percent(t, 0)}, {without:,} without")
    each = [f"{estimate(t_interval(d[t], o.level), NUMBER)} to {percent(t, 0)}" for t in reached]
    listed = " and ".join([", ".join(each[:-1]), each[-1]] if len(each) > 1 else each)
    n_seeds = seeds(int(complete.sum()))
    say.say("times", f"Mean epochs with BN minus without BN: {listed} ({n_seeds}).")


def _first(curve: Floats, threshold: float) -> float:
    """The first epoch at the threshold; infinite where there is none or the run diverges."""
    if np.isnan(curve).any():
        return math.inf
    return next((epoch for epoch, accuracy in enumerate(curve, 1) if accuracy >= threshold), math.inf)


def _time_row(threshold: float, pair: Sequence[Floats], d: Floats | None, joint: Exact, level: float) -> Row:
    a, b = pair
    medians = [float(np.median(side)) for side in pair]
    counts = [int(np.isfinite(side).sum()) for side in pair]
    return {
        "test accuracy": percent(threshold, 0),
        "reached without | with": f"{counts[0]} | {counts[1]} of {a.size}",
        "median epoch without | with": " | ".join(f"{m:g}" if math.isfinite(m) else "not reached" for m in medians),
        "seeds": str(len(a)),
        "difference, epochs": NO_NUMBER if d is None else estimate(t_interval(d, level), NUMBER),
        "p, sign-flip": NO_NUMBER if d is None else sign_flip(d).text,
        "p, all thresholds together (step-down max-T)": joint.text,
        "pairs faster | tied | slower with": f"{(b < a).sum()} | {(b == a).sum()} | {(b > a).sum()}",
    }


NAMES = {
    "running": "running averages",
    "cumulative_last": "plain averages over the last epoch",
    "cumulative_all": "plain averages over all of training",
    "precise": "averages over batches with the final weights",
    "population": "exact statistics of all training images",
    "batch": "statistics of the test batch",
    "mean_only": "mean of the test batch, running variance",
    "var_only": "variance of the test batch, running mean",
}
Trial = tuple[str, int | None, str | None]
"""A way to predict: statistics, images in the test batch, their order."""
RUNNING: Trial = ("running", None, None)
