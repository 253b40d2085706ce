"""What parts 1 and 2 must say: the answer, what would change it, every seed."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from scipy import stats

from tests.analysis.report.oracle.arithmetic import paired_t, sign_flip
from tests.analysis.report.oracle.records import Contrast, Oracle
from tests.analysis.report.oracle.seeds import seeds_needed
from tests.analysis.report.oracle.spelling import (
    DATA,
    IN_ALL_CELLS,
    POINTS,
    VERDICTS,
    Cell,
    Expected,
    Row,
    all_places,
    either,
    estimate,
    estimates,
    level_text,
    p_equals,
    p_text,
    percent,
    place,
    points,
    seeds,
    spellings,
    unsigned,
    where,
)
from tests.analysis.report.oracle.trust import specification_sentence


def say_answer(o: Oracle, say: Expected) -> None:
    whole, n = o.whole, o.whole.n
    if n < o.seeds_to_reach:
        smallest = f"the exact test cannot fall below p = {min(1, 2 / 2**n):g}"
        say.say("header", f"Only {seeds(n)} with a pair in every cell: {smallest}")
    if n > 1:
        flip = p_equals(sign_flip(o.d).text)
        t = f"Paired t test over {seeds(n)}: {p_equals(p_text(paired_t(o.d)))}."
        say.say("answer", f"{t} Exact sign-flip test, {seeds(n)}: {flip}.")
        say.say("answer", either(_headline(o, text) for text in estimates(whole.ci)))
    say.say("answer", _by_cell(o), *_what_would_change_it(o))


def _headline(o: Oracle, text: str) -> str:
    size, interval = text.split(" ", 1)
    whole, k = o.whole, len(o.of.common)
    cells = "in the one cell" if k == 1 else f"averaged over the {k} cells"
    design = "this design that nobody tuned," if o.of.is_tuned else "this design"
    why = f"it cannot be tested, since {whole.reason}" if whole.reason else VERDICTS[whole.verdict]
    return (
        f"test accuracy differs by {size} points from that with no batch normalisation ({level_text(o.level)} interval"
        f" {interval}, {seeds(whole.n)}), {cells} of {design} on {DATA[o.of.dataset]}: here {why}."
    )


def _by_cell(o: Oracle) -> str:
    counts = Counter(cell.verdict for cell in o.in_cells)
    tally = ", ".join(f"{said} in {count}" for said, count in sorted(counts.items(), key=lambda item: -item[1]))
    if sum(cell.n > 0 for cell in o.in_cells) < 2 or set(counts) == {"not testable"}:
        return f"By cell: {tally}."
    smallest, largest = extremes_of(o)
    exploratory = "" if paired_t(o.d) <= o.alpha else " Exploratory, since the test over all cells did not reject."
    return (
        f"Of {len(o.in_cells)} cells, tested together (step-down max-T): {tally}.{exploratory} The difference runs"
        f" from {points(smallest.mean)} points ({place(smallest.cell)}) to {points(largest.mean)} points"
        f" ({place(largest.cell)})."
    )


def extremes_of(o: Oracle) -> tuple[Contrast, Contrast]:
    known = [cell for cell in o.in_cells if cell.n]
    return min(known, key=lambda cell: cell.mean), max(known, key=lambda cell: cell.mean)


def _what_would_change_it(o: Oracle) -> Iterator[str]:
    whole = o.whole
    if whole.verdict == "not testable":
        return
    yield specification_sentence(o) or ""
    least = float(stats.t.isf(o.alpha / 2, whole.n - 1) * stats.sem(o.d))
    yield either(
        f"the paired t test rejects where the mean difference is at least {small.lstrip('+')} points in size; it is"
        f" {ours}."
        for places in all_places(whole.ci, POINTS)
        for small in spellings(least, places, POINTS)
        for ours in spellings(whole.mean, places, POINTS)
    )
    if whole.verdict == "inconclusive":
        needed, margin = seeds_needed(o.margin / float(o.d.std(ddof=1)), o.alpha), unsigned(points(o.margin))
        yield f"{needed:,} are needed to detect the margin of {margin} points with 80 % power, and there are {whole.n}."


def say_seed_by_seed(o: Oracle, say: Expected) -> None:
    of, rows = o.of, []
    if not o.whole.n:
        return
    scopes: list[tuple[Cell | None, list[int]]] = [(None, of.common), *((of.cells[i], [i]) for i in of.common)]
    for cell, columns in scopes:
        there = of.complete(columns)
        a, b = (of.score["last3"][arm][there][:, columns].mean(1) for arm in ("no_bn", "bn"))
        rows += [
            (IN_ALL_CELLS if cell is None else where(cell))
            | {
                "seed": str(seed),
                "without BN": percent(x),
                "with BN": percent(y),
                "difference, points": points(y - x),
            }
            for seed, x, y in zip(np.array(of.seeds)[there], a, b, strict=True)
        ]
    say.table("pairs-bn", ("batch size", "rate", "seed"), rows)
    ahead = int((o.d > 0).sum())
    mean = estimate(o.whole.ci)
    say.say("seeds", f"Better with BN in {ahead} of {seeds(o.whole.n)}: the mean difference is {mean} points")
    shown = next(cell for cell in o.in_cells if cell.cell == o.shown)
    panels = [o.whole, *([shown] if len(o.in_cells) > 1 and shown.n else [])]
    say.say("seeds", *(_panel(panel, rows) for panel in panels))


def _panel(panel: Contrast, rows: Sequence[Row]) -> str:
    at = [row for row in rows if panel.where.items() <= row.items()]
    pairs = "; ".join(f"seed {row['seed']}: {row['without BN']} to {row['with BN']}" for row in at)
    return f"In {place(panel.cell)}, without BN to with BN: {pairs}. Mean {estimate(panel.ci)} points."
