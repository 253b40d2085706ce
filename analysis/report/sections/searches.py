"""Blocks on the searches themselves: every trial, the expected best by budget, the good share of the space."""

import math
from functools import partial
from typing import Any

from analysis.findings.trials import Chosen
from analysis.findings.tuning import Tuned
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.columns import (
    cell_columns,
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
from study.spec.factors import FACTORS, rounded

BUDGETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""Budgets in the table, as far as there are trials."""


def budget(of_arm: Tuned, gap: BestDifference) -> Figure:
    n = of_arm.chosen[0].n_trials
    together = f", and a band for budgets of 1 to {gap.up_to} trials together" if gap.up_to else ""
    sides = "; ".join(
        f"{fmt.side(side.arm)} "
        + ", ".join(f"{fmt.percent(side.expected[k - 1])} after {k}" for k in BUDGETS if k <= len(side.expected))
        for side in of_arm.budgets
    )
    return Figure(
        name=f"budget-{of_arm.arm}",
        headline=_budget_headline(of_arm),
        subtitle=(
            "Left: the expected best score on held-out images over the number of trials (%),"
            f" {fmt.trials(n)} an arm{_of_search_1(of_arm)}. Right: {fmt.side(of_arm.arm)} minus"
            f" {fmt.side(of_arm.baseline)}, in points{together}."
        ),
        draw=partial(expected_best, of_arm.budgets, gap),
        alt=f"Expected best score by number of trials: {sides}.",
        caption=(
            "The expected best of so many trials drawn from those there are (unbiased). Bands hold for all budgets"
            " together and take the trials for drawn independently, which is too careful for a Sobol set. The best"
            " score of a search is what chose it: the runs on fresh seeds above are the answer."
        ),
        table=_budget_table(of_arm, gap),
    )


def _of_search_1(of_arm: Tuned) -> str:
    """Return whose trials a figure draws, where there are several searches."""
    return " of search 1" if len(of_arm.searches) > 1 else ""


def _budget_headline(of_arm: Tuned) -> str:
    """Return from which budget on the baseline reaches what the arm expects of one trial."""
    baseline, arm = of_arm.budgets
    enough = next((k for k, score in enumerate(baseline.expected, 1) if score >= arm.expected[0]), None)
    one = f"One trial {fmt.side(arm.arm)} is as good as"
    if enough is None:
        return f"{one} no number of trials {fmt.side(baseline.arm)} that was made"
    return f"{one} the best of {enough} {fmt.side(baseline.arm)}, on average"


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
    return Figure(
        name=f"trials-{of_arm.arm}",
        headline=_trials_headline(of_arm),
        subtitle=(
            f"Score of every trial{_of_search_1(of_arm)} on held-out images (%) over its learning rate, one panel an"
            " arm; fainter for smaller batches, the chosen one ringed."
        ),
        draw=partial(trial_scores, of_arm.trials, of_arm.chosen),
        alt="; ".join(_describe_chosen(chosen) for chosen in of_arm.chosen) + ".",
        caption="A trial's score is the mean over its seeds after the last epoch.",
        table=_trials_table(study, of_arm),
    )


def _trials_headline(of_arm: Tuned) -> str:
    if not of_arm.breadths:
        arms = f"{fmt.side(of_arm.arm)} and {fmt.side(of_arm.baseline)}"
        return f"{fmt.trials(len(of_arm.trials))} {arms} together"
    near = of_arm.breadths[-1]
    shares = [
        f"{fmt.percent(side.estimate, 0)} of the space {fmt.side(arm)}"
        for arm, side in ((of_arm.arm, near.of_arm), (of_arm.baseline, near.of_baseline))
    ]
    return f"{shares[0]} and {shares[1]} is {near.what}"


def _describe_chosen(chosen: Chosen) -> str:
    failed = f", {chosen.n_diverged} of {chosen.n_trials} trials diverged" if chosen.n_diverged else ""
    stopped = f", {chosen.n_pruned} were stopped early" if chosen.n_pruned else ""
    return (
        f"{fmt.side(chosen.arm)} the best of {fmt.trials(chosen.n_trials)} has {fmt.percent(chosen.score)} at"
        f" {fmt.cell(rounded(chosen.cell))}{failed}{stopped}"
    )


def _trials_table(study: StudyData, of_arm: Tuned) -> Table:
    columns = [
        Column("arm", fmt.side, ("arm",), is_text=True),
        Column("trial", str, ("trial",)),
        *cell_columns(study, digits=3),
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


def breadth(of_arm: Tuned) -> Table:
    columns = [
        text_column("good is", "what"),
        interval_column(f"of the space {fmt.side(of_arm.baseline)}", "of_baseline", fmt.share),
        interval_column(f"of the space {fmt.side(of_arm.arm)}", "of_arm", fmt.share),
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
    caption = "What decides whether a trial is among the best tenth of its arm (PED-ANOVA, shares that add up to 100 %)"
    return Table(f"importance-{of_arm.arm}", caption, columns, rows)
