"""How do the arms do where all classes weigh the same? A note with the answer, and a table of every setting."""

from collections.abc import Iterator, Sequence

from analysis.findings.secondary.balanced_accuracy import BalancedAccuracy
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.columns import cell_values, count_column, interval_values, setting_column
from analysis.report.document import Block, Column, Row, Table


def notes(study: StudyData, found: Sequence[BalancedAccuracy]) -> Iterator[str]:
    """Yield what guessing scores on unequal classes, and the balanced accuracy of the first arm."""
    data = study.design.data
    if not data.counts:
        return
    largest = data.counts.index(max(data.counts))
    name = data.classes[largest] if data.classes else f"class {largest}"
    yield (
        f"The classes are not of equal size: always answering \u201c{name}\u201d scores {fmt.percent(study.chance, 1)}."
        f"{_balanced(found[0]) if found else ''}"
    )


def _balanced(one: BalancedAccuracy) -> str:
    difference = fmt.estimate(*fmt.as_triple(one.difference))
    where = f"at {fmt.cell(one.cell)}" if one.cell else "in the mean over the settings"
    return (
        f" Balanced accuracy after the last epoch, the mean over the classes, is {fmt.percent(one.of_baseline, 1)}"
        f" {fmt.side(one.baseline)} and {fmt.percent(one.of_arm, 1)} {fmt.side(one.arm)} {where}: {difference} points."
    )


def details(study: StudyData, found: Sequence[BalancedAccuracy]) -> list[Block]:
    """Return the table of every arm and setting; nothing where the classes are of equal size."""
    if not found:
        return []
    arm = [Column("arm", fmt.side, ("arm",), is_text=True)] if len(study.treatments) > 1 else []
    columns = [
        setting_column(study),
        *arm,
        Column(fmt.side(study.baseline), fmt.percent, ("baseline",)),
        Column("the arm" if arm else fmt.side(study.treatments[0]), fmt.percent, ("of_arm",)),
        Column("difference [interval]", fmt.estimate, ("difference", "difference_low", "difference_high")),
        count_column("seeds", "n"),
    ]
    caption = (
        "Balanced accuracy after the last epoch: the mean over the classes of the share answered correctly. Each"
        f" interval is a paired t interval by itself; guessing scores {fmt.percent(_guessing(study), 1)}"
    )
    return [Table("balanced-accuracy", caption, columns, [_row(study, one) for one in found])]


def _guessing(study: StudyData) -> float:
    return 1 / sum(count > 0 for count in study.design.data.counts or (1,))


def _row(study: StudyData, one: BalancedAccuracy) -> Row:
    return {
        **cell_values(study, one.cell),
        "arm": one.arm,
        "baseline": one.of_baseline,
        "of_arm": one.of_arm,
        **interval_values("difference", one.difference),
        "n": one.n,
    }
