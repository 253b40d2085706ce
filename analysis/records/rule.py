"""By which level and margin is a study judged, and did it fix them before its first run?"""

from dataclasses import dataclass

from analysis.errors import AnalysisError
from analysis.records.frames import FrameData
from analysis.records.tables import StudyData
from study.spec.analysis_rule import ALPHA, MARGIN, FixedRule, fixed_rule


@dataclass(frozen=True)
class Rule:
    """Level and margin of an analysis, beside those that the study fixed."""

    alpha: float
    """Level of every test; intervals cover 1 - alpha."""
    margin: float
    """A difference that would not matter, in the unit of the scores."""
    fixed: FixedRule | None
    """What stood in the manifest before the first run; None where nothing did."""

    @property
    def changed(self) -> dict[str, tuple[float, float]]:
        """The values of which the study fixed others, by their names: of this analysis, and as fixed."""
        if self.fixed is None:
            return {}
        both = {"alpha": (self.alpha, self.fixed.alpha), "margin": (self.margin, self.fixed.margin)}
        return {name: (now, then) for name, (now, then) in both.items() if now != then}


def rule_of(data: StudyData | FrameData, alpha: float | None = None, margin: float | None = None) -> Rule:
    """Return the rule of an analysis: what is given, else what the study fixed, else 0.05 and 0.002; an AnalysisError
    where a value cannot be."""
    fixed = fixed_rule(data.manifest) if isinstance(data, StudyData) else None
    otherwise = (ALPHA, MARGIN) if fixed is None else (fixed.alpha, fixed.margin)
    rule = Rule(otherwise[0] if alpha is None else alpha, otherwise[1] if margin is None else margin, fixed)
    if not 0 < rule.alpha < 0.5:
        raise AnalysisError(f"alpha {alpha}: give a number between 0 and 0.5, such as 0.05")
    if not rule.margin >= 0:
        raise AnalysisError(f"margin {margin}: give a difference of 0 or more, such as 0.002")
    return rule
