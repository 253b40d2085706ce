"""Numbers as a reader wants them: points, intervals, p-values, and the sentences made of them.

Accuracies are fractions in the data and percent on the page; a difference of percentages is in points.
"""

import math
from collections import Counter
from collections.abc import Sequence

from analysis.contrasts import VERDICTS, Contrast
from analysis.paired import Test
from analysis.tables import ENDPOINTS

ARM_NAMES = {"bn": "batch normalisation", "no_bn": "no batch normalisation"}
DATASET_NAMES = {
    "mnist": "MNIST",
    "fashion-mnist": "Fashion-MNIST",
    "kmnist": "Kuzushiji-MNIST",
    "digits": "scikit-learn's digits",
}
NO_NUMBER = "–"


def percent(fraction: float) -> str:
    """
    >>> percent(0.97164)
    '97.16 %'
    """
    return NO_NUMBER if math.isnan(fraction) else f"{100 * fraction:.2f} %"


def points(fraction: float) -> str:
    """
    >>> points(0.01934), points(-0.004), points(-0.00001)
    ('+1.93', '-0.40', '0.00')
    """
    if math.isnan(fraction):
        return NO_NUMBER
    text = f"{100 * fraction:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text


def interval(low: float, high: float) -> str:
    """
    >>> interval(0.0172, 0.0214)
    '[+1.72, +2.14]'
    """
    return NO_NUMBER if math.isnan(low) else f"[{points(low)}, {points(high)}]"


def p_value(p: float) -> str:
    """
    >>> p_value(0.0312), p_value(0.00002), p_value(0.7)
    ('0.031', '< 0.001', '0.70')
    """
    if math.isnan(p):
        return NO_NUMBER
    if p < 0.001:
        return "< 0.001"
    return f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def p_fraction(test: Test) -> str:
    """An exact p as the fraction that it is, such as ``2/1024 = 0.002``."""
    value = p_value(test.pvalue)
    if math.isnan(test.pvalue) or test.n_total is None:
        return value
    sign = "" if value.startswith("<") else "= "
    return f"{test.n_extreme}/{test.n_total} {sign}{value}"


def decimals(value: float) -> str:
    """
    >>> decimals(1.2345), decimals(float("nan"))
    ('1.23', '–')
    """
    return NO_NUMBER if math.isnan(value) else f"{value:.2f}"


def cell(batch_size: int | None, lr: float | None) -> str:
    """
    >>> cell(32, 0.01), cell(None, None)
    ('batch size 32, rate 0.01', 'all cells')
    """
    return "all cells" if batch_size is None or lr is None else f"batch size {batch_size}, rate {rate(lr)}"


def level(fraction: float) -> str:
    """
    >>> level(0.95), level(0.975)
    ('95 %', '97.5 %')
    """
    return f"{round(100 * fraction, 6):g} %"


def rate(lr: float) -> str:
    """A learning rate in full: 0.001, never 0.00."""
    return f"{lr:.12f}".rstrip("0") if 1e-6 <= lr < 1 else f"{lr:g}"


def headline(whole: Contrast, dataset: str) -> str:
    """The answer in one sentence: estimate, interval, n, scope, verdict."""
    name = ARM_NAMES.get(whole.arm, whole.arm)
    cells = "1 cell" if whole.n_cells == 1 else f"{whole.n_cells} cells"
    scope = f"averaged over {cells} of batch size and learning rate on {DATASET_NAMES[dataset]}"
    if math.isnan(whole.mean_diff):
        return f"There is no seed with a pair in every cell, so nothing can be said of {name} {scope}."
    size = f"{name[0].upper()}{name[1:]} changes test accuracy by {points(whole.mean_diff)} points"
    if math.isnan(whole.ci.low):
        return f"{size} {scope}; {whole.n_pairs} seed is a description and no evidence."
    how_sure = f"{level(whole.ci.level)} interval {interval(whole.ci.low, whole.ci.high)}, {whole.n_pairs} seeds"
    return f"{size} ({how_sure}), {scope}: {VERDICTS[whole.verdict]}."


def both_tests(whole: Contrast) -> str:
    """Both tests of the contrast over all cells, with their n and endpoint."""
    p_t = p_value(whole.t.pvalue)
    return (
        f"Paired t test over {whole.n_pairs} seeds: p {p_t if p_t.startswith('<') else '= ' + p_t}."
        f" {_flips(whole)}: p = {p_fraction(whole.sign_flip)}. Endpoint: {endpoint(whole.endpoint)}."
    )


def by_cell(cells: Sequence[Contrast], licensed: bool) -> str:
    """How the verdict differs between the cells, and where the effect is largest and smallest; ``licensed`` where
    the test over the grid rejected, so that the cells may be claimed too."""
    counts = Counter(cell.verdict for cell in cells)
    tally = ", ".join(f"{verdict} in {count}" for verdict, count in counts.most_common())
    known = [cell for cell in cells if not math.isnan(cell.mean_diff)]
    if len(known) < 2:
        return f"By cell: {tally}."
    largest = max(known, key=lambda cell: cell.mean_diff)
    smallest = min(known, key=lambda cell: cell.mean_diff)
    status = "" if licensed else " Exploratory, since the test over all cells did not reject."
    return (
        f"Of {len(cells)} cells, tested together (step-down max-T): {tally}.{status}"
        f" The difference runs from {_at(smallest)} to {_at(largest)}."
    )


def failures(whole: Contrast) -> str:
    """Diverged and failed-to-learn runs of both arms, k of n."""
    if not whole.n_runs:
        return "Failures are counted by cell and by arm below."
    sides = (
        (whole.baseline, whole.n_diverged_baseline, whole.n_failed_baseline),
        (whole.arm, whole.n_diverged_arm, whole.n_failed_arm),
    )
    parts = [
        f"with {ARM_NAMES.get(arm, arm)} {diverged} of {whole.n_runs} runs diverged"
        f" and {failed - diverged} of {whole.n_runs} failed to learn"
        for arm, diverged, failed in sides
    ]
    return f"Failures: {'; '.join(parts)}."


def _flips(contrast: Contrast) -> str:
    if contrast.sign_flip.n_total == 2**contrast.n_pairs:
        return "Exact sign-flip test"
    return "Sign-flip test over 99,999 random patterns"


def endpoint(name: str) -> str:
    return ENDPOINTS[name]


def _at(cell: Contrast) -> str:
    assert cell.lr is not None
    return f"{points(cell.mean_diff)} points (batch size {cell.batch_size}, rate {rate(cell.lr)})"
