"""Which statistics should be used when? Sentences on the inference modes, each chosen by the intervals of its own
comparisons."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from analysis.findings.modes.inference_modes import ModeResult, Modes, SwapResult
from analysis.findings.modes.mode_comparisons import Compared, Way
from analysis.report import number_format as fmt
from study.spec.factors import REFERENCE_SETTING
from study.spec.inference_modes import parse


def name(result: ModeResult) -> str:
    """Return an inference mode as a reader calls it."""
    if result.eval_batch_size is None:
        return result.mode.label
    size = "all images at once" if result.eval_batch_size >= 10_000 else f"batches of {result.eval_batch_size}"
    return f"{result.mode.label}, {size}, {result.order}"


def condition(shift: str, severity: int) -> str:
    return shift.replace("_", " ") + (f" {severity}" if severity else "")


def where(modes: Modes) -> str:
    """Return the cell that is shown, and why it is this one."""
    cell, other = modes.cell, modes.baseline_cell
    if cell == REFERENCE_SETTING and other in (None, cell):
        return f"at {fmt.cell(cell)}, the tutorial's setting"
    best = f"at {fmt.cell(cell)}, where batch normalisation scores best on average"
    return best if other in (None, cell) else f"{best} (no batch normalisation: at {fmt.cell(other)}, its own best)"


def _in_batches(way: Way) -> str:
    return f"in batches of {way.size}" if way.size else "with all images in one batch"


def _with_statistics(way: Way) -> str:
    return f"with {parse(way.inference).label}"


@dataclass(frozen=True)
class Texts:
    """What is said of a rule by what its comparisons say."""

    topic: str
    better: str
    worse: str
    within: str
    mixed: str
    difference: str
    """What each number is."""
    label: Callable[[Way], str]


TEXTS = {
    "small": Texts(
        "Small test batches of shuffled images",
        better="predict with the statistics of the test batch",
        worse="predict with saved statistics",
        within="statistics of the test batch and saved ones do equally well",
        mixed="it depends on the size",
        difference="Accuracy with the statistics of the test batch minus that with the running averages, in points",
        label=_in_batches,
    ),
    "large": Texts(
        "Large test batches of shuffled images",
        better="predict with the statistics of the test batch",
        worse="predict with saved statistics",
        within="statistics of the test batch and saved ones do equally well",
        mixed="it depends on the size",
        difference="Accuracy with the statistics of the test batch minus that with the running averages, in points",
        label=_in_batches,
    ),
    "sorted": Texts(
        "Test batches sorted by class",
        better="their statistics do more good than those of shuffled ones",
        worse="do not predict with their statistics",
        within="they do as well as shuffled ones",
        mixed="it depends on the size",
        difference="Accuracy with statistics of sorted test batches minus that with those of shuffled ones, in points",
        label=_in_batches,
    ),
    "saved": Texts(
        "Which saved statistics",
        better="replace the running averages",
        worse="keep the running averages",
        within="all do equally well",
        mixed="it depends on which",
        difference="Accuracy minus that with the running averages, in points",
        label=_with_statistics,
    ),
    "no norm": Texts(
        "Batch normalisation against none",
        better="it helps with these statistics",
        worse="it hurts with these statistics",
        within="it makes no difference that matters",
        mixed="it depends on the statistics",
        difference="Accuracy with batch normalisation minus that without, in points",
        label=_with_statistics,
    ),
}
OUTCOMES = {"better": "better", "worse": "worse", "within": "within the margin", "undecided": "undecided"}


def ledger(modes: Modes, margin: float) -> list[str]:
    """Return one sentence a rule; rules that the study has no numbers for are left out."""
    by_rule = {key: [c for c in modes.compared if c.rule == key] for key in (*TEXTS, "shifted")}
    lines = [_advice(texts, by_rule[key], margin) for key, texts in TEXTS.items() if by_rule[key]]
    return [*lines, *_swapped(modes), *([_under_shift(by_rule["shifted"], margin)] if by_rule["shifted"] else [])]


def _advice(texts: Texts, compared: Sequence[Compared], margin: float) -> str:
    """Return the advice that the outcomes agree on, or that there is none, and the numbers."""
    outcomes = {c.outcome for c in compared}
    agreed = next(iter(outcomes)) if len(outcomes) == 1 else "mixed"
    advice = {
        "better": texts.better,
        "worse": texts.worse,
        "within": f"{texts.within}, to within {_margin(margin)}",
        "undecided": "the data do not decide",
        "mixed": texts.mixed,
    }
    said = _too_few(compared) if "too few" in outcomes else advice[agreed]
    numbers = [f"{_points(c)} {texts.label(c.way)}" + _outcome(c, agreed) for c in compared]
    return f"{texts.topic}: {said}. {texts.difference}: {'; '.join(numbers)}."


def _outcome(compared: Compared, agreed: str) -> str:
    return f" ({OUTCOMES[compared.outcome]})" if agreed == "mixed" and compared.outcome in OUTCOMES else ""


def _too_few(compared: Sequence[Compared]) -> str:
    return f"{fmt.seeds(min(c.interval.n for c in compared))} are too few to say"


def _margin(margin: float) -> str:
    points = f"{100 * margin:g}"
    return f"{points} point" if points == "1" else f"{points} points"


def _under_shift(compared: Sequence[Compared], margin: float) -> str:
    topic = "Test images that have changed since training, the statistics of shuffled test batches of 128 against the"
    if any(c.outcome == "too few" for c in compared):
        return f"{topic} running averages: {_too_few(compared)}."
    found = {outcome: sorted((c for c in compared if c.outcome == outcome), key=_size) for outcome in OUTCOMES}
    counts = [f"{OUTCOMES[outcome]} in {len(of)}{_extreme(of)}" for outcome, of in found.items() if of]
    return f"{topic} running averages: of {len(compared)} conditions {fmt.listing(counts)}."


def _extreme(compared: Sequence[Compared]) -> str:
    if not compared or compared[0].outcome not in ("better", "worse"):
        return ""
    most = compared[-1]
    return f" (most: {condition(most.shift, most.severity)}, {_points(most)} points)"


def _size(compared: Compared) -> float:
    return abs(compared.interval.estimate)


def _swapped(modes: Modes) -> Iterator[str]:
    swap = next((s for s in modes.swaps if (s.eval_batch_size, s.n_swapped) == (8, 2)), None)
    if swap:
        yield (
            "Replace two of an image's seven companions in a test batch of 8: with the statistics of the batch its"
            f" class changes in {fmt.share(*fmt.as_triple(swap.flip_rate))} of cases, and its normalised values change"
            f" by {swap.value_change.estimate:.2f} standard deviations (the batch mean by"
            f" {swap.mean_change.estimate:.3f}; sqrt(2 x 2)/8 = {swap.law:.3f}).{_when_saved(swap)}"
        )


def _when_saved(swap: SwapResult) -> str:
    """Return what happens to the same images under saved statistics; nothing where these were not asked."""
    k, rate = swap.running_flips, swap.running_flip_rate
    if k is None or rate is None:
        return ""
    limits = f"at most {fmt.percent(rate.high)}" if k == 0 else fmt.share(*fmt.as_triple(rate))
    return f" With the running averages the class of {k:,} of {rate.n:,} images changes ({limits})."


def _points(compared: Compared) -> str:
    return fmt.estimate(*fmt.as_triple(compared.interval))
