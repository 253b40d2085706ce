"""What part 3 must say: the map and the differences between levels."""

import numpy as np

from tests.analysis.report.oracle.answer import extremes_of
from tests.analysis.report.oracle.arithmetic import one_family, over, snapped, t_interval
from tests.analysis.report.oracle.records import TIPPING, Contrast, Oracle, Records, tipping_text
from tests.analysis.report.oracle.spelling import (
    NO_NUMBER,
    Expected,
    Floats,
    Interval,
    ends,
    estimate,
    level_text,
    place,
    rate,
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
            TIPPING: tipping_text(cell.tipping),
            "verdict": cell.verdict,
        }
        for cell in o.in_cells
    ]
    say.table("effect-bn", ("batch size", "rate"), rows)
    known = [cell for cell in o.in_cells if cell.n]
    better, worse = (sum(cell.verdict.startswith(side) for cell in known) for side in ("better", "worse"))
    low, high = map(_estimate, extremes_of(o))
    tally = f"Better in {better}, worse in {worse} of {len(known)} cells in which both arms learn"
    if all(cell.joint is None for cell in known):
        tally = "Too few seeds to test single cells"
    one = f"The difference is {low} points at {place(known[0].cell)}"
    say.say("map", f"{tally}: from {low} to {high} points" if len(known) > 1 else one)
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


def say_levels(o: Oracle, say: Expected) -> None:
    found = _changes(o.of)
    if not found:
        return
    columns = np.column_stack(list(found.values()))
    rows, phrases = [], []
    for levels, (test, joint) in zip(found, one_family(columns, o.alpha), strict=True):
        phrases.append(f"{estimate(joint)} points from {levels}")
        rows.append({
            "from one level to another": levels,
            "n": str(len(columns)),
            "change of the difference, points [all at once]": estimate(joint),
            "p, all changes together (sup-t)": test.text,
        })  # fmt: skip
    say.table("levels-bn", ("from one level to another",), rows)
    said = "; ".join(phrases)
    say.say("map", f"How the difference changes from level to level, averaged over the other factors: {said}.")


def _changes(of: Records) -> dict[str, Floats]:
    """By two neighbouring levels each seed's mean difference at the upper one less that at the lower one."""
    if of.grid is None or not of.grid.any():
        return {}
    D, found = of.difference()[of.grid], {}
    for axis, (name, every) in enumerate((("batch size", of.sizes), ("rate", of.lrs))):
        at = [snapped(over(D[:, [cell[axis] == level for cell in of.cells]])) for level in every]
        for i in range(len(every) - 1):
            texts = [rate(level) if name == "rate" else str(level) for level in every[i : i + 2]]
            found[f"{name} {texts[0]} to {texts[1]}"] = snapped(at[i + 1] - at[i])
    return found
