"""What part 4 must say: curves, the tutorial's numbers, the difference over epochs."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from tests.analysis.report.oracle.arithmetic import snapped, sup_t, t_interval
from tests.analysis.report.oracle.records import Oracle
from tests.analysis.report.oracle.spelling import (
    CHANCE,
    IN_ALL_CELLS,
    SHARE,
    SIDE,
    SIZE,
    Cell,
    Expected,
    Interval,
    Row,
    ends,
    estimate,
    level_text,
    percent,
    place,
    seeds,
    where,
)


def _curve_rows(o: Oracle, cell: Cell, arm: str, split: str, metric: str) -> list[Row]:
    """The mean over all runs, a diverged one guessing from there on, with the band of the whole curve."""
    rows = o.of.records
    rows = rows[(rows.arm == arm) & (rows.batch_size == cell[0]) & (rows.lr == cell[1]) & (rows.split == split)]
    rows = rows[rows.status != "not_applicable"]
    if rows.empty:
        return []
    table = rows.pivot(index="seed", columns="epoch", values=metric)
    unit, guessing = (SIZE, math.log(1 / CHANCE)) if metric == "loss" else (SHARE, CHANCE)
    gone = table.isna().sum()
    return [
        where(cell)
        | {
            "arm": SIDE[arm],
            "split": split,
            "metric": metric,
            "epoch": str(epoch),
            "n": str(len(table)),
            "of these diverged by then": str(gone[epoch]),
            "mean [band]": estimate(band, unit),
        }
        for epoch, band in zip(table.columns, sup_t(table.fillna(guessing).to_numpy(float), o.level), strict=True)
    ]


def say_curves(o: Oracle, say: Expected) -> None:
    keys = ("batch size", "rate", "arm", "split", "metric", "epoch")
    each = [
        _curve_rows(o, o.shown, arm, split, metric)
        for arm in ("bn", "no_bn")
        for split in ("test", "train")
        for metric in ("loss", "accuracy")
    ]
    say.table("curves", keys, itertools.chain(*each))
    last = [rows[-1] for rows in each if rows]
    tested = [row for row in last if (row["metric"], row["split"]) == ("accuracy", "test")]
    accuracy = " and ".join(f"{row['mean [band]']} {row['arm']}{_diverged(row)}" for row in tested)
    say.say("curves", f"At {place(o.shown)} test accuracy ends at {accuracy}")
    say.say("curves", f"After the last epoch: {'; '.join(map(_last, last))}.")
    if len(o.of.cells) > 1:
        _curves_by_cell(o, say, keys)


def _last(row: Row) -> str:
    split = {"train": "training", "test": "test"}[row["split"]]
    return f"{split} {row['metric']} {row['arm']} {row['mean [band]']}, {row['n']} seeds{_diverged(row)}"


def _diverged(row: Row) -> str:
    gone = row["of these diverged by then"]
    return "" if gone == "0" else f" ({gone} of {row['n']} runs diverged)"


def _curves_by_cell(o: Oracle, say: Expected, keys: Sequence[str]) -> None:
    each = {
        (cell, arm): rows
        for cell in o.of.cells
        for arm in ("bn", "no_bn")
        if (rows := _curve_rows(o, cell, arm, "test", "accuracy"))
    }
    say.table("by-cell", keys, itertools.chain(*each.values()))
    ends = [f"{place(cell)}, {_last(rows[-1])}" for (cell, _), rows in each.items()]
    say.say("curves", f"After the last epoch: {'; '.join(ends)}.")
    means = {
        (cell, arm): round(float(np.nanmean(o.of.score["final"][arm][:, o.of.cells.index(cell)])), 12)
        for cell, arm in each
    }
    if not all(rows[-1]["of these diverged by then"] == rows[-1]["n"] for rows in each.values()):
        cell, arm = max(means, key=lambda key: means[key])
        last = each[cell, arm][-1]
        best = f"{last['mean [band]']} {SIDE[arm]}{_diverged(last)}"
        say.say("curves", f"The best mean after the last epoch is {best}, at {place(cell)}")


def say_claims(o: Oracle, say: Expected) -> None:
    """The tutorial's two numbers against where one more run would lie."""
    of, cell = o.of, (32, 0.01)
    if (of.dataset, of.epochs, of.hidden) != ("mnist", 10, [32, 32]) or cell not in of.cells:
        return
    rows = []
    for arm, claimed in (("no_bn", 0.9555), ("bn", 0.978)):
        i = of.cells.index(cell)
        n_runs, final = int(of.there[arm][:, i].sum()), of.score["final"][arm][:, i]
        final = final[of.there[arm][:, i] & ~of.failed[arm][:, i]]
        n, mean = len(final), float(final.mean())
        half = float(stats.t.isf(o.alpha / 2, n - 1) * final.std(ddof=1) * math.sqrt(1 + 1 / n))
        ours, inside = Interval(mean, mean - half, mean + half, n), abs(claimed - mean) <= half
        rows.append({
            "arm": SIDE[arm],
            "tutorial, one run": percent(claimed),
            "our runs that learned": f"{n} of {n_runs}",
            "their mean [where one more run that learns would lie]": estimate(ours, SHARE),
            "inside": "yes" if inside else "no",
        })  # fmt: skip
        say.say(
            "curves",
            f"The tutorial reports {percent(claimed)} {SIDE[arm]}, {'inside' if inside else 'outside'} our"
            f" {level_text(o.level)} prediction interval for one more run{' that learns' if n < n_runs else ''}:"
            f" {estimate(ours, SHARE)} ({f'{n} of {n_runs} runs that learned' if n < n_runs else seeds(n)}).",
        )
    say.table("tutorial", ("arm",), rows)


def say_gaps(o: Oracle, say: Expected) -> None:
    of, rows, said = o.of, [], ""
    d = np.where(of.paired[:, :, None], snapped(of.filled("bn") - of.filled("no_bn")), np.nan)
    scopes: list[tuple[Cell | None, list[int]]] = [(None, of.common), *((of.cells[i], [i]) for i in of.common)]
    for cell, columns in scopes:
        table = snapped(d[:, columns].mean(axis=1)[of.complete(columns)])
        bands = sup_t(table, o.level) if len(table) else [Interval(math.nan)] * of.epochs
        rows += [
            (IN_ALL_CELLS if cell is None else where(cell))
            | {
                "epoch": str(epoch),
                "n": str(len(table)),
                "difference [this epoch alone]": estimate(t_interval(table[:, epoch - 1], o.level)),
                "[all epochs at once]": ends(band),
            }
            for epoch, band in enumerate(bands, 1)
        ]
        if len(table) and cell in (None, o.shown) and not said:
            said = "Over all cells" if cell is None else f"At {place(cell)}"
            early, late = (estimate(bands[i]) for i in (0, -1))
            say.say(
                "curves",
                f"{said} the difference is {early} points after epoch 1 and {late} after epoch {of.epochs}",
            )
    if said:
        say.table("gap-bn", ("batch size", "rate", "epoch"), rows)
