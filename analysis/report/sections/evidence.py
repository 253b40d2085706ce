"""Section of the answer seed by seed, in one figure."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from analysis.findings import contrasts
from analysis.findings.contrasts import Contrast
from analysis.findings.curves import default_cell
from analysis.findings.results import Findings, Results
from analysis.records.scores import Scores
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.by_arm import under_names
from analysis.report.columns import cell_columns, cell_values, text_column
from analysis.report.document import Column, Figure, Placeholder, Section, Table
from analysis.report.figures import effects


def section(study: StudyData, results: Results) -> Section:
    figures = {
        arm: [_figure(study, results, of_arm)] if of_arm.scores[0].seeds else []
        for arm, of_arm in results.of_arms.items()
    }
    nothing = Placeholder(
        "There is no seed with a pair in every cell; the study's own command again completes it:",
        study.manifest["argv"],
    )
    return Section("seeds", "Seed by seed", under_names(figures) or [nothing])


def _figure(study: StudyData, results: Results, of_arm: Findings) -> Figure:
    panels = _panels(results, of_arm)
    first = panels[0][1]
    return Figure(
        name=f"pairs-{of_arm.arm}",
        headline=_headline(first),
        subtitle=(
            f"Test accuracy of each seed {fmt.side(first.baseline)} and {fmt.side(first.arm)} (%), joined by a line;"
            f" beside it the differences in points and their mean. {fmt.sentence(fmt.endpoint(first.endpoint))};"
            f" {fmt.seeds(len(panels[0][0].seeds))}."
        ),
        draw=partial(effects.seed_pairs, panels),
        alt=" ".join(_alt(*panel) for panel in panels),
        caption=(
            f"Bar: the mean difference and its {fmt.level(first.shown.level)} interval, which holds for all cells and"
            " their mean at once where a verdict can be given. Hollow: a run of the seed did not learn. The mean of a"
            " cell, given that both arms learn, leaves such seeds out; over all cells a seed's accuracies are averaged"
            " first, failures as they ended, a diverged run at chance."
        ),
        table=_table(study, of_arm),
    )


def _panels(results: Results, of_arm: Findings) -> list[tuple[Scores, Contrast]]:
    """Return the default cell where there is more than one and a difference in it, and all cells."""
    cells = contrasts.by_cell(results.contrasts, of_arm.arm)
    scores = {s.cell: s for s in of_arm.scores}
    panels = [(of_arm.scores[0], contrasts.overall(results.contrasts, of_arm.arm))]
    shown = default_cell(results.curves)
    if len(cells) > 1 and shown in scores and shown in cells and cells[shown].n_pairs:
        panels.insert(0, (scores[shown], cells[shown]))
    return panels


def _headline(contrast: Contrast) -> str:
    size = fmt.estimate(contrast.mean_diff, contrast.shown.low, contrast.shown.high)
    where = fmt.cell(contrast.cell)
    ahead = f"Better {fmt.side(contrast.arm)} in {contrast.n_better} of {fmt.seeds(contrast.n_pairs)}"
    return f"{ahead} ({where}): the mean difference is {size} points"


def _alt(scores: Scores, contrast: Contrast) -> str:
    where = fmt.cell(contrast.cell)
    pairs = "; ".join(
        f"seed {seed}: {fmt.percent(a)} to {fmt.percent(b)}"
        for seed, a, b in zip(scores.seeds[:20], scores.of_baseline, scores.of_arm, strict=False)
    )
    more = f"; and {len(scores.seeds) - 20} more" if len(scores.seeds) > 20 else ""
    mean = fmt.estimate(contrast.mean_diff, contrast.shown.low, contrast.shown.high)
    return f"In {where}, {fmt.side(contrast.baseline)} to {fmt.side(contrast.arm)}: {pairs}{more}. Mean {mean} points."


def _table(study: StudyData, of_arm: Findings) -> Table:
    return Table(
        f"pairs-{of_arm.arm}",
        f"Every seed, {fmt.side(of_arm.baseline)} and {fmt.side(of_arm.arm)}: over all cells, then in each",
        [
            *cell_columns(study),
            text_column("seed", "seed"),
            Column(fmt.side(of_arm.baseline), fmt.percent, ("of_baseline",)),
            Column(fmt.side(of_arm.arm), fmt.percent, ("of_arm",)),
            Column("difference, points", fmt.points, ("difference",)),
        ],
        [cell_values(study, scores.cell) | row for scores in of_arm.scores for row in _rows(scores)],
    )


def _rows(scores: Scores) -> Sequence[dict[str, Any]]:
    return [
        {"seed": seed, "of_baseline": a, "of_arm": b, "difference": d}
        for seed, a, b, d in zip(scores.seeds, scores.of_baseline, scores.of_arm, scores.differences, strict=True)
    ]
