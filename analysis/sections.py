"""The tables of the page beyond the cells: findings in, headings, sentences and rows of text out."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analysis import mode_words, words
from analysis.aa import Size
from analysis.factors import Slope
from analysis.findings import Failures, Findings, Noise
from analysis.intervals import Interval
from analysis.modes import CLEAN, ModeResult, Modes, SwapResult
from analysis.times import TimeToAccuracy


@dataclass(frozen=True)
class Table:
    caption: str
    head: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Section:
    name: str
    title: str
    text: str
    tables: list[Table]
    points: Sequence[str] = ()


def sections(found: Findings) -> list[Section]:
    """Those of one arm that have something to say, in the page's order."""
    made = (_failing, _factors, _learning, _noise, _seeds, _trust)
    return [section for section in (make(found) for make in made) if section.tables]


def mode_sections(modes: Modes, ledger: Sequence[str]) -> list[Section]:
    """The inference modes on the test images as they are; the other conditions stand in tables/modes.csv."""
    clean = [result for result in modes.results if (result.shift, result.severity) == CLEAN]
    head = [
        "way to predict", "accuracy", "against running averages", "p, all ways together", "against no BN",
        "loss", "calibration error", "class differs from exact statistics",
    ]  # fmt: skip
    tables = [Table("Ways to predict, the test images as they are", head, [_mode_row(result) for result in clean])]
    if modes.swaps:
        head = [
            "batch", "replaced", "batch mean moves, sd", "expected", "own value moves, sd", "logits move",
            "class flips",
        ]  # fmt: skip
        tables.append(Table("One image in two batches", head, [_swap_row(result) for result in modes.swaps]))
    if modes.compositions:
        head = ["batch", "images whose class ever flips", "share of logit variance from companions"]
        rows = [
            [str(r.eval_batch_size), words.percent(r.any_flip.estimate), words.percent(r.mates_share.estimate)]
            for r in modes.compositions
        ]
        tables.append(Table("All images in 32 random compositions of the batches", head, rows))
    text = "Batch normalisation may predict by statistics from training or by those of the images it is asked about."
    return [Section("inference", "Which statistics to use when", text, tables, ledger)]


def _mode_row(result: ModeResult) -> list[str]:
    against = words.NO_NUMBER if result.against_no_norm is None else _in_points(result.against_no_norm)
    return [
        mode_words.name(result) + (" (degenerate)" if result.degenerate else ""),
        words.percent(result.accuracy),
        _in_points(result.against_running),
        words.p_fraction(result.p_running),
        against,
        f"{result.loss:.3f}",
        words.percent(result.ece),
        words.percent(result.flip_rate),
    ]


def _swap_row(result: SwapResult) -> list[str]:
    return [
        str(result.eval_batch_size),
        str(result.n_swapped),
        f"{result.mean_change.estimate:.3f}",
        f"{result.law:.3f}",
        f"{result.value_change.estimate:.3f}",
        f"{result.logit_change.estimate:.2f}",
        words.percent(result.flip_rate.estimate),
    ]


# --- the sections


def _failing(found: Findings) -> Section:
    head = [
        "cell", "failed without | with", "diverged without | with", "only without | only with", "p, exact",
        "difference of the rates", "p, worst rank", "survivors only", "bounds, whatever diverged runs scored",
    ]  # fmt: skip
    return Section(
        "failures",
        "How they fail",
        "A run fails where it diverges or ends below twice chance. In a cell exact McNemar and the interval of Bonett"
        " and Price (2012); over all cells a sign-flip test of each seed's counts. Worst rank: Wilcoxon with divergence"
        " as the worst score. The last two columns are a sensitivity, not an answer: pairs in which neither diverged,"
        " and the bounds of Horowitz and Manski over all pairs.",
        [Table("Failures by cell", head, [_failing_row(row) for row in found.failures])],
    )


