"""What part 7 must say: the inference modes."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from tests.analysis.report.oracle.arithmetic import clopper_pearson, max_t, t_interval
from tests.analysis.report.oracle.ledger import say_ledger
from tests.analysis.report.oracle.records import Oracle
from tests.analysis.report.oracle.speed import NAMES, RUNNING, Trial
from tests.analysis.report.oracle.spelling import (
    NO_NUMBER,
    SHARE,
    SIZE,
    Cell,
    Exact,
    Expected,
    Interval,
    Unit,
    decimals,
    either,
    estimate,
    estimates,
    percent,
    place,
)

ORDERS = {"shuffled": "shuffled", "natural": "file order", "sorted": "sorted by class"}
KINDS = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "blur": ("gaussian_blur",),
    "geometry": ("rotate", "translate", "scale", "shear"),
    "intensity": ("brightness", "contrast", "gain", "invert", "background"),
}
CLASS_MIX = ("long_tail", "five_classes", "one_class")


@dataclass
class Way:
    """A way to predict under one condition."""

    trial: Trial
    shift: str
    severity: int
    accuracy: float
    loss: float
    ece: float
    flips: float
    degenerate: bool
    running: Interval
    p_running: Exact
    without: Interval | None = None
    p_without: Exact = field(default_factory=Exact)

    @property
    def clean(self) -> bool:
        return (self.shift, self.severity) == ("clean", 0)

    @property
    def statistics(self) -> str:
        inference = self.trial[0]
        what = NAMES.get(inference)
        if inference.startswith("blend"):
            what = f"test batch blended with running averages (worth {inference.split('_')[1]} images)"
        if inference.startswith("layer"):
            what = f"statistics of the test batch in layer {int(inference.split('_')[1]) + 1} alone"
        return str(what)

    @property
    def name(self) -> str:
        what, (_, size, order) = self.statistics, self.trial
        if size is None:
            return what
        return f"{what}, {'all images at once' if size >= 10_000 else f'batches of {size}'}, {ORDERS[str(order)]}"


def say_inference(o: Oracle, say: Expected) -> None:
    if not (o.of.folder / "ablation.parquet").is_file():
        return
    table = pd.read_parquet(o.of.folder / "ablation.parquet")
    cells = {arm: _shown(o, table, arm) for arm in ("bn", "no_bn") if (table.arm == arm).any()}
    here = pd.concat([in_cell(table[table.arm == arm], cell) for arm, cell in cells.items()])
    ways = [
        way
        for (shift, severity), rows in grouped(here, "shift", "severity")
        for way in _under(o, shift, severity, rows)
    ]
    clean = [way for way in ways if way.clean]
    why = "the tutorial's setting" if cells["bn"] == (32, 0.01) else "where batch normalisation scores best on average"
    say.say("inference", f"at {place(cells['bn'])}, {why}")
    _clean_ways(say, clean)
    _swaps(o, say, cells["bn"])
    _compositions(o, say, cells["bn"])
    _statistics(o, say, cells["bn"])
    say_ledger(o, say, here)
    _elsewhere(o, say, table, cells["bn"])
    if ways:
        _all_ways(say, ways)
    _calibrated(say, clean)
    _by_kind(say, here)


def grouped(table: pd.DataFrame, *columns: str) -> Iterator[tuple[Any, pd.DataFrame]]:
    """The rows by their values in the columns, none of which is one too, in the table's order."""
    return iter(table.groupby(list(columns), sort=False, dropna=False))


def in_cell(table: pd.DataFrame, cell: Cell) -> pd.DataFrame:
    return table[(table.batch_size == cell[0]) & (table.lr == cell[1])]


def _shown(o: Oracle, table: pd.DataFrame, arm: str) -> Cell:
    """The tutorial's cell, else the one in which the arm scores best."""
    of_arm = table[table.arm == arm]
    evaluated = {*zip(of_arm.batch_size, of_arm.lr, strict=True)}
    if (32, 0.01) in evaluated:
        return 32, 0.01
    means = np.nanmean(o.of.score["last3"][arm], axis=0)
    return max((cell for cell in o.of.cells if cell in evaluated), key=lambda cell: means[o.of.cells.index(cell)])


