"""What the part "How sure" must say of swapped labels."""

import math
import re
from collections.abc import Callable

import numpy as np

from tests.analysis.report.oracle.arithmetic import (
    clopper_pearson,
    constant,
    max_t,
    one_family,
    paired_t,
    sign_flip,
    signs,
    snapped,
    wilcoxon,
)
from tests.analysis.report.oracle.records import Oracle
from tests.analysis.report.oracle.spelling import (
    SHARE,
    Expected,
    Floats,
    Row,
    either,
    estimate,
    every_spelling,
    level_text,
    percent,
)

IN_ORDER = (
    "mean over all settings, paired t test",
    "mean over all settings, sign-flip test",
    "mean over all settings, Wilcoxon test",
    "mean over all settings, bootstrap-t interval",
    "any setting or their mean, sup-t",
    "any setting, step-down max-T",
    "any setting, uncorrected t test",
)
BOOTSTRAP = IN_ORDER[3]


def say_swaps_of_labels(o: Oracle, say: Expected) -> None:
    """A/A: every method on every swap of labels; half of them do, since a swap and its mirror say the same."""
    of = o.of
    D = of.difference()[of.complete(of.common)][:, of.common]
    if len(D) < 2:
        return
    n = len(D)
    if n > 10:
        raise NotImplementedError("beyond 10 seeds the page draws swaps at random; this oracle takes all")
    swaps = [pattern for pattern in signs(n) if pattern[-1] > 0]
    methods: dict[str, Callable[[Floats], bool]] = {
        IN_ORDER[0]: lambda D: paired_t(D.mean(1)) <= o.alpha,
        IN_ORDER[1]: lambda D: sign_flip(D.mean(1)).p <= o.alpha,
        IN_ORDER[2]: lambda D: wilcoxon(snapped(D.mean(1))).p <= o.alpha,
        IN_ORDER[4]: lambda D: any(
            test.p <= o.alpha for test, _ in one_family(np.column_stack([D, D.mean(1)]), o.alpha)
        ),
        IN_ORDER[5]: lambda D: any(test.p <= o.alpha for test in max_t(D)),
        IN_ORDER[6]: lambda D: any(not constant(x) and paired_t(x) <= o.alpha for x in D.T),
    }
    rows = [
        _size_row(D, method, str(k := sum(rejects(D * swap[:, None]) for swap in swaps)), percent(k / len(swaps)), 1)
        for method, rejects in methods.items()
    ]
    head = f"share (at most {level_text(o.alpha)} wanted)"
    counts = {row["method"]: int(row["false positives"].replace(",", "")) for row in rows}
    alone = len(of.cells) == 1
    say.say("trust", _above(counts, len(swaps), _bootstrap_counts(D, o.alpha), o.alpha, alone))
    every = [*rows, _bootstrap_row(D, o.alpha)]
    named = ({head: row.pop("size"), **row, "method": _name(row["method"], alone)} for row in every)
    say.table("sizes-bn", ("method",), named)


def _name(method: str, alone: bool) -> str:
    """A method as a study of several settings has it, and of one setting without them."""
    return re.sub("^(mean over all|any) settings?( or their mean)?, ", "", method) if alone else method


def _above(counts: dict[str, int], n_swaps: int, bootstrap: tuple[range, int], alpha: float, alone: bool) -> str:
    """Which methods reject in more than alpha of the swaps, in the order of the page; the bootstrap's count may be any
    of several, and of swaps that were drawn its lower limit counts."""
    (possible, n_used), wanted, spellings = bootstrap, level_text(alpha), []
    for k in possible:
        low = k / n_used if n_used == n_swaps else clopper_pearson(k, n_used, 0.95).low
        sizes = {name: (count / n_swaps, count / n_swaps) for name, count in counts.items()}
        sizes |= {BOOTSTRAP: (k / n_used, low)}
        above = [f"{_name(name, alone)} ({percent(sizes[name][0])})" for name in IN_ORDER if sizes[name][1] > alpha]
        finds = "this method finds" if len(above) == 1 else "these methods find"
        said = f"More than {wanted} false positives: {'; '.join(above)}. On data like these, {finds} too many"
        none = f"No method is shown to have more than {wanted} false positives."
        spellings += every_spelling(f"{said} differences." if above else none)
    return either(spellings)


def _size_row(D: Floats, method: str, rejected: str, size: str | Callable[[Row], str], step: int) -> Row:
    n, n_swaps = len(D), len(range(0, 2 ** (len(D) - 1), step))
    of = f"{'all ' if step == 1 else ''}{n_swaps}"
    return {"method": method, "seeds": str(n), "false positives": rejected, "of swaps": of, "size": size}


def _bootstrap_row(D: Floats, alpha: float) -> Row:
    """Resampled, so its count may be any from the swaps that other draws surely reject to those that they may reject;
    size and interval must be those of the count that the page prints."""
    possible, n_used = _bootstrap_counts(D, alpha)
    step = math.ceil(2 ** (len(D) - 1) / 100)

    def size(row: Row) -> str:
        k = int(row["false positives"].replace(",", ""))
        return percent(k / n_used) if step == 1 else estimate(clopper_pearson(k, n_used, 0.95), SHARE)

    counts = either(str(k) for k in possible)
    return _size_row(D, BOOTSTRAP, counts, size, step)


def _bootstrap_counts(D: Floats, alpha: float) -> tuple[range, int]:
    """The possible numbers of swaps that are rejected, and that of the swaps."""
    patterns = _canonical_swaps(D)
    used = patterns[:: math.ceil(len(patterns) / 100)]
    tails = [_bootstrap_tail((D * pattern[:, None]).mean(1)) for pattern in used]
    slack = 5 * math.sqrt(2 * alpha / 2 * (1 - alpha / 2) / 9_999)
    surely, possibly = (sum(tail <= alpha / 2 + side * slack for tail in tails) for side in (-1, 1))
    return range(surely, possibly + 1), len(used)


def _canonical_swaps(D: Floats) -> Floats:
    """The signs of rows that the page takes in turn: it sorts the rows by the sizes in them, each as a share of the
    largest in its column, makes no sum of these negative, and counts up in binary; here rows stay where they are."""
    largest = np.abs(D).max(axis=0)
    D = np.round(D / np.where(largest > 0, largest, 1), 10)
    n, sizes = len(D), np.sort(np.abs(D), axis=1)
    order = np.lexsort(sizes.T[::-1])
    counted = 1 - 2 * (np.arange(2 ** (n - 1))[:, None] >> np.arange(n) & 1)
    found = np.empty(counted.shape)
    found[:, order] = counted * np.where(D[order].sum(1) < 0, -1, 1)
    return found


def _bootstrap_tail(d: Floats) -> float:
    """The share of resampled t at least as far out as the observed one, on its side."""
    if len(d) < 6 or constant(d):
        return 1.0
    drawn = d[np.random.default_rng(0).integers(0, len(d), (9_999, len(d)))]
    gap, error = drawn.mean(1) - d.mean(), drawn.std(1, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(error > 1e-13, gap / error, np.sign(gap) * np.inf)
    observed = d.mean() / d.std(ddof=1)
    return float(np.mean(t >= observed if observed > 0 else t <= observed))
