"""The columns that many tables share, each beside the values of a row that it shows."""

from collections.abc import Callable, Sequence
from typing import Any

from analysis.findings.tipping import Tipping
from analysis.records.cells import PLAIN, cell_at, row_of
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.document import Column
from analysis.report.sentences import study_words
from analysis.stats.intervals import Interval
from analysis.stats.paired_tests import Test
from study.spec.factors import Cell, Factor, Level


def cell_columns(study: StudyData, digits: int | None = None) -> list[Column]:
    """Return the columns of ``cell_values``, one a factor of the study, but one for all where they are more than two;
    numbers to so many significant digits."""
    if len(study.cell_key) > PLAIN:
        return [setting_column(study)]
    return [factor_column(factor, digits) for factor in study.design.factors]


def setting_column(study: StudyData) -> Column:
    """Return one column for all of ``cell_values``, for a table that has no room for more."""

    def show(*levels: Level | None) -> str:
        if levels[0] is None:
            return fmt.cell(None) if len(study.design.cells) > 1 else "all pairs"
        return study_words.setting(study, cell_at(study.cell_key, levels))

    return Column("setting", show, study.cell_key, is_text=True)


def levels_columns(factors: Sequence[Factor]) -> list[Column]:
    """Return a column for each of two factors or fewer, one for all where they are more."""
    if len(factors) <= PLAIN:
        return [factor_column(factor) for factor in factors]

    def show(*levels: Level) -> str:
        return ", ".join(f"{of.label} {of.show(level)}" for of, level in zip(factors, levels, strict=True))

    return [Column("setting", show, [factor.key for factor in factors], is_text=True)]


def factor_column(factor: Factor, digits: int | None = None) -> Column:
    def show(level: Level | None) -> str:
        if level is None:
            return "all"
        return factor.show(float(f"{level:.{digits}g}") if digits and isinstance(level, float) else level)

    return Column(factor.label, show, (factor.key,), is_text=factor.kind is str, is_key=True)


def cell_values(study: StudyData, cell: Cell | None) -> dict[str, Level | None]:
    return row_of(cell, study.cell_key)


def of_both(what: str, baseline: str, arm: str, values: tuple[str, ...], show: Callable[..., str]) -> Column:
    """Return a column with a number of either arm, whose head says which is which."""
    return Column(f"{what} {fmt.both(baseline, arm)}", show, values)


def failed_column(baseline: str, arm: str) -> Column:
    return of_both("failed", baseline, arm, ("n_failed_baseline", "n_failed_arm", "n_runs"), counts_of)


def counts_of(of_baseline: int | None, of_arm: int | None, n: int | None) -> str:
    return f"{of_baseline} | {of_arm} of {n}" if n else fmt.NO_NUMBER


def interval_values(name: str, interval: Interval | None) -> dict[str, Any]:
    """Return estimate and ends under ``name``, ``name_low`` and ``name_high``."""
    ends = (None, None, None) if interval is None else fmt.as_triple(interval)
    return dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))


def interval_column(head: str, name: str, show: Callable[..., str] = fmt.estimate) -> Column:
    return Column(head, fmt.or_nothing(show), (name, f"{name}_low", f"{name}_high"))


def pvalue_values(name: str, test: Test | None) -> dict[str, Any]:
    """Return the p-value under ``name`` and, where it is a fraction, what it is a fraction of."""
    values = (None, None, None) if test is None else (test.pvalue, test.n_extreme, test.n_total)
    return dict(zip((name, f"{name}_extreme", f"{name}_patterns"), values, strict=True))


def p_column(head: str, name: str) -> Column:
    return Column(head, fmt.p_fraction, (name, f"{name}_extreme", f"{name}_patterns"))


def tipping_values(found: Tipping | None) -> dict[str, float | None]:
    values = (None, None) if found is None else (found.rate, found.limit)
    return dict(zip(("tipping_rate", "tipping_limit"), values, strict=True))


def tipping_column() -> Column:
    """Return what stands beside every better and worse: the share of collapses that reverses it, and what the seeds
    exclude."""

    def show(rate: float | None, limit: float | None) -> str:
        return fmt.NO_NUMBER if rate is None or limit is None else f"{fmt.rate(rate)} | {fmt.rate(limit)}"

    return Column("collapses that reverse it | excluded above", show, ("tipping_rate", "tipping_limit"))


def count_column(head: str, name: str) -> Column:
    return Column(head, fmt.count, (name,))


def text_column(head: str, name: str) -> Column:
    return Column(head, fmt.text, (name,), is_text=True)
