"""Figures of what was concluded, for a notebook, which displays them, or a paper: matplotlib figures."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from analysis.errors import AnalysisError
from analysis.findings.contrasts import Contrast, by_cell
from analysis.findings.curves import arm_curves, default_cell
from analysis.notebook import displayed
from analysis.records.tables import StudyData
from analysis.report.figures import curves, effects
from analysis.report.figures import forest as drawing
from study.spec.factors import Cell, in_words


def effect_map(contrasts: Sequence[Contrast], arm: str | None = None) -> Figure:
    """Return the difference in every cell with its simultaneous interval, as the grid has the cells.

    Parameters
    ----------
    contrasts
        As ``analysis.contrasts`` returns them; the first endpoint is drawn.
    arm
        The arm whose difference from the baseline is drawn; the first unless given.
    """
    return displayed(effects.effect_map(_of_arm(contrasts, arm)))


def forest(contrasts: Sequence[Contrast], arm: str | None = None) -> Figure:
    """Return the difference in every cell with its interval, one below the other; arguments as for ``effect_map``."""
    cells = _of_arm(contrasts, arm)
    series = [drawing.Series("", "black", "D", [contrast.ci for contrast in cells.values()])]
    return displayed(drawing.forest([in_words(cell) for cell in cells], series))


def learning_curves(data: StudyData, cell: Cell | None = None) -> Figure:
    """Return loss and accuracy over epochs on training and test images.

    Parameters
    ----------
    data
        As ``analysis.load`` returns it.
    cell
        The cell that is drawn; the tutorial's, or the middle one, unless given.
    """
    every = arm_curves(data, level=0.95)
    wanted = default_cell(every) if cell is None else cell
    return displayed(curves.learning_curves([curve for curve in every if curve.cell == wanted]))


def _of_arm(contrasts: Sequence[Contrast], arm: str | None) -> dict[Cell, Contrast]:
    if not contrasts:
        raise AnalysisError("there are no contrasts to draw: the data hold one arm alone")
    arms = list(dict.fromkeys(contrast.arm for contrast in contrasts))
    if arm is not None and arm not in arms:
        raise AnalysisError(f"there is no contrast of the arm {arm!r}; choose from: {', '.join(arms)}")
    return by_cell(contrasts, arm or arms[0], contrasts[0].endpoint)
