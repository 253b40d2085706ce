"""Accuracy by depth, activation and first weights, in the sub-studies that vary them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.findings.claims.curves import Line, line_of
from analysis.records.claims import ClaimsData
from analysis.records.tables import StudyData
from study.spec.claims.experiments import ALL
from study.spec.claims.rows import ACTIVATIONS


@dataclass(frozen=True)
class DepthPanel:
    """An activation with its first weights: each arm's accuracy by depth."""

    activation: str
    weights: str
    """The rule of the first weights: ``torch``, ``kaiming`` or ``xavier``."""
    lines: Sequence[Line]
    """Test accuracy after the last epoch, a run that diverged at chance."""
    seeds: Mapping[str, Sequence[Sequence[float]]]
    """By arm, a row a seed: accuracy at each depth of its line."""
    n_failed: Mapping[str, Sequence[int]]
    """By arm, at each depth, the runs that failed."""

    @property
    def title(self) -> str:
        return ACTIVATIONS[self.activation]


DEFAULT = "torch"
WEIGHTS = {DEFAULT: "PyTorch's", "kaiming": "He's", "xavier": "Glorot's"}
"""First weights, in words."""
STUDIES = {"depth": DEFAULT, "depth-kaiming": "kaiming", "depth-xavier": "xavier"}
"""Sub-studies by key, and their first weights."""


def depth_panels(claims: ClaimsData, level: float) -> list[DepthPanel]:
    """Return a panel for each activation and first weights that were trained: PyTorch's weights first."""
    studies = {weights: study for key, weights in STUDIES.items() if (study := claims.study(key)) is not None}
    found = [panel for weights, study in studies.items() for panel in _panels(study, weights, level)]
    return sorted(found, key=lambda panel: (panel.weights != DEFAULT, ALL.index(panel.activation)))


def affine_panels(claims: ClaimsData, level: float) -> list[DepthPanel]:
    """Return a panel for each activation of the study of gamma and beta."""
    study = claims.study("affine")
    return [] if study is None else _panels(study, DEFAULT, level)


def _panels(study: StudyData, weights: str, level: float) -> list[DepthPanel]:
    outcomes = study.outcomes
    activations = outcomes.activation if "activation" in outcomes else pd.Series("relu", index=outcomes.index)
    return [
        _panel(outcomes[activations == activation], activation, weights, study.design.arms, level)
        for activation in ALL
        if (activations == activation).any()
    ]


def _panel(outcomes: pd.DataFrame, activation: str, weights: str, arms: Sequence[str], level: float) -> DepthPanel:
    lines, seeds, failed = [], {}, {}
    for arm in arms:
        of_arm = outcomes[outcomes.arm == arm]
        table = of_arm.pivot_table(index="seed", columns="depth", values="final").dropna()
        if len(table):
            lines.append(line_of(arm, table, level))
            seeds[arm] = table.to_numpy(float).tolist()
            failed[arm] = [int(n) for n in of_arm.groupby("depth").failed.sum()]
    return DepthPanel(activation, weights, lines, seeds, failed)
