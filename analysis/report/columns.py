"""The columns that many tables share, each beside the values of a row that it shows."""

from collections.abc import Callable
from typing import Any

from analysis.report import number_format as words
from analysis.report.document import Column
from analysis.stats.intervals import Interval
from analysis.stats.paired_tests import Test

CELL = (
    Column("batch size", lambda size: "all" if size is None else str(size), ("batch_size",)),
    Column("rate", words.rate, ("lr",)),
)


def interval_values(name: str, found: Interval | None) -> dict[str, Any]:
    """Estimate and ends under ``name``, ``name_low`` and ``name_high``."""
    ends = (None, None, None) if found is None else words.of(found)
    return dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))


def interval_column(head: str, name: str, show: Callable[..., str] = words.estimate) -> Column:
    return Column(head, _or_nothing(show), (name, f"{name}_low", f"{name}_high"))


def pvalue_values(name: str, found: Test | None) -> dict[str, Any]:
    """The p-value under ``name`` and, where it is a fraction, what it is a fraction of."""
    values = (None, None, None) if found is None else (found.pvalue, found.n_extreme, found.n_total)
    return dict(zip((name, f"{name}_extreme", f"{name}_patterns"), values, strict=True))


def p_column(head: str, name: str) -> Column:
    return Column(head, words.p_fraction, (name, f"{name}_extreme", f"{name}_patterns"))


def count_column(head: str, name: str) -> Column:
    return Column(head, words.count, (name,))


def text_column(head: str, name: str) -> Column:
    return Column(head, words.plain, (name,), words=True)


def _or_nothing(show: Callable[..., str]) -> Callable[..., str]:
    return lambda value, low, high: words.NO_NUMBER if value is None else show(value, low, high)
