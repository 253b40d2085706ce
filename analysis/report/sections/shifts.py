"""Figure of the inference modes under covariate shift: images that have changed since training."""

import math
from functools import partial
from typing import Any

import numpy as np

from analysis.findings.modes.inference_modes import CLEAN, ModeResult, Modes
from analysis.report import inference_sentences
from analysis.report import number_format as fmt
from analysis.report.columns import count_column, interval_column, interval_values, p_column, pvalue_values, text_column
from analysis.report.document import Column, Figure, Table
from analysis.report.figures.modes import shift_map

SHOWN_SEVERITIES = (1, 3, 5)
FIXED_SIZES = (8, 32, 128, 512)


def figure(modes: Modes) -> Figure | None:
    shifted = [r for r in modes.results if (r.shift, r.severity) != CLEAN and r.inference != "running"]
    if not shifted:
        return None
    labels, columns, values = _matrix([r for r in shifted if r.severity in (0, *SHOWN_SEVERITIES)])
    return Figure(
        name="shifts",
        headline=_shift_headline(shifted),
        subtitle=(
            "Test accuracy minus that with the running averages, in points, on the same images, by what was done to"
            f" them (rows) and way to predict (columns); {counted(shifted)}, {inference_sentences.where(modes)}."
        ),
        draw=partial(shift_map, labels, columns, values),
        alt="; ".join(_shift_alt(label, columns, row) for label, row in zip(labels, values, strict=True)) + ".",
        caption=(
            "Severities 1, 3 and 5 of five; test batches are shuffled, the number is their size. The table has all"
            " conditions, with intervals."
        ),
        table=_condition_table(modes.results),
    )


def _shift_headline(shifted: list[ModeResult]) -> str:
    most = max(shifted, key=lambda r: abs(r.against_running.estimate))
    size = fmt.estimate(*fmt.as_triple(most.against_running))
    where = inference_sentences.condition(most.shift, most.severity)
    return f"The largest change: {size} points under {where}, with {inference_sentences.name(most)}"


def _matrix(shifted: list[ModeResult]) -> tuple[list[str], list[str], np.ndarray]:
    """Return labels of rows and columns, and the differences in points, NaN where there is none."""
    rows = list(dict.fromkeys((r.shift, r.severity) for r in shifted))
    columns = list(dict.fromkeys(_mode_label(r) for r in shifted))
    values = np.full((len(rows), len(columns)), np.nan)
    for r in shifted:
        place = rows.index((r.shift, r.severity)), columns.index(_mode_label(r))
        values[place] = 100 * r.against_running.estimate
    return [inference_sentences.condition(*row) for row in rows], columns, values


def _mode_label(result: ModeResult) -> str:
    """Return a short label, a word a line; a batch of all images is called so, however many the condition leaves."""
    size = result.eval_batch_size
    number = [] if size is None else [str(size) if size in FIXED_SIZES else "all"]
    return "\n".join([*result.inference.split("_"), *number])


def _shift_alt(label: str, columns: list[str], row: np.ndarray) -> str:
    changes = [
        f"{column.replace(chr(10), ' ')} {fmt.signed(value, 1)}"
        for column, value in zip(columns, row, strict=True)
        if math.isfinite(value)
    ]
    return f"{label}: {', '.join(changes)}"


def _condition_table(results: list[ModeResult]) -> Table:
    columns = [
        text_column("condition", "shift"),
        count_column("severity", "severity"),
        text_column("way", "inference"),
        Column("batch", fmt.count, ("eval_batch_size",)),
        text_column("order", "order"),
        count_column("n", "n_seeds"),
        Column("accuracy", fmt.percent, ("accuracy",)),
        interval_column("against running averages, points", "diff_running"),
        p_column("p, step-down max-T in the condition", "p_running_max_t"),
        interval_column("against no BN, points", "diff_no_bn"),
        p_column("p against no BN, likewise", "p_no_bn_max_t"),
    ]
    return Table("modes", "Every way to predict in every condition", columns, [_full_row(r) for r in results])


def _full_row(result: ModeResult) -> dict[str, Any]:
    return {
        "shift": result.shift,
        "severity": result.severity,
        "inference": result.inference,
        "eval_batch_size": result.eval_batch_size,
        "order": result.order,
        "n_seeds": result.n,
        "accuracy": result.accuracy,
        "loss": result.loss,
        "ece": result.ece,
        "flip_rate": result.flip_rate,
        **interval_values("diff_running", result.against_running),
        **pvalue_values("p_running_max_t", result.p_running),
        **interval_values("diff_no_bn", result.against_no_norm),
        **pvalue_values("p_no_bn_max_t", result.p_no_norm),
        "degenerate": result.degenerate,
    }


def counted(results: list[ModeResult]) -> str:
    return fmt.seeds(max(r.n for r in results))
