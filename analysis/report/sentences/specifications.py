"""What do all analyses of the same data say together, and what are their choices called?"""

from analysis.findings.secondary.sensitivity import Sensitivity
from analysis.report import number_format as fmt
from analysis.report.sentences import study_words

FAILURES = {
    "as they ended": "failures as they ended",
    "a failed run scores 0": "failures score 0",
    "pairs in which both learn": "both runs learned",
    "pairs in which neither diverged": "neither run diverged",
}
SETTINGS = {
    "mean over all cells": "mean over all settings",
    "median over all cells": "median over all settings",
    "cells without a failure": "settings without failures",
    "the tutorial's cell": "the tutorial's setting",
}
TESTS = {"t": "t test", "sign-flip": "sign-flip test", "Wilcoxon": "Wilcoxon test"}


def in_words(n_epochs: int) -> dict[str, str]:
    """Return every choice that an analysis may make, by its value, as a reader knows it."""
    return study_words.endpoints(n_epochs) | FAILURES | SETTINGS | TESTS


def headline(sensitivity: Sensitivity, arm: str) -> str:
    """Return in at most 12 words how many analyses find a difference."""
    n, side = len(sensitivity.specifications), fmt.side(arm)
    better, worse = (sensitivity.count(finds) for finds in ("better", "worse"))
    if not better and not worse:
        return f"Not one of {n} analyses reaches a verdict"
    first, second = ("higher", "lower") if better >= worse else ("lower", "higher")
    most, least = max(better, worse), min(better, worse)
    if most == n:
        return f"All {n} analyses find {first} accuracy {side}"
    return f"{most} of {n} analyses find {first} accuracy {side}, {least or 'none'} {second}"


def of_specifications(sensitivity: Sensitivity, arm: str) -> str:
    """Return how many analyses find what, how far their estimates reach, and the one test of all of them."""
    n = len(sensitivity.specifications)
    if not n:
        return "No other analysis of these data can be made."
    better, worse, undecided = (sensitivity.count(finds) for finds in ("better", "worse", "undecided"))
    return (
        f"Of {n} analyses of both arms at the same settings, {better} find higher accuracy {fmt.side(arm)}, {worse}"
        f" lower accuracy and {undecided} are undecided, each at a significance level of"
        f" {fmt.level(sensitivity.alpha)}. {_estimates(sensitivity)} {joint(sensitivity)}"
    )


def _estimates(sensitivity: Sensitivity) -> str:
    estimates = [specification.interval.estimate for specification in sensitivity.specifications]
    low, high = fmt.points(min(estimates)), fmt.points(max(estimates))
    return f"Every estimate is {low} points." if low == high else f"Their estimates run from {low} to {high} points."


def joint(sensitivity: Sensitivity) -> str:
    """Return the one test of all analyses, as a sentence."""
    test = sensitivity.joint
    return f"One sign-flip test of all of them together gives {fmt.p_equals(test)} ({fmt.seeds(test.n)})."
