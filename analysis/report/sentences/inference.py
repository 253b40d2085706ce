"""Which statistics should be used when? Sentences on the inference modes, each chosen by the intervals of its own
comparisons."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from analysis.findings.modes.inference_modes import ModeResult, Modes, SwapResult
from analysis.findings.modes.mode_comparisons import Compared, Way
from analysis.report import number_format as fmt
from study.spec.factors import REFERENCE_SETTING
from study.spec.inference.modes import parse

ORDERS = {"shuffled": "shuffled", "natural": "file order", "sorted": "sorted by class"}
"""What a reader calls the order in which test batches are filled."""


def name(result: ModeResult) -> str:
    """Return an inference mode as a reader calls it."""
    if result.eval_batch_size is None or result.order is None:
        return result.mode.label
    size = "all images at once" if result.eval_batch_size >= 10_000 else f"batches of {result.eval_batch_size}"
    return f"{result.mode.label}, {size}, {ORDERS[result.order]}"


def condition(shift: str, severity: int) -> str:
    """Return a condition as a reader calls it.

    >>> condition("gaussian_noise", 3), condition("one_class", 0)
    ('gaussian noise at severity 3', 'one class')
    """
    return shift.replace("_", " ") + (f" at severity {severity}" if severity else "")


def where(modes: Modes) -> str:
    """Return the cell that is shown, and why it is this one."""
    cell, other = modes.cell, modes.baseline_cell
    if cell == REFERENCE_SETTING and other in (None, cell):
        return f"at {fmt.cell(cell)}, the tutorial's setting"
    best = f"at {fmt.cell(cell)}, where batch normalisation scores best on average"
    return best if other in (None, cell) else f"{best} (no batch normalisation: at {fmt.cell(other)}, its own best)"


def verb(compared: Compared | None) -> str | None:
    """Return what a way to predict does to accuracy where its interval says so."""
    return DOES[compared.outcome] if compared and compared.outcome in ("better", "worse") else None


def size(compared: Compared) -> str:
    """Return how large a difference is, in points, without its interval."""
    return fmt.points_of(compared.interval).lstrip("+-")


def in_batches(way: Way) -> str:
    return f"batches of {way.size}" if way.size else "batches of all images"


def _saved(way: Way) -> str:
    return parse(way.inference).label


@dataclass(frozen=True)
class Texts:
    """What is said of a rule by what its comparisons say."""

    topic: str
    better: str
    worse: str
    within: str
    mixed: str
    against: str
    """What each difference is from."""
    label: Callable[[Way], str]


_SMALL = Texts(
    "Small test batches of shuffled images",
    better="predict with the statistics of the test batch",
    worse="predict with saved statistics",
    within="statistics of the test batch and saved ones do equally well",
    mixed="it depends on the size",
    against="running averages",
    label=in_batches,
)
TEXTS = {
    "small": _SMALL,
    "large": replace(_SMALL, topic="Large test batches of shuffled images"),
    "sorted": Texts(
        "Test batches sorted by class",
        better="their statistics do more good than those of shuffled ones",
        worse="do not predict with their statistics",
        within="they do as well as shuffled ones",
        mixed="it depends on the size",
        against="shuffled ones",
        label=in_batches,
    ),
    "saved": Texts(
        "Which saved statistics",
        better="replace the running averages",
        worse="keep the running averages",
        within="all do equally well",
        mixed="it depends on which",
        against="running averages",
        label=_saved,
    ),
    "no norm": Texts(
        "Batch norm against none",
        better="it helps with these statistics",
        worse="it hurts with these statistics",
        within="it makes no difference that matters",
        mixed="it depends on the statistics",
        against="networks without it",
        label=_saved,
    ),
}

DOES = {
    "better": "gain",
    "worse": "cost",
    "within": "make no difference that matters",
    "undecided": "may cost or gain",
    "too few": "change accuracy",
}
"""What a way to predict does to accuracy, by the outcome of its comparison, in the order in which it is said."""


def ledger(modes: Modes, margin: float) -> list[str]:
    """Return one sentence a rule; rules that the study has no numbers for are left out."""
    by_rule = {key: [c for c in modes.compared if c.rule == key] for key in (*TEXTS, "shifted")}
    lines = [_advice(texts, by_rule[key], margin) for key, texts in TEXTS.items() if by_rule[key]]
    return [*lines, *_swapped(modes), *([_under_shift(by_rule["shifted"])] if by_rule["shifted"] else [])]


def _advice(texts: Texts, compared: Sequence[Compared], margin: float) -> str:
    """Return the advice that the outcomes agree on, or that there is none, and the numbers."""
    outcomes = {c.outcome for c in compared}
    advice = {
        "better": texts.better,
        "worse": texts.worse,
        "within": f"{texts.within}, to within {fmt.margin(margin)}",
        "undecided": "the data do not decide",
    }
    agreed = advice[next(iter(outcomes))] if len(outcomes) == 1 and "too few" not in outcomes else texts.mixed
    said = _too_few(compared) if "too few" in outcomes else agreed
    first, *others = (
        _does([c for c in compared if c.outcome == outcome], texts) for outcome in DOES if outcome in outcomes
    )
    numbers = [f"Against {texts.against}, {first}.", *(f"{fmt.sentence(other)}." for other in others)]
    return f"{texts.topic}: {said}. {' '.join(numbers)}"


def _does(compared: Sequence[Compared], texts: Texts) -> str:
    """Return what ways to predict of one outcome do to accuracy, with their numbers."""
    does, labels = DOES[compared[0].outcome], [texts.label(c.way) for c in compared]
    if verb(compared[0]):
        return fmt.listing([f"{label} {does} {_unsigned(c)} points" for label, c in zip(labels, compared, strict=True)])
    return f"{fmt.listing(labels)} {does} ({'; '.join(map(_points, compared))} points)"


def _too_few(compared: Sequence[Compared]) -> str:
    n = min(c.interval.n for c in compared)
    return f"{fmt.seeds(n)} {'is' if n == 1 else 'are'} too few to say"


def _under_shift(compared: Sequence[Compared]) -> str:
    topic = f"Changed test images, {in_batches(compared[0].way)} against running averages"
    if any(c.outcome == "too few" for c in compared):
        return f"{topic}: {_too_few(compared)}."
    does = {
        "better": "They gain in",
        "worse": "They lose in",
        "within": "They make no difference that matters in",
        "undecided": "The data do not decide in",
    }
    found = {outcome: sorted((c for c in compared if c.outcome == outcome), key=_size) for outcome in does}
    counts = [f"{does[outcome]} {len(of)}{_extreme(of)}." for outcome, of in found.items() if of]
    n = f"{len(compared)} condition{'' if len(compared) == 1 else 's'}"
    return f"{topic}: {n}. {' '.join(counts)}"


def _extreme(compared: Sequence[Compared]) -> str:
    most = compared[-1]
    return f" (most: {condition(most.shift, most.severity)}, {_unsigned(most)} points)" if verb(most) else ""


def _size(compared: Compared) -> float:
    return abs(compared.interval.estimate)


def _swapped(modes: Modes) -> Iterator[str]:
    swap = shown_swap(modes)
    if swap:
        k, m = swap.n_swapped, swap.eval_batch_size
        yield (
            f"Replace {k} of an image's {m - 1} companions in a batch of {m}: its predicted class changes in"
            f" {fmt.share(*fmt.as_triple(swap.flip_rate))} of cases.{_when_saved(swap)}"
        )


def shown_swap(modes: Modes) -> SwapResult | None:
    """Return the tutorial's example, two of eight, else the first."""
    tutorial = (s for s in modes.swaps if (s.eval_batch_size, s.n_swapped) == (8, 2))
    return next(tutorial, modes.swaps[0] if modes.swaps else None)


def _when_saved(swap: SwapResult) -> str:
    """Return what happens to the same images under saved statistics; nothing where these were not asked."""
    k, rate = swap.running_flips, swap.running_flip_rate
    if k is None or rate is None:
        return ""
    if k == 0:
        limit = f"true share at most {fmt.percent(rate.high)}"
        return f" With running averages it never did (0 of {rate.n:,} images; {limit})."
    share = fmt.share(*fmt.as_triple(rate))
    return f" With running averages it changes in {share} of cases ({k:,} of {rate.n:,} images)."


def _points(compared: Compared) -> str:
    return fmt.estimate(*fmt.as_triple(compared.interval))


def _unsigned(compared: Compared) -> str:
    """Return the size of a difference whose interval lies on one side of zero, and that of its ends."""
    interval = compared.interval
    low, high = sorted((abs(interval.low), abs(interval.high)))
    return fmt.size(100 * abs(interval.estimate), 100 * low, 100 * high)
