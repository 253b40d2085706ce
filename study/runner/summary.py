"""What came out, in a few lines: each arm's mean accuracy over seeds, at one setting. No test and no interval.

At the tutorial's setting where the design has it, at each arm's tuned setting in a tuned study, else at each arm's best
setting: the best mean over seeds. The score of a run is the primary one of a report, its mean test accuracy over the
last epochs; a run that diverged counts as chance, and is named.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from study.spec.arms import ARMS
from study.spec.checks import counted
from study.spec.design import Design
from study.spec.factors import REFERENCE_SETTING, Cell, in_words, rounded
from study.spec.inference.modes import shown_cell
from study.spec.runs import Run
from study.store.scores import last_epochs, mean_score, scores
from study.store.study_folder import Folder


@dataclass(frozen=True)
class ArmMean:
    """The mean score of an arm over its runs at a setting; None for what cannot be trained."""

    arm: str
    cells: tuple[Cell, ...]
    """One, but for the tuned settings of several searches."""
    n_runs: int = 0
    n_diverged: int = 0
    accuracy: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the values of a JSON event."""
        cells = [dict(cell.identity) for cell in self.cells]
        counts = {"seeds": self.n_runs, "diverged": self.n_diverged, "accuracy": self.accuracy}
        return {"arm": self.arm, "settings": cells, **counts}


def arm_means(folder: Folder, design: Design) -> list[ArmMean]:
    """Return the means that a complete study ends with, an arm each."""
    runs = [run for run in (design.tuned_runs if design.tuned else design.grid) if run.applicable]
    if not design.tuned and REFERENCE_SETTING in design.cells:
        runs = [run for run in runs if run.cell == REFERENCE_SETTING]
    by_run = scores(folder, design, map(design.run_id, runs))
    return [_arm_mean(design, arm, [run for run in runs if run.arm == arm], by_run) for arm in design.arms]


def _arm_mean(design: Design, arm: str, runs: Sequence[Run], by_run: dict[str, float | None]) -> ArmMean:
    if not runs:
        return ArmMean(arm, ())

    def mean(at: Sequence[Run]) -> float:
        return mean_score(design, [by_run[design.run_id(run)] for run in at])

    if not design.tuned:
        best = shown_cell(sorted({run.cell for run in runs}), lambda cell: mean([r for r in runs if r.cell == cell]))
        runs = [run for run in runs if run.cell == best]
    cells = tuple(dict.fromkeys(run.cell for run in runs))
    n_diverged = sum(by_run[design.run_id(run)] is None for run in runs)
    return ArmMean(arm, cells, len(runs), n_diverged, mean(runs))


def describe(design: Design, means: Sequence[ArmMean]) -> str:
    """Return the means as text, a line each under one on what they are."""
    width = max(len(ARMS[mean.arm].short) for mean in means)
    rows = (f"  {ARMS[mean.arm].short:<{width}}  {' '.join(_row(design, mean))}" for mean in means)
    return "\n".join([f"Test accuracy, mean over {_over(design)}, at {_where(design)}:", *rows])


def _where(design: Design) -> str:
    if design.n_searches > 1:
        return f"the tuned settings of {design.n_searches} searches"
    if design.tuned:
        return "each arm's tuned setting"
    if REFERENCE_SETTING in design.cells:
        return f"the tutorial's setting ({in_words(REFERENCE_SETTING)})"
    return "each arm's best setting"


def _over(design: Design) -> str:
    seeds, n_epochs = counted(len(design.seeds), "seed"), len(last_epochs(design))
    return f"{seeds} and the last {n_epochs} epochs" if n_epochs > 1 else f"{seeds} after the last epoch"


def _row(design: Design, mean: ArmMean) -> Iterator[str]:
    if mean.accuracy is None:
        yield f"not applicable: {next(run.why_not for run in design.runs if run.arm == mean.arm)}"
        return
    yield f"{100 * mean.accuracy:.2f} %"
    if len(mean.cells) == 1 and (design.tuned or REFERENCE_SETTING not in design.cells):
        yield f"({in_words(rounded(mean.cells[0]))})"
    if mean.n_diverged:
        n = "all" if mean.n_diverged == mean.n_runs else f"{mean.n_diverged} of {mean.n_runs}"
        verb = "run diverged and counts" if mean.n_diverged == mean.n_runs == 1 else "runs diverged and count"
        yield f"- {n} {verb} as chance ({100 * design.data.chance:.0f} %)"
