"""What does the size of the test batch do, to accuracy and to calibration? Lines over it, and saved statistics."""

from collections.abc import Callable
from functools import partial
from typing import Any

from analysis.findings.modes.inference_modes import ModeResult, Modes, NoNormResult
from analysis.findings.modes.mode_comparisons import Compared, Way
from analysis.report import number_format as fmt
from analysis.report.columns import (
    count_column,
    interval_column,
    interval_values,
    pvalue_values,
    text_column,
)
from analysis.report.document import Column, Figure, Table
from analysis.report.figures.modes.mode_looks import BLEND, NO_NORM, ORDERS, SAVED
from analysis.report.figures.modes.over_batch_size import Level, Line, Point, accuracy_by_size, calibration_by_size
from analysis.report.sentences import inference as inference_sentences
from study.spec.inference.modes import MAIN_BLEND, numbered, parse

SHOWN_SIZE = 8
"""Images in the test batch that a headline speaks of, as the tutorial does; else of the smallest."""
CORNERS = {"shuffled": "lower right", "natural": "upper left", "sorted": "upper right"}
"""Where a line's name stands, by the order of the images: lines rise, unless a batch holds one class."""


def accuracy(modes: Modes) -> Figure | None:
    """Return accuracy over the size of the test batch, by order."""
    drawn = [
        Line(inference_sentences.ORDERS[order], look, points, CORNERS[order])
        for order, look in ORDERS.items()
        if (points := _points(modes, "batch", order, _accuracy))
    ]
    if not drawn:
        return None
    levels = _levels(modes, _accuracy)
    return Figure(
        name="modes",
        headline=_accuracy_headline(modes),
        subtitle=(
            "Test accuracy (%) over the size of the test batch, by order of its images; mean over"
            f" {counted(modes.on_clean)} at {fmt.cell(modes.cell)}."
        ),
        draw=partial(accuracy_by_size, drawn, levels),
        alt=_alt(drawn, levels, "accuracy"),
        caption=(
            "Purple: statistics of the test batch; level lines know no batch. The axis stretches what lies near 100 %."
            " Hollow: a batch of one image has no variance, so the bias alone answers."
        ),
        table=_accuracy_table(modes.on_clean),
    )


def calibration(modes: Modes) -> Figure | None:
    """Return the calibration error over the size of shuffled test batches."""
    blend = numbered("blend", MAIN_BLEND)
    asked = (
        ("batch", "test batch", ORDERS["shuffled"], "upper right"),
        (blend, f"blended, worth {MAIN_BLEND} images", BLEND, "lower right"),
    )
    drawn = [
        Line(text, look, points, corner)
        for inference, text, look, corner in asked
        if (points := _points(modes, inference, "shuffled", _ece))
    ]
    if "test batch" not in {line.text for line in drawn}:
        return None
    levels = _levels(modes, _ece)
    kept = [r for r in modes.on_clean if r.order in (None, "shuffled") and not r.mode.one_layer]
    return Figure(
        name="calibration",
        headline=_calibration_headline(modes),
        subtitle=(
            "Expected calibration error (%) over the size of shuffled test batches; mean over"
            f" {counted(kept)} at {fmt.cell(modes.cell)}."
        ),
        draw=partial(calibration_by_size, drawn, levels),
        alt=_alt(drawn, levels, "calibration error"),
        caption=(
            "15 equal bins on the probability of the predicted class; level lines know no batch. Blended:"
            f" {parse(blend).label}. Hollow: a batch of one image has no variance."
        ),
        table=_calibration_table(kept),
    )


def counted(results: list[ModeResult]) -> str:
    return fmt.seeds(max(r.n for r in results))


Value = Callable[[ModeResult | NoNormResult], float]


def _accuracy(result: ModeResult | NoNormResult) -> float:
    return result.accuracy


def _ece(result: ModeResult | NoNormResult) -> float:
    return result.ece


def _points(modes: Modes, inference: str, order: str, value: Value) -> list[Point]:
    own = [r for r in modes.on_clean if (r.inference, r.order) == (inference, order)]
    return [Point(r.eval_batch_size or 0, value(r), r.degenerate) for r in own]


