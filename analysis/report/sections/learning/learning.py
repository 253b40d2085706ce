"""How do they learn? The tutorial's four plots with what they leave out, the difference, and every setting."""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from analysis.findings.curves import Curve, default_cell
from analysis.findings.results import Findings, Results
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report import small_multiples
from analysis.report.by_arm import under_names
from analysis.report.columns import cell_values, count_column, setting_column, text_column
from analysis.report.document import Block, Column, Figure, Paragraph, Section, Table
from analysis.report.figures.curves import SPLIT, accuracy_by_setting, drawn_seeds, learning_curves, panels_of
from analysis.report.sections.learning import balanced_accuracy, difference_over_epochs, generalisation, tutorial
from study.spec.factors import Cell


def section(study: StudyData, results: Results) -> Section:
    tested = [curve for curve in results.curves if (curve.metric, curve.split) == ("accuracy", "test")]
    blocks: list[Block] = []
    more: list[Block] = []
    if _trained(results.curves):
        blocks.append(_four_plots(study, results.curves))
        blocks += tutorial.evidence(results.claims)
        blocks += under_names(
            study.baseline, {arm: [*_of_arm(study, results, of_arm)] for arm, of_arm in results.of_arms.items()}
        )
        if len({curve.cell for curve in tested}) > 1:
            by_setting, *more = _by_settings(study, tested)
            blocks.append(by_setting)
    elif results.curves:
        blocks.append(Paragraph("No run has a loss or an accuracy after its first epoch: all diverged in it."))
    of_classes = balanced_accuracy.details(study, results.balanced)
    details = [*more, *tutorial.details(results.claims), *of_classes]
    details += generalisation.details(study, results.generalisation)
    return Section("curves", "How they learn", blocks, details)


def _trained(curves: Sequence[Curve]) -> bool:
    """Return whether any run has a trained epoch."""
    return any(n < curve.n for curve in curves for n in curve.n_diverged[1:])


def _of_arm(study: StudyData, results: Results, of_arm: Findings) -> Iterator[Block]:
    yield from difference_over_epochs.evidence(study, results, of_arm)
    for found in results.generalisation:
        if found.arm == of_arm.arm:
            yield from generalisation.evidence(found)


# --- the four plots


def _four_plots(study: StudyData, curves: Sequence[Curve]) -> Figure | Paragraph:
    cell = default_cell(curves)
    shown = [curve for curve in curves if curve.cell == cell]
    if not _trained(shown):
        return Paragraph(f"At {fmt.cell(cell)} every run diverged in its first epoch: there is no curve to draw.")
    return Figure(
        name="curves",
        headline=_headline([curve for curve in shown if (curve.metric, curve.split) == ("accuracy", "test")]),
        subtitle=(
            f"Loss (nats per image) and accuracy (%) after each epoch at {fmt.cell(cell)}; {fmt.seeds(_seeds(shown))}"
            f"{_lost(shown)}."
        ),
        draw=partial(learning_curves, shown),
        alt="After the last epoch: " + "; ".join(_last(curve) for curve in shown) + ".",
        caption=_caption(study, shown),
        table=_table(study, "curves", f"Learning curves at {fmt.cell(cell)}", shown, has_setting=False),
    )


def _headline(ends: Sequence[Curve]) -> str:
    """Return where test accuracy ends, in at most 12 words: of both arms, or from the worst to the best of several."""
    if all(curve.n_diverged[-1] == curve.n for curve in ends):
        return "Every run at this setting diverged"
    if len(ends) > 2:
        low, high = (pick(ends, key=lambda curve: curve.mean[-1]) for pick in (min, max))
        return f"Test accuracy of {len(ends)} arms ends between {_end(low)} and {_end(high)}"
    return f"Test accuracy ends at {', '.join(f'{_end(curve)} {fmt.side(curve.arm)}' for curve in ends)}"


def _lost(curves: Sequence[Curve]) -> str:
    """Return by arm how many runs diverged, where any did."""
    lost = {curve.arm: f"{curve.n_diverged[-1]} of {curve.n}" for curve in curves if curve.n_diverged[-1]}
    sides = [f"{counts} {fmt.side(arm)}" for arm, counts in lost.items()]
    return f"; diverged: {fmt.listing(sides)}" if sides else ""


def _end(curve: Curve) -> str:
    return fmt.percent(curve.mean[-1], fmt.digits(curve.band_low[-1], curve.band_high[-1]))


