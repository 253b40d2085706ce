"""Rows that the sub-studies answer: accuracies, failures and the modes of inference of trained networks.

Accuracies are in points of 100. A run that diverged scores chance, as everywhere.
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import sqrt

import numpy as np
import pandas as pd

from analysis.findings.claims.estimates import Binary, BySeed, Estimate, Estimators, Prediction
from analysis.records.claims import ClaimsData, NotRunYet
from analysis.records.tables import StudyData
from study.spec.arms import DEFAULT_ARMS
from study.spec.claims.experiments import ALL, DEPTHS
from study.spec.factors import REFERENCE_SETTING, Level
from study.spec.inference.modes import CLEAN

(BN, NO_BN), NOISY = DEFAULT_ARMS, "noisy"
DEEPEST = max(DEPTHS)
KEY = ["shift", "severity"]
BATCH, REPLACED = 8, 2
"""The tutorial's two batches of eight, which share all but two."""


# --- of outcomes


def runs_of(study: StudyData, arm: str, **levels: Level) -> pd.DataFrame:
    """Return the outcomes of an arm at these levels, by seed; of a factor that the study leaves alone there is one."""
    table = study.outcomes
    inside = table.arm == arm
    for name, level in levels.items():
        inside &= (table[name] == level) if name in table else True
    return table[inside].set_index("seed").sort_index()


def points(study: StudyData, arm: str, endpoint: str = "final", **levels: Level) -> pd.Series:
    """Return the accuracy by seed of an arm, in points."""
    return 100 * runs_of(study, arm, **levels)[endpoint].astype(float)


def slope(columns: pd.DataFrame) -> pd.Series:
    """Return by row the slope of the least-squares line through its values at the numbers that the columns are."""
    x = columns.columns.to_numpy(float)
    x = x - x.mean()
    return pd.Series(columns.to_numpy(float) @ x / (x @ x), columns.index)


def _over_doublings(study: StudyData, arm: str, activation: str) -> pd.DataFrame:
    """Return accuracy, a row a seed, by the logarithm to base 2 of the depth."""
    at = {np.log2(depth): points(study, arm, depth=depth, activation=activation) for depth in DEPTHS}
    return pd.DataFrame(at)


def depth_slope(data: ClaimsData, activation: str) -> BySeed:
    """6a: without batch normalisation."""
    return BySeed(slope(_over_doublings(data.complete("depth"), NO_BN, activation)))


def gap_slope(data: ClaimsData, key: str, activation: str) -> BySeed:
    """6b and 6d: of the difference that batch normalisation makes."""
    study = data.complete(key)
    return BySeed(slope(_over_doublings(study, BN, activation) - _over_doublings(study, NO_BN, activation)))


def failures(data: ClaimsData, activation: str) -> Binary:
    """6c: at the largest depth, without batch normalisation less with it."""
    study = data.complete("depth")
    with_bn, without = (runs_of(study, arm, depth=DEEPEST, activation=activation).failed for arm in (BN, NO_BN))
    return Binary(with_bn.to_numpy(bool), without.to_numpy(bool))


def gap(data: ClaimsData, key: str, arm: str, baseline: str, endpoint: str = "final", **levels: Level) -> BySeed:
    """Return the accuracy of an arm less that of another."""
    study = data.complete(key)
    return BySeed(points(study, arm, endpoint, **levels) - points(study, baseline, endpoint, **levels))


def tuned_gap(data: ClaimsData) -> BySeed:
    """15c: in the tuned cell, the mean of the last epochs."""
    tuned = data.complete("tuned").tuned
    if tuned is None:
        raise NotRunYet("nothing has been chosen for the tuned cell")
    return BySeed(points(tuned, BN, "last3") - points(tuned, NO_BN, "last3"))


def best_rate_gap(data: ClaimsData) -> BySeed:
    """15d: each arm, and each seed, at the rate that was best by the mean of the other seeds; the smaller of two that
    are equally good."""
    study = data.complete("batch-2")
    return BySeed(at_rate_of_the_others(_by_rate(study, BN)) - at_rate_of_the_others(_by_rate(study, NO_BN)))


def at_rate_of_the_others(scores: pd.DataFrame) -> pd.Series:
    """Return by row the value in the column that is best by the mean of the other rows.

    >>> at_rate_of_the_others(pd.DataFrame([[1.0, 0.0], [1.0, 4.0], [1.0, 4.0]])).tolist()
    [0.0, 4.0, 4.0]
    """
    table = scores.to_numpy(float)
    others = table.sum(axis=0) - table
    return pd.Series(table[np.arange(len(table)), others.argmax(axis=1)], scores.index)


def _by_rate(study: StudyData, arm: str) -> pd.DataFrame:
    return pd.DataFrame({lr: points(study, arm, lr=lr) for lr in study.design.levels("lr")})


def one_more_run(data: ClaimsData, arm: str) -> Prediction:
    """13 and 14: the runs that learned."""
    runs = runs_of(data.complete("post"), arm)
    learned = runs[~runs.failed.astype(bool)]
    return Prediction(100 * learned.final.to_numpy(float), int(runs.failed.sum()))


# --- of the modes of inference


