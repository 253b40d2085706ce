"""Every sentence on the inference modes follows its own interval: with the opposite result planted, another is said."""

import re

import numpy as np
import pandas as pd
import pytest

from analysis.findings.modes.inference_modes import Modes, SwapResult
from analysis.findings.modes.mode_comparisons import NO_NORM, RULES, RUNNING, Rule, Way, compare_all
from analysis.report.sentences.inference import TEXTS, ledger
from analysis.stats.intervals import Interval
from study.spec.factors import Cell

WOBBLE = np.array([0.3, -1.2, 0.9, -0.1, 1.1, -1.0, 0.2, -0.4, 0.7, -0.5])
PLANTED = {"better": (0.03, 0.001), "worse": (-0.03, 0.001), "within": (0.0002, 0.0001), "undecided": (0.001, 0.01)}
"""Mean and spread of the differences by what must be found, with a margin of 0.002."""
SHIFTS = (("gain", 1), ("invert", 5), ("one_class", 0))
CLEAN_RULES = [rule for rule in RULES if not rule.shifted]
(SHIFTED,) = (rule for rule in RULES if rule.shifted)


def rows(way: Way, accuracy: np.ndarray, condition: tuple[str, int] = ("clean", 0)) -> list[dict]:
    return [
        {
            "seed": seed, "shift": condition[0], "severity": condition[1], "inference": way.inference,
            "eval_batch_size": 10_000 if way.size == 0 else way.size, "order": way.order, "n_examples": 10_000,
            "accuracy": one,
        }
        for seed, one in enumerate(accuracy)
    ]  # fmt: skip


def said(outcomes: dict[tuple[Rule, Way, tuple[str, int]], str], n: int = 10) -> list[str]:
    """The lines of a study of one rule with these outcomes."""
    of_arm, of_baseline = [], []
    for (rule, way, condition), outcome in outcomes.items():
        mean, spread = PLANTED[outcome]
        base = 0.9 + 0.01 * np.arange(n) / n
        against = rows(rule.against, base, condition)
        if rule.against == NO_NORM:
            of_baseline += [row for row in against if row not in of_baseline]
        else:
            of_arm += [row for row in against if row not in of_arm]
        of_arm += rows(way, base + mean + spread * (WOBBLE[:n] - WOBBLE[:n].mean()), condition)
    frames = [pd.DataFrame(found, columns=[*rows(RUNNING, np.zeros(1))[0]]) for found in (of_arm, of_baseline)]
    compared = compare_all(RULES, *frames, alpha=0.05, margin=0.002)
    return ledger(modes(compared=compared), 0.002)


def modes(**found: object) -> Modes:
    empty = {
        "results": [],
        "no_norm": [],
        "compared": [],
        "swaps": [],
        "compositions": [],
        "statistics": [],
        "elsewhere": [],
    }
    cells = {"cell": Cell(32, 0.01), "baseline_cell": Cell(32, 0.01), "drawn_by_seed": True}
    return Modes(**(cells | empty | found))  # type: ignore[arg-type]


def of_rule(rule: Rule, lines: list[str]) -> str:
    (line,) = (line for line in lines if line.startswith(f"{TEXTS[rule.key].topic}:"))
    return line


@pytest.mark.parametrize("rule", CLEAN_RULES, ids=lambda rule: rule.key)
def test_each_rule_says_another_thing_of_every_planted_result(rule: Rule) -> None:
    """The opposite, no difference that matters, nothing decided, and too few seeds to say anything."""

    def advice(outcome: str, n: int = 10) -> str:
        line = of_rule(rule, said({(rule, way, ("clean", 0)): outcome for way in rule.ways}, n))
        return line.split(": ", 1)[1].split(". ")[0]

    texts = TEXTS[rule.key]
    assert advice("better") == texts.better
    assert advice("worse") == texts.worse
    assert advice("within") == f"{texts.within}, to within 0.2 points"
    assert advice("undecided") == "the data do not decide"
    for outcome in PLANTED:
        assert advice(outcome, 3) == "3 seeds are too few to say"
        assert advice(outcome, 1) == "1 seed is too few to say"
    assert len({texts.better, texts.worse, texts.within, texts.mixed}) == 4