def _last(curve: Curve) -> str:
    ends = (curve.mean[-1], curve.band_low[-1], curve.band_high[-1])
    where = f"{SPLIT[curve.split].lower()} {curve.metric} {fmt.side(curve.arm)}"
    return f"{where} {_mean(*ends, curve.metric)}, {fmt.seeds(curve.n)}{_diverged(curve)}"


def _diverged(curve: Curve) -> str:
    n = curve.n_diverged[-1]
    return f" ({n} of {curve.n} runs diverged)" if n else ""


def _caption(study: StudyData, curves: Sequence[Curve]) -> str:
    """Return what lines and bands are, and how a diverged run is drawn and counts, where there is one."""
    n, n_drawn = _seeds(curves), drawn_seeds(curves)
    marks = ["Thick: mean over seeds."]
    if any(math.isfinite(low) for curve in curves for low in curve.band_low):
        marks.append(f"Band: {fmt.level(curves[0].level)} simultaneous over all epochs of a line (sup-t).")
    seeds = "Thin: single seeds" if n <= n_drawn else f"Thin: the first {n_drawn} of {n} seeds"
    if any(curve.n_diverged[-1] for curve in curves):
        metrics = {curve.metric for curve in curves}
        guessing = {"accuracy": fmt.percent(study.chance, 0), "loss": f"{study.guessing_loss:.2f}"}
        scores = ", ".join(f"{name} {score}" for name, score in guessing.items() if name in metrics)
        seeds += f", up to where a run diverges; from there on it counts as guessing ({scores})"
    return " ".join([*marks, f"{seeds}."])


def _seeds(curves: Sequence[Curve]) -> int:
    return max(curve.n for curve in curves)


def _table(study: StudyData, name: str, caption: str, curves: Sequence[Curve], has_setting: bool) -> Table:
    """Return the table of curves of one metric in several settings, or of several in one; its CSV has both."""
    key = [setting_column(study), text_column("arm", "arm")]
    if not has_setting:
        key = [text_column("arm", "arm"), text_column("images", "split"), text_column("metric", "metric")]
    columns = [
        *key,
        count_column("epoch", "epoch"),
        count_column("runs", "n"),
        count_column("diverged by then", "n_diverged"),
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


# --- every setting


def _by_settings(study: StudyData, tested: Sequence[Curve]) -> list[Block]:
    """Return the figure of every setting, which has the table; then the panels that it leaves for the appendix."""
    return [*small_multiples.figures(study, panels_of(tested), partial(_by_setting, study, tested))]


def _by_setting(study: StudyData, tested: Sequence[Curve], only: Sequence[Cell], more: str = "") -> Figure:
    """Return the figure of the settings in ``only``; ``more`` is said of the others."""
    n_settings = len({curve.cell for curve in tested})
    of_all = f"all {n_settings}" if not more and len(only) >= n_settings else f"{len(only)} of {n_settings}"
    return Figure(
        name="by-cell",
        headline=_range_headline(tested),
        subtitle=(
            f"Test accuracy (%) after each epoch at {of_all} settings, a panel each; {fmt.seeds(_seeds(tested))}."
        ),
        draw=partial(accuracy_by_setting, tested, only=only),
        alt="After the last epoch: "
        + "; ".join(f"{fmt.cell(c.cell)}, {_last(c)}" for c in tested if c.cell in only)
        + ".",
        caption=f"{_caption(study, tested)}{more}",
        table=_table(study, "by-cell", "Test accuracy over epochs at every setting", tested, has_setting=True),
    )


def _range_headline(tested: Sequence[Curve]) -> str:
    """Return from where to where the settings end, in at most 12 words: by arm, or over several."""
    if all(curve.n_diverged[-1] == curve.n for curve in tested):
        return "Every run at every setting diverged"
    ends: dict[str, list[float]] = {}
    for curve in tested:
        ends.setdefault(curve.arm, []).append(curve.mean[-1])
    if len(ends) > 2:
        return f"Accuracy by setting: {_range([end for of in ends.values() for end in of])} over {len(ends)} arms"
    return f"Accuracy by setting: {', '.join(f'{_range(of)} {fmt.side(arm)}' for arm, of in ends.items())}"


def _range(shares: Sequence[float]) -> str:
    low, high = (fmt.percent(pick(shares), 1) for pick in (min, max))
    return high if low == high else f"{low.removesuffix(' %')}–{high}"
