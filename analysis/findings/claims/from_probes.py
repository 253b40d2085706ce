"""Rows that the probes answer: what was measured of images, networks and whole runs. Drift has a module of its own."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr

from analysis.findings.claims.estimates import Auc, BySeed, Estimators, Exact
from analysis.findings.claims.from_studies import BN, NO_BN, corruptions_of, mode_points
from analysis.records.claims import ClaimsData, NotRunYet

THRESHOLD = 0.93
"""The accuracy of row 16."""
RUNNING, NONE = "running", "none"
OF_ARM = {NO_BN: NONE, BN: RUNNING}
"""The mode in which an arm's networks predict as the tutorial's."""


def by_seed(data: ClaimsData, experiment: str, measure: str, **where: Any) -> pd.Series:
    """Return the value of a measure by shared seed; NaN of one without a network or a value."""
    rows = data.measured(experiment, measure, data.seeds, **where)
    values = rows.assign(seed=rows.seed.astype(int)).groupby("seed").value.mean(skipna=False)
    return values.reindex([*data.seeds])


# --- 1: two sets of images


def told_apart(data: ClaimsData, condition: str, origin: float = 0.0) -> Auc:
    rows = data.measured("two-sample", seeds=range(data.extent.splits), condition=condition)
    table = rows.pivot(index="seed", columns="measure", values="value")
    auc, se, p = (table[name].to_numpy(float) for name in ("auc", "auc_se", "p"))
    return Auc(auc - origin, se, p, int(rows.n.iloc[0]), origin)


# --- 2: shifts and losses


def rank_correlation(data: ClaimsData, arm: str, mode: str) -> BySeed:
    """2b: Spearman's, over the corruptions, of the shift of the first layer and the accuracy under it. NaN where one of
    them is the same under all, as of a run that diverged."""
    accuracy = mode_points(data, arm, mode)
    conditions = corruptions_of(accuracy)
    rows = data.measured("shift-size", "shift", data.seeds, arm=arm)
    shift = rows.pivot(index="seed", columns="condition", values="value").reindex([*data.seeds])
    names = [f"{name}_{severity}" for name, severity in conditions]
    if not {*names} <= {*shift}:
        raise NotRunYet(f"shift-size has {len({*names} & {*shift})} of {len(names)} corruptions")
    pairs = zip(
        shift[names].to_numpy(float),
        accuracy[conditions].to_numpy(float),
        strict=True,
    )
    return BySeed(pd.Series([_spearman(*pair) for pair in pairs], [*data.seeds]))


def _spearman(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    known = np.isfinite(x).all() and np.ptp(x) > 0 and np.ptp(y) > 0
    return float(spearmanr(x, y).statistic) if known else np.nan


# --- 3: cats


def as_other(data: ClaimsData, condition: str, arm: str) -> BySeed:
    """3a and 3c: the share of cats answered as dogs, less that with the background of training."""
    of = partial(by_seed, data, "cats-answers", "as_other", arm=arm, mode=OF_ARM[arm])
    return BySeed(of(condition=condition) - of(condition="same"))


def brighter(data: ClaimsData, arm: str) -> BySeed:
    """3c: accuracy with brighter cats less that with the background of training, in points."""
    of = partial(by_seed, data, "cats-answers", "accuracy", arm=arm, mode=OF_ARM[arm])
    return BySeed(100 * (of(condition="brighter") - of(condition="same")))


def cats_gap(data: ClaimsData, experiment: str, condition: str) -> BySeed:
    """3b: accuracy with batch normalisation less without, in points; chance where a run diverged."""
    chance = data.dataset.chance
    with_bn, without = (
        by_seed(data, experiment, "accuracy", condition=condition, arm=arm, mode=OF_ARM[arm]).fillna(chance)
        for arm in (BN, NO_BN)
    )
    return BySeed(100 * (with_bn - without))


# --- 16: time to accuracy


def steps_to_accuracy(data: ClaimsData) -> BySeed:
    """16: the first measured step at THRESHOLD or above, with batch normalisation less without: a restricted time, at
    most the last measured step, which who does not reach it has too, or who diverges."""
    with_bn, without = (data.measured("speed", "accuracy", data.seeds, arm=arm) for arm in (BN, NO_BN))
    horizon = int(max(with_bn.step.max(), without.step.max()))
    return BySeed(_first_step(with_bn, horizon) - _first_step(without, horizon))


def _first_step(rows: pd.DataFrame, horizon: int) -> pd.Series:
    curves = rows.pivot(index="seed", columns="step", values="value").sort_index(axis=1)
    table = curves.to_numpy(float)
    reached = (table >= THRESHOLD) & np.isfinite(table).all(axis=1, keepdims=True)
    steps = np.where(reached.any(axis=1), curves.columns.to_numpy(float)[reached.argmax(axis=1)], horizon)
    return pd.Series(steps, curves.index.astype(int))


# --- 18: the best epoch


def optimism(data: ClaimsData, arm: str) -> BySeed:
    """18: the best test accuracy of all epochs, less that of the epoch that is best on held-out images (the first of
    equally good ones), in points."""
    test, held_out = _epochs(data, arm, "test_accuracy"), _epochs(data, arm, "held_out_accuracy")
    chosen = test.to_numpy()[np.arange(len(test)), held_out.to_numpy().argmax(axis=1)]
    return BySeed(100 * (test.max(axis=1) - chosen))


def optimism_of_the_gap(data: ClaimsData) -> BySeed:
    """18-gap: the difference between the arms' best test accuracies, less that after the last epoch, in points."""
    with_bn, without = (_epochs(data, arm, "test_accuracy") for arm in (BN, NO_BN))
    best = with_bn.max(axis=1) - without.max(axis=1)
    return BySeed(100 * (best - (with_bn.iloc[:, -1] - without.iloc[:, -1])))