def by_seed(rows: pd.DataFrame, column: str) -> pd.Series:
    return rows.set_index("seed")[column].sort_index()


def _under(o: Oracle, shift: str, severity: int, rows: pd.DataFrame) -> list[Way]:
    """All ways under one condition; they are tested together."""
    groups: dict[Trial, pd.DataFrame] = {}
    for (inference, size, order), group in grouped(rows, "inference", "eval_batch_size", "order"):
        groups[inference, None if pd.isna(size) else int(size), None if pd.isna(order) else order] = group
    scores = {trial: by_seed(group, "accuracy") for trial, group in groups.items()}
    base = scores.pop(("none", None, None), None)
    if RUNNING not in scores:
        return []
    d = pd.DataFrame({i: one - scores[RUNNING] for i, one in enumerate(scores.values())})
    tests = max_t(d.to_numpy(float))
    ways = [
        _way(trial, (shift, severity), groups[trial], t_interval(d[i].dropna().to_numpy(float), o.level), tests[i])
        for i, trial in enumerate(scores)
    ]
    if base is None:
        return ways
    d = pd.DataFrame({i: one - base.reindex(d.index) for i, one in enumerate(scores.values())})
    against = [t_interval(d[i].dropna().to_numpy(float), o.level) for i in d]
    joint = max_t(d.to_numpy(float))
    return [replace(way, without=against[i], p_without=joint[i]) for i, way in enumerate(ways)]


def _way(trial: Trial, condition: tuple[str, int], rows: pd.DataFrame, running: Interval, test: Exact) -> Way:
    accuracy, loss, ece = (float(rows[name].mean()) for name in ("accuracy", "loss", "ece"))
    flips, degenerate = float((rows.n_flips / rows.n_examples).mean()), bool(rows.degenerate.any())
    return Way(trial, *condition, accuracy, loss, ece, flips, degenerate, running, test)


def _clean_ways(say: Expected, clean: Sequence[Way]) -> None:
    rows = [
        {
            "way to predict": way.name + (" (degenerate)" if way.degenerate else ""),
            "n": str(way.running.n),
            "accuracy": percent(way.accuracy),
            "against running averages, points": estimate(way.running),
            "against no BN, points": estimate(way.without),
            "class differs from exact statistics": percent(way.flips),
        }
        for way in clean
    ]
    say.table("modes-clean", ("way to predict",), rows)
    fair = [way for way in clean if way.trial[2] in (None, "shuffled")]
    kept = [way for way in fair if way.trial[0] in NAMES or "blend" in way.trial[0]]
    calibration = [
        {
            "way to predict": way.name,
            "n": str(way.running.n),
            "calibration error": percent(way.ece),
            "loss, nats per image": decimals(way.loss),
        }
        for way in kept
    ]
    say.table("calibration", ("way to predict",), calibration)


def _all_ways(say: Expected, ways: Sequence[Way]) -> None:
    every = [
        {
            "condition": way.shift.replace("_", " "),
            "severity": str(way.severity),
            "way to predict": way.statistics,
            "batch": NO_NUMBER if way.trial[1] is None else f"{way.trial[1]:,}",
            "order": ORDERS[way.trial[2]] if way.trial[2] else NO_NUMBER,
            "n": str(way.running.n),
            "accuracy": percent(way.accuracy),
            "against running averages, points": estimate(way.running),
            "p, step-down max-T in the condition": way.p_running.text,
            "against no BN, points": estimate(way.without),
            "p against no BN, likewise": way.p_without.text,
        }
        for way in ways
    ]
    say.table("modes", ("condition", "severity", "way to predict", "batch", "order"), every)


