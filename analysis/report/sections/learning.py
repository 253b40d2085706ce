"""How do they learn? The tutorial's four plots with what they leave out, and its two numbers beside ours."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from analysis.findings.arms import PUBLISHED_CELL, PUBLISHED_DESIGN, Claim
from analysis.findings.curves import Curve, DifferenceCurve, default_cell
from analysis.findings.results import Findings, Results
from analysis.records.cells import Grid
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.by_arm import under_names
from analysis.report.columns import (
    cell_columns,
    cell_values,
    count_column,
    interval_column,
    interval_values,
    text_column,
)
from analysis.report.document import Block, Column, Figure, Paragraph, Placeholder, Section, Table
from analysis.report.figures.curves import DRAWN_SEEDS, SPLIT, accuracy_by_cell, difference_curves, learning_curves
from study.spec.factors import FACTORS, Cell

PUBLISHED_COMMAND = (
    "python -m study.run --dataset mnist"
    + "".join(f" {FACTORS[key].option} {FACTORS[key].show(level)}" for key, level in PUBLISHED_CELL.said.items())
    + " --study-id tutorial"
)


def section(study: StudyData, results: Results) -> Section:
    blocks: list[Block] = []
    trained = any(n < curve.n for curve in results.curves for n in curve.n_diverged[1:])
    if trained:
        blocks.append(_four_plots(study, results.curves))
    elif results.curves:
        blocks.append(Paragraph("No run has a loss or an accuracy after its first epoch: all diverged in it."))
    blocks += _claims(results.claims)
    blocks += under_names({arm: _gaps(study, results, of_arm) for arm, of_arm in results.of_arms.items()})
    if trained and len({curve.cell for curve in results.curves}) > 1:
        blocks.append(_by_cell(study, results.curves))
    return Section("curves", "How they learn", blocks)


# --- the four plots


def _four_plots(study: StudyData, curves: Sequence[Curve]) -> Figure:
    cell = default_cell(curves)
    shown = [curve for curve in curves if curve.cell == cell]
    ends = [_end(curve) for curve in shown if (curve.metric, curve.split) == ("accuracy", "test")]
    return Figure(
        name="curves",
        headline=f"At {fmt.cell(cell)} test accuracy ends at {fmt.listing(ends)}",
        subtitle=(
            "Loss (nats per image) and accuracy (%) on training and test images after each epoch, at"
            f" {fmt.cell(cell)}; mean over all runs of {fmt.seeds(_seeds(shown))}{_guessing(study, shown)}."
        ),
        draw=partial(learning_curves, shown),
        alt="After the last epoch: " + "; ".join(_last(curve) for curve in shown) + ".",
        caption=(
            "Thick: mean over the seeds; band: holds for all epochs of a curve at once (sup-t,"
            f" {fmt.level(shown[0].level)}, from 5 seeds on); thin: single seeds{_drawn(shown)}. A thin line stops"
            " where its run diverged. Epoch 0, the untrained network, is in the table."
        ),
        table=_table(study, "curves", f"Learning curves at {fmt.cell(cell)}", shown),
    )


def _end(curve: Curve) -> str:
    end = fmt.share(curve.mean[-1], curve.band_low[-1], curve.band_high[-1])
    return f"{end} {fmt.side(curve.arm)}{_diverged(curve)}"


def _diverged(curve: Curve) -> str:
    n = curve.n_diverged[-1]
    return f" ({n} of {curve.n} runs diverged)" if n else ""


def _guessing(study: StudyData, curves: Sequence[Curve]) -> str:
    """Return how a diverged run counts, where one did."""
    if not any(curve.n_diverged[-1] for curve in curves):
        return ""
    scores = f"accuracy {fmt.percent(study.chance, 0)}, loss {-math.log(study.chance):.2f}"
    return f", a diverged one counted as guessing from there on ({scores})"


def _last(curve: Curve) -> str:
    ends = (curve.mean[-1], curve.band_low[-1], curve.band_high[-1])
    value = fmt.size(*ends) if curve.metric == "loss" else fmt.share(*ends)
    where = f"{SPLIT[curve.split].lower()} {curve.metric} {fmt.side(curve.arm)}"
    return f"{where} {value}, {curve.n} seeds{_diverged(curve)}"


def _seeds(curves: Sequence[Curve]) -> int:
    return max(curve.n for curve in curves)


def _drawn(curves: Sequence[Curve]) -> str:
    n = _seeds(curves)
    return "" if n <= DRAWN_SEEDS else f", the first {DRAWN_SEEDS} of {n}"


def _table(study: StudyData, name: str, caption: str, curves: Sequence[Curve]) -> Table:
    columns = [
        *cell_columns(study),
        text_column("arm", "arm"),
        text_column("split", "split"),
        text_column("metric", "metric"),
        count_column("epoch", "epoch"),
        count_column("n", "n"),
        count_column("of these diverged by then", "n_diverged"),
        Column("mean [band]", _mean, ("mean", "band_low", "band_high", "metric")),
    ]
    rows = [cell_values(study, curve.cell) | row for curve in curves for row in _rows(curve)]
    return Table(name, caption, columns, rows)


def _mean(mean: float, low: float, high: float, metric: str) -> str:
    return fmt.size(mean, low, high) if metric == "loss" else fmt.share(mean, low, high)


def _rows(curve: Curve) -> list[dict[str, Any]]:
    points = zip(curve.epochs, curve.n_diverged, curve.mean, curve.band_low, curve.band_high, strict=True)
    key = {"arm": fmt.side(curve.arm), "split": curve.split, "metric": curve.metric}
    return [
        {**key, "epoch": epoch, "n": curve.n, "n_diverged": n, "mean": mean, "band_low": low, "band_high": high}
        for epoch, n, mean, low, high in points
    ]


# --- the tutorial's numbers


def _claims(claims: Sequence[Claim]) -> list[Block]:
    if not claims:
        return [
            Placeholder(
                f"The tutorial's two numbers are for its own network after {PUBLISHED_DESIGN['epochs']} epochs on"
                f" {fmt.dataset(str(PUBLISHED_DESIGN['dataset']))} at {fmt.cell(PUBLISHED_CELL)}, which this study does"
                " not have; to train that:",
                PUBLISHED_COMMAND,
            )
        ]
    columns = [
        text_column("arm", "arm"),
        Column("tutorial, one run", fmt.percent, ("claimed",)),
        Column("our runs that learned", lambda k, n: f"{k} of {n}", ("n_learned", "n")),
        interval_column("their mean [where one more run that learns would lie]", "ours", fmt.share),
        text_column("inside", "inside"),
    ]
    caption = f"The tutorial's numbers beside ours: test accuracy after the last epoch at {fmt.cell(PUBLISHED_CELL)}"
    return [
        Paragraph(
            " ".join(_claim(claim) for claim in claims)
            + " It left out the last incomplete batch of the test images; we take all."
        ),
        Table("tutorial", caption, columns, [_claim_row(claim) for claim in claims]),
    ]


def _claim(claim: Claim) -> str:
    statement = f"The tutorial reports {fmt.percent(claim.claimed)} {fmt.side(claim.arm)}"
    n_learned, failed = claim.ours.n, claim.ours.n < claim.n
    if claim.inside is None:
        runs = f"{n_learned} of our {claim.n} runs learned" if failed else f"we have {fmt.seeds(n_learned)}"
        return f"{statement}; {runs}, too few to say where another would lie."
    where = "inside" if claim.inside else "outside"
    ends = fmt.share(*fmt.as_triple(claim.ours))
    one, of = (" that learns", f"{n_learned} of {claim.n} runs that learned") if failed else ("", fmt.seeds(n_learned))
    level = fmt.level(claim.ours.level)
    return f"{statement}, {where} our {level} prediction interval for one more run{one}: {ends} ({of})."


def _claim_row(claim: Claim) -> dict[str, Any]:
    inside = None if claim.inside is None else "yes" if claim.inside else "no"
    return {
        "arm": fmt.side(claim.arm),
        "claimed": claim.claimed,
        "n_learned": claim.ours.n,
        "n": claim.n,
        **interval_values("ours", claim.ours),
        "level": claim.ours.level,
        "inside": inside,
    }


# --- the difference over epochs


def _gaps(study: StudyData, results: Results, of_arm: Findings) -> list[Block]:
    wanted: list[Cell | None] = [None, default_cell(results.curves)] if results.curves else []
    shown = [gap for gap in of_arm.gaps if gap.n and gap.cell in wanted]
    return [_gap_figure(study, of_arm, shown)] if shown else []


def _gap_figure(study: StudyData, of_arm: Findings, shown: Sequence[DifferenceCurve]) -> Figure:
    first = shown[0]
    return Figure(
        name=f"gap-{of_arm.arm}",
        headline=_gap_headline(first),
        subtitle=(
            f"Test accuracy {fmt.side(of_arm.arm)} minus {fmt.side(of_arm.baseline)} after each epoch, in points;"
            f" {fmt.seeds(first.n)}."
        ),
        draw=partial(difference_curves, shown),
        alt=" ".join(_gap_alt(gap) for gap in shown),
        caption=(
            f"Outer band: holds for the whole curve at once (sup-t, {fmt.level(first.level)}); inner: each epoch on"
            " its own. A diverged run scores chance from there on."
        ),
        table=_gap_table(study, of_arm),
    )


def _gap_headline(gap: DifferenceCurve) -> str:
    early, late = (fmt.estimate(gap.mean[i], gap.band_low[i], gap.band_high[i]) for i in (0, -1))
    where = "Over all cells" if gap.cell is None else f"At {fmt.cell(gap.cell)}"
    return f"{where} the difference is {early} points after epoch 1 and {late} after epoch {gap.epochs[-1]}"


def _gap_alt(gap: DifferenceCurve) -> str:
    values = ", ".join(fmt.points(mean) for mean in gap.mean)
    where = fmt.cell(gap.cell)
    return f"Difference in points after epochs {gap.epochs[0]} to {gap.epochs[-1]}, {where}: {values}."


def _gap_table(study: StudyData, of_arm: Findings) -> Table:
    columns = [
        *cell_columns(study),
        count_column("epoch", "epoch"),
        count_column("n", "n"),
        interval_column("difference [this epoch alone]", "mean"),
        Column("[all epochs at once]", fmt.interval, ("band_low", "band_high")),
    ]
    rows = [cell_values(study, gap.cell) | row for gap in of_arm.gaps for row in _gap_rows(gap)]
    return Table(
        f"gap-{of_arm.arm}", "The difference over epochs, in points, over all cells and in each", columns, rows
    )


def _gap_rows(gap: DifferenceCurve) -> list[dict[str, Any]]:
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


# --- every cell


def _by_cell(study: StudyData, curves: Sequence[Curve]) -> Figure:
    tested = [curve for curve in curves if (curve.metric, curve.split) == ("accuracy", "test")]
    grid = Grid.of(study.design.factors)
    down = fmt.listing([f"{factor.axis}s" for factor in grid.others])
    best = max(tested, key=lambda curve: curve.mean[-1])
    headline = f"The best mean after the last epoch is {_end(best)}, at {fmt.cell(best.cell)}"
    if all(curve.n_diverged[-1] == curve.n for curve in tested):
        headline = "No run has an accuracy after the last epoch: all diverged"
    return Figure(
        name="by-cell",
        headline=headline,
        subtitle=(
            f"Test accuracy (%) after each epoch in every cell, {down} down and {grid.across.axis}s across; mean over"
            f" all runs of up to {fmt.seeds(_seeds(tested))}{_guessing(study, tested)}."
        ),
        draw=partial(accuracy_by_cell, curves),
        alt="After the last epoch: " + "; ".join(f"{fmt.cell(c.cell)}, {_last(c)}" for c in tested) + ".",
        caption=f"Lines and bands as above, on one scale, stretched towards 100 %; thin: single seeds{_drawn(tested)}.",
        table=_table(study, "by-cell", "Test accuracy over epochs in every cell", tested),
    )
