"""What the comparison with another study must say."""

from typing import Any

import numpy as np

from tests.analysis.report.oracle.arithmetic import one_family, paired_t, snapped, t_interval
from tests.analysis.report.oracle.records import Oracle
from tests.analysis.report.oracle.spelling import (
    IN_ALL_CELLS,
    Cell,
    Expected,
    Interval,
    Row,
    estimate,
    p_text,
    place,
    where,
)


def say_compared(o: Oracle, say: Expected) -> None:
    if o.other is None:
        return
    here, there = o.of, o.other
    cells = [cell for cell in (here.cells[i] for i in here.common) if cell in [there.cells[i] for i in there.common]]
    columns = [[study.cells.index(cell) for cell in cells] for study in (here, there)]
    complete = [study.complete(at) for study, at in zip((here, there), columns, strict=True)]
    tables = [
        dict(zip(np.array(study.seeds)[rows], study.difference()[rows][:, at], strict=True))
        for study, at, rows in zip((here, there), columns, complete, strict=True)
    ]
    common = sorted(set(tables[0]) & set(tables[1]))
    d = snapped([tables[0][seed] - tables[1][seed] for seed in common]).reshape(len(common), len(cells))
    means = snapped(d.mean(1))
    sides = [t_interval(snapped([row.mean() for row in table.values()]), o.level) for table in tables]
    found: list[tuple[Any, ...]] = [(None, *sides, t_interval(means, o.level), p_text(paired_t(means)))]
    for i, (test, difference) in enumerate(one_family(d, o.alpha)):
        alone = (
            t_interval(study.difference()[study.paired[:, at[i]], at[i]], o.level)
            for study, at in zip((here, there), columns, strict=True)
        )
        found.append((cells[i], *alone, difference, test.text))
    say.table("compared-bn", ("batch size", "rate"), (_compared_row(*one) for one in found))
    say.say(
        "compared",
        f"Over the common cells the difference is {estimate(sides[0])} points here and {estimate(sides[1])} there",
        *(f"{place(cell)}: {estimate(a)} here, {estimate(b)} there" for cell, a, b, *_ in found),
    )


def _compared_row(cell: Cell | None, here: Interval, there: Interval, difference: Interval, p: str) -> Row:
    return (IN_ALL_CELLS if cell is None else where(cell)) | {
        "this study, points": estimate(here),
        "n": str(here.n),
        "the other, points": estimate(there),
        "n (2)": str(there.n),
        "this minus the other [cells: all at once]": estimate(difference),
        "p, all cells: paired t; cells: adjusted (sup-t)": p,
        "common seeds": str(difference.n),
    }