def _failing_row(row: Failures) -> list[str]:
    survivors = row.survivors
    return [
        words.cell(row.batch_size, row.lr),
        f"{row.n_failed_baseline} | {row.n_failed_arm} of {row.n_runs}",
        f"{row.n_diverged_baseline} | {row.n_diverged_arm}",
        f"{row.n_only_baseline} | {row.n_only_arm}",
        words.p_value(row.test.pvalue),
        words.NO_NUMBER if row.interval is None else _in_points(row.interval),
        words.NO_NUMBER if row.worst_rank is None else words.p_value(row.worst_rank.pvalue),
        f"{_in_points(survivors.interval)}, {survivors.n_dropped} pairs dropped",
        words.interval(survivors.low, survivors.high),
    ]


def _factors(found: Findings) -> Section:
    tables = []
    if found.slopes:
        head = ["slope of the difference", "estimate, points", "p, paired t", "p, sign-flip", "p, all slopes together"]
        tables.append(Table("Interaction: one fit per seed", head, [_slope_row(slope) for slope in found.slopes]))
    if found.largest_rate is not None:
        tables.append(_largest_rate(found))
    if found.best_rates:
        head = ["batch size", "best rate without", "best rate with", "shift, powers of ten"]
        tables.append(Table("Best rate by arm, seeds resampled 9,999 times", head, _best_rows(found)))
    return Section(
        "factors",
        "Where on the grid the gain lies",
        "Each seed gives a slope of its own, which is tested as any difference is. The largest rate that still learns"
        " is taken per seed and batch size; the best rate is chosen by the mean over seeds, again in each resample.",
        tables,
    )


def _slope_row(slope: Slope) -> list[str]:
    return [
        f"{slope.name}, {slope.unit}",
        _in_points(slope.interval),
        words.p_value(slope.t_test.pvalue),
        words.p_fraction(slope.sign_flip),
        words.p_value(slope.adjusted.pvalue),
    ]


def _largest_rate(found: Findings) -> Table:
    assert found.largest_rate is not None
    largest = found.largest_rate
    rows = [
        [
            "none" if share.lr is None else words.rate(share.lr),
            words.percent(share.of_baseline),
            words.percent(share.of_arm),
        ]
        for share in largest.shares
    ]
    shift = f"{_number(largest.interval)} powers of ten"
    rows.append(["with minus without", shift, f"sign-flip p = {words.p_fraction(largest.sign_flip)}"])
    return Table(f"Largest rate that still learns, share of {largest.n_runs} runs", ["rate", "without", "with"], rows)


def _best_rows(found: Findings) -> list[list[str]]:
    return [
        [
            str(best.batch_size),
            *(
                words.NO_NUMBER if lr is None else words.rate(lr)
                for lr in (best.found.best_baseline, best.found.best_arm)
            ),
            _number(best.found.interval),
        ]
        for best in found.best_rates
    ]


def _learning(found: Findings) -> Section:
    head = [
        "test accuracy", "reached without | with", "median epoch without | with", "difference, epochs",
        "p, sign-flip", "p, all thresholds together", "pairs faster | tied | slower with",
    ]  # fmt: skip
    return Section(
        "times",
        "Time to accuracy",
        "The first epoch at which a run that never diverges reaches the accuracy, restricted at the last epoch for runs"
        " that do not; differences of these times are averaged over the cells of a seed.",
        [Table("Epochs to a test accuracy", head, [_time_row(row) for row in found.times])] if found.times else [],
    )


def _time_row(row: TimeToAccuracy) -> list[str]:
    medians = (row.median_baseline, row.median_arm)
    return [
        words.percent(row.threshold),
        f"{row.n_reached_baseline} | {row.n_reached_arm} of {row.n_runs}",
        " | ".join("not reached" if median is None else f"{median:g}" for median in medians),
        row.interval.reason or _number(row.interval),
        words.p_fraction(row.sign_flip),
        words.p_value(row.adjusted.pvalue),
        f"{row.n_faster} | {row.n_tied} | {row.n_slower}",
    ]


