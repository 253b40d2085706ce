"""What the answer must say of each arm at its best: in the cells of the grid that other seeds chose."""

from typing import Any

import numpy as np

from tests.analysis.report.oracle.arithmetic import concluded
from tests.analysis.report.oracle.records import ARMS, Oracle, tipping_at, withheld
from tests.analysis.report.oracle.spelling import SIDE, place
from tests.analysis.report.oracle.tuning import best_configuration, cross_fitted, held_out


def best_of(o: Oracle) -> dict[str, Any] | None:
    """The fields of the part, None where there is no choice."""
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
        "place": "with each arm in its best cell",
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
    of, ends = o.of, []
    for arm, baseline in ((0.0, 1.0), (1.0, 0.0)):
        filled = [
            np.where(of.there[name], of.score["last3"][name], worst)[begun][:, of.common]
            for name, worst in zip(ARMS, (baseline, arm), strict=True)
        ]
        n = len(filled[0])
        folds = [held_out(side, np.ones((1, n)))[1][0] for side in filled]
        ends.append(float((folds[1] - folds[0]).mean()))
    return ends[0], ends[1]


def _cells(baseline: tuple[int, float], arm: tuple[int, float]) -> str:
    at = f"both at {place(arm)}"
    if baseline != arm:
        at = f"{SIDE['no_bn']} at {place(baseline)} and {SIDE['bn']} at {place(arm)}"
    return (
        f"Best cells: {at}; each seed is scored in the cells that the other seeds chose. Failures count as they ended."
    )
