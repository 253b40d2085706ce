"""What the part on learning must say: curves, the tutorial's numbers, the difference over epochs, where the gain is."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from scipy import stats

from tests.analysis.report.oracle.arithmetic import snapped, sup_t, t_interval
from tests.analysis.report.oracle.records import ARMS, Oracle
from tests.analysis.report.oracle.spelling import (
    CHANCE,
    NUMBER,
    POINTS,
    SHARE,
    SIDE,
    SIZE,
    Cell,
    Expected,
    Interval,
    Row,
    either,
    ends,
    estimate,
    every_spelling,
    level_text,
    percent,
    place,
    seeds,
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
        {
            "setting": place(cell),
            "arm": SIDE[arm],
            "images": split,
            "metric": metric,
            "epoch": str(epoch),
            "runs": str(len(table)),
            "diverged by then": str(gone[epoch]),
            "mean [band]": estimate(band, unit),
        }
        for epoch, band in zip(table.columns, sup_t(table.fillna(guessing).to_numpy(float), o.level), strict=True)
    ]


def say_curves(o: Oracle, say: Expected) -> None:
    each = [
        _curve_rows(o, o.shown, arm, split, metric)
        for arm in ("bn", "no_bn")
        for split in ("test", "train")
        for metric in ("loss", "accuracy")
    ]
    if _trained(each):
        say.table("curves", ("arm", "images", "metric", "epoch"), _without(("setting",), each))
        last = [rows[-1] for rows in each if rows]
        say.say("curves", f"After the last epoch: {'; '.join(map(_last, last))}.")
        tested = [row for row in last if (row["metric"], row["images"]) == ("accuracy", "test")]
        ends = [f"{every_estimate(row['mean [band]'])} {row['arm']}" for row in tested]
        lost = all(row["diverged by then"] == row["runs"] for row in tested)
        say.say("curves", "Every run at this setting diverged" if lost else f"Test accuracy ends at {', '.join(ends)}")
    if len(o.of.cells) > 1:
        _curves_by_setting(o, say)


def _without(heads: Sequence[str], each: Iterable[Sequence[Row]]) -> Iterator[Row]:
    """The rows of all, less what is the same in each."""
    return ({head: text for head, text in row.items() if head not in heads} for rows in each for row in rows)


def _trained(each: Iterable[Sequence[Row]]) -> bool:
    """Whether any run has a number after a trained epoch."""
    return any(int(row["diverged by then"]) < int(row["runs"]) for rows in each for row in rows[1:])


def every_estimate(text: str) -> str:
    """The estimates alone of what ``estimate`` wrote, in all their spellings."""
    return either(re.sub(r" \[.*", "", one) for one in every_spelling(text))


def _last(row: Row) -> str:
    split = {"train": "training", "test": "test"}[row["images"]]
    gone = row["diverged by then"]
    lost = "" if gone == "0" else f" ({gone} of {row['runs']} runs diverged)"
    return f"{split} {row['metric']} {row['arm']} {row['mean [band]']}, {seeds(int(row['runs']))}{lost}"


def _curves_by_setting(o: Oracle, say: Expected) -> None:
    each = {
        (cell, arm): rows
        for cell in o.of.cells
        for arm in ("bn", "no_bn")
        if (rows := _curve_rows(o, cell, arm, "test", "accuracy"))
    }
    if not _trained(each.values()):
        return
    say.table("by-cell", ("setting", "arm", "epoch"), _without(("images", "metric"), each.values()))
    ends = [f"{place(cell)}, {_last(rows[-1])}" for (cell, _), rows in each.items()]
    say.say("curves", f"After the last epoch: {'; '.join(ends)}.")
    if all(rows[-1]["diverged by then"] == rows[-1]["runs"] for rows in each.values()):
        say.say("curves", "Every run at every setting diverged")
        return
    ranges = []
    for arm in ("bn", "no_bn"):
        means = [
            float(np.nanmean(o.of.score["final"][arm][:, o.of.cells.index(cell)])) for cell, of in each if of == arm
        ]
        if means:
            low, high = percent(min(means), 1), percent(max(means), 1)
            ranges.append(f"{high if low == high else f'{low}–{high}'.replace(' %–', '–')} {SIDE[arm]}")
    say.say("curves", f"Accuracy by setting: {', '.join(ranges)}")


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
            "their mean [prediction interval for a single run that learns]": estimate(ours, SHARE),
            "inside": "yes" if inside else "no",
        })  # fmt: skip
        say.say(
            "curves",
            f"It reports {percent(claimed)} {SIDE[arm]}, {'inside' if inside else 'outside'} our"
            f" {level_text(o.level)} prediction interval for a single run{' that learns' if n < n_runs else ''}:"
            f" {estimate(ours, SHARE)} ({f'{n} of {n_runs} runs that learned' if n < n_runs else seeds(n)}).",
        )
    say.table("tutorial", ("arm",), rows)


def say_gaps(o: Oracle, say: Expected) -> None:
    of, rows, said = o.of, [], {}
    d = np.where(of.paired[:, :, None], snapped(of.filled("bn") - of.filled("no_bn")), np.nan)
    scopes: list[tuple[Cell | None, list[int]]] = [(None, of.common), *((of.cells[i], [i]) for i in of.common)]
    for cell, columns in scopes:
        table = snapped(d[:, columns].mean(axis=1)[of.complete(columns)])
        bands = sup_t(table, o.level) if len(table) else [Interval(math.nan)] * of.epochs
        rows += [
            {
                "setting": of.setting(cell),
                "epoch": str(epoch),
                "seeds": str(len(table)),
                "difference [this epoch alone]": estimate(t_interval(table[:, epoch - 1], o.level)),
                "[all epochs, simultaneous]": ends(band),
            }
            for epoch, band in enumerate(bands, 1)
        ]
        if len(table):
            said[cell] = bands
    shown = [cell for cell in (o.shown, *([None] if len(of.common) > 1 else [])) if cell in said]
    if not shown or np.isnan(np.concatenate([of.curve[arm] for arm in ARMS])).all():
        return
    say.table("gap-bn", ("setting", "epoch"), rows)
    first = said[shown[0]]
    early, late = (every_estimate(estimate(band)) for band in (first[0], first[-1]))
    if of.epochs == 1:
        say.say("curves", f"The difference is {late} points after epoch 1")
    elif early == late:
        say.say("curves", f"The difference is {late} points after epochs 1 and {of.epochs}")
    else:
        say.say("curves", f"The difference is {early} points after epoch 1, {late} after epoch {of.epochs}")
    for cell in shown:
        say.say("curves", f"After the last: {estimate(said[cell][-1])}.")


IMAGES = {"train": "training images", "test": "test images", "gap": "test minus training"}


def say_generalisation(o: Oracle, say: Expected) -> None:
    """Loss and error rate in the setting that is shown, means of the last three epochs, a diverged run guessing."""
    of, found = o.of, {arm: _by_seed(o, arm) for arm in ARMS}
    common = sorted({*found["bn"]} & {*found["no_bn"]})
    a, b = (np.array([found[arm][seed] for seed in common]) for arm in ARMS)  # (seeds, loss and error x split)
    gone = [sum(of.status[arm, *o.shown, seed] == "diverged" for seed in common) for arm in ("bn", "no_bn")]
    if not len(common) or np.isnan(np.concatenate([of.curve[arm] for arm in ARMS])).all():
        return
    if gone == [len(common)] * 2:
        say.say("curves", f"Every run at {place(o.shown)} diverged: there is no loss to compare.")
        return
    a, b = (np.column_stack([side, side[:, 1] - side[:, 0], side[:, 3] - side[:, 2]]) for side in (a, b))
    columns = {"loss": (0, 1, 4), "error rate": (2, 3, 5)}
    d = {
        (metric, images): t_interval(snapped(b[:, i] - a[:, i]), o.level)
        for metric, of_metric in columns.items()
        for images, i in zip(IMAGES, of_metric, strict=True)
    }
    rows = []
    for (metric, images), change in d.items():
        i = columns[metric][list(IMAGES).index(images)]
        signed, plain = (NUMBER, SIZE) if metric == "loss" else (POINTS, SHARE)
        sides = [estimate(t_interval(side[:, i], o.level), signed if images == "gap" else plain) for side in (a, b)]
        rows.append({
            "metric": "loss (nats per image)" if metric == "loss" else "error rate (%)",
            "images": IMAGES[images],
            **dict(zip(("without BN", "with BN"), sides, strict=True)),
            "difference [interval]": estimate(change, signed),
            "seeds": str(len(common)),
        })  # fmt: skip
    say.table("generalisation-bn", ("metric", "images"), rows)
    test, training, gap = (t_interval(-snapped(b[:, i] - a[:, i]), o.level) for i in (3, 2, 5))
    loss = [estimate(d["loss", images], NUMBER) for images in IMAGES]
    errors = {row["images"]: row for row in rows if row["metric"] != "loss (nats per image)"}["test images"]
    lost = f" Diverged, and counted as guessing: {gone[0]} of {len(common)} runs with BN and {gone[1]} of {len(common)}"
    say.say(
        "curves",
        f"At {place(o.shown)}, the test error rate is {every_estimate(errors['with BN'])} with BN and"
        f" {every_estimate(errors['without BN'])} without BN. Test accuracy changes by {estimate(test)} points"
        f" ({seeds(len(common))}): {estimate(training)} on training images already (optimisation) and {estimate(gap)}"
        f" in the gap between training and test (generalisation). {_whose(o, test, training, gap)} Loss changes by"
        f" {loss[0]} nats per image on training and {loss[1]} on test images, its gap by {loss[2]}."
        + (f"{lost} runs without BN." if any(gone) else ""),
    )


def _by_seed(o: Oracle, arm: str) -> dict[int, list[float]]:
    """Loss on training and test images, then error rate on both."""
    rows = o.of.records
    rows = rows[(rows.arm == arm) & (rows.batch_size == o.shown[0]) & (rows.lr == o.shown[1])]
    rows = rows[(rows.status != "not_applicable") & (rows.epoch > 0) & (rows.epoch > o.of.epochs - 3)]
    found: dict[int, list[float]] = {}
    for seed, of_seed in rows.groupby("seed"):
        lost = (of_seed.status == "diverged").any()
        by_split = {split: of_seed[of_seed.split == split] for split in ("train", "test")}
        losses = [math.log(1 / CHANCE) if lost else float(one.loss.mean()) for one in by_split.values()]
        errors = [1 - CHANCE if lost else float((1 - one.accuracy).mean()) for one in by_split.values()]
        found[int(seed)] = losses + errors
    return found


def _whose(o: Oracle, test: Interval, training: Interval, gap: Interval) -> str:
    """Which part of the change of test accuracy is there."""
    if test.n < o.seeds_to_reach or any(not one.high > one.low for one in (test, training, gap)):
        return "There are too few seeds, or too little spread, to say which."
    signs = [0 if one.low <= 0 <= one.high else math.copysign(1, one.low) for one in (test, training, gap)]
    if not signs[0]:
        return "The change in test accuracy is not told apart from zero."
    matter = "So it is a matter of"
    return {
        (1, 0): f"{matter} optimisation: no change of the gap in accuracy is told apart from zero.",
        (1, 1): f"{matter} both.",
        (1, -1): f"{matter} optimisation; the gap takes some of it back.",
        (0, 1): f"{matter} generalisation: no change on training images is told apart from zero.",
        (-1, 1): f"{matter} generalisation; training takes some of it back.",
    }.get((signs[1] * signs[0], signs[2] * signs[0]), "Which of both it is cannot be told.")
