"""Which statistics should batch normalisation predict with?"""

from functools import partial
from typing import Any

from analysis.findings.modes.inference_modes import CLEAN, ModeResult, Modes, StatisticResult, SwapResult
from analysis.findings.results import Results
from analysis.records.tables import StudyData
from analysis.report import inference_sentences
from analysis.report import number_format as fmt
from analysis.report.columns import (
    count_column,
    factor_column,
    interval_column,
    interval_values,
    p_column,
    pvalue_values,
    text_column,
)
from analysis.report.document import Block, BulletList, Column, Figure, Paragraph, Placeholder, Section, Table
from analysis.report.figures.modes import TRAINING, accuracy_by_size, calibration, statistic_errors, swap_sensitivity
from analysis.report.sections import shifts
from study.spec.factors import Factor


def section(study: StudyData, results: Results) -> Section:
    """Return the part on the inference modes; where none was evaluated, how to have them."""
    if results.modes is None:
        nothing = "Not measured yet. To add it without retraining:"
        return Section(
            "inference",
            "Which statistics to predict with",
            [Placeholder(nothing, f"python -m study.ablate {study.name}")],
        )
    modes = results.modes
    blocks: list[Block] = [
        Paragraph(
            "At test time batch normalisation can use statistics saved in training or those of the test batch. Each"
            f" line compares ways to predict on the same images, {inference_sentences.where(modes)}; its intervals hold"
            " all at once, and decide what it says. The figures are of this cell too"
            + ("; the last table has the main ways in the other cells." if modes.elsewhere else ".")
        ),
        BulletList(inference_sentences.ledger(modes, results.margin)),
    ]
    for make in (_by_size, _calibration, _swaps, _compositions, _statistics, shifts.figure, _elsewhere):
        block = make(modes)
        if block is not None:
            blocks.append(block)
    return Section("inference", "Which statistics to predict with", blocks)


def _clean(modes: Modes) -> list[ModeResult]:
    return [result for result in modes.results if (result.shift, result.severity) == CLEAN]


# --- inference modes


def _by_size(modes: Modes) -> Figure | None:
    small, large = modes.clean("batch", 8, "shuffled"), modes.clean("running")
    if small is None or large is None:
        return None
    shown = [r for r in _clean(modes) if r.inference == "batch" or r.inference in TRAINING]
    return Figure(
        name="modes",
        headline=(
            f"With the statistics of shuffled test batches of 8 accuracy is {fmt.percent(small.accuracy)}, with the"
            f" running averages {fmt.percent(large.accuracy)}"
        ),
        subtitle=(
            "Test accuracy (%) over the number of images in the test batch, by the order of the images; statistics"
            f" from training as level lines; mean over {shifts.counted(shown)}, {inference_sentences.where(modes)}."
        ),
        draw=partial(accuracy_by_size, modes),
        alt="; ".join(f"{inference_sentences.name(r)}: {fmt.percent(r.accuracy)}" for r in shown) + ".",
        caption="A batch of one image has no variance and is answered by the bias alone.",
        table=_mode_table("modes-clean", "Every way to predict, on the test images as they are", _clean(modes)),
    )


def _mode_table(name: str, caption: str, results: list[ModeResult]) -> Table:
    columns = [
        text_column("way to predict", "way"),
        count_column("n", "n"),
        Column("accuracy", fmt.percent, ("accuracy",)),
        interval_column("against running averages, points", "against_running"),
        p_column("p, all ways together (step-down max-T)", "p_running"),
        interval_column("against no BN, points", "against_no_norm"),
        p_column("p against no BN, likewise", "p_no_norm"),
        Column("loss", fmt.decimals, ("loss",)),
        Column("calibration error", fmt.percent, ("ece",)),
        Column("class differs from exact statistics", fmt.percent, ("flip_rate",)),
    ]
    return Table(name, caption, columns, [_mode_row(result) for result in results])


def _mode_row(result: ModeResult) -> dict[str, Any]:
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


def _calibration(modes: Modes) -> Figure | None:
    kept = [r for r in _clean(modes) if r.order in (None, "shuffled") and not r.mode.one_layer]
    if len(kept) < 2:
        return None
    best = min(kept, key=lambda r: r.ece)
    labels = [f"{r.inference.replace('_', ' ')} {r.eval_batch_size or ''}".strip() for r in kept]
    return Figure(
        name="calibration",
        headline=f"The smallest calibration error is {fmt.percent(best.ece)}, with {inference_sentences.name(best)}",
        subtitle=(
            "Expected calibration error (%) by way to predict, test images as they are; mean over"
            f" {shifts.counted(kept)}, {inference_sentences.where(modes)}."
        ),
        draw=partial(calibration, labels, [r.ece for r in kept]),
        alt="; ".join(f"{inference_sentences.name(r)}: {fmt.percent(r.ece)}" for r in kept) + ".",
        caption="15 equal bins on the probability of the answer; test batches are shuffled, the number is their size.",
        table=_calibration_table(kept),
    )


def _calibration_table(kept: list[ModeResult]) -> Table:
    columns = [
        text_column("way to predict", "way"),
        count_column("n", "n"),
        Column("calibration error", fmt.percent, ("ece",)),
        Column("loss, nats per image", fmt.decimals, ("loss",)),
    ]
    rows = [{"way": inference_sentences.name(r), "n": r.n, "ece": r.ece, "loss": r.loss} for r in kept]
    return Table("calibration", "Calibration by way to predict", columns, rows)


# --- other examples of the batch