def _elsewhere(o: Oracle, say: Expected, table: pd.DataFrame, shown: Cell) -> None:
    """The main ways, in the other cells, on the clean images."""
    clean = table[(table["shift"] == "clean") & (table.severity == 0)]
    shuffled = clean.order == "shuffled"
    sizes = clean.eval_batch_size.isin((8, 32, 128, 512)) | (clean.eval_batch_size == clean.n_examples)
    batches = shuffled & (clean.inference == "batch") & sizes
    blends = shuffled & (clean.inference == "blend_16") & clean.eval_batch_size.isin((8, 32))
    main = clean[(clean.order.isna() & (clean.inference != "precise")) | batches | blends]
    rows = [
        {
            "setting": place(cell),
            "way to predict": way.name,
            "n": str(way.running.n),
            "accuracy": percent(way.accuracy),
            "against running averages, points": estimate(way.running),
            "against no BN, points": estimate(way.without),
        }
        for cell in o.of.cells
        if cell != shown
        for way in _under(o, "clean", 0, in_cell(main, cell))
    ]
    if rows:
        say.table("modes-cells", ("setting", "way to predict"), rows)


def _swaps(o: Oracle, say: Expected, cell: Cell) -> None:
    """One image in two batches."""
    table = in_cell(pd.read_parquet(o.of.folder / "swaps.parquet"), cell)
    groups = list(grouped(table, "eval_batch_size", "n_swapped"))
    replaced = [f"{k:,} of {size:,}" for (size, k), _ in groups]
    rows = [
        {
            "replaced": name,
            "n": str(group.seed.nunique()),
            "class changes": _over_seeds(o, group, "flip_rate", SHARE),
            "with running averages": _counted(group),
            "batch mean moves, SD": _over_seeds(o, group, "mean_change", SIZE),
            "expected, SD": decimals(math.sqrt(2 * k) / size, 3),
            "own value moves, SD": _over_seeds(o, group, "value_change", SIZE),
        }
        for name, ((size, k), group) in zip(replaced, groups, strict=True)
    ]
    say.table("swaps", ("replaced",), rows)
    logits = [
        {"replaced": name, "n": str(group.seed.nunique()), "logits move": _over_seeds(o, group, "logit_change", SIZE)}
        for name, (_, group) in zip(replaced, groups, strict=True)
    ]
    say.table("swaps-logits", ("replaced",), logits)
    shown = replaced.index("2 of 8") if "2 of 8" in replaced else 0
    (size, k), group = groups[shown]
    flips = percent(float(by_seed(group, "flip_rate").mean()))
    say.say("inference", f"Replacing {replaced[shown]} images changes {flips} of predicted classes")
    image = f"Replace {k} of an image's {size - 1} companions in a batch of {size}"
    say.say("inference", f"{image}: its predicted class changes in {rows[shown]['class changes']} of cases.")
    _say_saved(o, say, group)


def _counted(rows: pd.DataFrame) -> str:
    """How many of the images change class by the running averages; nothing where an earlier program did not count."""
    if "running_flips" not in rows or rows.running_flips.isna().any():
        return NO_NUMBER
    return f"{int(rows.running_flips.sum()):,} of {int(rows.n_images.sum()):,}"


def _say_saved(o: Oracle, say: Expected, rows: pd.DataFrame) -> None:
    counted = _counted(rows)
    if counted == NO_NUMBER:
        return
    k, n = (int(part.replace(",", "")) for part in counted.split(" of "))
    limits = clopper_pearson(k, n, o.level)
    if k == 0:
        limit = f"true share at most {percent(limits.high)}"
        say.say("inference", f"With running averages it never did ({counted} images; {limit}).")
    else:
        share = estimate(limits, SHARE)
        say.say("inference", f"With running averages it changes in {share} of cases ({counted} images).")


