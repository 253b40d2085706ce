"""Part 7: which statistics batch normalisation should predict with."""

import math
from typing import Any

import numpy as np

from analysis import mode_words, words
from analysis.columns import count_column, interval_column, interval_values, p_column, pvalue_values, text_column
from analysis.document import Block, Column, Figure, Listing, Missing, Paragraph, Part, Table
from analysis.figures import modes as drawing
from analysis.figures.style import svg
from analysis.findings import Results
from analysis.modes import CLEAN, ModeResult, Modes, StatisticResult, SwapResult
from analysis.tables import Study

SHOWN_SEVERITIES = (1, 3, 5)
FIXED_SIZES = (8, 32, 128, 512)


def part(study: Study, found: Results) -> Part:
    if found.modes is None:
        nothing = "The networks have not been asked to predict by other statistics; they are, without training, by"
        return Part(
            "inference", "Which statistics to predict with", [Missing(nothing, f"python -m study.ablate {study.name}")]
        )
    modes = found.modes
    blocks: list[Block] = [
        Paragraph(
            "Batch normalisation may predict by statistics from training or by those of the images that it is asked"
            " about. Each line is the same networks on the same images, every way by itself."
        ),
        Listing(mode_words.ledger(modes, found.alpha)),
    ]
    for make in (_by_size, _calibration, _swaps, _compositions, _statistics, _shifts):
        block = make(modes)
        if block is not None:
            blocks.append(block)
    return Part("inference", "Which statistics to predict with", blocks)


def _clean(modes: Modes) -> list[ModeResult]:
    return [result for result in modes.results if (result.shift, result.severity) == CLEAN]


def _n(results: list[ModeResult]) -> str:
    return f"{max(r.n_networks for r in results)} networks, {words.seeds(max(r.n for r in results))}"


# --- ways to predict


def _by_size(modes: Modes) -> Figure | None:
    small, large = modes.clean("batch", 8, "shuffled"), modes.clean("running")
    if small is None or large is None:
        return None
    shown = [r for r in _clean(modes) if r.inference == "batch" or r.inference in drawing.TRAINING]
    return Figure(
        name="modes",
        headline=(
            f"By the statistics of a shuffled test batch of 8 accuracy is {words.percent(small.accuracy)}, by the"
            " running"
            f" averages {words.percent(large.accuracy)}"
        ),
        subtitle=(
            "Test accuracy (%) over the number of images in the test batch, by the order of the images; statistics from"
            f" training as level lines; mean over {_n(shown)}."
        ),
        svg=svg(drawing.accuracy_by_size(modes)),
        alt="; ".join(f"{mode_words.name(r)}: {words.percent(r.accuracy)}" for r in shown) + ".",
        caption="A batch of one image has no variance and is answered by the bias alone.",
        table=_ways("modes-clean", "Every way to predict, on the test images as they are", _clean(modes)),
    )


def _ways(name: str, caption: str, results: list[ModeResult]) -> Table:
    columns = [
        text_column("way to predict", "way"),
        count_column("n", "n"),
        Column("accuracy", words.percent, ("accuracy",)),
        interval_column("against running averages, points", "against_running"),
        p_column("p, all ways together (step-down max-T)", "p_running"),
        interval_column("against no BN, points", "against_no_norm"),
        p_column("p against no BN, likewise", "p_no_norm"),
        Column("loss", words.decimals, ("loss",)),
        Column("calibration error", words.percent, ("ece",)),
        Column("class differs from exact statistics", words.percent, ("flip_rate",)),
    ]
    return Table(name, caption, columns, [_way(result) for result in results])


def _way(r: ModeResult) -> dict[str, Any]:
    return {
        "way": mode_words.name(r) + (" (degenerate)" if r.degenerate else ""),
        "n": r.n,
        "accuracy": r.accuracy,
        **interval_values("against_running", r.against_running),
        **pvalue_values("p_running", r.p_running),
        **interval_values("against_no_norm", r.against_no_norm),
        **pvalue_values("p_no_norm", r.p_no_norm),
        "loss": r.loss,
        "ece": r.ece,
        "flip_rate": r.flip_rate,
    }


def _calibration(modes: Modes) -> Figure | None:
    kept = [
        r
        for r in _clean(modes)
        if r.order in (None, "shuffled") and (r.inference in mode_words.NAMES or "blend" in r.inference)
    ]
    if len(kept) < 2:
        return None
    best = min(kept, key=lambda r: r.ece)
    labels = [f"{r.inference.replace('_', ' ')} {r.eval_batch_size or ''}".strip() for r in kept]
    return Figure(
        name="calibration",
        headline=f"The smallest calibration error is {words.percent(best.ece)}, by {mode_words.name(best)}",
        subtitle=f"Expected calibration error (%) by way to predict, test images as they are; mean over {_n(kept)}.",
        svg=svg(drawing.calibration(labels, [r.ece for r in kept])),
        alt="; ".join(f"{mode_words.name(r)}: {words.percent(r.ece)}" for r in kept) + ".",
        caption="15 equal bins on the probability of the answer; test batches are shuffled, the number is their size.",
        table=_calibration_table(kept),
    )