def _swaps(modes: Modes) -> Figure | None:
    if not modes.swaps:
        return None
    shown = next((s for s in modes.swaps if (s.eval_batch_size, s.n_swapped) == (8, 2)), modes.swaps[0])
    flips = fmt.share(*fmt.as_triple(shown.flip_rate))
    return Figure(
        name="swaps",
        headline=f"With {shown.n_swapped} of {shown.eval_batch_size} images replaced, {flips} change class",
        subtitle=(
            "How far the batch mean moves (in standard deviations) and how many images change class (%), over"
            f" sqrt(2k)/m for k of m images replaced; {fmt.seeds(shown.n)}, {inference_sentences.where(modes)}."
        ),
        draw=partial(swap_sensitivity, modes.swaps),
        alt="; ".join(
            f"{s.n_swapped} of {s.eval_batch_size}: the mean moves by {s.mean_change.estimate:.3f} (expected"
            f" {s.law:.3f}), {fmt.percent(s.flip_rate.estimate)} change class"
            for s in modes.swaps
        )
        + ".",
        caption=(
            "The image looked at is never replaced; 2 of 8 is the tutorial's example. Line: independent draws."
            f" {_draws(modes)}"
        ),
        table=_swap_table(modes.swaps),
    )


def _draws(modes: Modes) -> str:
    if modes.drawn_by_seed:
        return "Images and companions are drawn by the seed of each network."
    return (
        "All networks share one draw of images and companions, made by an earlier program, so the intervals leave its"
        " error out; study.ablate draws by seed."
    )


def _swap_table(swaps: list[SwapResult]) -> Table:
    columns = [
        count_column("batch", "eval_batch_size"),
        count_column("replaced", "n_swapped"),
        count_column("n", "n"),
        interval_column("batch mean moves, sd", "mean_change", fmt.size),
        Column("expected", lambda law: f"{law:.3f}", ("law",)),
        interval_column("own value moves, sd", "value_change", fmt.size),
        interval_column("logits move", "logit_change", fmt.size),
        interval_column("class flips", "flip_rate", fmt.share),
        Column("with running averages", _flips, ("running_flips", "n_images")),
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
            "running_flips": s.running_flips,
            "n_images": None if s.running_flip_rate is None else s.running_flip_rate.n,
        }
        for s in swaps
    ]
    return Table("swaps", "One image in two batches", columns, rows)


def _flips(k: int | None, n: int | None) -> str:
    return fmt.NO_NUMBER if k is None else f"{k:,} of {n:,}"


def _compositions(modes: Modes) -> Table | None:
    if not modes.compositions:
        return None
    columns = [
        count_column("batch", "eval_batch_size"),
        count_column("n", "n"),
        interval_column("images whose class ever flips", "any_flip", fmt.share),
        interval_column("share of logit variance from companions", "mates_share", fmt.share),
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
    caption = f"All test images in 32 random compositions of the batches. {_draws(modes)}"
    return Table("compositions", caption, columns, rows)


# --- statistics from training


def _statistics(modes: Modes) -> Figure | None:
    if not modes.statistics:
        return None
    worst = max(modes.statistics, key=lambda s: s.mean_error.estimate)
    return Figure(
        name="statistics",
        headline=(
            f"Farthest from the exact mean are {worst.mode.label}, by"
            f" {fmt.size(*fmt.as_triple(worst.mean_error))} standard deviations in layer {worst.layer + 1}"
        ),
        subtitle=(
            "Root mean square error over units of the mean (standard deviations) and of the log variance, against the"
            f" exact statistics of all training images with the final weights; {fmt.seeds(worst.n)},"
            f" {inference_sentences.where(modes)}."
        ),
        draw=partial(statistic_errors, modes.statistics),
        alt="; ".join(_statistic_alt(s) for s in modes.statistics) + ".",
        caption="Bars: intervals over seeds. An error below 1e-9 is that of the arithmetic and is not drawn.",
        table=_statistic_table(modes.statistics),
    )


def _statistic_alt(s: StatisticResult) -> str:
    return (
        f"{s.mode.label}, layer {s.layer + 1}: mean {s.mean_error.estimate:.3f}, log variance"
        f" {s.log_var_error.estimate:.3f}"
    )


def _statistic_table(statistics: list[StatisticResult]) -> Table:
    columns = [
        text_column("statistic", "statistic"),
        count_column("layer", "layer"),
        count_column("n", "n"),
        interval_column("error of the mean, sd", "mean_error", fmt.size),
        interval_column("error of the log variance", "log_var_error", fmt.size),
    ]
    rows = [
        {
            "statistic": s.mode.label,
            "layer": s.layer + 1,
            "n": s.n,
            **interval_values("mean_error", s.mean_error),
            **interval_values("log_var_error", s.log_var_error),
        }
        for s in statistics
    ]
    return Table("statistics", "How far statistics from training lie from the exact ones", columns, rows)


# --- the other cells


def _elsewhere(modes: Modes) -> Table | None:
    if not modes.elsewhere:
        return None
    columns = [
        *(factor_column(factor) for factor in _factors(modes)),
        text_column("way to predict", "way"),
        count_column("n", "n"),
        Column("accuracy", fmt.percent, ("accuracy",)),
        interval_column("against running averages, points", "against_running"),
        interval_column("against no BN, points", "against_no_norm"),
    ]
    rows = [
        {
            **result.cell.said,
            "way": inference_sentences.name(result),
            "n": result.n,
            "accuracy": result.accuracy,
            **interval_values("against_running", result.against_running),
            **interval_values("against_no_norm", result.against_no_norm),
        }
        for result in modes.elsewhere
    ]
    caption = "The main ways to predict in the other cells, on the test images as they are; each interval by itself"
    return Table("modes-cells", caption, columns, rows)


def _factors(modes: Modes) -> list[Factor]:
    """Return the factors that the cells differ in."""
    cell = modes.elsewhere[0].cell
    return [cell.factors[key] for key in cell.said]