def mode_points(data: ClaimsData, arm: str, mode: str) -> pd.DataFrame:
    """Return accuracy in points by one mode in the tutorial's cell, a row a shared seed and a column a condition (name,
    severity); chance where a run diverged. NotRunYet where a network was not evaluated."""
    study, table = data.complete("post"), data.ablation("post").ablation
    inside = (table.arm == arm) & (table.inference == mode) & table.order.isna()
    for name, level in REFERENCE_SETTING.said.items():
        inside &= table[name] == level
    accuracy = table[inside].pivot(index="seed", columns=KEY, values="accuracy")
    diverged = [seed for seed, lost in runs_of(study, arm).diverged.items() if lost]
    evaluated = {*accuracy.index, *diverged}
    if accuracy.empty or not evaluated >= {*data.seeds}:
        n = len(evaluated & {*data.seeds})
        raise NotRunYet(f"{n} of {len(data.seeds)} networks of {arm} have been evaluated")
    accuracy.loc[accuracy.index.isin(diverged)] = study.chance
    return 100 * accuracy.reindex([*data.seeds], fill_value=study.chance).astype(float)


def corruptions_of(table: pd.DataFrame) -> list[tuple[str, int]]:
    """Return the columns of corruptions, whose severity is not 0."""
    names, severities = (table.columns.get_level_values(level) for level in KEY)
    corrupted = [(str(name), int(at)) for name, at in zip(names, severities, strict=True) if at > 0]
    if not corrupted:
        raise NotRunYet("no network has been evaluated under corruptions")
    return corrupted


def loss_under_corruptions(data: ClaimsData, arm: str, mode: str) -> BySeed:
    """2a: the mean of all corruptions at all severities, less the images as they are."""
    table = mode_points(data, arm, mode)
    return BySeed(table[corruptions_of(table)].mean(axis=1, skipna=False) - table[CLEAN])


def against_population(data: ClaimsData, mode: str) -> BySeed:
    """12: by averages of one kind, less by the exact statistics of all training images."""
    return BySeed(mode_points(data, BN, mode)[CLEAN] - mode_points(data, BN, "population")[CLEAN])


def averages_of_all_training(data: ClaimsData) -> BySeed:
    """12d: with batch normalisation by averages over all of training, less without."""
    return BySeed(mode_points(data, BN, "cumulative_all")[CLEAN] - mode_points(data, NO_BN, "none")[CLEAN])


def replaced(data: ClaimsData, column: str) -> pd.Series:
    """Return by shared seed what changes where REPLACED of the companions in a batch of BATCH are replaced, a column of
    ``swaps.parquet``; NaN where a run diverged. NotRunYet where a network was not evaluated."""
    study, table = data.complete("post"), data.ablation("post").swaps
    inside = (table.arm == BN) & (table.eval_batch_size == BATCH) & (table.n_swapped == REPLACED)
    values = table[inside].set_index("seed")[column].reindex([*data.seeds])
    diverged = runs_of(study, BN).diverged.reindex(values.index).astype(bool)
    if values[~diverged].isna().any():
        raise NotRunYet(f"{int(values.notna().sum())} of {len(values)} networks have been asked in two batches")
    return values


def moved_mean(data: ClaimsData) -> BySeed:
    """10a: over what chance alone gives, sqrt(2 k) / m for k of m images, less 1."""
    return BySeed(replaced(data, "mean_change") / (sqrt(2 * REPLACED) / BATCH) - 1)


def moved_class(data: ClaimsData) -> BySeed:
    """10b: the share of images whose class changes."""
    return BySeed(replaced(data, "flip_rate"))


def _by_activation(row: str, make: Callable[..., Estimate]) -> Estimators:
    return {f"{row}-{activation}": partial(make, activation=activation) for activation in ALL}


_OF_INIT: Sequence[tuple[str, str]] = (("relu", "depth-kaiming"), ("tanh", "depth-xavier"), ("sigmoid", "depth-xavier"))

ESTIMATORS: Estimators = {
    "2a-none": partial(loss_under_corruptions, arm=NO_BN, mode="none"),
    "2a-bn": partial(loss_under_corruptions, arm=BN, mode="running"),
    **_by_activation("6a", depth_slope),
    **_by_activation("6b", partial(gap_slope, key="depth")),
    **_by_activation("6c", failures),
    **{f"6d-{activation}": partial(gap_slope, key=key, activation=activation) for activation, key in _OF_INIT},
    **_by_activation("7d", partial(gap, key="depth", arm=NOISY, baseline=NO_BN, depth=DEEPEST)),
    **{
        f"{'9a' if activation == 'relu' else '9b'}-{activation}-{depth}": partial(
            gap, key="affine", arm="bn_no_affine", baseline=BN, depth=depth, activation=activation
        )
        for depth in (2, DEEPEST)
        for activation in ALL
    },
    "10a": moved_mean,
    "10b": moved_class,
    "12a": partial(against_population, mode="cumulative_all"),
    "12b": partial(against_population, mode="cumulative_last"),
    "12c": partial(against_population, mode="precise"),
    "12d": averages_of_all_training,
    "13": partial(one_more_run, arm=NO_BN),
    "14": partial(one_more_run, arm=BN),
    "15a": partial(gap, key="post", arm=BN, baseline=NO_BN, endpoint="last3"),
    "15b": partial(gap, key="unpaired", arm=BN, baseline=NO_BN),
    "15c": tuned_gap,
    "15d": best_rate_gap,
}
"""By key of a row."""
