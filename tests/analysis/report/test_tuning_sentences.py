"""What is said of tuning: of one search, of a few, of enough, and of a gap that it changed."""

import math
import shlex
from dataclasses import replace
from typing import Any, cast

import pytest

from analysis.findings.tuning import EQUAL, LISTED, ONE, Gap, Tuned
from analysis.records.tables import StudyData
from analysis.report.sentences import tuning as say
from analysis.stats.intervals import Interval
from study.cli.tune_options import parse
from study.spec.design import Design


class Stub:
    def __init__(self, **values: Any):
        vars(self).update(values)


def interval(estimate: float, half: float = math.nan, n: int = 6) -> Interval:
    """In points."""
    return Interval("t", n, estimate / 100, (estimate - half) / 100, (estimate + half) / 100, 0.95)


def gap_of(estimate: float, half: float = 0.1) -> Gap:
    return Gap(0.96, 0.96 + estimate / 100, 60, 0, 0, 6, interval(estimate, half), None)


def tuned(before: float, after: float, half: float = 0.2, scope: str = EQUAL, share: bool = True) -> Tuned:
    taken = interval(before - after, half)
    found = Interval("Fieller", 6, (before - after) / before, 0.4, 0.6, 0.95) if share else None
    few = 1 if scope == ONE else 3 if scope == LISTED else 6
    searches = [Stub(after=gap_of(after + i)) for i in range(few)]
    of_both = {"arm": "bn", "baseline": "no_bn", "scope": scope, "searches": searches, "reason": None}
    gaps = {"before": gap_of(before), "after": gap_of(after), "taken_away": taken, "share": found}
    return cast(Tuned, Stub(**of_both, **gaps, verdict="better", chosen=[Stub(n_trials=64)]))


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            4.0,
            2.0,
            "the gap is +2.00 points: tuning narrowed it by 2.00 [1.80, 2.20], which is 50 % [40,",
        ),
        (2.7, 3.7, "After tuning both, the gap is +3.70 points: tuning widened it by 1.00 [0.80, 1.20]."),
        (2.0, -1.0, "After tuning both, the gap is -1.00 points: it has changed its sign."),
        (
            -4.0,
            -2.0,
            "the gap is -2.00 points: tuning narrowed it by 2.00 [1.80, 2.20], which is 50 % [40,",
        ),
        (-2.7, -3.7, "After tuning both, the gap is -3.70 points: tuning widened it by 1.00 [0.80, 1.20]."),
        (-2.0, 1.0, "After tuning both, the gap is +1.00 points: it has changed its sign."),
        (2.0, 2.1, "no clear change (+0.10 [-0.10, +0.30])."),
        (2.0, 2.0, "no clear change (0.00 [-0.20, +0.20])."),
    ],
)
def test_the_gap_is_said_to_be_narrower_wider_turned_or_as_it_was(before: float, after: float, words: str) -> None:
    assert words in say.gap(tuned(before, after))


def test_one_search_speaks_of_its_configurations_and_of_how_to_get_more() -> None:
    gap = say.gap(tuned(4.0, 2.0, scope=ONE))
    needs = "A claim about equal tuning needs 6 searches."
    assert gap.endswith(needs)
    for claim in ("equal tuning", "accounts for"):
        assert claim not in gap.removesuffix(needs)
    assert say.gap(tuned(4.0, 2.0)).endswith("These are means over 6 searches.")


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        ("python -m study.tune --trials 32", "python -m study.tune --trials 32 --searches 6"),
        ("python -m study.tune --searches 2 --trials 8", "python -m study.tune --trials 8 --searches 6"),
        ("python -m study.tune --searches=2", "python -m study.tune --searches 6"),
        ("study.optimise('digits', 's')", "study.optimise(..., searches=6)"),
    ],
)
def test_the_command_that_made_the_study_makes_more_searches(argv: str, command: str) -> None:
    assert say.command(cast(StudyData, Stub(manifest={"argv": argv}))) == command


@pytest.mark.parametrize(
    ("design", "options"),
    [
        (Design("digits"), "--dataset digits --searches 6 --epochs 10"),
        (Design("mnist", epochs=10, hidden=(64,)), "--dataset mnist --searches 6 --epochs 10 --hidden 64"),
        (Design("digits", ("no_bn", "layer"), epochs=5), "--dataset digits --searches 6 --epochs 5 --arms no_bn layer"),
        (Design("digits", ("bn",), epochs=5), "--dataset digits --searches 6 --epochs 5"),
    ],
)
def test_a_grid_is_tuned_by_a_command_with_its_arms_its_networks_and_its_epochs(design: Design, options: str) -> None:
    command = say.first_command(design)
    assert command == f"python -m study.tune {options}"
    read = parse(shlex.split(command)[3:])
    assert (read.dataset, read.searches, read.epochs, read.hidden) == (
        design.dataset, 6, design.epochs, tuple(design.hidden),
    )  # fmt: skip
    assert set(design.arms) <= {*read.arms}


def test_an_interval_turned_round_keeps_what_else_it_says() -> None:
    assert say._negative(interval(2.0, 1.0)) == replace(interval(-2.0, 1.0))
