"""Blocks on the searches themselves: every trial, the expected best by budget, the good share of the space."""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from analysis.findings.trials import Chosen
from analysis.findings.tuning import Tuned
from analysis.records.cells import cell_at
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.columns import (
    cell_values,
    count_column,
    interval_column,
    interval_values,
    p_column,
    pvalue_values,
    text_column,
)
from analysis.report.document import Column, Figure, Table
from analysis.report.figures.tuning import expected_best, trial_scores
from analysis.stats.tuning.tuning_curves import BestDifference
from study.spec.factors import FACTORS, Level, rounded

BUDGETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""Budgets in the table, as far as there are trials."""


BUDGETS_EXPLAINED = (
    "The expected best score is the mean best of so many trials, drawn from those that there are (unbiased). Its bands"
    " take the trials for independent, which is too careful for a Sobol set. A search chooses by its best score, which"
    " luck inflates: the runs on fresh seeds are the answer."
)


def budget(of_arm: Tuned, gap: BestDifference) -> Figure:
    sides = "; ".join(
        f"{fmt.side(side.arm)} "
        + ", ".join(f"{fmt.percent(side.expected[k - 1])} after {k}" for k in BUDGETS if k <= len(side.expected))
        for side in of_arm.budgets
    )
    ends = f"ends at {fmt.trials(gap.up_to)}" if gap.up_to else "is left out: the trials are too few"
    return Figure(
        name=f"budget-{of_arm.arm}",
        headline=_budget_headline(of_arm),
        subtitle=(
            f"Expected best score on held-out images (%) by number of trials{_of_search_1(of_arm)}, and"
            f" {fmt.side(of_arm.arm)} minus {fmt.side(of_arm.baseline)} (points)."
        ),
        draw=partial(expected_best, of_arm.budgets, gap),
        alt=f"Expected best score by number of trials: {sides}.",
        caption=(
            f"Bands are simultaneous over all budgets; that of the difference {ends}."
            " The score axis is stretched towards 100 %."
        ),
        table=_budget_table(of_arm, gap),
    )


def _of_search_1(of_arm: Tuned) -> str:
    """Return whose trials a figure draws, where there are several searches."""
    return " of search 1" if len(of_arm.searches) > 1 else ""


def _budget_headline(of_arm: Tuned) -> str:
    """Return from which budget on the baseline reaches what the arm expects of one trial."""
    baseline, arm = of_arm.budgets
    sides, n = (fmt.side(arm.arm), fmt.side(baseline.arm)), len(baseline.expected)
    enough = next((k for k, score in enumerate(baseline.expected, 1) if score >= arm.expected[0]), None)
    if enough == 1:
        return f"One trial does no better {sides[0]} than {sides[1]}"
    if enough is None and n == 1:
        return f"One trial does better {sides[0]} than {sides[1]}"
    if enough is None:
        return f"One trial {sides[0]} beats the best of {n} {sides[1]}"
    return f"One trial {sides[0]} matches the best of {enough} {sides[1]}"


def _budget_table(of_arm: Tuned, gap: BestDifference) -> Table:
    baseline, arm = of_arm.budgets
    columns = [
        count_column("trials", "trials"),
        interval_column(fmt.side(baseline.arm), "of_baseline", fmt.share),
        interval_column(fmt.side(arm.arm), "of_arm", fmt.share),
        interval_column("difference, points", "difference"),
    ]
    rows: list[dict[str, Any]] = []
    for k in (k for k in BUDGETS if k <= min(len(baseline.expected), len(arm.expected))):
        row: dict[str, Any] = {"trials": k}
        for name, side in (("of_baseline", baseline), ("of_arm", arm)):
            row |= {name: side.expected[k - 1], f"{name}_low": side.low[k - 1], f"{name}_high": side.high[k - 1]}
        ends = (gap.low[k - 1], gap.high[k - 1]) if k <= gap.up_to else (math.nan, math.nan)
        rows.append(row | {"difference": gap.estimates[k - 1], "difference_low": ends[0], "difference_high": ends[1]})
    return Table(f"budget-{of_arm.arm}", "The expected best score by number of trials", columns, rows)


def tried(study: StudyData, of_arm: Tuned) -> Figure:
    several_sizes = len({trial.cell.batch_size for trial in of_arm.trials}) > 1
    return Figure(
        name=f"trials-{of_arm.arm}",
        headline=_trials_headline(study, of_arm),
        subtitle=(
            f"Score of every trial{_of_search_1(of_arm)} on held-out images (%) over its learning rate;"
            f" {fmt.trials(of_arm.chosen[0].n_trials)} an arm{'; larger marks: larger batches' * several_sizes}."
        ),
        draw=partial(trial_scores, of_arm.trials, of_arm.chosen),
        alt="; ".join(_describe_chosen(chosen) for chosen in of_arm.chosen) + ".",
        caption=" ".join(_trials_caption(study, of_arm)),
        table=_trials_table(study, of_arm),
    )


def _trials_headline(study: StudyData, of_arm: Tuned) -> str:
    sides = [fmt.side(of_arm.arm), fmt.side(of_arm.baseline)]
    if not _have_good_settings(study, of_arm):
        scores = {chosen.arm: fmt.percent(chosen.score, 1) for chosen in of_arm.chosen}
        return f"Best trial: {scores[of_arm.arm]} {sides[0]}, {scores[of_arm.baseline]} {sides[1]}"
    near = of_arm.breadths[-1]
    shares = [fmt.percent(side.estimate, 0) for side in (near.of_arm, near.of_baseline)]
    return f"Good settings: {shares[0]} {sides[0]}, {shares[1]} {sides[1]}"


def _have_good_settings(study: StudyData, of_arm: Tuned) -> bool:
    """Return whether shares of good settings mean something: of several that cover the space, where each arm learns."""
    return bool(of_arm.breadths) and all(
        chosen.n_trials > 1 and chosen.score >= study.learning_threshold for chosen in of_arm.chosen
    )


def _trials_caption(study: StudyData, of_arm: Tuned) -> Iterator[str]:
    n = of_arm.chosen[0].n_seeds
    score = "the accuracy of one seed" if n == 1 else f"the mean accuracy over {fmt.seeds(n)}"
    yield f"Ringed: what each arm's search chose. A score is {score} after the last epoch."
    if _have_good_settings(study, of_arm):
        yield f"Good: {of_arm.breadths[-1].what}."


def _describe_chosen(chosen: Chosen) -> str:
    trials = fmt.trials(chosen.n_trials)
    failed = f", {chosen.n_diverged} of {trials} diverged" if chosen.n_diverged else ""
    stopped = f", {chosen.n_pruned} of {trials} stopped early" if chosen.n_pruned else ""
    return (
        f"{fmt.side(chosen.arm)} the best of {trials} has {fmt.percent(chosen.score)} at"
        f" {fmt.cell(rounded(chosen.cell))}{failed}{stopped}"
    )


def _trials_table(study: StudyData, of_arm: Tuned) -> Table:
    columns = [
        Column("arm", fmt.side, ("arm",), is_text=True),
        Column("trial", str, ("trial",)),
        Column("setting", partial(_setting, study.cell_key), study.cell_key, is_text=True),
        Column("score", fmt.percent, ("score",)),
        Column("seeds that diverged", str, ("n_diverged",)),
        Column("stopped early", lambda pruned: "yes" if pruned else "no", ("pruned",)),
    ]
    rows = [
        {"arm": trial.arm, "trial": trial.trial}
        | cell_values(study, trial.cell)
        | {"score": trial.score, "n_diverged": trial.n_diverged, "pruned": trial.pruned}
        for trial in of_arm.trials
    ]
    return Table(f"trials-{of_arm.arm}", "Every trial of both arms", columns, rows)


def _setting(key: Sequence[str], *levels: Level) -> str:
    return fmt.cell(rounded(cell_at(key, levels)))


def breadth(of_arm: Tuned) -> Table:
    columns = [
        text_column("good", "what"),
        interval_column(f"share of settings {fmt.side(of_arm.baseline)}", "of_baseline", fmt.share),
        interval_column(f"share of settings {fmt.side(of_arm.arm)}", "of_arm", fmt.share),
        interval_column("difference, points", "difference"),
        p_column("p, McNemar", "p_mcnemar"),
    ]
    rows = [
        {
            "what": region.what,
            "target_baseline": region.target_baseline,
            "target_arm": region.target_arm,
            **interval_values("of_baseline", region.of_baseline),
            **interval_values("of_arm", region.of_arm),
            **interval_values("difference", region.difference.interval),
            **pvalue_values("p_mcnemar", region.difference.mcnemar),
        }
        for region in of_arm.breadths
    ]
    return Table(f"breadth-{of_arm.arm}", "How much of the search space is good", columns, rows)


def importance(of_arm: Tuned) -> Table:
    columns = [
        Column("arm", fmt.side, ("arm",), is_text=True),
        *(Column(FACTORS[key].label, fmt.percent, (key,)) for key in of_arm.space),
    ]
    rows = [{"arm": importance.arm, **importance.shares} for importance in of_arm.importances]
    caption = "What decides whether a trial is among the best tenth of its arm (PED-ANOVA; shares add up to 100 %)"
    return Table(f"importance-{of_arm.arm}", caption, columns, rows)
