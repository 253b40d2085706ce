"""What the answer must say of each arm at its best: in the cells of the grid that other seeds chose."""

from typing import Any

import numpy as np

from tests.analysis.report.oracle.arithmetic import concluded, t_interval
from tests.analysis.report.oracle.records import ARMS, Oracle, tipping_at, withheld
from tests.analysis.report.oracle.spelling import SIDE, estimates, place
from tests.analysis.report.oracle.tuning import (
    Searches,
    best_configuration,
    chosen_by,
    cross_fitted,
    held_out,
    tuned_tipping,
    tuned_verdict,
)

HOW = "each arm's trials chose on held-out training images"


def best_of(o: Oracle) -> dict[str, Any] | None:
    """The fields of the part, None where there is no choice."""
    chosen = chosen_by(o)
    return _tuned(o, Searches(o, chosen)) if chosen else _on_the_grid(o)


def _tuned(o: Oracle, made: Searches) -> dict[str, Any]:
    seeds = sorted(set(made.tuned["bn"]) & set(made.tuned["no_bn"]))
    after = made.less(made.tuned["bn"], made.tuned["no_bn"], seeds)
    units = [made.by_unit({seed: made.tuned[arm][seed] for seed in seeds}) for arm in ARMS]
    verdict, reason = tuned_verdict(o, made, after)
    found = made.interval(after)
    tipping = tuned_tipping(o, made, verdict, seeds)
    one = made.n == 1
    at = [place((cell[0], float(f"{cell[1]:.3g}"))) for cell in (made.chosen[1][arm] for arm in ARMS)]
    same = f"both at {at[0]}" if at[0] == at[1] else f"{SIDE['no_bn']} at {at[0]} and {SIDE['bn']} at {at[1]}"
    return {
        "place": "at the two configurations that one search with equal budgets chose"
        if one
        else "with both arms tuned with equal budgets",
        "means": [float(side.mean()) if len(side) else float("nan") for side in units],
        "difference": found,
        "texts": estimates(found),
        "inner": t_interval(after, 1 - 2 * o.alpha),
        "n_better": int((after > 0).sum()),
        "verdict": verdict,
        "reason": reason,
        "tipping": tipping,
        "unit": made.unit,
        "best": f"Best settings: {same}; {HOW}. Failures count as they ended." if one else "",
    }


def _on_the_grid(o: Oracle) -> dict[str, Any] | None:
    of = o.of
    there = of.complete(of.common)
    if len(of.common) < 2 or not there.any():
        return None
    scores = [of.score["last3"][arm][there][:, of.common] for arm in ARMS]
    n = len(scores[0])
    means = [float(held_out(side, np.ones((1, n)))[1][0].mean()) for side in scores]
    cells = [of.common[int(best_configuration(side.sum(axis=0), n))] for side in scores]
    folds = held_out(scores[1], np.ones((1, n)))[1][0] - held_out(scores[0], np.ones((1, n)))[1][0]
    texts, found = cross_fitted(*scores, o.level)
    inner = cross_fitted(*scores, 1 - 2 * o.alpha)[1]
    begun = (of.there["bn"] | of.there["no_bn"])[:, of.common].any(axis=1)
    lost = begun[:, None] & ~of.paired[:, of.common]
    bounds = _bounds(o, lost, begun) if lost.any() else None
    why = "no width" if found.low == found.high else None
    verdict = concluded(found, inner, o.alpha, o.margin, why, bounds)
    reason = None
    if n < o.seeds_to_reach:
        reason = f"{n} pair{'' if n == 1 else 's'}: a verdict needs {o.seeds_to_reach}"
    elif why:
        reason = "the interval has no width: every seed finds the same difference"
    elif verdict == "withheld":
        reason = withheld(int(lost.sum()))
    tipping = None
    if verdict.startswith(("better", "worse")):
        side = int(found.estimate > 0)
        at = cells[side]
        seen = of.paired[:, at]
        failed, own = of.failed[ARMS[side]][seen, at], of.score["last3"][ARMS[side]][seen, at]
        tipping = tipping_at(ARMS[side], own[~failed].mean(), means[1 - side], failed, o.alpha)
    return {
        "place": "with each arm in its best setting",
        "means": means,
        "difference": found,
        "texts": texts,
        "inner": inner,
        "n_better": int((folds > 1e-12).sum()),
        "verdict": verdict,
        "reason": reason,
        "tipping": tipping,
        "bounds": bounds,
        "n_missing": int(lost.sum()),
        "best": _cells(*(of.cells[at] for at in cells)),
    }


def _bounds(o: Oracle, lost: Any, begun: Any) -> tuple[float, float]:
    of, sides = o.of, []
    for name in ARMS:
        low, high = (np.where(of.there[name], of.score["last3"][name], end)[begun][:, of.common] for end in (0.0, 1.0))
        ends = []
        for k in range(len(low)):
            least, most = (np.delete(table, k, axis=0).sum(axis=0) for table in (low, high))
            may = [i for i, largest in enumerate(most) if largest >= least.max() - 1e-9]
            ends.append((min(low[k, i] for i in may), max(high[k, i] for i in may)))
        sides.append(np.mean(ends, axis=0))
    return float(sides[1][0] - sides[0][1]), float(sides[1][1] - sides[0][0])


def _cells(baseline: tuple[int, float], arm: tuple[int, float]) -> str:
    at = f"both at {place(arm)}"
    if baseline != arm:
        at = f"{SIDE['no_bn']} at {place(baseline)} and {SIDE['bn']} at {place(arm)}"
    return (
        f"Best settings: {at}; each seed is scored in the settings that the other seeds chose. Failures count as they ended."
    )
