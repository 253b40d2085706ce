"""Part 8: tuned against tuned, with equal budgets where the study was tuned, else on the study's own grid."""

import math
from collections.abc import Iterator
from typing import Any

from analysis import sentences, words
from analysis.columns import count_column, interval_column, interval_values, p_column, pvalue_values, text_column
from analysis.contrasts import Contrast
from analysis.document import Block, Column, Figure, Missing, Paragraph, Part, Table
from analysis.figures import tuning as drawing
from analysis.figures.style import svg
from analysis.findings import BestCell, Findings, Results
from analysis.tables import Study
from analysis.tuned import Chosen, Tuned

BUDGETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""Shown in the table; of more trials than there are, none."""
SAMPLERS = {
    "sobol": "a scrambled Sobol set, the same points for both arms",
    "tpe": "the sampler TPE, which goes where it went well",
    "gp": "a Gaussian process, which goes where it went well",
}


def part(study: Study, found: Results) -> Part:
    blocks: list[Block] = []
    for of_arm in found.tuned:
        blocks += _tuned(study, of_arm)
    if not found.tuned:
        for findings in found.of_arms.values():
            blocks += _on_the_grid(findings)
        blocks.append(_not_tuned(study))
    return Part("tuned", "Tuned against tuned", blocks)


def _not_tuned(study: Study) -> Missing:
    text = (
        "No arm had a tuning budget of its own in this study. Equal budgets on held-out training images, then fresh"
        " seeds for what each found best:"
    )
    return Missing(text, f"python -m study.tune --dataset {study.design.dataset}")


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
    found = best.found
    cells = [words.cell(*best.cells[i]) if i is not None else None for i in (found.best_baseline, found.best_arm)]
    columns = [
        text_column(f"best cell {words.side(of_arm.baseline)}", "cell_baseline"),
        Column("folds that agree", words.percent, ("stable_baseline",)),
        text_column(f"best cell {words.side(of_arm.arm)}", "cell_arm"),
        Column("folds that agree", words.percent, ("stable_arm",)),
        count_column("seeds", "n"),
        interval_column("difference, points", "difference"),
    ]
    row = {
        "cell_baseline": cells[0],
        "stable_baseline": found.stable_baseline,
        "cell_arm": cells[1],
        "stable_arm": found.stable_arm,
        "n": found.interval.n,
        **interval_values("difference", found.interval),
        "reason": found.interval.reason,
    }
    return Table(
        f"best-cell-{of_arm.arm}", "Both arms in their best cells, cross-fitted over the seeds", columns, [row]
    )


# --- with a budget


def _tuned(study: Study, of_arm: Tuned) -> Iterator[Block]:
    yield Paragraph(_how(study, of_arm))
    yield _table(of_arm)
    yield Paragraph(sentences.share_of_gap(of_arm))
    yield _budget_figure(of_arm)
    yield _trials_figure(of_arm)
    yield _breadth_table(of_arm)
    yield Paragraph(_on_the_trials(of_arm))
    if of_arm.importances:
        yield _importance_table(of_arm)


def _how(study: Study, of_arm: Tuned) -> str:
    tuning, chosen = study.manifest["tuning"], of_arm.chosen[0]
    drawn = SAMPLERS.get(tuning["sampler"], tuning["sampler"])
    budget = f"{words.trials(chosen.n_trials)} of {words.seeds(chosen.n_seeds)} and {tuning['epochs']} epochs"
    n_held_out = study.design.facts.n_train // 6
    space = (
        tuning["space"]
        .replace("=", " ")
        .replace(":", " to ")
        .replace(",", ", ")
        .replace("_", " ")
        .replace("lr", "rate")
    )
    pruned = "" if tuning["pruner"] == "none" else f" The pruner {tuning['pruner']} stopped trials of both arms early."
    return (
        f"Each arm had {budget} in the same space ({space}), drawn by {drawn}, and was scored on {n_held_out:,}"
        " training images that no trial trained on. A seed that diverged scores 0. The best configuration of each then"
        f" trained fresh seeds on all training images; the test images had no part in any choice.{pruned}"
    )


def _table(of_arm: Tuned) -> Table:
    columns = [
        text_column("what", "what"),
        text_column("without BN at", "at_baseline"),
        text_column("with BN at", "at_arm"),
        Column("without BN", words.percent, ("mean_baseline",)),
        Column("with BN", words.percent, ("mean_arm",)),
        count_column("seeds", "n"),
        interval_column("difference, points", "difference"),
        p_column("p, sign-flip", "p_sign_flip"),
        text_column("verdict", "verdict"),
    ]
    rows = [_tuned_row(of_arm), _untuned_row(of_arm.untuned), *_gain_rows(of_arm)]
    return Table(f"tuned-{of_arm.arm}", "Tuned, untuned, and what tuning adds to each arm", columns, rows)


def _tuned_row(of_arm: Tuned) -> dict[str, Any]:
    at = [words.cell(chosen.batch_size, float(f"{chosen.lr:.3g}")) for chosen in of_arm.chosen]
    return _row("tuned against tuned", at, of_arm.primary, of_arm.primary.verdict)


def _untuned_row(untuned: Contrast) -> dict[str, Any]:
    return _row("untuned", [words.cell(untuned.batch_size, untuned.lr)] * 2, untuned, None)


def _row(what: str, at: list[str], found: Contrast, verdict: str | None) -> dict[str, Any]:
    return {
        "what": what,
        "at_baseline": at[0],
        "at_arm": at[1],
        "mean_baseline": found.mean_baseline,
        "mean_arm": found.mean_arm,
        "n": found.n_pairs,
        **interval_values("difference", found.ci),
        **pvalue_values("p_sign_flip", found.sign_flip),
        "verdict": verdict,
    }


def _gain_rows(of_arm: Tuned) -> Iterator[dict[str, Any]]:
    """What no pair of arms has: the gains of each, and their difference."""
    rows = [(f"tuned less untuned, {words.side(gain.arm)}", gain.interval, gain.sign_flip) for gain in of_arm.gains]
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
            **pvalue_values("p_sign_flip", test),
            "verdict": None,
        }


def _budget_figure(of_arm: Tuned) -> Figure:
    gap, n = of_arm.gap_by_budget, of_arm.chosen[0].n_trials
    right = (
        ""
        if gap is None
        else f" Right: with BN minus without BN, in points, and a band for budgets of 1 to {gap.up_to} trials together."
        if gap.up_to
        else " Right: with BN minus without BN, in points."
    )
    sides = "; ".join(
        f"{words.side(budget.arm)} "
        + ", ".join(f"{words.percent(budget.expected[k - 1])} after {k}" for k in BUDGETS if k <= len(budget.expected))
        for budget in of_arm.budgets
    )
    return Figure(
        name=f"budget-{of_arm.arm}",
        headline=_budget_headline(of_arm),
        subtitle=(
            "Left: the expected best score on held-out images over the number of trials (%),"
            f" {words.trials(n)} an arm.{right}"
        ),
        svg=svg(drawing.budgets(of_arm.budgets, gap)),
        alt=f"Expected best score by number of trials: {sides}.",
        caption=(
            "The expected best of so many trials drawn from those there are (unbiased). Bands hold for all budgets"
            " together and take the trials for drawn independently, which is too careful for a Sobol set. The best"
            " score of a search is what chose it: the runs on fresh seeds above are the answer."
        ),
        table=_budget_table(of_arm),
    )


def _budget_headline(of_arm: Tuned) -> str:
    """From which budget on the baseline reaches what the arm expects of one trial."""
    baseline, arm = of_arm.budgets
    enough = next((k for k, score in enumerate(baseline.expected, 1) if score >= arm.expected[0]), None)
    one = f"One trial {words.side(arm.arm)} is as good as"
    if enough is None:
        return f"{one} no number of trials {words.side(baseline.arm)} that was made"
    return f"{one} the best of {enough} {words.side(baseline.arm)}, on average"


def _budget_table(of_arm: Tuned) -> Table:
    baseline, arm = of_arm.budgets
    gap = of_arm.gap_by_budget
    columns = [
        count_column("trials", "trials"),
        interval_column(words.side(baseline.arm), "of_baseline", words.share),
        interval_column(words.side(arm.arm), "of_arm", words.share),
        interval_column("difference, points", "difference"),
    ]
    rows = []
    for k in (k for k in BUDGETS if k <= min(len(baseline.expected), len(arm.expected))):
        row: dict[str, Any] = {"trials": k}
        for name, side in (("of_baseline", baseline), ("of_arm", arm)):
            row |= {name: side.expected[k - 1], f"{name}_low": side.low[k - 1], f"{name}_high": side.high[k - 1]}
        known = gap is not None and k <= gap.up_to
        row["difference"] = None if gap is None else gap.estimates[k - 1]
        row["difference_low"] = gap.low[k - 1] if gap is not None and known else float("nan")
        row["difference_high"] = gap.high[k - 1] if gap is not None and known else float("nan")
        rows.append(row)
    return Table(f"budget-{of_arm.arm}", "The expected best score by number of trials", columns, rows)


def _trials_figure(of_arm: Tuned) -> Figure:
    return Figure(
        name=f"trials-{of_arm.arm}",
        headline=_trials_headline(of_arm),
        subtitle=(
            "Score of every trial on held-out images (%) over its learning rate, one panel an arm; darker for larger"
            " batches, the chosen one ringed."
        ),
        svg=svg(drawing.tried(of_arm.trials, of_arm.chosen)),
        alt="; ".join(_chosen_words(chosen) for chosen in of_arm.chosen) + ".",
        caption="A trial's score is the mean over its seeds after the last epoch.",
        table=_trials_table(of_arm),
    )


def _trials_headline(of_arm: Tuned) -> str:
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
        f" {words.cell(chosen.batch_size, float(f'{chosen.lr:.3g}'))}{failed}{stopped}"
    )


def _trials_table(of_arm: Tuned) -> Table:
    columns = [
        Column("arm", words.side, ("arm",), words=True),
        Column("trial", str, ("trial",)),
        Column("batch size", str, ("batch_size",)),
        Column("rate", lambda lr: words.rate(float(f"{lr:.3g}")), ("lr",)),
        Column("score", words.percent, ("score",)),
        Column("seeds that diverged", str, ("n_diverged",)),
        Column("stopped early", lambda pruned: "yes" if pruned else "no", ("pruned",)),
    ]
    rows = [
        {name: getattr(trial, name) for name in ("arm", "trial", "batch_size", "lr", "score", "n_diverged", "pruned")}
        for trial in of_arm.trials
    ]
    return Table(f"trials-{of_arm.arm}", "Every trial of both arms", columns, rows)


def _breadth_table(of_arm: Tuned) -> Table:
    columns = [
        text_column("good is", "what"),
        interval_column(f"of the space {words.side(of_arm.baseline)}", "of_baseline", words.share),
        interval_column(f"of the space {words.side(of_arm.arm)}", "of_arm", words.share),
        interval_column("difference, points", "difference"),
        p_column("p, McNemar", "p_mcnemar"),
    ]
    rows = [
        {
            "what": breadth.what,
            "target_baseline": breadth.target_baseline,
            "target_arm": breadth.target_arm,
            **interval_values("of_baseline", breadth.of_baseline),
            **interval_values("of_arm", breadth.of_arm),
            **interval_values("difference", None if breadth.difference is None else breadth.difference.interval),
            **pvalue_values("p_mcnemar", None if breadth.difference is None else breadth.difference.mcnemar),
        }
        for breadth in of_arm.breadths
    ]
    return Table(f"breadth-{of_arm.arm}", "How much of the search space is good", columns, rows)


def _on_the_trials(of_arm: Tuned) -> str:
    found = of_arm.crossfit
    if math.isnan(found.interval.estimate):
        naive = words.points(found.naive)
        return f"On the trials themselves, chosen and scored on the same seed, the tuned arms differ by {naive} points."
    said = (
        "On the trials themselves, chosen on all seeds but one and scored on that one, the tuned arms differ by"
        f" {words.estimate(*words.of(found.interval))} points on held-out images"
    )
    reason = f"; no interval: {found.interval.reason}" if found.interval.reason else ""
    return f"{said}{reason}. Chosen and scored on the same seeds it would be {words.points(found.naive)}."


def _importance_table(of_arm: Tuned) -> Table:
    columns = [
        Column("arm", words.side, ("arm",), words=True),
        Column("rate", words.percent, ("lr",)),
        Column("batch size", words.percent, ("batch_size",)),
    ]
    rows = [{"arm": i.arm, "lr": i.lr, "batch_size": i.batch_size} for i in of_arm.importances]
    caption = "What decides whether a trial is among the best tenth of its arm (PED-ANOVA, shares that add up to 100 %)"
    return Table(f"importance-{of_arm.arm}", caption, columns, rows)
