"""Section of tuned against tuned, with equal budgets where the study was tuned, else on the study's own grid."""

import math
from collections.abc import Iterator
from typing import Any

from analysis.findings.results import BestCell, Findings, Results
from analysis.findings.tuning import EQUAL, LISTED, MIN_SEARCHES, ONE, Gap, Tuned
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report import tuning_sentences
from analysis.report.by_arm import under_names
from analysis.report.columns import (
    count_column,
    failed_column,
    interval_column,
    interval_values,
    p_column,
    pvalue_values,
    text_column,
    tipping_column,
    tipping_values,
)
from analysis.report.document import Block, Column, Paragraph, Placeholder, Section, Table
from analysis.report.sections import searches
from study.spec.factors import FACTORS, REFERENCE_SETTING

ADAPTED = (
    "These trials went where trials had gone well, or were stopped early: what they say of the space holds for this"
    " search alone. No expected best by number of trials and no share of the space that is good is given; the sampler"
    " sobol without a pruner gives both."
)
TO_CLAIM = {
    ONE: (
        "One search chose these two configurations; another would choose others. What equal tuning gives is said of"
        f" {MIN_SEARCHES} searches or more:"
    ),
    LISTED: f"A verdict on equal tuning takes {MIN_SEARCHES} searches:",
}
"""What is missing before equal tuning may be spoken of, before the command that makes it."""
OF_SEARCH_1 = (
    "What follows is of the trials of search 1: those of several searches together are not one search of so many"
    " trials. The table trials.parquet has all."
)
EACH_ITS_OWN = "each search its own"
SAMPLERS = {
    "sobol": "a scrambled Sobol set, the same points for {every_arm}",
    "tpe": "the sampler TPE, which goes where it went well",
    "gp": "a Gaussian process, which goes where it went well",
}


def section(study: StudyData, results: Results) -> Section:
    tuned = {of_arm.arm: [*_tuned(study, of_arm)] for of_arm in results.tuned}
    on_the_grid = {arm: [*_on_the_grid(of_arm)] for arm, of_arm in results.of_arms.items()}
    blocks = under_names(tuned) if tuned else [*under_names(on_the_grid), _not_tuned(study)]
    return Section("tuned", "After tuning both", blocks)


def _not_tuned(study: StudyData) -> Placeholder:
    none, every = ("No arm", "all") if len(study.design.arms) > 2 else ("Neither arm", "both")
    text = f"{none} was tuned here. To tune {every} with equal budgets:"
    return Placeholder(text, f"python -m study.tune --dataset {study.design.dataset} --searches {MIN_SEARCHES}")


# --- on a grid


def _on_the_grid(of_arm: Findings) -> Iterator[Block]:
    if of_arm.best_cell is None:
        return
    yield Paragraph(
        "Each arm in the cell that suits it best: for every seed, the cell is chosen by the mean score of the other"
        " seeds and scored on that one, so that no score is reported that also chose. The choice is repeated in every"
        " resample of the seeds. The grid is coarse, and the test images have a part in the choice."
    )
    yield _best_cell_table(of_arm, of_arm.best_cell)


def _best_cell_table(of_arm: Findings, best: BestCell) -> Table:
    choice = best.found
    cells = [fmt.cell(best.cells[i]) if i is not None else None for i in (choice.best_baseline, choice.best_arm)]
    columns = [
        text_column(f"best cell {fmt.side(of_arm.baseline)}", "cell_baseline"),
        Column("folds that agree", fmt.percent, ("stable_baseline",)),
        text_column(f"best cell {fmt.side(of_arm.arm)}", "cell_arm"),
        Column("folds that agree", fmt.percent, ("stable_arm",)),
        count_column("seeds", "n"),
        interval_column("difference, points", "difference"),
    ]
    row = {
        "cell_baseline": cells[0],
        "stable_baseline": choice.stable_baseline,
        "cell_arm": cells[1],
        "stable_arm": choice.stable_arm,
        "n": choice.interval.n,
        **interval_values("difference", choice.interval),
        "reason": choice.interval.reason,
    }
    return Table(
        f"best-cell-{of_arm.arm}", "Both arms in their best cells, cross-fitted over the seeds", columns, [row]
    )


# --- with a budget


def _tuned(study: StudyData, of_arm: Tuned) -> Iterator[Block]:
    yield Paragraph(_how(study, of_arm))
    yield _table(of_arm)
    if len(of_arm.searches) > 1:
        yield _searches(of_arm)
    yield Paragraph(tuning_sentences.gap(of_arm))
    if of_arm.scope != EQUAL:
        yield Placeholder(TO_CLAIM[of_arm.scope], tuning_sentences.command(study))
    yield from _of_the_trials(study, of_arm)


def _of_the_trials(study: StudyData, of_arm: Tuned) -> Iterator[Block]:
    """Yield what the trials of search 1 say of the space."""
    if len(of_arm.searches) > 1:
        yield Paragraph(OF_SEARCH_1)
    if of_arm.gap_by_budget is not None:
        yield searches.budget(of_arm, of_arm.gap_by_budget)
    yield searches.tried(study, of_arm)
    yield searches.breadth(of_arm) if of_arm.breadths else Paragraph(ADAPTED)
    yield Paragraph(_on_the_trials(of_arm))
    if of_arm.importances:
        yield searches.importance(of_arm)