def _calibration_table(kept: list[ModeResult]) -> Table:
    columns = [
        text_column("way to predict", "way"),
        count_column("n", "n"),
        Column("calibration error", words.percent, ("ece",)),
        Column("loss, nats per image", words.decimals, ("loss",)),
    ]
    rows = [{"way": mode_words.name(r), "n": r.n, "ece": r.ece, "loss": r.loss} for r in kept]
    return Table("calibration", "Calibration by way to predict", columns, rows)


# --- companions


def _swaps(modes: Modes) -> Figure | None:
    if not modes.swaps:
        return None
    shown = next((s for s in modes.swaps if (s.eval_batch_size, s.n_swapped) == (8, 2)), modes.swaps[0])
    flips = words.share(*words.of(shown.flip_rate))
    return Figure(
        name="swaps",
        headline=f"With {shown.n_swapped} of {shown.eval_batch_size} companions replaced, {flips} change class",
        subtitle=(
            "How far the batch mean moves (in standard deviations) and how many images change class (%), over"
            f" sqrt(2k)/m for k of m images replaced; {words.seeds(shown.n)}, 1,000 images a network."
        ),
        svg=svg(drawing.swaps(modes.swaps)),
        alt="; ".join(
            f"{s.n_swapped} of {s.eval_batch_size}: the mean moves by {s.mean_change.estimate:.3f} (expected"
            f" {s.law:.3f}), {words.percent(s.flip_rate.estimate)} change class"
            for s in modes.swaps
        )
        + ".",
        caption="The image looked at is never replaced; 2 of 8 is the tutorial's example. Line: independent draws.",
        table=_swap_table(modes.swaps),
    )


def _swap_table(swaps: list[SwapResult]) -> Table:
    columns = [
        count_column("batch", "eval_batch_size"),
        count_column("replaced", "n_swapped"),
        count_column("n", "n"),
        interval_column("batch mean moves, sd", "mean_change", words.size),
        Column("expected", lambda law: f"{law:.3f}", ("law",)),
        interval_column("own value moves, sd", "value_change", words.size),
        interval_column("logits move", "logit_change", words.size),
        interval_column("class flips", "flip_rate", words.share),
    ]
    rows = [
        {
            "eval_batch_size": s.eval_batch_size,
            "n_swapped": s.n_swapped,
            "n": s.n,
            "law": s.law,
            **interval_values("mean_change", s.mean_change),
            **interval_values("value_change", s.value_change),
            **interval_values("logit_change", s.logit_change),
            **interval_values("flip_rate", s.flip_rate),
        }
        for s in swaps
    ]
    return Table("swaps", "One image in two batches", columns, rows)


def _compositions(modes: Modes) -> Table | None:
    if not modes.compositions:
        return None
    columns = [
        count_column("batch", "eval_batch_size"),
        count_column("n", "n"),
        interval_column("images whose class ever flips", "any_flip", words.share),
        interval_column("share of logit variance from companions", "mates_share", words.share),
    ]
    rows = [
        {
            "eval_batch_size": c.eval_batch_size,
            "n": c.n,
            **interval_values("any_flip", c.any_flip),
            **interval_values("mates_share", c.mates_share),
        }
        for c in modes.compositions
    ]
    return Table("compositions", "All test images in 32 random compositions of the batches", columns, rows)


# --- statistics from training


def _statistics(modes: Modes) -> Figure | None:
    if not modes.statistics:
        return None
    worst = max(modes.statistics, key=lambda s: s.mean_error.estimate)
    return Figure(
        name="statistics",
        headline=(
            f"Farthest from the exact mean are {mode_words.NAMES[worst.inference]}, by"
            f" {words.size(*words.of(worst.mean_error))} standard deviations in layer {worst.layer + 1}"
        ),
        subtitle=(
            "Root mean square error over units of the mean (standard deviations) and of the log variance, against the"
            f" exact statistics of all training images with the final weights; {words.seeds(worst.n)}."
        ),
        svg=svg(drawing.statistic_errors(modes.statistics)),
        alt="; ".join(_statistic_alt(s) for s in modes.statistics) + ".",
        caption="Bars: intervals over seeds, whose networks are averaged over the cells first.",
        table=_statistic_table(modes.statistics),
    )


def _statistic_alt(s: StatisticResult) -> str:
    return (
        f"{mode_words.NAMES[s.inference]}, layer {s.layer + 1}: mean {s.mean_error.estimate:.3f}, log variance"
        f" {s.log_var_error.estimate:.3f}"
    )