@pytest.mark.parametrize("rule", [rule for rule in CLEAN_RULES if len(rule.ways) > 1], ids=lambda rule: rule.key)
def test_a_rule_whose_comparisons_disagree_names_what_each_found(rule: Rule) -> None:
    first, *others = rule.ways
    found = {(rule, way, ("clean", 0)): "worse" if way == first else "better" for way in (first, *others)}
    line = of_rule(rule, said(found))
    assert TEXTS[rule.key].mixed in line
    assert line.count(" cost 3.0") == 1
    assert line.count(" gain 3.0") == len(others)


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("better", r"batches of 32 gain 3\.0\d* \[[\d.]+, [\d.]+\] points\."),
        ("worse", r"batches of 32 cost 3\.0\d* \[[\d.]+, [\d.]+\] points\."),
        ("within", r"batches of 32 make no difference that matters \(\+0\.020? \[[-+\d.]+, [-+\d.]+\] points\)\."),
        ("undecided", r"batches of 32 may cost or gain \(\+0\.1\d* \[-[\d.]+, \+[\d.]+\] points\)\."),
    ],
)
def test_a_difference_has_a_side_only_where_its_interval_has_one(outcome: str, words: str) -> None:
    small = next(rule for rule in RULES if rule.key == "small")
    (line,) = said({(small, small.ways[1], ("clean", 0)): outcome})
    assert re.search(f"Against running averages, {words}$", line), line
    (few,) = said({(small, small.ways[1], ("clean", 0)): outcome}, 3)
    assert "batches of 32 change accuracy (" in few
    assert not re.search(r"\b(cost|gain)\b", few)


def test_conditions_are_counted_by_what_each_interval_says() -> None:
    (way,) = SHIFTED.ways
    found = dict(zip(((SHIFTED, way, shift) for shift in SHIFTS), ("better", "worse", "within"), strict=True))
    (line,) = said(found)
    assert "3 conditions. They gain in 1 (most: gain at severity 1, 3.0" in line
    assert "They lose in 1 (most: invert at severity 5, 3.0" in line
    assert line.endswith("They make no difference that matters in 1.")
    (opposite,) = said({key: "worse" for key in found})
    assert "3 conditions. They lose in 3" in opposite
    assert "They gain" not in opposite
    (few,) = said(found, 3)
    assert few.endswith("3 seeds are too few to say.")


def swap(k: int | None, flips: float) -> SwapResult:
    share = Interval("t", 10, flips, 0.9 * flips, 1.1 * flips, 0.95)
    saved = None if k is None else Interval("Clopper-Pearson", 10_000, k / 10_000, 0.5 * k / 10_000, 0.0004, 0.95)
    return SwapResult(8, 2, 10, share, 0.25, share, share, share, saved)


def test_what_saved_statistics_do_to_a_swapped_image_is_counted() -> None:
    (none,), (some,), (not_asked,) = (ledger(modes(swaps=[swap(k, 0.1)]), 0.002) for k in (0, 3, None))
    assert none.endswith("it never did (0 of 10,000 images; true share at most 0.04 %).")
    assert "it changes in 0.030 % [" in some
    assert some.endswith("of cases (3 of 10,000 images).")
    assert "never" not in some
    assert "running averages" not in not_asked
    said_of_it = (
        "Replace 2 of an image's 7 companions in a batch of 8: its predicted class changes in 10.0 % [9.0, 11.0]"
    )
    assert all(line.startswith(said_of_it) for line in (none, some, not_asked))


def test_a_way_that_is_not_there_is_not_spoken_of() -> None:
    small = next(rule for rule in RULES if rule.key == "small")
    lines = said({(small, small.ways[0], ("clean", 0)): "worse"})
    assert len(lines) == 1
    assert "in batches of 32" not in lines[0]
