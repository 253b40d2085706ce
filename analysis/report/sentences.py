"""The answer in sentences, built from contrast objects: nothing here is typed that a record could say."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from analysis.findings import contrasts
from analysis.findings.arms import PUBLISHED_CELL
from analysis.findings.contrasts import VERDICTS, Contrast
from analysis.findings.results import Results
from analysis.findings.sensitivity import Sensitivity
from analysis.findings.tuning import Tuned
from analysis.report import number_format as words
from analysis.stats.power import Plan, seeds_to_reach


def headline(overall: Contrast, dataset: str, tuned: bool = False) -> str:
    """The answer in one sentence: estimate, interval, n, scope, verdict; ``tuned`` where there is a tuned cell too."""
    name, data = words.arm_name(overall.arm), words.dataset(dataset)
    cells = "in the one cell" if overall.n_cells == 1 else f"averaged over the {overall.n_cells} cells"
    scope = f"{cells} of this design{' that nobody tuned,' if tuned else ''} on {data}"
    if math.isnan(overall.mean_diff):
        return f"There is no seed with a pair in every cell, so nothing can be said of {name} {scope}."
    size = words.points(overall.mean_diff, words.digits(overall.ci.low, overall.ci.high))
    found = f"With {name}, test accuracy differs by {size} points from that with {words.arm_name(overall.baseline)}"
    if math.isnan(overall.ci.low):
        return f"{found}, {scope}; {words.seeds(overall.n_pairs)} is a description and no evidence."
    how_sure = f"{words.level(overall.ci.level)} interval {words.interval(overall.ci.low, overall.ci.high)}"
    said = f"{found} ({how_sure}, {words.seeds(overall.n_pairs)}), {scope}"
    if overall.verdict == "not testable" and overall.reason:
        return f"{said}: here it cannot be tested, since {overall.reason}."
    return f"{said}: here {VERDICTS[overall.verdict]}."


def tuned(of_arm: Tuned, dataset: str) -> str:
    """The answer once both arms had the same tuning budget, in one sentence."""
    found, (chosen, _) = of_arm.primary, of_arm.chosen
    budget = f"Tuned with equal budgets ({words.trials(chosen.n_trials)} an arm on held-out images of"
    data = f"{words.dataset(dataset)})"
    if math.isnan(found.mean_diff):
        return f"{budget} {data}, no seed has a run of both arms yet."
    size = words.estimate(found.mean_diff, found.ci.low, found.ci.high)
    said = (
        f"{budget} {data}, test accuracy with {words.arm_name(found.arm)} differs by {size} points from that with"
        f" {words.arm_name(found.baseline)}"
    )
    if math.isnan(found.ci.low):
        return f"{said}; {words.seeds(found.n_pairs)} is a description and no evidence."
    how_sure = (
        f"{words.level(found.ci.level)} interval, {words.seeds(found.n_pairs)}, sign-flip test"
        f" {words.p_equals(found.sign_flip)}"
    )
    return f"{said} ({how_sure}): here {VERDICTS[found.verdict]}."


def share_of_gap(of_arm: Tuned) -> str:
    """How much of the difference at the setting that nobody tuned is tuning."""
    before, after, away = of_arm.untuned, of_arm.primary, of_arm.taken_away
    setting = words.cell(before.cell)
    if math.isnan(away.estimate):
        return f"No seed has a run of both arms, tuned and at {setting}: what tuning takes away is not known."
    if of_arm.share.reason is not None or before.mean_diff <= 0:
        untold = of_arm.share.reason is not None
        why = f"the untuned difference is {'not told from' if untold else 'below'} zero"
        taken = f"Tuning takes {words.estimate(*words.as_triple(away))} points away from the difference at {setting}"
        return f"{taken}; no share is given, since {why}."
    return (
        f"At {setting}, which nobody tuned, the same seeds differ by"
        f" {words.estimate(before.mean_diff, before.ci.low, before.ci.high)} points; tuned,"
        f" {words.estimate(after.mean_diff, after.ci.low, after.ci.high)} are left. Tuning accounts for"
        f" {words.estimate(*words.as_triple(away))} points, {words.share(*words.as_triple(of_arm.share))} of that"
        f" difference (Fieller's interval, {words.seeds(away.n)})."
    )


def both_tests(overall: Contrast) -> str:
    """Both tests of the contrast over all cells, with their n and endpoint."""
    n = words.seeds(overall.n_pairs)
    if math.isnan(overall.sign_flip.pvalue):
        return f"No test can be made with {n}. Endpoint: {words.endpoint(overall.endpoint)}."
    exact = overall.sign_flip.n_total == 2**overall.n_pairs
    flips = "Exact sign-flip test" if exact else "Sign-flip test over 99,999 random patterns"
    return (
        f"Paired t test over {n}: {words.p_equals(overall.t)}. {flips}, {n}: {words.p_equals(overall.sign_flip)}."
        f" Endpoint: {words.endpoint(overall.endpoint)}."
    )


def by_cell(cells: Sequence[Contrast], licensed: bool) -> str:
    """How the verdict differs between the cells, and where the effect is largest and smallest; ``licensed`` where
    the test over the grid rejected, so that the cells may be claimed too."""
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
    """Diverged and failed-to-learn runs of both arms, k of n."""
    if not overall.n_runs:
        return "Failures are counted by cell and by arm below."
    sides = (
        (overall.baseline, overall.n_diverged_baseline, overall.n_failed_baseline),
        (overall.arm, overall.n_diverged_arm, overall.n_failed_arm),
    )
    parts = [
        f"with {words.arm_name(arm)} {diverged} of {overall.n_runs} runs diverged and {failed - diverged} of"
        f" {overall.n_runs} failed to learn"
        for arm, diverged, failed in sides
    ]
    return f"Failures: {'; '.join(parts)}."


def what_would_change_it(overall: Contrast, found: Sensitivity, plan: Plan) -> list[str]:
    """How far the answer is from another one: a line a reason."""
    if overall.verdict == "not testable":
        return [*_enough_seeds(overall)]
    return [*_other_ways(found), *_restricted(found), *_how_far(overall, found), *_more_seeds(overall, plan)]


def _enough_seeds(overall: Contrast) -> Iterator[str]:
    enough = seeds_to_reach(overall.alpha)
    if overall.n_pairs < enough:
        yield f"More seeds would: the exact test needs {enough} to reach {words.level(overall.alpha)}."


def _other_ways(found: Sensitivity) -> Iterator[str]:
    n = len(found.ways) - 1
    if not found.others:
        yield f"Another analysis would not: {n} others of the same records give the same verdict."
    for way in found.others:
        size = words.estimate(*words.as_triple(way.interval))
        yield f"Another analysis would: {way.what} gives {size} points, {words.seeds(way.n)}: {VERDICTS[way.verdict]}."


def _restricted(found: Sensitivity) -> Iterator[str]:
    """The ways that ask for another quantity than the mean over all cells."""
    asked = [way for way in found.ways if not way.same_quantity and not math.isnan(way.interval.estimate)]
    if asked:
        sizes = "; ".join(f"{words.estimate(*words.as_triple(way.interval))} points for {way.what}" for way in asked)
        yield f"Another grid would change the size: {sizes}."


def _how_far(overall: Contrast, found: Sensitivity) -> Iterator[str]:
    least = found.least_difference
    if math.isfinite(least):
        places = words.digits(overall.ci.low, overall.ci.high)
        smallest, ours = words.points(least, places).lstrip("+"), words.points(overall.mean_diff, places)
        yield (
            f"With this spread over {words.seeds(overall.n_pairs)} the paired t test rejects where the mean difference"
            f" is at least {smallest} points in size; it is {ours}."
        )


def _more_seeds(overall: Contrast, plan: Plan) -> Iterator[str]:
    if overall.verdict == "inconclusive" and plan.seeds_needed is not None:
        margin = words.points(plan.margin).lstrip("+")
        yield (
            f"More seeds might: {words.count(plan.seeds_needed)} are needed to detect the margin of {margin} points"
            f" with {words.level(plan.power)} power, and there are {plan.n}."
        )


def _at(cell: Contrast) -> str:
    return f"{words.points(cell.mean_diff)} points ({words.cell(cell.cell)})"


def main_numbers(results: Results) -> list[tuple[str, str]]:
    """For the terminal, of each arm: the difference over all cells and in the tutorial's, and the failures."""
    lines = []
    for arm in results.of_arms:
        overall = contrasts.overall(results.contrasts, arm)
        shown = contrasts.by_cell(results.contrasts, arm).get(PUBLISHED_CELL)
        of_arm = [("difference over all cells", _size(overall))]
        if shown is not None:
            of_arm.append((f"at {words.cell(shown.cell)}", _size(shown)))
        failed = f"{overall.n_failed_baseline} {words.side(overall.baseline)}, {overall.n_failed_arm} {words.side(arm)}"
        of_arm += [("tuned against tuned", _size(t.primary)) for t in results.tuned if t.arm == arm]
        of_arm.append(("runs that failed", f"{failed}, of {overall.n_runs} each"))
        which = f"{words.side(arm)}: " if len(results.of_arms) > 1 else ""
        lines += [(f"{which}{name}", text) for name, text in of_arm]
    return lines


def _size(contrast: Contrast) -> str:
    if math.isnan(contrast.mean_diff):
        return "no pairs"
    size = words.estimate(contrast.mean_diff, contrast.ci.low, contrast.ci.high)
    tested = "" if math.isnan(contrast.sign_flip.pvalue) else f", sign-flip test {words.p_equals(contrast.sign_flip)}"
    return f"{size} points, {words.seeds(contrast.n_pairs)}{tested}"
