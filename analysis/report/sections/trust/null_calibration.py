"""How often does each method find a difference where there is none?"""

from collections.abc import Sequence
from typing import Any

from analysis.findings.results import Findings
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.columns import count_column, interval_column
from analysis.report.document import Block, Column, Paragraph, Table
from analysis.stats.null_calibration import TypeIErrorRate

CAPTION = "False positives when labels are swapped (A/A test)"
IN_WORDS = {
    "paired t over the grid": ("mean over all settings, paired t test", "paired t test"),
    "sign-flip over the grid": ("mean over all settings, sign-flip test", "sign-flip test"),
    "Wilcoxon over the grid": ("mean over all settings, Wilcoxon test", "Wilcoxon test"),
    "bootstrap-t interval over the grid": ("mean over all settings, bootstrap-t interval", "bootstrap-t interval"),
    "any cell or their mean, sup-t": ("any setting or their mean, sup-t", "sup-t"),
    "any cell, step-down max-T": ("any setting, step-down max-T", "step-down max-T"),
    "any cell, t uncorrected": ("any setting, uncorrected t test", "uncorrected t test"),
}
"""The methods as a reader knows them, in a study of several settings and of one."""


def blocks(study: StudyData, of_arm: Findings) -> list[Block]:
    if not of_arm.sizes:
        return []
    wanted, is_one = fmt.level(of_arm.alpha), len(study.design.cells) == 1
    columns = [
        Column("method", lambda method: IN_WORDS[method][is_one], ("method",), is_text=True),
        count_column("seeds", "n"),
        count_column("false positives", "n_rejected"),
        Column("of swaps", lambda n, every: f"{'all ' if every else ''}{n:,}", ("n_swaps", "every_swap")),
        interval_column(f"share (at most {wanted} wanted)", "size", _share),
    ]
    at_once = "" if is_one else " in all settings at once"
    about = (
        f"{CAPTION}. Within each seed we swap the arms' labels{at_once}, so nothing is left to find. Then we run each"
        " method again. Over all swaps an exact method cannot exceed its level. Swapping makes every difference as"
        " likely as its opposite. So the table cannot show what a skewed distribution does to a method, such as rare"
        " collapses of one arm."
    )
    rows = [_row(size) for size in of_arm.sizes]
    table = Table(f"sizes-{of_arm.arm}", CAPTION, columns, rows)
    return [Paragraph(about), table, Paragraph(_above(of_arm.sizes, wanted, is_one))]


def _above(sizes: Sequence[TypeIErrorRate], wanted: str, is_one: bool) -> str:
    """Return which methods have more false positives than are wanted."""
    above = [f"{IN_WORDS[size.method][is_one]} ({fmt.percent(size.size)})" for size in sizes if size.exceeds]
    if not above:
        return f"No method is shown to have more than {wanted} false positives."
    finds = "this method finds" if len(above) == 1 else "these methods find"
    return f"More than {wanted} false positives: {'; '.join(above)}. On data like these, {finds} too many differences."


def _share(size: float, low: float, high: float) -> str:
    return fmt.percent(size) if low == high else fmt.share(size, low, high)


def _row(size: TypeIErrorRate) -> dict[str, Any]:
    return {
        "method": size.method,
        "n": size.n,
        "n_rejected": size.n_rejected,
        "n_swaps": size.n_swaps,
        "every_swap": size.every_swap,
        "size": size.size,
        "size_low": size.low,
        "size_high": size.high,
    }
