"""How does the difference change from level to level of each factor? Neighbouring numbers, every two names."""

import math
from collections.abc import Iterator, Sequence
from functools import partial

from analysis.findings.results import Findings
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report import small_multiples
from analysis.report.columns import count_column, interval_column, interval_values, p_column, pvalue_values, text_column
from analysis.report.document import Block, Figure, Paragraph, Table
from analysis.report.figures import forest
from analysis.report.figures.style import arm_style
from analysis.stats.grid import LevelDifference

MOST_NAMED = 2
"""Factors that a headline names."""
AVERAGED = "averaged over the other factors"


def evidence(study: StudyData, of_arm: Findings) -> list[Block]:
    """Return the figure, of a study with more factors than its map shows at once."""
    return [_figure(study, of_arm)] if _is_drawn(study, of_arm) else []


def details(study: StudyData, of_arm: Findings) -> Iterator[Block]:
    """Yield the changes in words, and their table where no figure has it."""
    if of_arm.level_differences:
        yield _about(study, of_arm)
        if not _is_drawn(study, of_arm):
            yield _table(study, of_arm)


def _is_drawn(study: StudyData, of_arm: Findings) -> bool:
    known = any(math.isfinite(step.interval.low) for step in of_arm.level_differences)
    return known and small_multiples.has_panels(study)


def _figure(study: StudyData, of_arm: Findings) -> Figure:
    steps = of_arm.level_differences
    rows = [_levels(study, step) for step in steps]
    style, intervals = arm_style(of_arm.arm), [step.interval for step in steps]
    series = [forest.Series(fmt.side(of_arm.arm), style["color"], style["marker"], intervals)]
    found = [f"{row}: {fmt.estimate(*fmt.as_triple(step.interval))}" for row, step in zip(rows, steps, strict=True)]
    return Figure(
        name=f"levels-{of_arm.arm}",
        headline=_headline(study, steps),
        subtitle=(
            f"Change of the difference {fmt.side(of_arm.arm)} minus {fmt.side(of_arm.baseline)} between levels of a"
            f" factor, in points, {AVERAGED}; {fmt.seeds(steps[0].interval.n)}."
        ),
        draw=partial(forest.forest, rows, series),
        alt="; ".join(found) + ".",
        caption=(
            f"Bars: {fmt.level(steps[0].interval.level)} intervals that hold for all changes together (sup-t). Right of"
            " zero the second level has the larger difference. All pairs count, failures as they ended."
        ),
        table=_table(study, of_arm),
    )


def _headline(study: StudyData, steps: Sequence[LevelDifference]) -> str:
    """Return in at most 12 words along which factors the difference is shown to change."""
    changing = {step.name for step in steps if step.interval.low > 0 or step.interval.high < 0}
    several = {step.name for step in steps}
    names = [factor.label for factor in study.design.factors if factor.key in changing]
    if not names:
        return f"No change of the difference is shown along {fmt.units(len(several), 'factors')}"
    if len(names) <= MOST_NAMED:
        return f"The difference changes with {fmt.listing(names)}"
    return f"The difference changes with {len(names)} of {fmt.units(len(several), 'factors')}"


def _about(study: StudyData, of_arm: Findings) -> Paragraph:
    steps = [
        f"{fmt.estimate(*fmt.as_triple(step.interval))} points from {_levels(study, step)}"
        for step in of_arm.level_differences
    ]
    n, few = of_arm.level_differences[0].interval.n, of_arm.level_differences[0].interval.reason
    together = f"{fmt.seeds(n)} are too few for intervals" if few else "the intervals are simultaneous"
    return Paragraph(
        f"How the difference changes between levels, {AVERAGED}: {'; '.join(steps)}. All pairs"
        f" count, failures as they ended; {together}."
    )


def _levels(study: StudyData, step: LevelDifference) -> str:
    factor = next(factor for factor in study.design.factors if factor.key == step.name)
    return f"{factor.label} {factor.show(step.lower)} to {factor.show(step.upper)}"


def _table(study: StudyData, of_arm: Findings) -> Table:
    columns = [
        text_column("levels", "levels"),
        count_column("n", "n"),
        interval_column("change of the difference, points [simultaneous]", "change"),
        p_column("p, adjusted (sup-t)", "p_adjusted"),
    ]
    rows = [
        {
            "levels": _levels(study, step),
            "n": step.interval.n,
            **interval_values("change", step.interval),
            **pvalue_values("p_adjusted", step.test),
        }
        for step in of_arm.level_differences
    ]
    caption = f"How the difference changes between levels, {AVERAGED}"
    return Table(f"levels-{of_arm.arm}", caption, columns, rows)
