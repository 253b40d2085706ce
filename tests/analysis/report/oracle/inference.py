"""What part 7 must say: the inference modes."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from tests.analysis.report.oracle.arithmetic import max_t, t_interval
from tests.analysis.report.oracle.records import Oracle
from tests.analysis.report.oracle.speed import NAMES, RUNNING, Trial
from tests.analysis.report.oracle.spelling import (
    NO_NUMBER,
    SHARE,
    SIZE,
    Exact,
    Expected,
    Interval,
    Unit,
    decimals,
    estimate,
    percent,
)


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
    def name(self) -> str:
        inference, size, order = self.trial
        what = NAMES.get(inference)
        if inference.startswith("blend"):
            what = f"test batch blended with running averages (worth {inference.split('_')[1]} images)"
        if inference.startswith("layer"):
            what = f"statistics of the test batch in layer {int(inference.split('_')[1]) + 1} alone"
        if size is None:
            return str(what)
        return f"{what}, {'all images at once' if size >= 10_000 else f'batches of {size}'}, {order}"

    @property
    def condition(self) -> str:
        return self.shift.replace("_", " ") + (f" {self.severity}" if self.severity else "")


def say_inference(o: Oracle, say: Expected) -> None:
    if not (o.of.folder / "ablation.parquet").is_file():
        return
    table = pd.read_parquet(o.of.folder / "ablation.parquet")
    ways = [
        way
        for (shift, severity), rows in grouped(table, "shift", "severity")
        for way in _under(o, shift, severity, rows)
    ]
    clean = [way for way in ways if way.clean]
    _clean_ways(say, clean)
    _swaps(o, say)
    _compositions(o, say)
    _statistics(o, say)
    _ledger(o, say, ways)
    changed = [way for way in ways if not way.clean and way.trial != RUNNING]
    if changed:
        _all_ways(say, ways)
        most = max(changed, key=lambda way: abs(way.running.estimate))
        size = estimate(most.running)
        say.say("inference", f"The largest change: {size} points under {most.condition}, by {most.name}")


def grouped(table: pd.DataFrame, *columns: str) -> Iterator[tuple[Any, pd.DataFrame]]:
    """The rows by their values in the columns, none of which is one too, in the table's order."""
    return iter(table.groupby(list(columns), sort=False, dropna=False))


def over_cells(rows: pd.DataFrame, column: str) -> pd.Series:
    """Means over the cells by seed, of the seeds with a network in each."""
    return rows.pivot(index="seed", columns=["batch_size", "lr"], values=column).dropna().mean(axis=1)


def _under(o: Oracle, shift: str, severity: int, rows: pd.DataFrame) -> list[Way]:
    """All ways under one condition; they are tested together."""
    groups: dict[Trial, pd.DataFrame] = {}
    for (inference, size, order), group in grouped(rows, "inference", "eval_batch_size", "order"):
        groups[inference, None if pd.isna(size) else int(size), None if pd.isna(order) else order] = group
    scores = {trial: over_cells(group, "accuracy") for trial, group in groups.items()}
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
            "p, all ways together (step-down max-T)": way.p_running.text,
            "against no BN, points": estimate(way.without),
            "p against no BN, likewise": way.p_without.text,
            "loss": decimals(way.loss),
            "calibration error": percent(way.ece),
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
            "condition": way.shift,
            "severity": str(way.severity),
            "way": way.trial[0],
            "batch": NO_NUMBER if way.trial[1] is None else f"{way.trial[1]:,}",
            "order": way.trial[2] or NO_NUMBER,
            "n": str(way.running.n),
            "accuracy": percent(way.accuracy),
            "against running averages, points": estimate(way.running),
            "p, step-down max-T in the condition": way.p_running.text,
            "against no BN, points": estimate(way.without),
            "p against no BN, likewise": way.p_without.text,
        }
        for way in ways
    ]
    say.table("modes", ("condition", "severity", "way", "batch", "order"), every)