def _epochs(data: ClaimsData, arm: str, measure: str) -> pd.DataFrame:
    """Return accuracy, a row a seed and a column an epoch; chance where a run diverged."""
    seeds = range(data.extent.best_epoch)
    rows = data.measured("best-epoch", measure, seeds, arm=arm)
    table = rows.pivot(index="seed", columns="step", values="value").sort_index(axis=1)
    return table.fillna(data.dataset.chance).astype(float)


# --- identities


def largest_error(data: ClaimsData) -> Exact:
    """8: the largest error of any formula."""
    return Exact(data.measured("formulas", "error").value.to_numpy(float), "formulas", largest=True)


def counted(data: ClaimsData, experiment: str, measure: str, n_unit: str, **where: Any) -> Exact:
    """11 and 17: what ought to be 0 of each run or network."""
    rows = data.measured(experiment, measure, **where)
    return Exact(rows.value.to_numpy(float), n_unit)


_reversal = partial(counted, experiment="row-reversal", measure="flips", n_unit="runs")

ESTIMATORS: Estimators = {
    "1a": partial(told_apart, condition="train-test"),
    "1b": partial(told_apart, condition="halves"),
    "1c-training": partial(told_apart, condition="random-training", origin=0.5),
    "1c-test": partial(told_apart, condition="random-test", origin=0.5),
    "2b-none": partial(rank_correlation, arm=NO_BN, mode=NONE),
    "2b-bn": partial(rank_correlation, arm=BN, mode=RUNNING),
    **{
        f"{row}-{name}": partial(as_other, condition=condition, arm=arm)
        for row, condition in (("3a", "absent"), ("3c", "brighter"))
        for name, arm in (("none", NO_BN), (BN, BN))
    },
    "3c-accuracy-none": partial(brighter, arm=NO_BN),
    "3c-accuracy-bn": partial(brighter, arm=BN),
    "3b-strong": partial(cats_gap, experiment="cats-answers", condition="absent"),
    "3b-weak": partial(cats_gap, experiment="cats-weak-answers", condition="absent"),
    "3b-swapped": partial(cats_gap, experiment="cats-weak-answers", condition="swapped"),
    "8": largest_error,
    "11": partial(counted, experiment="single-image", measure="flips", n_unit="networks", arm=BN),
    "16": steps_to_accuracy,
    "17a": partial(counted, experiment="repeat", measure="differing_bits", n_unit="runs"),
    "17b-running": partial(_reversal, arm=BN, mode=RUNNING),
    "17b-population": partial(_reversal, arm=BN, mode="population"),
    "17b-no-bias": partial(_reversal, arm="bn_no_bias", mode=RUNNING),
    "18-none": partial(optimism, arm=NO_BN),
    "18-bn": partial(optimism, arm=BN),
    "18-gap": optimism_of_the_gap,
}
"""By key of a row."""
