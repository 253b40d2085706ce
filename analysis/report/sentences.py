"""The answer in sentences, built from contrasts: nothing is typed here that follows from records."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from analysis.findings import contrasts
from analysis.findings.arms import PUBLISHED_CELL
from analysis.findings.contrasts import VERDICTS, Contrast
from analysis.findings.results import Results
from analysis.findings.sensitivity import Sensitivity
from analysis.report import number_format as fmt
from analysis.report import tuning_sentences
from analysis.stats.power import Plan, seeds_to_reach


def headline(overall: Contrast, dataset: str, tuned: bool = False) -> str:
    """Return the answer in one sentence: estimate, interval, n, scope, verdict; ``tuned`` where a tuned cell exists."""
    name, data = fmt.arm_name(overall.arm), fmt.dataset(dataset)
    cells = "in the one cell" if overall.n_cells == 1 else f"averaged over the {overall.n_cells} cells"
    scope = f"{cells} of this design{' that nobody tuned,' if tuned else ''} on {data}"
    if math.isnan(overall.mean_diff):
        return f"There is no seed with a pair in every cell, so nothing can be said of {name} {scope}."
    size = fmt.points(overall.mean_diff, fmt.digits(overall.ci.low, overall.ci.high))
    difference = f"With {name}, test accuracy differs by {size} points from that with {fmt.arm_name(overall.baseline)}"
    if math.isnan(overall.ci.low):
        return f"{difference}, {scope}; {fmt.seeds(overall.n_pairs)} is a description and no evidence."
    how_sure = f"{fmt.level(overall.ci.level)} interval {fmt.interval(overall.ci.low, overall.ci.high)}"
    statement = f"{difference} ({how_sure}, {fmt.seeds(overall.n_pairs)}), {scope}"
    if overall.verdict == "not testable" and overall.reason:
        return f"{statement}: here it cannot be tested, since {overall.reason}."
    return f"{statement}: here {VERDICTS[overall.verdict]}."


def both_tests(overall: Contrast) -> str:
    """Return both tests of the contrast over all cells, with their n and endpoint."""
    n = fmt.seeds(overall.n_pairs)
    if math.isnan(overall.sign_flip.pvalue):
        return f"No test can be made with {n}. Endpoint: {fmt.endpoint(overall.endpoint)}."
    exact = overall.sign_flip.n_total == 2**overall.n_pairs
    flips = "Exact sign-flip test" if exact else "Sign-flip test over 99,999 random patterns"
    return (
        f"Paired t test over {n}: {fmt.p_equals(overall.t)}. {flips}, {n}: {fmt.p_equals(overall.sign_flip)}."
        f" Endpoint: {fmt.endpoint(overall.endpoint)}."
    )


def by_cell(cells: Sequence[Contrast], licensed: bool) -> str:
    """Return how the verdict differs between the cells, and where the effect is largest and smallest; ``licensed``
    where the test over the grid rejected, so that the cells may be claimed too."""
    counts = Counter(cell.verdict for cell in cells)
    tally = ", ".join(f"{verdict} in {count}" for verdict, count in counts.most_common())
    known = [cell for cell in cells if not math.isnan(cell.mean_diff)]
    if len(known) < 2 or set(counts) == {"not testable"}:
        return f"By cell: {tally}."
    largest = max(known, key=lambda cell: cell.mean_diff)
    smallest = min(known, key=lambda cell: cell.mean_diff)
    status = "" if licensed else " Exploratory, since the test over all cells did not reject."
    return (
        f"Of {len(cells)} cells, tested together (step-down max-T): {tally}.{status} The difference runs from"
        f" {_at(smallest)} to {_at(largest)}."
    )


def failures(overall: Contrast) -> str:
    """Return the diverged and failed-to-learn runs of both arms, k of n."""
    if not overall.n_runs:
        return "Failures are counted by cell and by arm below."
    sides = (
        (overall.baseline, overall.n_diverged_baseline, overall.n_failed_baseline),
        (overall.arm, overall.n_diverged_arm, overall.n_failed_arm),
    )
    parts = [
        f"with {fmt.arm_name(arm)} {diverged} of {overall.n_runs} runs diverged and {failed - diverged} of"
        f" {overall.n_runs} failed to learn"
        for arm, diverged, failed in sides
    ]
    return f"Failures: {'; '.join(parts)}."


def what_would_change_it(overall: Contrast, sensitivity: Sensitivity, plan: Plan) -> list[str]:
    """Return how far the answer is from another one, a line a reason."""
    if overall.verdict == "not testable":
        return [*_enough_seeds(overall)]
    grid = [*_other_analyses(sensitivity), *_other_quantities(sensitivity)]
    return [*grid, *_distance(overall, sensitivity), *_more_seeds(overall, plan)]


def _enough_seeds(overall: Contrast) -> Iterator[str]:
    enough = seeds_to_reach(overall.alpha)
    if overall.n_pairs < enough:
        yield f"More seeds would: the exact test needs {enough} to reach {fmt.level(overall.alpha)}."


def _other_analyses(sensitivity: Sensitivity) -> Iterator[str]:
    n = len(sensitivity.ways) - 1
    if not sensitivity.others:
        yield f"Another analysis would not: {n} others of the same records give the same verdict."
    for other in sensitivity.others:
        size = fmt.estimate(*fmt.as_triple(other.interval))
        verdict = VERDICTS[other.verdict]
        yield f"Another analysis would: {other.what} gives {size} points, {fmt.seeds(other.n)}: {verdict}."


def _other_quantities(sensitivity: Sensitivity) -> Iterator[str]:
    """Yield a line on the specifications of another quantity than the mean over all cells."""
    others = [s for s in sensitivity.ways if not s.same_quantity and not math.isnan(s.interval.estimate)]
    if others:
        sizes = "; ".join(f"{fmt.estimate(*fmt.as_triple(other.interval))} points for {other.what}" for other in others)
        yield f"Another grid would change the size: {sizes}."


def _distance(overall: Contrast, sensitivity: Sensitivity) -> Iterator[str]:
    least = sensitivity.least_difference
    if math.isfinite(least):
        places = fmt.digits(overall.ci.low, overall.ci.high)
        smallest, ours = fmt.points(least, places).lstrip("+"), fmt.points(overall.mean_diff, places)
        yield (
            f"With this spread over {fmt.seeds(overall.n_pairs)} the paired t test rejects where the mean difference"
            f" is at least {smallest} points in size; it is {ours}."
        )


def _more_seeds(overall: Contrast, plan: Plan) -> Iterator[str]:
    if overall.verdict == "inconclusive" and plan.seeds_needed is not None:
        margin = fmt.points(plan.margin).lstrip("+")
        yield (
            f"More seeds might: {fmt.count(plan.seeds_needed)} are needed to detect the margin of {margin} points"
            f" with {fmt.level(plan.power)} power, and there are {plan.n}."
        )


def _at(cell: Contrast) -> str:
    return f"{fmt.points(cell.mean_diff)} points ({fmt.cell(cell.cell)})"


def main_numbers(results: Results) -> list[tuple[str, str]]:
    """Return lines for the terminal by arm: the difference over all cells and in the tutorial's, and the failures."""
    lines = []
    for arm in results.of_arms:
        overall = contrasts.overall(results.contrasts, arm)
        shown = contrasts.by_cell(results.contrasts, arm).get(PUBLISHED_CELL)
        of_arm = [("difference over all cells", _size(overall))]
        if shown is not None:
            of_arm.append((f"at {fmt.cell(shown.cell)}", _size(shown)))
        failed = f"{overall.n_failed_baseline} {fmt.side(overall.baseline)}, {overall.n_failed_arm} {fmt.side(arm)}"
        of_arm += [("tuned against tuned", tuning_sentences.size(t)) for t in results.tuned if t.arm == arm]
        of_arm.append(("runs that failed", f"{failed}, of {overall.n_runs} each"))
        which = f"{fmt.side(arm)}: " if len(results.of_arms) > 1 else ""
        lines += [(f"{which}{name}", text) for name, text in of_arm]
    return lines


def _size(contrast: Contrast) -> str:
    if math.isnan(contrast.mean_diff):
        return "no pairs"
    size = fmt.estimate(contrast.mean_diff, contrast.ci.low, contrast.ci.high)
    tested = "" if math.isnan(contrast.sign_flip.pvalue) else f", sign-flip test {fmt.p_equals(contrast.sign_flip)}"
    return f"{size} points, {fmt.seeds(contrast.n_pairs)}{tested}"
