"""Every look at a study's data: a p-value of a later look is not what it seems, so looks are recorded and reported."""

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from analysis.findings import contrasts
from analysis.findings.results import Results
from analysis.records.tables import StudyData

OPTIONAL = ("sign_e_value", "e_value", "baseline", "at")
"""Fields that a recorded look may lack."""


@dataclass(frozen=True)
class Look:
    """Estimate and p-values that were seen of one arm, with how many seeds; NaN as None."""

    arm: str
    alpha: float
    seeds: int
    mean_diff: float | None
    p_t: float | None
    p_sign_flip: float | None
    sign_e_value: float | None = field(default=None, compare=False)
    """That of ``sign_e_process`` after these seeds."""
    e_value: float | None = field(default=None, compare=False)
    """That of a Gaussian mixture, as earlier programs recorded it; it held for normal differences alone."""
    baseline: str | None = None
    """What the arm was compared with; None for the study's own baseline."""
    at: str | None = None
    """The levels of the slice that was looked at; None of a whole study."""

    def recorded(self) -> dict[str, Any]:
        """Return the look as the manifest has it: an e-value, another baseline and a slice only where there is one."""
        return {name: value for name, value in asdict(self).items() if value is not None or name not in OPTIONAL}


def looks(study: StudyData, results: Results) -> list[Look]:
    """Return the looks that the manifest has of this study, or of this slice, then this one, unless nothing is new."""
    at = study.where or None
    before = [look for look in (Look(**recorded) for recorded in study.manifest.get("looks", [])) if look.at == at]
    now = [replace(_look(results, arm, study.changed_baseline), at=at) for arm in results.of_arms]
    return [*before, *(look for look in now if look not in before)]


def _look(results: Results, arm: str, baseline: str | None) -> Look:
    overall, evidence = contrasts.overall(results.contrasts, arm), results.of_arms[arm].evidence
    return Look(
        arm=arm,
        alpha=overall.alpha,
        seeds=overall.n_pairs,
        mean_diff=_known(overall.mean_diff),
        p_t=_known(overall.t.pvalue),
        p_sign_flip=_known(overall.sign_flip.pvalue),
        sign_e_value=_known(evidence.sign[-1]) if evidence.n else None,
        baseline=baseline,
    )


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