def _levels(modes: Modes, value: Value) -> list[Level]:
    saved = {inference: modes.clean(inference) for inference in SAVED}
    levels = [Level(r.mode.label, SAVED[inference], value(r)) for inference, r in saved.items() if r]
    without = modes.without()
    return levels + ([Level("no batch norm", NO_NORM, value(without))] if without else [])


def _alt(lines: list[Line], levels: list[Level], what: str) -> str:
    over = [
        f"{line.text}: {what} {', '.join(f'{fmt.percent(p.value)} in batches of {p.size:,}' for p in line.points)}"
        for line in lines
    ]
    return "; ".join([*over, *(f"{level.text}: {fmt.percent(level.value)}" for level in levels)]) + "."


def _small(modes: Modes) -> ModeResult:
    """Return the batch that a headline speaks of."""
    batches = [r for r in modes.on_clean if r.inference == "batch"]
    sizes = sorted((r.order != "shuffled", r.degenerate, r.eval_batch_size or 0, r.order or "") for r in batches)
    order, size = next(((s[3], s[2]) for s in sizes if s[2] == SHOWN_SIZE), (sizes[0][3], sizes[0][2]))
    return next(r for r in batches if (r.order, r.eval_batch_size) == (order, size))


def _compared(modes: Modes, result: ModeResult) -> Compared | None:
    """Return the comparison with the running averages that decides what is said of a way to predict."""
    way = Way(result.inference, result.eval_batch_size, result.order)
    return next((c for c in modes.compared if c.rule in ("small", "large") and c.way == way), None)


def _accuracy_headline(modes: Modes) -> str:
    small, running = _small(modes), modes.clean("running")
    compared = _compared(modes, small)
    verb = inference_sentences.verb(compared)
    subject, saved = f"Test batches of {small.eval_batch_size:,}", fmt.percent(running.accuracy if running else None)
    if compared and verb:
        points = inference_sentences.size(compared)
        return f"{subject} {verb} {points} points ({fmt.percent(small.accuracy)} against {saved})"
    if small.order != "shuffled":
        order = inference_sentences.ORDERS[str(small.order)]
        return f"Batches of {small.eval_batch_size:,}, {order}: {fmt.percent(small.accuracy)}, running averages {saved}"
    return f"{subject} reach {fmt.percent(small.accuracy)}, running averages {saved}"


def _calibration_headline(modes: Modes) -> str:
    small, running = _small(modes), modes.clean("running")
    saved = fmt.percent(running.ece if running else None)
    return (
        f"Calibration error {fmt.percent(small.ece)} in batches of {small.eval_batch_size:,}, running averages {saved}"
    )


def _accuracy_table(results: list[ModeResult]) -> Table:
    columns = [
        text_column("way to predict", "way"),
        count_column("n", "n"),
        Column("accuracy", fmt.percent, ("accuracy",)),
        interval_column("against running averages, points", "against_running"),
        interval_column("against no BN, points", "against_no_norm"),
        Column("class differs from exact statistics", fmt.percent, ("flip_rate",)),
    ]
    caption = "Every way to predict, on the test images as they are"
    return Table("modes-clean", caption, columns, [_row(result) for result in results])


def _row(result: ModeResult) -> dict[str, Any]:
    return {
        "way": inference_sentences.name(result) + (" (degenerate)" if result.degenerate else ""),
        "n": result.n,
        "accuracy": result.accuracy,
        **interval_values("against_running", result.against_running),
        **pvalue_values("p_running", result.p_running),
        **interval_values("against_no_norm", result.against_no_norm),
        **pvalue_values("p_no_norm", result.p_no_norm),
        "loss": result.loss,
        "ece": result.ece,
        "flip_rate": result.flip_rate,
    }


def _calibration_table(kept: list[ModeResult]) -> Table:
    columns = [
        text_column("way to predict", "way"),
        count_column("n", "n"),
        Column("calibration error", fmt.percent, ("ece",)),
        Column("loss, nats per image", fmt.decimals, ("loss",)),
    ]
    rows = [{"way": inference_sentences.name(r), "n": r.n, "ece": r.ece, "loss": r.loss} for r in kept]
    return Table("calibration", "Calibration by way to predict", columns, rows)
