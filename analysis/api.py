"""The analysis as functions: load or frame records, contrast the arms, analyse, write the report."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from analysis.errors import AnalysisError
from analysis.findings import answer, results, tuning
from analysis.findings.contrasts import Contrast, compute_contrasts, contrast_rows
from analysis.findings.results import Results
from analysis.records import tables
from analysis.records.frames import FrameData
from analysis.records.rule import rule_of
from analysis.records.tables import StudyData

if TYPE_CHECKING:
    from analysis.notebook import Answers

StrPath = str | Path


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


def contrasts(data: StudyData | FrameData, alpha: float | None = None, margin: float | None = None) -> list[Contrast]:
    """Contrast every arm with the baseline: over all cells, then in each, tested together.

    Parameters
    ----------
    data
        From ``load`` or ``from_frame``.
    alpha
        Level of every test; intervals cover 1 - alpha. None: the one that the study fixed before its first run; 0.05 of
        a frame, and of a study that fixed none.
    margin
        A difference that would not matter, in the unit of the scores. None: as fixed, else 0.002.

    Returns
    -------
    list of Contrast
        By arm and endpoint, over all cells first; differences are arm minus baseline within pairs.
    """
    rule = rule_of(data, alpha, margin)
    return compute_contrasts(data, rule.alpha, rule.margin)


def answers(data: StudyData | FrameData, alpha: float | None = None, margin: float | None = None) -> "Answers":
    """Answer the study's question for every arm: at its best, at the tutorial's setting, where it fails, on average.

    Parameters
    ----------
    data
        From ``load`` or ``from_frame``.
    alpha, margin
        As for ``contrasts``.

    Returns
    -------
    dict of Answer
        By arm; on the first endpoint; a notebook displays it as a table. Each part has both arms' means, the difference
        with the interval that decides, a verdict, and the share of collapses that would reverse it.
    """
    rule = rule_of(data, alpha, margin)
    searched = tuning.tuned(data, rule.alpha, rule.margin) if isinstance(data, StudyData) else []
    from analysis.notebook import Answers  # what draws is loaded by whoever asks for it

    return Answers(answer.answers(data, rule.alpha, rule.margin, searched), data)


def to_frame(contrasts: Sequence[Contrast]) -> pd.DataFrame:
    """Return contrasts as a table: a row each, with the columns of ``contrasts.csv``."""
    cell = next((contrast.cell for contrast in contrasts if contrast.cell is not None), None)
    return pd.DataFrame(contrast_rows(contrasts, [*cell.said] if cell is not None else []))


def analyse(
    data: StudyData,
    alpha: float | None = None,
    margin: float | None = None,
    other: StudyData | Sequence[StudyData] | None = None,
) -> Results:
    """Compute every number of a report.

    Parameters
    ----------
    data
        From ``load``.
    alpha, margin
        As for ``contrasts``.
    other
        Another study to set beside this one, or several.

    Returns
    -------
    Results
        Contrasts, curves, failures, times, noise, sensitivity, inference modes, tuning, comparison.
    """
    if not isinstance(data, StudyData):
        raise AnalysisError("a whole analysis needs a study's records, from analysis.load; a frame has contrasts alone")
    rule = rule_of(data, alpha, margin)
    return results.analyse(data, rule.alpha, rule.margin, [other] if isinstance(other, StudyData) else other or ())


def write_report(
    path: StrPath,
    alpha: float | None = None,
    margin: float | None = None,
    compare: StrPath | Sequence[StrPath] | None = None,
    to: StrPath | None = None,
) -> Path:
    """Write the report of a study into its folder, as ``python -m analysis.report`` does.

    Parameters
    ----------
    path
        The folder of the study.
    alpha, margin
        As for ``contrasts``; the page says where they are not those that the study fixed.
    compare
        The folder of another study to set beside this one, or several.
    to
        Another folder to write into; the study's may then be read-only.

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

    others = [compare] if isinstance(compare, str | Path) else compare or ()
    where = None if to is None else Path(to)
    return write.write_report(Path(path), alpha, margin, [*map(Path, others)], where).page


def export(
    path: StrPath,
    folder: StrPath,
    alpha: float | None = None,
    margin: float | None = None,
    to: StrPath | None = None,
) -> Path:
    """Write what a paper needs of a study, beside its report, as ``python -m analysis.report --export`` does.

    Parameters
    ----------
    path
        The folder of the study.
    folder
        Where to write: a folder that is new or empty, or holds an earlier export, which is replaced.
    alpha, margin, to
        As for ``write_report``.

    Returns
    -------
    Path
        ``folder``: ``table.tex`` and ``.md``, ``methods.tex`` and ``.md``, ``references.bib``, ``sentence.txt``, and
        ``figures/`` as PDF and PNG at 3.25 and 6.75 inches.

    Raises
    ------
    AnalysisError
        Where the folder holds what no export wrote, or there is no study.
    """
    from analysis.report import write

    where = None if to is None else Path(to)
    write.write_report(Path(path), alpha, margin, (), where, Path(folder))
    return Path(folder)