def _how(study: StudyData, of_arm: Tuned) -> str:
    tuning, chosen = study.manifest["tuning"], of_arm.chosen[0]
    every_arm = fmt.every_arm(study.design.arms)
    drawn = SAMPLERS.get(tuning["sampler"], tuning["sampler"]).format(every_arm=every_arm)
    budget = f"{fmt.trials(chosen.n_trials)} of {fmt.seeds(chosen.n_seeds)} and {tuning['epochs']} epochs"
    ranges = ((FACTORS[key], levels) for key, levels in of_arm.space.items())
    space = ", ".join(f"{factor.label} {factor.show(low)} to {factor.show(high)}" for factor, (low, high) in ranges)
    pruned = (
        "" if tuning["pruner"] == "none" else f" The pruner {tuning['pruner']} stopped trials of {every_arm} early."
    )
    n = len(of_arm.searches)
    repeated = f" All this was done {n} times, with other points and other seeds." if n > 1 else ""
    return (
        f"Each arm had {budget} in the same space ({space}), drawn by {drawn}, and was scored on {of_arm.n_held_out:,}"
        " training images that no trial trained on. A seed that diverged scores 0. The best configuration of each then"
        f" trained fresh seeds on all training images; the test images had no part in any choice.{pruned}{repeated}"
    )


def _columns(of_arm: Tuned) -> list[Column]:
    """Return the columns of both arms' configurations and accuracies."""
    baseline, arm = fmt.side(of_arm.baseline), fmt.side(of_arm.arm)
    return [
        text_column(f"{baseline} at", "at_baseline"),
        text_column(f"{arm} at", "at_arm"),
        Column(baseline, fmt.percent, ("mean_baseline",)),
        Column(arm, fmt.percent, ("mean_arm",)),
    ]


def _table(of_arm: Tuned) -> Table:
    columns = [
        text_column("what", "what"),
        *_columns(of_arm),
        count_column(of_arm.unit, "n"),
        interval_column("difference, points", "difference"),
        p_column("p, paired t", "p_t"),
        failed_column(of_arm.baseline, of_arm.arm),
        tipping_column(),
        text_column("verdict", "verdict"),
    ]
    own = tuning_sentences.at(of_arm.searches[0]) if of_arm.scope == ONE else [EACH_ITS_OWN] * 2
    reference = [fmt.cell(REFERENCE_SETTING)] * 2
    rows = [
        {"what": "tuned against tuned", **_row(own, of_arm.after), **_concluded(of_arm)},
        {"what": "untuned", **_row(reference, of_arm.before), **NOTHING_CONCLUDED},
        *_gain_rows(of_arm),
    ]
    return Table(f"tuned-{of_arm.arm}", "Tuned, untuned, and what tuning adds to each arm", columns, rows)


NOTHING_CONCLUDED = {**tipping_values(None), "verdict": None}


def _concluded(of_arm: Tuned) -> dict[str, Any]:
    return {**tipping_values(of_arm.tipping), "verdict": of_arm.verdict}


def _row(at: list[str], gap: Gap) -> dict[str, Any]:
    return {
        "at_baseline": at[0],
        "at_arm": at[1],
        "mean_baseline": gap.mean_baseline,
        "mean_arm": gap.mean_arm,
        "n": gap.interval.n,
        **interval_values("difference", gap.interval),
        **pvalue_values("p_t", gap.test),
        **tuning_sentences.failed(gap),
    }


def _gain_rows(of_arm: Tuned) -> Iterator[dict[str, Any]]:
    """Yield the gains of each arm and their difference, which no pair of arms has."""
    rows = [(f"tuned less untuned, {fmt.side(gain.arm)}", gain.interval, gain.test) for gain in of_arm.gains]
    rows.append(("untuned difference less tuned difference", of_arm.taken_away, of_arm.taken_away_test))
    for what, interval, test in rows:
        yield {
            "what": what,
            "at_baseline": None,
            "at_arm": None,
            "mean_baseline": None,
            "mean_arm": None,
            "n": interval.n,
            **interval_values("difference", interval),
            **pvalue_values("p_t", test),
            **dict.fromkeys(("n_failed_baseline", "n_failed_arm", "n_runs")),
            **NOTHING_CONCLUDED,
        }


def _searches(of_arm: Tuned) -> Table:
    """Return a row for each search: what it chose, and the difference of that over its own seeds."""
    columns = [
        count_column("search", "search"),
        *_columns(of_arm),
        count_column("seeds", "n"),
        interval_column("difference, points", "difference"),
        failed_column(of_arm.baseline, of_arm.arm),
    ]
    rows = [{"search": one.search, **_row(tuning_sentences.at(one), one.after)} for one in of_arm.searches]
    caption = "Every search: the two configurations that it chose, and their difference over its own fresh seeds"
    return Table(f"searches-{of_arm.arm}", caption, columns, rows)


def _on_the_trials(of_arm: Tuned) -> str:
    crossfit = of_arm.crossfit
    if math.isnan(crossfit.interval.estimate):
        naive = fmt.points(crossfit.naive)
        return f"On the trials themselves, chosen and scored on the same seed, the tuned arms differ by {naive} points."
    statement = (
        "On the trials themselves, chosen on all seeds but one and scored on that one, the tuned arms differ by"
        f" {fmt.estimate(*fmt.as_triple(crossfit.interval))} points on held-out images"
    )
    reason = f"; no interval: {crossfit.interval.reason}" if crossfit.interval.reason else ""
    return f"{statement}{reason}. Chosen and scored on the same seeds it would be {fmt.points(crossfit.naive)}."
