"""What is said of other studies: the finding, what was compared with what, and a line a study for the terminal."""

import math
from collections.abc import Iterator, Sequence

from analysis.findings.comparison import Best, Comparison
from analysis.report import number_format as fmt
from analysis.report.sections.compared.rows import Beside, Entry, Row, lead, rows
from study.spec.factors import rounded

CHOSEN = {
    "tuned": "chosen by one search",
    "cross-fitted": "each seed scored where the other seeds chose",
    "cell": "the only setting",
}
"""How a best setting was found, by its source."""


def by_arm(comparisons: Sequence[Comparison]) -> dict[str, list[Comparison]]:
    """Return the comparisons of every arm."""
    found: dict[str, list[Comparison]] = {}
    for comparison in comparisons:
        found.setdefault(comparison.arm, []).append(comparison)
    return found


def headline(of_arm: Sequence[Comparison]) -> str:
    """Return the finding: how two studies' differences compare, or from where to where those of several reach."""
    every = rows(of_arm)
    leads = [lead(every, comparison) for comparison in of_arm]
    if len(of_arm) == 1:
        return _of_two(leads[0])
    sizes = [entry.interval.estimate for row in leads for entry in row.entries]
    known = [size for size in sizes if not math.isnan(size)]
    if not known:
        return f"No difference can be given for {len(of_arm) + 1} studies"
    ends = [*dict.fromkeys(fmt.points(end) for end in (min(known), max(known)))]
    reach = f"from {ends[0]} to {ends[1]}" if len(ends) > 1 else f"of {ends[0]}"
    return f"Differences {reach} points in {len(of_arm) + 1} studies"


def _of_two(row: Row) -> str:
    here, there = row.entries
    unknown = [entry.study for entry in row.entries if math.isnan(entry.interval.estimate)]
    if unknown:
        return f"No difference can be given for {fmt.listing(unknown)}"
    a, b = (fmt.points(entry.interval.estimate) for entry in row.entries)
    less = there.beside.difference if there.beside else here.interval
    if math.isnan(less.low) or math.isinf(less.low):
        return f"{a} points in {here.study}, {b} in {there.study}"
    if less.low <= 0 <= less.high:
        return f"No significant difference between {here.study} and {there.study}: {a} and {b} points"
    size = fmt.estimate(*fmt.as_triple(less)).partition(" ")[0].lstrip("+-")
    side = "higher" if less.estimate > 0 else "lower"
    return f"Difference {size} points {side} in {here.study} than in {there.study}"


def common(comparison: Comparison) -> str:
    """Return what two studies have in common, and what their designs do not."""
    n, name = max(0, len(comparison.sides) - 1), comparison.name
    if not n:
        found = f"{name} has no setting in common with {comparison.study}: each arm is compared at its best"
    else:
        found = f"{name} has {fmt.units(n, 'settings')} in common with {comparison.study}"
        shared = (
            f"and {fmt.seeds(comparison.n_common)}" if comparison.n_common else "but no seed to compare them within"
        )
        found += f", {shared}"
    return f"{found}. The designs differ: {'; '.join(comparison.differs)}." if comparison.differs else f"{found}."


def at_best(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Yield where each study has the arms at their best."""
    bests: dict[str, Best] = {}
    for comparison in comparisons:
        if comparison.best is not None:
            bests |= {comparison.study: comparison.best.here, comparison.name: comparison.best.there}
    for study, best in bests.items():
        yield f"Each arm at its best in {study}: {_place(best)}."


def _place(best: Best) -> str:
    if not best.cells:
        return "each search chose its own settings"
    cells = {fmt.cell(rounded(cell)) for cell in best.cells.values()}
    at = (
        f"both arms at {cells.pop()}"
        if len(cells) == 1
        else "; ".join(f"{fmt.side(arm)} at {fmt.cell(rounded(cell))}" for arm, cell in best.cells.items())
    )
    return f"{at}, {CHOSEN[best.source]}"


def numbers(comparisons: Sequence[Comparison]) -> list[tuple[str, str]]:
    """Return lines for the terminal, a study each: its difference, and how that of the first study compares."""
    found = by_arm(comparisons)
    lines = []
    for arm, of_arm in found.items():
        which, every = (f"{fmt.side(arm)}: " if len(found) > 1 else ""), rows(of_arm)
        for row in _leads(every, of_arm):
            lines += [(f"{which}{entry.study}", _line(row, entry)) for entry in _told_of(row, every, of_arm)]
    return lines


def _leads(every: Sequence[Row], of_arm: Sequence[Comparison]) -> list[Row]:
    """Return each row once that a comparison is told by."""
    found = [lead(every, comparison) for comparison in of_arm]
    return [row for i, row in enumerate(found) if row not in found[:i]]


def _told_of(row: Row, every: Sequence[Row], of_arm: Sequence[Comparison]) -> list[Entry]:
    """Return the first study's entry, and those of the others that lead with this row."""
    names = [comparison.name for comparison in of_arm if lead(every, comparison) is row]
    return [entry for entry in row.entries if entry.beside is None or entry.study in names]


def _line(row: Row, entry: Entry) -> str:
    size = fmt.estimate(*fmt.as_triple(entry.interval))
    known = "no difference" if math.isnan(entry.interval.estimate) else f"{size} points"
    found = f"{known}, {fmt.units(entry.interval.n, entry.unit)} ({row.label})"
    return found if entry.beside is None else f"{found}{_less(row.entries[0].study, entry.study, entry.beside)}"


def _less(here: str, there: str, beside: Beside) -> str:
    if math.isnan(beside.difference.estimate):
        return ""
    return f"; {here} minus {there}: {fmt.estimate(*fmt.as_triple(beside.difference))}"
