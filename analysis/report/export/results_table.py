"""The answer as one table: its parts, then the difference in every setting."""

from collections.abc import Iterator, Sequence
from typing import Any

from analysis.findings import contrasts
from analysis.findings.answer import Answer, Part
from analysis.findings.contrasts import Contrast
from analysis.findings.results import Results
from analysis.records.tables import PRIMARY, StudyData
from analysis.report import number_format as fmt
from analysis.report.document import Column, Row, Table
from study.spec.factors import Cell

LABELS = {"best": "each at its best", "setting": "{levels} (tutorial)", "mean": "mean over settings"}
"""Names of the parts of an answer, where there is little room."""
IN_WORDS = {"description": "no verdict"}
"""Verdicts that say more elsewhere."""
SEEN = "*"
"""Behind a verdict that holds in the runs seen."""


def results_table(study: StudyData, results: Results) -> Table:
    """Return a row for each part of the answers, then one for each other setting; of several arms each is named."""
    parts = [row for answer in results.answers.values() for row in _parts(answer)]
    settings = [row for answer in results.answers.values() for row in _settings(results, answer)]
    rows = [*parts, *settings]
    return Table("results", _caption(study, results, rows), _columns(study, rows), rows, len(parts))


def _caption(study: StudyData, results: Results, rows: Sequence[Row]) -> str:
    return " ".join(_sentences(study, results, rows))


def _sentences(study: StudyData, results: Results, rows: Sequence[Row]) -> Iterator[str]:
    yield f"Test accuracy on {fmt.dataset(study.design.dataset)} (study {study.title}), {fmt.endpoint(PRIMARY)}."
    whose = (
        "of all arms, in the settings and on average,"
        if len(study.treatments) > 1
        else "of the settings and their mean"
    )
    together = f"; those {whose} hold at once" if len(study.design.cells) > 1 else ""
    yield f"Differences are in points, with {fmt.level(1 - results.alpha)} intervals{together}."
    learns = fmt.percent(study.learning_threshold, 0)
    yield f"Failed: runs that diverged or ended below {learns}, of the runs of each arm."
    if any(row["verdict"] == "counts alone" for row in rows):
        yield "Counts alone: too few pairs in which both arms learn for a difference."
    if any(row["qualified"] for row in rows):
        yield f"{SEEN}: in the runs seen; collapses that the seeds do not exclude would reverse it."


def _columns(study: StudyData, rows: Sequence[Row]) -> list[Column]:
    several = len(study.treatments) > 1
    units = sorted({row["unit"] for row in rows})
    of_arm = "arm" if several else fmt.side(study.treatments[0])
    tags = ("baseline", "arm") if several else fmt.tags(study.baseline, study.treatments[0])
    return [
        Column(
            f"setting ({', '.join(factor.label for factor in study.design.factors)})", str, ("setting",), is_text=True
        ),
        *([Column("arm", fmt.side, ("arm",), is_text=True)] if several else []),
        Column(units[0], fmt.count, ("n",)) if len(units) == 1 else Column("n", fmt.units, ("n", "unit")),
        Column(f"{fmt.side(study.baseline)}, %", _percent, ("mean_baseline",)),
        Column(f"{of_arm}, %", _percent, ("mean_arm",)),
        Column("difference", fmt.estimate, ("difference", "low", "high")),
        Column(f"failed {' | '.join(tags)}", _counts, ("n_failed_baseline", "n_failed_arm", "n_runs")),
        Column("verdict", _verdict, ("verdict", "qualified"), is_text=True),
    ]


def _percent(fraction: float) -> str:
    return fmt.percent(fraction).removesuffix(" %")


def _counts(of_baseline: int, of_arm: int, n: int) -> str:
    return f"{of_baseline} | {of_arm} of {n}"


def _verdict(verdict: str, qualified: bool) -> str:
    return IN_WORDS.get(verdict, verdict) + (SEEN if qualified else "")


def _parts(answer: Answer) -> Iterator[Row]:
    for part in answer.parts:
        yield _row(part) | {
            "setting": LABELS[part.key].format(levels=_levels(part.cells.get(answer.arm))),
            "arm": answer.arm,
            "n": part.n,
            "unit": part.unit,
            "difference": part.difference.estimate,
            "low": part.difference.low,
            "high": part.difference.high,
            "qualified": part.qualified,
        }


def _levels(cell: Cell | None) -> str:
    """Return the levels of a setting, whose factors the head of the column names."""
    return "" if cell is None else ", ".join(cell.factors[key].show(level) for key, level in cell.said.items())


def _settings(results: Results, answer: Answer) -> Iterator[Row]:
    """Yield the settings that no part of the answer has told."""
    told = set() if answer.setting is None else {*answer.setting.cells.values()}
    for cell, contrast in contrasts.by_cell(results.contrasts, answer.arm).items():
        if cell not in told:
            yield _row(contrast) | {
                "setting": _levels(cell),
                "arm": answer.arm,
                "n": contrast.n_pairs,
                "unit": "seeds",
                "difference": contrast.mean_diff,
                "low": contrast.shown.low,
                "high": contrast.shown.high,
                "qualified": contrast.tipping is not None and contrast.tipping.qualified,
            }


def _row(of: Part | Contrast) -> dict[str, Any]:
    """Return what a part and a setting have in common."""
    names = ("mean_baseline", "mean_arm", "n_failed_baseline", "n_failed_arm", "n_runs", "verdict")
    return {name: getattr(of, name) for name in names}
