"""Which statistics should be used when? The rules of the inference modes, with numbers."""

from collections.abc import Iterator, Sequence

from analysis.findings.inference_modes import CLEAN, ModeResult, Modes
from analysis.report import number_format as fmt
from analysis.stats.intervals import Interval


def name(result: ModeResult) -> str:
    """Return an inference mode as a reader calls it."""
    if result.eval_batch_size is None:
        return result.mode.label
    size = "all images at once" if result.eval_batch_size >= 10_000 else f"batches of {result.eval_batch_size}"
    return f"{result.mode.label}, {size}, {result.order}"


def condition(shift: str, severity: int) -> str:
    return shift.replace("_", " ") + (f" {severity}" if severity else "")


def ledger(modes: Modes, alpha: float) -> list[str]:
    """Return one sentence a rule; rules that the study has no numbers for are left out."""
    rules = (_small_batches, _large_batches, _sorted, _swapped, _from_training, _under_shift)
    return [line for rule in rules for line in rule(modes, alpha)]


def _small_batches(modes: Modes, alpha: float) -> Iterator[str]:
    results = [modes.clean("batch", size, "shuffled") for size in (8, 32)]
    parts = [f"{_points(r.against_running)} in shuffled batches of {r.eval_batch_size}" for r in results if r]
    if parts:
        yield (
            "Images that come one by one or in small batches: use statistics from training. Against the running"
            f" averages, those of the test batch change accuracy by {' and '.join(parts)}; a single image has none."
        )


def _large_batches(modes: Modes, alpha: float) -> Iterator[str]:
    shuffled = [r for r in modes.results if r.inference == "batch" and r.order == "shuffled" and _is_clean(r)]
    close = [r for r in shuffled if abs(r.against_running.estimate) < 0.001]
    if close:
        first = min(close, key=lambda r: r.eval_batch_size or 0)
        yield (
            "Large shuffled batches of the same kind of images: it hardly matters. From batches of"
            f" {first.eval_batch_size} on the test batch is within a tenth of a point of the running averages"
            f" ({_points(first.against_running)})."
        )


def _sorted(modes: Modes, alpha: float) -> Iterator[str]:
    shuffled, ordered = (modes.clean("batch", 32, order) for order in ("shuffled", "sorted"))
    if shuffled and ordered:
        yield (
            "Batches that are not a fair sample: never use the test batch. Sorted by class, batches of 32 score"
            f" {fmt.percent(ordered.accuracy)} where shuffled ones score {fmt.percent(shuffled.accuracy)}."
        )


def _swapped(modes: Modes, alpha: float) -> Iterator[str]:
    swap = next((r for r in modes.swaps if (r.eval_batch_size, r.n_swapped) == (8, 2)), None)
    if swap:
        yield (
            "One image in two batches of eight that share all but two others: by the test batch it changes its class in"
            f" {fmt.percent(swap.flip_rate.estimate)} of all cases, and its normalised values by"
            f" {swap.value_change.estimate:.2f} standard deviations (the batch mean moves by"
            f" {swap.mean_change.estimate:.3f}; sqrt(2 x 2)/8 = {swap.law:.3f}). By those from training nothing moves."
        )


def _from_training(modes: Modes, alpha: float) -> Iterator[str]:
    results = [modes.clean(name) for name in ("population", "precise", "cumulative_last", "cumulative_all")]
    parts = [f"{r.mode.label} {_points(r.against_running)}" for r in results if r]
    if parts:
        yield f"Which statistics from training? Against the running averages: {'; '.join(parts)}."


def _under_shift(modes: Modes, alpha: float) -> Iterator[str]:
    tried = [r for r in modes.results if not _is_clean(r) and r.inference == "batch" and r.eval_batch_size == 128]
    if not tried:
        return
    helped, hurt = (
        sorted((r for r in tried if r.p_running.pvalue <= alpha and side * r.against_running.estimate > 0), key=_size)
        for side in (1, -1)
    )
    yield (
        f"Images that have changed since training: of {len(tried)} conditions the statistics of shuffled test batches"
        f" of 128 are better than the running averages in {len(helped)}{_extreme(helped)} and worse in"
        f" {len(hurt)}{_extreme(hurt)} (step-down max-T within each condition)."
    )


def _extreme(results: Sequence[ModeResult]) -> str:
    if not results:
        return ""
    most = results[-1]
    return f" (most: {condition(most.shift, most.severity)}, {_points(most.against_running)})"


def _size(result: ModeResult) -> float:
    return abs(result.against_running.estimate)


def _is_clean(result: ModeResult) -> bool:
    return (result.shift, result.severity) == CLEAN


def _points(interval: Interval) -> str:
    return f"{fmt.estimate(*fmt.as_triple(interval))} points"
