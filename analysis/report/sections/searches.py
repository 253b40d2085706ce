"""What the searches themselves say: every trial, what a budget buys, how much of the space is good."""

import math
from typing import Any

from analysis.findings.tuning import Chosen, Tuned
from analysis.records.tables import StudyData
from analysis.report import number_format as words
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
from analysis.report.figures import tuning as drawing
from analysis.report.figures.style import svg
from analysis.stats.tuning_curves import BestDifference
from study.spec.factors import FACTORS, rounded

BUDGETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""Shown in the table; of more trials than there are, none."""


def budget(of_arm: Tuned, gap: BestDifference) -> Figure:
    n = of_arm.chosen[0].n_trials
    together = f", and a band for budgets of 1 to {gap.up_to} trials together" if gap.up_to else ""
    sides = "; ".join(
        f"{words.side(side.arm)} "
        + ", ".join(f"{words.percent(side.expected[k - 1])} after {k}" for k in BUDGETS if k <= len(side.expected))
        for side in of_arm.budgets
    )
    return Figure(
        name=f"budget-{of_arm.arm}",
        headline=_budget_headline(of_arm),
        subtitle=(
            "Left: the expected best score on held-out images over the number of trials (%),"
            f" {words.trials(n)} an arm. Right: {words.side(of_arm.arm)} minus {words.side(of_arm.baseline)}, in"
            f" points{together}."
        ),
        svg=svg(drawing.budgets(of_arm.budgets, gap)),
        alt=f"Expected best score by number of trials: {sides}.",
        caption=(
            "The expected best of so many trials drawn from those there are (unbiased). Bands hold for all budgets"
            " together and take the trials for drawn independently, which is too careful for a Sobol set. The best"
            " score of a search is what chose it: the runs on fresh seeds above are the answer."
        ),
        table=_budget_table(of_arm, gap),
    )


def _budget_headline(of_arm: Tuned) -> str:
    """From which budget on the baseline reaches what the arm expects of one trial."""
    baseline, arm = of_arm.budgets
    enough = next((k for k, score in enumerate(baseline.expected, 1) if score >= arm.expected[0]), None)
    one = f"One trial {words.side(arm.arm)} is as good as"
    if enough is None:
        return f"{one} no number of trials {words.side(baseline.arm)} that was made"
    return f"{one} the best of {enough} {words.side(baseline.arm)}, on average"


def _budget_table(of_arm: Tuned, gap: BestDifference) -> Table:
    baseline, arm = of_arm.budgets
    columns = [
        count_column("trials", "trials"),
        interval_column(words.side(baseline.arm), "of_baseline", words.share),
        interval_column(words.side(arm.arm), "of_arm", words.share),
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
            "Score of every trial on held-out images (%) over its learning rate, one panel an arm; fainter for smaller"
            " batches, the chosen one ringed."
        ),
        svg=svg(drawing.tried(of_arm.trials, of_arm.chosen)),
        alt="; ".join(_chosen_words(chosen) for chosen in of_arm.chosen) + ".",
        caption="A trial's score is the mean over its seeds after the last epoch.",
        table=_trials_table(study, of_arm),
    )


def _trials_headline(of_arm: Tuned) -> str:
    if not of_arm.breadths:
        arms = f"{words.side(of_arm.arm)} and {words.side(of_arm.baseline)}"
        return f"{words.trials(len(of_arm.trials))} {arms} together"
    near = of_arm.breadths[-1]
    shares = [
        f"{words.percent(side.estimate, 0)} of the space {words.side(arm)}"
        for arm, side in ((of_arm.arm, near.of_arm), (of_arm.baseline, near.of_baseline))
    ]
    return f"{shares[0]} and {shares[1]} is {near.what}"


def _chosen_words(chosen: Chosen) -> str:
    failed = f", {chosen.n_diverged} of {chosen.n_trials} trials diverged" if chosen.n_diverged else ""
    stopped = f", {chosen.n_pruned} were stopped early" if chosen.n_pruned else ""
    return (
        f"{words.side(chosen.arm)} the best of {words.trials(chosen.n_trials)} has {words.percent(chosen.score)} at"
        f" {words.cell(rounded(chosen.cell))}{failed}{stopped}"
    )


def _trials_table(study: StudyData, of_arm: Tuned) -> Table:
    columns = [
        Column("arm", words.side, ("arm",), words=True),
        Column("trial", str, ("trial",)),
        *cell_columns(study, digits=3),
        Column("score", words.percent, ("score",)),
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
        interval_column(f"of the space {words.side(of_arm.baseline)}", "of_baseline", words.share),
        interval_column(f"of the space {words.side(of_arm.arm)}", "of_arm", words.share),
        interval_column("difference, points", "difference"),
        p_column("p, McNemar", "p_mcnemar"),
    ]
    rows = [
        {
            "what": found.what,
            "target_baseline": found.target_baseline,
            "target_arm": found.target_arm,
            **interval_values("of_baseline", found.of_baseline),
            **interval_values("of_arm", found.of_arm),
            **interval_values("difference", found.difference.interval),
            **pvalue_values("p_mcnemar", found.difference.mcnemar),
        }
        for found in of_arm.breadths
    ]
    return Table(f"breadth-{of_arm.arm}", "How much of the search space is good", columns, rows)


def importance(of_arm: Tuned) -> Table:
    columns = [
        Column("arm", words.side, ("arm",), words=True),
        *(Column(FACTORS[key].label, words.percent, (key,)) for key in of_arm.space),
    ]
    rows = [{"arm": importance.arm, **importance.shares} for importance in of_arm.importances]
    caption = "What decides whether a trial is among the best tenth of its arm (PED-ANOVA, shares that add up to 100 %)"
    return Table(f"importance-{of_arm.arm}", caption, columns, rows)
