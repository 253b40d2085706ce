"""What part 9 must say of swapped labels."""

import math
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
    "paired t over the grid",
    "sign-flip over the grid",
    "Wilcoxon over the grid",
    "bootstrap-t interval over the grid",
    "any cell or their mean, sup-t",
    "any cell, step-down max-T",
    "any cell, t uncorrected",
)


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
        "paired t over the grid": lambda D: paired_t(D.mean(1)) <= o.alpha,
        "sign-flip over the grid": lambda D: sign_flip(D.mean(1)).p <= o.alpha,
        "Wilcoxon over the grid": lambda D: wilcoxon(snapped(D.mean(1))).p <= o.alpha,
        "any cell or their mean, sup-t": lambda D: any(
            test.p <= o.alpha for test, _ in one_family(np.column_stack([D, D.mean(1)]), o.alpha)
        ),
        "any cell, step-down max-T": lambda D: any(test.p <= o.alpha for test in max_t(D)),
        "any cell, t uncorrected": lambda D: any(not constant(x) and paired_t(x) <= o.alpha for x in D.T),
    }
    rows = [
        _size_row(D, method, str(k := sum(rejects(D * swap[:, None]) for swap in swaps)), percent(k / len(swaps)), 1)
        for method, rejects in methods.items()
    ]
    head = f"size (wanted: at most {level_text(o.alpha)})"
    counts = {row["method"]: int(row["rejected"].replace(",", "")) for row in rows}
    say.say("trust", _above(counts, len(swaps), _bootstrap_counts(D, o.alpha), o.alpha))
    say.table("sizes-bn", ("method",), ({head: row.pop("size"), **row} for row in (*rows, _bootstrap_row(D, o.alpha))))


def _above(counts: dict[str, int], n_swaps: int, bootstrap: tuple[range, int], alpha: float) -> str:
    """Which methods reject in more than alpha of the swaps, in the order of the page; the bootstrap's count may be any
    of several, and of swaps that were drawn its lower limit counts."""
    (possible, n_used), wanted, spellings = bootstrap, level_text(alpha), []
    for k in possible:
        low = k / n_used if n_used == n_swaps else clopper_pearson(k, n_used, 0.95).low
        sizes = {name: (count / n_swaps, count / n_swaps) for name, count in counts.items()}
        sizes |= {"bootstrap-t interval over the grid": (k / n_used, low)}
        above = [f"{name} ({percent(sizes[name][0])})" for name in IN_ORDER if sizes[name][1] > alpha]
        finds = "this method finds" if len(above) == 1 else "these methods find"
        said = f"Above the wanted {wanted}: {'; '.join(above)}. On such data {finds} too often what is not there."
        spellings += every_spelling(said if above else f"No method is shown to exceed the wanted {wanted}.")
    return either(spellings)


def _size_row(D: Floats, method: str, rejected: str, size: str | Callable[[Row], str], step: int) -> Row:
    n, n_swaps = len(D), len(range(0, 2 ** (len(D) - 1), step))
    of = f"{n_swaps}{', all there are' if step == 1 else ' drawn'}"
    return {"method": method, "seeds": str(n), "rejected": rejected, "of swaps": of, "size": size}


def _bootstrap_row(D: Floats, alpha: float) -> Row:
    """Resampled, so its count may be any from the swaps that other draws surely reject to those that they may reject;
    size and interval must be those of the count that the page prints."""
    possible, n_used = _bootstrap_counts(D, alpha)
    step = math.ceil(2 ** (len(D) - 1) / 100)

    def size(row: Row) -> str:
        k = int(row["rejected"].replace(",", ""))
        return percent(k / n_used) if step == 1 else estimate(clopper_pearson(k, n_used, 0.95), SHARE)

    counts = either(str(k) for k in possible)
    return _size_row(D, "bootstrap-t interval over the grid", counts, size, step)


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