def _statistic_table(found: list[StatisticResult]) -> Table:
    columns = [
        text_column("statistic", "statistic"),
        count_column("layer", "layer"),
        count_column("n", "n"),
        interval_column("error of the mean, sd", "mean_error", words.size),
        interval_column("error of the log variance", "log_var_error", words.size),
    ]
    rows = [
        {
            "statistic": mode_words.NAMES[s.inference],
            "layer": s.layer + 1,
            "n": s.n,
            **interval_values("mean_error", s.mean_error),
            **interval_values("log_var_error", s.log_var_error),
        }
        for s in found
    ]
    return Table("statistics", "How far statistics from training lie from the exact ones", columns, rows)


# --- images that have changed


def _shifts(modes: Modes) -> Figure | None:
    shifted = [r for r in modes.results if (r.shift, r.severity) != CLEAN and r.inference != "running"]
    if not shifted:
        return None
    labels, ways, values = _matrix([r for r in shifted if r.severity in (0, *SHOWN_SEVERITIES)])
    return Figure(
        name="shifts",
        headline=_shift_headline(shifted),
        subtitle=(
            "Test accuracy minus that by the running averages, in points, on the same images, by what was done to them"
            f" (rows) and way to predict (columns); {_n(shifted)}."
        ),
        svg=svg(drawing.shift_map(labels, ways, values)),
        alt="; ".join(_shift_alt(label, ways, row) for label, row in zip(labels, values, strict=True)) + ".",
        caption=(
            "Severities 1, 3 and 5 of five; test batches are shuffled, the number is their size. The table has all"
            " conditions, with intervals."
        ),
        table=_all_ways(modes.results),
    )


def _shift_headline(shifted: list[ModeResult]) -> str:
    most = max(shifted, key=lambda r: abs(r.against_running.estimate))
    size = words.estimate(*words.of(most.against_running))
    where = mode_words.condition(most.shift, most.severity)
    return f"The largest change: {size} points under {where}, by {mode_words.name(most)}"


def _matrix(shifted: list[ModeResult]) -> tuple[list[str], list[str], np.ndarray]:
    """Labels of rows and columns, and the differences in points, NaN where there is none."""
    rows = list(dict.fromkeys((r.shift, r.severity) for r in shifted))
    columns = list(dict.fromkeys(_way_label(r) for r in shifted))
    values = np.full((len(rows), len(columns)), np.nan)
    for r in shifted:
        place = rows.index((r.shift, r.severity)), columns.index(_way_label(r))
        values[place] = 100 * r.against_running.estimate
    return [mode_words.condition(*row) for row in rows], columns, values


def _way_label(result: ModeResult) -> str:
    """Short, a word a line; a batch that holds all images is called so, however many the condition leaves."""
    size = result.eval_batch_size
    number = [] if size is None else [str(size) if size in FIXED_SIZES else "all"]
    return "\n".join([*result.inference.split("_"), *number])


def _shift_alt(label: str, ways: list[str], row: np.ndarray) -> str:
    found = [
        f"{way.replace(chr(10), ' ')} {words.signed(value, 1)}"
        for way, value in zip(ways, row, strict=True)
        if math.isfinite(value)
    ]
    return f"{label}: {', '.join(found)}"


def _all_ways(results: list[ModeResult]) -> Table:
    columns = [
        text_column("condition", "shift"),
        count_column("severity", "severity"),
        text_column("way", "inference"),
        Column("batch", words.count, ("eval_batch_size",)),
        text_column("order", "order"),
        count_column("n", "n_seeds"),
        Column("accuracy", words.percent, ("accuracy",)),
        interval_column("against running averages, points", "diff_running"),
        p_column("p, step-down max-T in the condition", "p_running_max_t"),
        interval_column("against no BN, points", "diff_no_bn"),
        p_column("p against no BN, likewise", "p_no_bn_max_t"),
    ]
    return Table("modes", "Every way to predict in every condition", columns, [_full_row(r) for r in results])


def _full_row(r: ModeResult) -> dict[str, Any]:
    return {
        "shift": r.shift,
        "severity": r.severity,
        "inference": r.inference,
        "eval_batch_size": r.eval_batch_size,
        "order": r.order,
        "n_seeds": r.n,
        "n_networks": r.n_networks,
        "accuracy": r.accuracy,
        "loss": r.loss,
        "ece": r.ece,
        "flip_rate": r.flip_rate,
        **interval_values("diff_running", r.against_running),
        **pvalue_values("p_running_max_t", r.p_running),
        **interval_values("diff_no_bn", r.against_no_norm),
        **pvalue_values("p_no_bn_max_t", r.p_no_norm),
        "degenerate": r.degenerate,
    }