def _ledger(o: Oracle, say: Expected, ways: Sequence[Way]) -> None:
    """Which statistics to use when, in phrases."""
    by_trial = {way.trial: way for way in ways if way.clean}
    shuffled = {way.trial[1] or 0: way for way in by_trial.values() if way.trial[::2] == ("batch", "shuffled")}
    small = [f"{_against(shuffled[size])} in shuffled batches of {size}" for size in (8, 32) if size in shuffled]
    close = [size for size, way in shuffled.items() if abs(way.running.estimate) < 0.001]
    names = ("population", "precise", "cumulative_last", "cumulative_all")
    trained = [by_trial[name, None, None] for name in names if (name, None, None) in by_trial]
    tried = [way for way in ways if not way.clean and way.trial[:2] == ("batch", 128)]
    helped, hurt = (_significant(tried, side, o.alpha) for side in (1, -1))
    phrases = {
        f"those of the test batch change accuracy by {' and '.join(small)};": bool(small),
        f"From batches of {min(close, default=0)} on the test batch is within a tenth of a point of the running"
        f" averages ({_against(shuffled[min(close)]) if close else ''}).": bool(close),
        f"Against the running averages: {'; '.join(f'{way.name} {_against(way)}' for way in trained)}.": bool(trained),
        f"of {len(tried)} conditions the statistics of shuffled test batches of 128 are better than the running"
        f" averages in {helped} and worse in {hurt} (step-down max-T within each condition).": bool(tried),
    }
    say.say("inference", *(phrase for phrase, there in phrases.items() if there))


def _against(way: Way) -> str:
    return f"{estimate(way.running)} points"


def _significant(tried: Sequence[Way], side: int, alpha: float) -> str:
    """How many conditions, and the largest change among them."""
    found = [way for way in tried if way.p_running.p <= alpha and side * way.running.estimate > 0]
    if not found:
        return "0"
    most = max(found, key=lambda way: abs(way.running.estimate))
    return f"{len(found)} (most: {most.condition}, {_against(most)})"


def _swaps(o: Oracle, say: Expected) -> None:
    """One image in two batches."""
    table = pd.read_parquet(o.of.folder / "swaps.parquet")
    rows = [
        {
            "batch": f"{size:,}",
            "replaced": f"{k:,}",
            "n": str(group.seed.nunique()),
            "batch mean moves, sd": _over_seeds(o, group, "mean_change", SIZE),
            "expected": decimals(math.sqrt(2 * k) / size, 3),
            "own value moves, sd": _over_seeds(o, group, "value_change", SIZE),
            "logits move": _over_seeds(o, group, "logit_change", SIZE),
            "class flips": _over_seeds(o, group, "flip_rate", SHARE),
        }
        for (size, k), group in grouped(table, "eval_batch_size", "n_swapped")
    ]
    say.table("swaps", ("batch", "replaced"), rows)
    shown = next((row for row in rows if (row["batch"], row["replaced"]) == ("8", "2")), rows[0])
    companions = f"With {shown['replaced']} of {shown['batch']} companions replaced"
    say.say("inference", f"{companions}, {shown['class flips']} change class")


def _compositions(o: Oracle, say: Expected) -> None:
    """All test images in 32 random compositions of the batches."""
    table = pd.read_parquet(o.of.folder / "compositions.parquet")
    rows = [
        {
            "batch": f"{size:,}",
            "n": str(group.seed.nunique()),
            "images whose class ever flips": _over_seeds(o, group, "any_flip", SHARE),
            "share of logit variance from companions": _over_seeds(o, group, "mates_share", SHARE),
        }
        for (size,), group in grouped(table, "eval_batch_size")
    ]
    say.table("compositions", ("batch",), rows)


def _over_seeds(o: Oracle, rows: pd.DataFrame, column: str, unit: Unit) -> str:
    return estimate(t_interval(over_cells(rows, column).to_numpy(float), o.level), unit)


def _statistics(o: Oracle, say: Expected) -> None:
    table = pd.read_parquet(o.of.folder / "statistics.parquet")
    rows, worst = [], (-1.0, "")
    for (inference, layer), group in grouped(table, "inference", "layer"):
        mean, log_var = (
            t_interval(over_cells(group, name).to_numpy(float), o.level)
            for name in ("rms_mean_error", "rms_log_var_error")
        )
        error = estimate(mean, SIZE)
        rows.append({
            "statistic": NAMES[inference],
            "layer": str(layer + 1),
            "n": str(group.seed.nunique()),
            "error of the mean, sd": error,
            "error of the log variance": estimate(log_var, SIZE),
        })  # fmt: skip
        said = f"{NAMES[inference]}, by {error} standard deviations in layer {layer + 1}"
        worst = max(worst, (mean.estimate, f"Farthest from the exact mean are {said}"))
    say.table("statistics", ("statistic", "layer"), rows)
    say.say("inference", worst[1])
