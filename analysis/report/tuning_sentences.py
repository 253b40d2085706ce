"""What is left of the difference once both arms were tuned, in sentences: of equal tuning only where searches were
repeated, else of the configurations that were chosen."""

import math
import re

from analysis.findings.tuning import MIN_SEARCHES, ONE, Gap, Search, Tuned
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.stats.intervals import Interval
from study.spec.factors import REFERENCE_SETTING, rounded

COMMAND = "python -m study.tune"
SEARCHES = re.compile(r" --searches[= ]\S+")


def _number(of_arm: Tuned, n: int) -> str:
    return fmt.seeds(n) if of_arm.scope == ONE else f"{n} searches"


def gap(of_arm: Tuned) -> str:
    """Return what tuning made of the difference at the reference setting."""
    before, setting = of_arm.before.interval, fmt.cell(REFERENCE_SETTING)
    if math.isnan(of_arm.taken_away.estimate):
        return f"No seed has a run of both arms, tuned and at {setting}: what tuning changes is not known."
    untuned = (
        f"At {setting}, which nobody tuned, the same seeds differ by {fmt.estimate(*fmt.as_triple(before))} points."
    )
    return f"{untuned} {_change(of_arm)}{_of_how_many(of_arm)}"


def _change(of_arm: Tuned) -> str:
    """Return the gap after tuning both, and whether tuning narrowed it, widened it or turned it round."""
    before, taken, tuned = of_arm.before.interval.estimate, of_arm.taken_away, of_arm.after.interval
    after = f"After tuning both, the gap is {fmt.points(tuned.estimate, fmt.digits(tuned.low, tuned.high))} points"
    if taken.low <= 0 <= taken.high or taken.estimate == 0:
        return f"{after}: a change of {fmt.estimate(*fmt.as_triple(_negative(taken)))}, not told from none."
    if before * (before - taken.estimate) < 0:
        return f"{after}: it has changed its sign."
    towards_zero = taken if before > 0 or (before == 0 and taken.estimate < 0) else _negative(taken)
    if towards_zero.estimate < 0:
        return f"{after}: tuning widened it by {_size(_negative(towards_zero))}."
    share = f", {fmt.share(*fmt.as_triple(of_arm.share))} of it" if of_arm.share else ""
    return f"{after}: tuning narrowed it by {_size(towards_zero)}{share}."


def _negative(interval: Interval) -> Interval:
    method, n, level = interval.method, interval.n, interval.level
    return Interval(method, n, -interval.estimate, -interval.high, -interval.low, level, interval.reason)


def _size(interval: Interval) -> str:
    """Return a change in points, whose direction a word has said."""
    return fmt.estimate(*fmt.as_triple(interval)).replace("+", "")


def _of_how_many(of_arm: Tuned) -> str:
    """Return over what these numbers are, and what one search does not say."""
    n = _number(of_arm, of_arm.taken_away.n)
    if of_arm.scope == ONE:
        return (
            f" This is one search, over {n}: another would choose other configurations. A claim on equal tuning needs"
            f" --searches {MIN_SEARCHES}."
        )
    return f" These are means over {n}."


def at(search: Search) -> list[str]:
    """Return what a search chose for the baseline and for the arm."""
    return [fmt.cell(rounded(chosen.cell)) for chosen in search.chosen]


def failed(gap: Gap) -> dict[str, int]:
    """Return the failed runs of both arms, and of how many, under the names of the columns that show them."""
    return {name: getattr(gap, name) for name in ("n_failed_baseline", "n_failed_arm", "n_runs")}


def command(study: StudyData) -> str:
    """Return what extends the study to MIN_SEARCHES: the command, or the call, that made it, asking for so many."""
    made_by = study.manifest["argv"]
    if not made_by.startswith(COMMAND):
        return f"study.optimise(..., searches={MIN_SEARCHES})"
    return f"{SEARCHES.sub('', made_by)} --searches {MIN_SEARCHES}"
