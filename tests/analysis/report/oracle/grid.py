"""What part 3 must say: the map and the differences between levels."""

import numpy as np

from tests.analysis.report.oracle.arithmetic import one_family, over, snapped, t_interval
from tests.analysis.report.oracle.records import Contrast, Oracle, Records
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
        {
            "setting": place(cell.cell),
            "n": str(cell.n),
            "difference, points [simultaneous]": _estimate(cell),
            "p, adjusted (sup-t)": cell.p.text,
            "failed without | with": cell.failures,
            f"[{level_text(1 - 2 * o.alpha)}, this setting alone]": ends(t_interval(cell.d, 1 - 2 * o.alpha)),
            "verdict": cell.verdict,
        }
        for cell in o.in_cells
    ]
    say.table("effect-bn", ("setting",), rows)
    if len(o.in_cells) < 2:
        return
    known = [cell for cell in o.in_cells if cell.n]
    better, worse = (sum(cell.verdict.startswith(side) for cell in known) for side in ("better", "worse"))
    settings = "1 setting" if len(known) == 1 else f"{len(known)} settings"
    tally = f"Better in {better}, worse in {worse} of {settings} compared"
    if all(cell.joint is None for cell in known):
        tally = "Too few seeds to test single settings"
    for part in ("answer", "map"):
        say.say(part, tally)
        say.say(part, *(f"{place(cell.cell)}: {_difference(cell)}{_failed(cell)}" for cell in o.in_cells))
        say.drawn[part] = [text for cell in o.in_cells if (text := ends(cell.joint)) != NO_NUMBER]


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
            "levels": levels,
            "n": str(len(columns)),
            "change of the difference, points [simultaneous]": estimate(joint),
            "p, adjusted (sup-t)": test.text,
        })  # fmt: skip
    say.table("levels-bn", ("levels",), rows)
    said = "; ".join(phrases)
    say.say("map", f"How the difference changes between levels, averaged over the other factors: {said}.")


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
