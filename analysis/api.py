"""The analysis as functions: load or frame records, contrast the arms, analyse, write the report."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis.errors import AnalysisError
from analysis.findings import results
from analysis.findings.contrasts import Contrast, compute_contrasts, contrast_rows
from analysis.findings.results import Results
from analysis.records import tables
from analysis.records.frames import FrameData
from analysis.records.tables import StudyData

StrPath = str | Path
ALPHA, MARGIN = 0.05, 0.002


def load(path: StrPath) -> StudyData:
    """Load a study's records, checked row by row.

    Parameters
    ----------
    path
        The folder of the study.

    Returns
    -------
    StudyData
        Its design, its records and runs as DataFrames, and its tuned runs if it has any.

    Raises
    ------
    AnalysisError
        Where there is no study, or its tables do not say one thing about each run.
    """
    return tables.load(Path(path))


def contrasts(data: StudyData | FrameData, alpha: float = ALPHA, margin: float = MARGIN) -> list[Contrast]:
    """Contrast every arm with the baseline: over all cells, then in each, tested together.

    Parameters
    ----------
    data
        From ``load`` or ``from_frame``.
    alpha
        Level of every test; intervals cover 1 - alpha.
    margin
        A difference that would not matter, in the unit of the scores.

    Returns
    -------
    list of Contrast
        By arm and endpoint, over all cells first; differences are arm minus baseline within pairs.
    """
    _check(alpha, margin)
    return compute_contrasts(data, alpha, margin)


def to_frame(contrasts: Sequence[Contrast]) -> pd.DataFrame:
    """Return contrasts as a table: a row each, with the columns of ``contrasts.csv``."""
    cell = next((contrast.cell for contrast in contrasts if contrast.cell is not None), None)
    return pd.DataFrame(contrast_rows(contrasts, [*cell.said] if cell is not None else []))


def analyse(data: StudyData, alpha: float = ALPHA, margin: float = MARGIN, other: StudyData | None = None) -> Results:
    """Compute every number of a report.

    Parameters
    ----------
    data
        From ``load``.
    alpha, margin
        As for ``contrasts``.
    other
        Another study to set beside this one.

    Returns
    -------
    Results
        Contrasts, curves, failures, times, noise, sensitivity, inference modes, tuning, comparison.
    """
    _check(alpha, margin)
    if not isinstance(data, StudyData):
        raise AnalysisError("a whole analysis needs a study's records, from analysis.load; a frame has contrasts alone")
    return results.analyse(data, alpha, margin, other)


def write_report(path: StrPath, alpha: float = ALPHA, margin: float = MARGIN, compare: StrPath | None = None) -> Path:
    """Write the report of a study into its folder, as ``python -m analysis.report`` does.

    Parameters
    ----------
    path
        The folder of the study.
    alpha, margin
        As for ``contrasts``.
    compare
        The folder of another study to set beside this one.

    Returns
    -------
    Path
        ``report.html``; beside it ``report.json``, ``tables/`` and ``figures/``.

    Raises
    ------
    AnalysisError
        Where there is no study, or its tables are not what was written.
    """
    from analysis.report import write

    _check(alpha, margin)
    return write.write_report(Path(path), margin, alpha, None if compare is None else Path(compare)).page


def _check(alpha: float, margin: float) -> None:
    if not 0 < alpha < 0.5:
        raise AnalysisError(f"alpha {alpha}: give a number between 0 and 0.5, such as 0.05")
    if not margin >= 0:
        raise AnalysisError(f"margin {margin}: give a difference of 0 or more, such as 0.002")
