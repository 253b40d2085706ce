"""What part 3 must say: the map and the slopes."""

import numpy as np

from tests.analysis.report.oracle.answer import extremes_of
from tests.analysis.report.oracle.arithmetic import max_t, paired_t, sign_flip, snapped, t_interval
from tests.analysis.report.oracle.records import Contrast, Oracle, Records
from tests.analysis.report.oracle.spelling import (
    NO_NUMBER,
    Expected,
    Floats,
    Interval,
    ends,
    estimate,
    level_text,
    p_text,
    place,
    points,
)


def say_effects(o: Oracle, say: Expected) -> None:
    if not any(cell.n for cell in o.in_cells):
        return
    rows = [
        cell.where
        | {
            "n": str(cell.n),
            "difference, points [all cells at once]": _estimate(cell),
            "p, adjusted for all cells and their mean (sup-t)": cell.p.text,
            "failed without | with": cell.failures,
            f"[{level_text(1 - 2 * o.alpha)}, this cell alone]": ends(t_interval(cell.d, 1 - 2 * o.alpha)),
            "verdict": cell.verdict,
        }
        for cell in o.in_cells
    ]
    say.table("effect-bn", ("batch size", "rate"), rows)
    known = [cell for cell in o.in_cells if cell.n]
    better, worse = (sum(cell.verdict.startswith(side) for cell in known) for side in ("better", "worse"))
    low, high = (points(cell.mean) for cell in extremes_of(o))
    tally = f"Better in {better}, worse in {worse} of {len(known)} cells in which both arms learn"
    if all(cell.joint is None for cell in known):
        tally = "Too few seeds to test single cells"
    say.say("map", f"{tally}: from {low} to {high} points")
    say.say("map", *(f"{place(cell.cell)}: {_difference(cell)}{_failed(cell)}" for cell in o.in_cells))
    say.drawn["map"] = [text for cell in o.in_cells if (text := ends(cell.joint)) != NO_NUMBER]


def _estimate(cell: Contrast) -> str:
    """With the interval for all at once, or without one."""
    return estimate(cell.joint or Interval(cell.mean))


def _difference(cell: Contrast) -> str:
    return f"{_estimate(cell)} points" if cell.n else "no difference"


def _failed(cell: Contrast) -> str:
    if not any(cell.failed):
        return ""
    return f" ({cell.failed[0]} without and {cell.failed[1]} with of {cell.n_runs} failed)"


def say_slopes(o: Oracle, say: Expected) -> None:
    fitted = _fits(o.of)
    if not fitted:
        return
    rows, phrases, joint = [], [], max_t(np.column_stack(list(fitted.values())))
    for ((name, unit), slope), test in zip(fitted.items(), joint, strict=True):
        size = estimate(t_interval(slope, o.level))
        phrases.append(f"{size} points {unit}")
        rows.append({
            "slope of the difference": f"{name}, {unit}",
            "n": str(len(slope)),
            "estimate, points": size,
            "p, paired t": p_text(paired_t(slope)),
            "p, sign-flip": sign_flip(slope).text,
            "p, all slopes together (step-down max-T)": test.text,
        })  # fmt: skip
    say.table("slopes-bn", ("slope of the difference",), rows)
    say.say("map", f"How the difference changes over the grid: {'; '.join(phrases)}.")


def _fits(of: Records) -> dict[tuple[str, str], Floats]:
    """By term its slope in each seed's least-squares fit of 1, log2 batch size, log10 rate and their product, the
    factors centred; a factor with one level has none."""
    if of.grid is None or not of.grid.any():
        return {}
    x = np.log2([size for size, _ in of.cells]) - np.mean(np.log2(of.sizes))
    z = np.log10([lr for _, lr in of.cells]) - np.mean(np.log10(of.lrs))
    terms = {
        ("batch size", "per doubling of the batch size"): x,
        ("rate", "per tenfold rate"): z,
        ("batch size x rate", "per doubling of the batch size and tenfold rate"): x * z,
    }
    terms = {name: term for name, term in terms.items() if np.abs(term).max() > 1e-9}
    design = np.column_stack([np.ones(len(of.cells)), *terms.values()])
    fitted = np.linalg.lstsq(design, of.difference()[of.grid].T, rcond=None)[0][1:]
    return dict(zip(terms, snapped(fitted), strict=True))
