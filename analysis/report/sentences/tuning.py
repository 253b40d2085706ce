"""What is left of the difference once both arms were tuned, in sentences: of equal tuning only where searches were
repeated, else of the settings that were chosen."""

import math
import re
import shlex

from analysis.findings.tuning import LISTED, MIN_SEARCHES, ONE, Gap, Search, Tuned
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.stats.intervals import Interval
from study.spec.arms import DEFAULT_ARMS
from study.spec.design import Design
from study.spec.factors import FACTORS, REFERENCE_SETTING, rounded

COMMAND = "python -m study.tune"
SEARCHES = re.compile(r" --searches[= ]\S+")
SAMPLERS = {
    "sobol": "a scrambled Sobol set, the same points for {every_arm}",
    "tpe": "the sampler TPE, which goes where trials went well",
    "gp": "a Gaussian process, which goes where trials went well",
}
TO_CLAIM = {
    ONE: f"To compare equally tuned arms, not two settings, run {MIN_SEARCHES} searches:",
    LISTED: f"A verdict on equal tuning takes {MIN_SEARCHES} searches:",
}
"""What is missing before equal tuning may be spoken of, before the command that makes it."""
ADAPTED = (
    "These trials went where trials had gone well, or were stopped early. What they say of the search space holds for"
    " this search alone, so no expected best score by number of trials and no share of good settings is given. The"
    " sampler sobol without a pruner gives both."
)
OF_SEARCH_1 = (
    "The trials, and all that is said of them, are those of search 1: the trials of several searches are not one longer"
    " search. The table trials.parquet has them all."
)


# --- the gap, before and after


def gap(of_arm: Tuned) -> str:
    """Return what tuning made of the difference at the reference setting."""
    before, setting = of_arm.before.interval, fmt.cell(REFERENCE_SETTING)
    if math.isnan(of_arm.taken_away.estimate):
        return f"No seed has a run of both arms, tuned and at {setting}: what tuning changes is not known."
    untuned = f"Untuned ({setting}), the gap is {fmt.estimate(*fmt.as_triple(before))} points."
    return f"{untuned} {_change(of_arm)} {_of_how_many(of_arm)}"


def _change(of_arm: Tuned) -> str:
    """Return the gap after tuning both, and whether tuning narrowed it, widened it or turned it round."""
    before, taken, tuned = of_arm.before.interval.estimate, of_arm.taken_away, of_arm.after.interval
    after = f"After tuning both, the gap is {fmt.points_of(tuned)} points"
    if taken.low <= 0 <= taken.high or taken.estimate == 0:
        return f"{after}: no clear change ({fmt.estimate(*fmt.as_triple(_negative(taken)))})."
    if before * (before - taken.estimate) < 0:
        return f"{after}: it has changed its sign."
    towards_zero = taken if before > 0 or (before == 0 and taken.estimate < 0) else _negative(taken)
    if towards_zero.estimate < 0:
        return f"{after}: tuning widened it by {_size(_negative(towards_zero))}."
    share = f", which is {fmt.share(*fmt.as_triple(of_arm.share))} of it" if of_arm.share else ""
    return f"{after}: tuning narrowed it by {_size(towards_zero)}{share}."


def _negative(interval: Interval) -> Interval:
    method, n, level = interval.method, interval.n, interval.level
    return Interval(method, n, -interval.estimate, -interval.high, -interval.low, level, interval.reason)


def _size(interval: Interval) -> str:
    """Return a change in points, whose direction a word has said."""
    return fmt.estimate(*fmt.as_triple(interval)).replace("+", "")


def _of_how_many(of_arm: Tuned) -> str:
    """Return over what these numbers are, and what one search does not say."""
    if of_arm.scope == ONE:
        return (
            f"This is one search ({fmt.seeds(of_arm.taken_away.n)}); another would choose other settings. A claim about"
            f" equal tuning needs {MIN_SEARCHES} searches."
        )
    return f"These are means over {of_arm.taken_away.n} searches."


# --- how it was tuned, and what the trials say


def how(study: StudyData, of_arm: Tuned) -> str:
    """Return the budget, the space and the sampler, and what scored."""
    tuning, chosen, every_arm = study.manifest["tuning"], of_arm.chosen[0], fmt.every_arm(study.design.arms)
    epochs = fmt.units(tuning["epochs"], "epochs")
    ranges = ((FACTORS[key], levels) for key, levels in of_arm.space.items())
    space = ", ".join(f"{factor.label} {factor.show(low)} to {factor.show(high)}" for factor, (low, high) in ranges)
    drawn = SAMPLERS.get(tuning["sampler"], tuning["sampler"]).format(every_arm=every_arm)
    pruned = f" The pruner {tuning['pruner']} stopped poor trials early, in {every_arm}."
    n = len(of_arm.searches)
    repeated = f" All this was done {n} times, with other points and other seeds."
    return (
        f"Each arm had {fmt.trials(chosen.n_trials)} of {fmt.seeds(chosen.n_seeds)} and {epochs} in the same space"
        f" ({space}). The settings came from {drawn}. Each trial was scored on {of_arm.n_held_out:,} training images"
        " that no trial trained on; a seed that diverged scores 0. The best setting of each arm then trained fresh"
        " seeds on all training images. The test images had no part in any choice."
        f"{'' if tuning['pruner'] == 'none' else pruned}{repeated if n > 1 else ''}"
    )


def on_the_trials(of_arm: Tuned) -> str:
    """Return the difference on the held-out images themselves, cross-fitted over the trials' seeds."""
    crossfit = of_arm.crossfit
    if math.isnan(crossfit.interval.estimate):
        naive = fmt.points(crossfit.naive)
        return f"On the trials themselves, chosen and scored on the same seed, the tuned arms differ by {naive} points."
    statement = (
        "On the trials themselves, chosen on all seeds but one and scored on that one, the tuned arms differ by"
        f" {fmt.estimate(*fmt.as_triple(crossfit.interval))} points on held-out images"
    )
    reason = f" (no interval: {crossfit.interval.reason})" if crossfit.interval.reason else ""
    return f"{statement}{reason}. Chosen and scored on the same seeds it would be {fmt.points(crossfit.naive)}."


def at(search: Search) -> list[str]:
    """Return what a search chose for the baseline and for the arm."""
    return [fmt.cell(rounded(chosen.cell)) for chosen in search.chosen]


def failed(gap: Gap) -> dict[str, int]:
    """Return the failed runs of both arms, and of how many, under the names of the columns that show them."""
    return {name: getattr(gap, name) for name in ("n_failed_baseline", "n_failed_arm", "n_runs")}


# --- commands


def command(study: StudyData) -> str:
    """Return what extends the study to MIN_SEARCHES: the command, or the call, that made it, asking for so many."""
    made_by = study.manifest["argv"]
    if not made_by.startswith(COMMAND):
        return f"study.optimise(..., searches={MIN_SEARCHES})"
    return f"{SEARCHES.sub('', made_by)} --searches {MIN_SEARCHES}"


def first_command(design: Design) -> str:
    """Return the command that tunes the arms of a grid, with its networks and its epochs."""
    data = f"{design.own_data.name}.npz" if design.own_data else design.dataset
    words: list[object] = ["--dataset", data, "--searches", MIN_SEARCHES, "--epochs", design.epochs]
    if design.hidden != Design.hidden:
        words += ["--hidden", *design.hidden]
    if len(design.arms) > 1 and design.arms != DEFAULT_ARMS:
        words += ["--arms", *design.arms]
    return f"{COMMAND} {shlex.join(map(str, words))}"
