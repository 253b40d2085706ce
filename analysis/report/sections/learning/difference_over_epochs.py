"""How large is the difference after each epoch?"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from analysis.findings.curves import DifferenceCurve, default_cell
from analysis.findings.results import Findings, Results
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.columns import cell_values, count_column, interval_column, setting_column
from analysis.report.document import Block, Column, Figure, Table
from analysis.report.figures.curves import difference_curves


def evidence(study: StudyData, results: Results, of_arm: Findings) -> list[Block]:
    """Return the figure of the setting that is shown alone, and of all where there are several."""
    cells = {gap.cell for gap in of_arm.gaps} - {None}
    wanted = [default_cell(results.curves) if results.curves else None, *([None] if len(cells) > 1 else [])]
    by_cell = {gap.cell: gap for gap in of_arm.gaps if gap.n}
    shown = [by_cell[cell] for cell in wanted if cell in by_cell]
    return [_figure(study, results, of_arm, shown)] if shown else []


def _figure(study: StudyData, results: Results, of_arm: Findings, shown: Sequence[DifferenceCurve]) -> Figure:
    first = shown[0]
    return Figure(
        name=f"gap-{of_arm.arm}",
        headline=_headline(first),
        subtitle=(
            f"Test accuracy {fmt.side(of_arm.arm)} minus {fmt.side(of_arm.baseline)} (points) after each epoch;"
            f" {fmt.listing([fmt.cell(gap.cell) for gap in shown])}; {fmt.seeds(first.n)}."
        ),
        draw=partial(difference_curves, shown),
        alt=" ".join(_alt(gap) for gap in shown),
        caption=_caption(results, shown),
        table=_table(study, of_arm),
    )


def _caption(results: Results, shown: Sequence[DifferenceCurve]) -> str:
    cells, arms = {gap.cell for gap in shown}, {shown[0].arm, shown[0].baseline}
    drawn = [curve for curve in results.curves if curve.arm in arms and (None in cells or curve.cell in cells)]
    level, marks = fmt.level(shown[0].level), ["Line: mean over seeds."]
    if any(math.isfinite(low) for gap in shown for low in gap.band_low):
        marks.append(f"Outer band: {level} simultaneous over all epochs (sup-t); inner: each epoch alone.")
    elif any(math.isfinite(low) for gap in shown for low in gap.low):
        marks.append(f"Band: {level} interval of each epoch alone.")
    if any(curve.n_diverged[-1] for curve in drawn):
        marks.append("A diverged run scores chance from there on.")
    return " ".join(marks)


def _headline(gap: DifferenceCurve) -> str:
    """Return the first and the last difference, once where there is one epoch or both are the same."""
    early, late = (fmt.points(gap.mean[i], fmt.digits(gap.band_low[i], gap.band_high[i])) for i in (0, -1))
    if len(gap.epochs) == 1:
        return f"The difference is {late} points after epoch 1"
    if early == late:
        return f"The difference is {late} points after epochs 1 and {gap.epochs[-1]}"
    return f"The difference is {early} points after epoch 1, {late} after epoch {gap.epochs[-1]}"


def _alt(gap: DifferenceCurve) -> str:
    values = ", ".join(fmt.points(mean) for mean in gap.mean)
    ends = fmt.estimate(gap.mean[-1], gap.band_low[-1], gap.band_high[-1])
    epochs = f"epochs 1 to {gap.epochs[-1]}" if len(gap.epochs) > 1 else "epoch 1"
    return f"Difference in points after {epochs}, {fmt.cell(gap.cell)}: {values}. After the last: {ends}."


def _table(study: StudyData, of_arm: Findings) -> Table:
    columns = [
        setting_column(study),
        count_column("epoch", "epoch"),
        count_column("seeds", "n"),
        interval_column("difference [this epoch alone]", "mean"),
        Column("[all epochs, simultaneous]", fmt.interval, ("band_low", "band_high")),
    ]
    rows = [cell_values(study, gap.cell) | row for gap in of_arm.gaps for row in _rows(gap)]
    several = ", over all settings and at each" if len(study.design.cells) > 1 else ""
    caption = f"The difference over epochs in points{several}"
    return Table(f"gap-{of_arm.arm}", caption, columns, rows)


def _rows(gap: DifferenceCurve) -> list[dict[str, Any]]:
    points = zip(gap.epochs, gap.mean, gap.low, gap.high, gap.band_low, gap.band_high, strict=True)
    return [
        {
            "epoch": epoch,
            "n": gap.n,
            "mean": mean,
            "mean_low": low,
            "mean_high": high,
            "band_low": band_low,
            "band_high": band_high,
        }
        for epoch, mean, low, high, band_low, band_high in points
    ]