def _noise(found: Findings) -> Section:
    head = [
        "cell", "n", "these test images", "new test images", "sd over seeds, points", "sd over test images",
        "sd over the last epochs, without | with", "pairing gain", "correlation",
    ]  # fmt: skip
    return Section(
        "noise",
        "Where the noise comes from",
        "The difference at the last epoch, from the answers to every test image: its interval for other seeds and these"
        " images, and for other seeds and other images of the kind (two-way layout). Standard deviations of the mean"
        " difference of one seed, by cause. Pairing gain: how many times as many unpaired seeds would be as good.",
        [Table("Variance by cause", head, [_noise_row(row) for row in found.noise])] if found.noise else [],
    )


def _noise_row(row: Noise) -> list[str]:
    two_way = row.two_way
    epochs = (row.of_baseline.over_epochs, row.of_arm.over_epochs)
    return [
        words.cell(row.batch_size, row.lr),
        str(two_way.n_seeds),
        _in_points(two_way.this_test_set),
        _in_points(two_way.new_images),
        words.decimals(100 * math.sqrt(two_way.var_seeds)),
        words.decimals(100 * math.sqrt(two_way.var_images / two_way.n_images)) if two_way.n_images else words.NO_NUMBER,
        " | ".join(words.decimals(100 * sd) for sd in epochs),
        words.decimals(row.pairing.gain),
        words.decimals(row.pairing.rho),
    ]


def _seeds(found: Findings) -> Section:
    plan, evidence = found.plan, found.evidence
    rows = [
        ["smallest p that the exact test can give", words.p_value(plan.attainable_p)],
        ["power to see a difference of the margin", words.percent(plan.power_at_margin)],
        ["difference seen with 80 % power", f"{words.points(plan.smallest_detectable)} points"],
        ["seeds needed for the margin", _seeds_needed(plan.seeds_needed)],
        ["seeds needed, at the upper 80 % limit of the spread", _seeds_needed(plan.seeds_needed_upper)],
        *([f"half-width of the interval at {n} seeds", f"{words.points(half)} points"] for n, half in plan.half_widths),
    ]
    if evidence.n:
        names = ("e-value, Gaussian mixture", "e-value, signs alone")
        for name, values in zip(names, (evidence.gaussian, evidence.sign), strict=True):
            rows.append([f"{name} (evidence from {evidence.threshold:g} on)", f"{values[-1]:.3g}"])
    return Section(
        "seeds",
        "How many seeds",
        f"Over all cells, at the present {plan.n} seeds and their spread. Who adds seeds and looks again should"
        " go by the e-value, which may be looked at after every seed; a p-value may not.",
        [Table(f"For a margin of {words.points(plan.margin)} points", ["question", "answer"], rows)],
    )


def _seeds_needed(n: int | None) -> str:
    return words.NO_NUMBER if n is None else f"{n:,}"


def _trust(found: Findings) -> Section:
    head = ["method", "rejected", f"size (wanted: at most {words.level(found.alpha)})"]
    return Section(
        "trust",
        "Can the methods be trusted on these data?",
        "A/A: within each seed the arms' labels are swapped at random, in all cells at once, so that there is nothing"
        " to find; then every method is run as above. An exact method cannot exceed its level over all swaps.",
        [Table("How often a method finds what is not there", head, [_size_row(size) for size in found.sizes])]
        if found.sizes
        else [],
    )


def _size_row(size: Size) -> list[str]:
    how_sure = "" if size.every_swap else f" [{words.percent(size.low)}, {words.percent(size.high)}]"
    of = f"{size.n_swaps} {'swaps, all there are' if size.every_swap else 'random swaps'}"
    return [size.method, f"{size.n_rejected} of {of}", words.percent(size.size) + how_sure]


# --- cells of a table


def _in_points(found: Interval) -> str:
    return _with_interval(found, words.points)


def _number(found: Interval) -> str:
    return _with_interval(found, lambda value: f"{value:+.2f}")


def _with_interval(found: Interval, text: Callable[[float], str]) -> str:
    if math.isnan(found.estimate):
        return words.NO_NUMBER
    ends = (found.low, found.high)
    if not all(map(math.isfinite, ends)):
        return text(found.estimate)
    return f"{text(found.estimate)} [{', '.join(map(text, ends))}]"