def _compositions(o: Oracle, say: Expected, cell: Cell) -> None:
    """All test images in 32 random compositions of the batches."""
    table = in_cell(pd.read_parquet(o.of.folder / "compositions.parquet"), cell)
    rows = [
        {
            "batch": f"{size:,}",
            "n": str(group.seed.nunique()),
            "images whose class ever changes": _over_seeds(o, group, "any_flip", SHARE),
            "share of logit variance from companions": _over_seeds(o, group, "mates_share", SHARE),
        }
        for (size,), group in grouped(table, "eval_batch_size")
    ]
    say.table("compositions", ("batch",), rows)


def _over_seeds(o: Oracle, rows: pd.DataFrame, column: str, unit: Unit) -> str:
    return estimate(t_interval(by_seed(rows, column).to_numpy(float), o.level), unit)


def _statistics(o: Oracle, say: Expected, cell: Cell) -> None:
    table = in_cell(pd.read_parquet(o.of.folder / "statistics.parquet"), cell)
    rows, worst = [], (-1.0, "")
    for (inference, layer), group in grouped(table, "inference", "layer"):
        mean, log_var = (
            t_interval(by_seed(group, name).to_numpy(float), o.level)
            for name in ("rms_mean_error", "rms_log_var_error")
        )
        error = estimate(mean, SIZE)
        rows.append({
            "statistic": NAMES[inference],
            "layer": str(layer + 1),
            "n": str(group.seed.nunique()),
            "error of the mean, SD": error,
            "error of the log variance": estimate(log_var, SIZE),
        })  # fmt: skip
        errors = {text.split(" ")[0] for text in estimates(mean, SIZE)}
        worst = max(worst, (mean.estimate, f"Least exact: {NAMES[inference]} ({either(errors)} SD off)"))
    say.table("statistics", ("statistic", "layer"), rows)
    say.say("inference", worst[1])


def _calibrated(say: Expected, clean: Sequence[Way]) -> None:
    ece = {way.trial: percent(way.ece) for way in clean}
    small = ece[("batch", 8, "shuffled")]
    say.say("inference", f"Calibration error {small} in batches of 8, running averages {ece[RUNNING]}")


def _by_kind(say: Expected, here: pd.DataFrame) -> None:
    """Accuracy over severity: the mean over the corruptions of a kind of the mean over seeds."""
    drawn = {
        "running averages": ("running", None, None),
        "batches of 8": ("batch", 8, "shuffled"),
        "batches of 128": ("batch", 128, "shuffled"),
        "no batch norm": ("none", None, None),
    }
    means: dict[tuple[str, int], dict[Trial, float]] = {}
    for (shift, severity, inference, size, order), rows in grouped(
        here, "shift", "severity", "inference", "eval_batch_size", "order"
    ):
        trial = inference, None if pd.isna(size) else int(size), None if pd.isna(order) else order
        means.setdefault((shift, severity), {})[trial] = float(rows.accuracy.mean())

    def row(images: str, severity: str, conditions: Sequence[tuple[str, int]]) -> dict[str, str]:
        ways = {name: percent(float(np.mean([means[at][way] for at in conditions]))) for name, way in drawn.items()}
        return {"images": images, "severity": severity, "conditions": str(len(conditions)), **ways}

    rows = []
    for kind, names in KINDS.items():
        known = {s: [(name, s) for name in names if (name, s) in means] for s in range(1, 6)}
        n = len({name for name in names for s in known if (name, s) in means})
        if n:
            title = f"{kind} (mean of {n})" if n > 1 else kind
            rows.append(row(title, "0", [("clean", 0)]))
            rows += [row(title, str(s), conditions) for s, conditions in known.items() if conditions]
    mixes = [name for name in CLASS_MIX if (name, 0) in means]
    if mixes:
        rows.append(row("class mix: as is", NO_NUMBER, [("clean", 0)]))
        rows += [row(f"class mix: {name.replace('_', ' ')}", NO_NUMBER, [(name, 0)]) for name in mixes]
    if rows:
        say.table("shifts", ("images", "severity"), rows)
