"""Every way to predict, in every condition and in the other settings: the wide tables of the appendix."""

from typing import Any

from analysis.findings.modes.inference_modes import ModeResult, Modes
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.columns import (
    cell_values,
    count_column,
    interval_column,
    interval_values,
    p_column,
    pvalue_values,
    setting_column,
    text_column,
)
from analysis.report.document import Column, Table
from analysis.report.sentences import inference as inference_sentences
from study.spec.inference.modes import parse


def in_every_condition(modes: Modes) -> Table | None:
    if not modes.results:
        return None
    columns = [
        Column("condition", lambda shift: shift.replace("_", " "), ("shift",), is_text=True),
        count_column("severity", "severity"),
        Column("way to predict", lambda inference: parse(inference).label, ("inference",), is_text=True),
        Column("batch", fmt.count, ("eval_batch_size",)),
        Column("order", _order, ("order",), is_text=True),
        count_column("n", "n_seeds"),
        Column("accuracy", fmt.percent, ("accuracy",)),
        interval_column("against running averages, points", "diff_running"),
        p_column("p, step-down max-T in the condition", "p_running_max_t"),
        interval_column("against no BN, points", "diff_no_bn"),
        p_column("p against no BN, likewise", "p_no_bn_max_t"),
    ]
    return Table("modes", "Every way to predict in every condition", columns, [_row(r) for r in modes.results])


def _order(order: str | None) -> str:
    return fmt.NO_NUMBER if order is None else inference_sentences.ORDERS[order]


def _row(result: ModeResult) -> dict[str, Any]:
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


def elsewhere(study: StudyData, modes: Modes) -> Table | None:
    """Return the main ways in the other settings."""
    if not modes.elsewhere:
        return None
    columns = [
        setting_column(study),
        text_column("way to predict", "way"),
        count_column("n", "n"),
        Column("accuracy", fmt.percent, ("accuracy",)),
        interval_column("against running averages, points", "against_running"),
        interval_column("against no BN, points", "against_no_norm"),
    ]
    rows = [
        {
            **cell_values(study, result.cell),
            "way": inference_sentences.name(result),
            "n": result.n,
            "accuracy": result.accuracy,
            **interval_values("against_running", result.against_running),
            **interval_values("against_no_norm", result.against_no_norm),
        }
        for result in modes.elsewhere
    ]
    caption = "The main ways to predict in the other settings, on the test images as they are; each interval by itself"
    return Table("modes-cells", caption, columns, rows)
