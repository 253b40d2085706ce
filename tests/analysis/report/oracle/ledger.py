"""What the sentences on the inference modes must say: each by the simultaneous intervals of its own comparisons."""

import math
from collections.abc import Sequence

import pandas as pd

from tests.analysis.report.oracle.arithmetic import sup_t
from tests.analysis.report.oracle.records import Oracle
from tests.analysis.report.oracle.speed import NAMES, RUNNING, Trial
from tests.analysis.report.oracle.spelling import (
    Expected,
    Interval,
    Unit,
    either,
    estimate,
    estimates,
    percent,
    seeds,
)

BATCHES = {size: ("batch", size, "shuffled") for size in (8, 32, 128, 512, 0)}
NO_NORM: Trial = ("none", None, None)
SAVED = [(name, None, None) for name in ("population", "precise", "cumulative_last", "cumulative_all")]
QUESTIONS: list[tuple[list[Trial], Trial, dict[str, str]]] = [
    (
        [BATCHES[size] for size in sizes],
        RUNNING,
        {
            "better": "predict with the statistics of the test batch",
            "worse": "predict with saved statistics",
            "within": "statistics of the test batch and saved ones do equally well",
            "mixed": "it depends on the size",
            "against": "Against running averages",
        },
    )
    for sizes in ((8, 32), (128, 512, 0))
] + [
    (
        [("batch", 32, "sorted")],
        BATCHES[32],
        {
            "better": "their statistics do more good than those of shuffled ones",
            "worse": "do not predict with their statistics",
            "within": "they do as well as shuffled ones",
            "against": "Against shuffled ones",
        },
    ),
    (
        SAVED,
        RUNNING,
        {
            "better": "replace the running averages",
            "worse": "keep the running averages",
            "within": "all do equally well",
            "mixed": "it depends on which",
            "against": "Against running averages",
        },
    ),
    (
        [RUNNING, SAVED[-1]],
        NO_NORM,
        {
            "better": "it helps with these statistics",
            "worse": "it hurts with these statistics",
            "within": "it makes no difference that matters",
            "mixed": "it depends on the statistics",
            "against": "Against networks without it",
        },
    ),
]
DOES = {
    "better": "gain",
    "worse": "cost",
    "within": "make no difference that matters",
    "undecided": "may cost or gain",
    "too few": "change accuracy",
}
COUNTED = {
    "better": "They gain in",
    "worse": "They lose in",
    "within": "They make no difference that matters in",
    "undecided": "The data do not decide in",
}


def say_ledger(o: Oracle, say: Expected, table: pd.DataFrame) -> None:
    """Of the rows of one cell of either arm."""
    scores = {condition: _scores(rows) for condition, rows in table.groupby(["shift", "severity"], sort=False)}
    clean = scores.pop(("clean", 0))
    asked = [
        (i, trial, against)
        for i, (trials, against, _) in enumerate(QUESTIONS)
        for trial in trials
        if {trial, against} <= clean.keys()
    ]
    found = _judged(o, [clean[trial] - clean[against] for _, trial, against in asked])
    for i, (_, _, texts) in enumerate(QUESTIONS):
        own = [(trial, *judged) for (j, trial, _), judged in zip(asked, found, strict=True) if i == j]
        if own:
            say.say("inference", _line(o, own, texts))
    _headline(say, clean, [(trial, *judged) for (_, trial, _), judged in zip(asked, found, strict=True)])
    _shifted(o, say, scores)


def _headline(say: Expected, clean: dict[Trial, pd.Series], judged: Sequence[tuple[Trial, Interval, str]]) -> None:
    """What test batches of 8 cost or gain, where the simultaneous interval says that they do."""
    for trial, found, outcome in judged:
        if trial == BATCHES[8]:
            size, saved = (percent(float(clean[way].mean())) for way in (trial, RUNNING))
            if outcome in ("better", "worse"):
                does = "gain" if outcome == "better" else "cost"
                say.say("inference", f"Test batches of 8 {does} {unsigned(found)[1]} points ({size} against {saved})")
            else:
                say.say("inference", f"Test batches of 8 reach {size}, running averages {saved}")


def unsigned(found: Interval) -> tuple[str, str]:
    """The size of a difference that lies on one side of zero in points, with its interval and without."""
    low, high = sorted((abs(found.low), abs(found.high)))
    points = Unit(100, False)
    both = estimates(Interval(abs(found.estimate), low, high, found.n), points)
    return either(both), either(text.split(" ")[0] for text in both)


def _scores(rows: pd.DataFrame) -> dict[Trial, pd.Series]:
    found: dict[Trial, pd.Series] = {}
    for (inference, size, order), group in rows.groupby(["inference", "eval_batch_size", "order"], dropna=False):
        trial = (inference, None if pd.isna(size) else int(size), None if pd.isna(order) else order)
        found[trial] = group.set_index("seed").accuracy
        if trial[1] == group.n_examples.iloc[0]:
            found[inference, 0, trial[2]] = found[trial]
    return found


Judged = tuple[Interval, str]


def _judged(o: Oracle, differences: Sequence[pd.Series]) -> list[Judged]:
    if not differences:
        return []
    D = pd.concat(differences, axis=1).to_numpy(float)
    both = zip(sup_t(D, o.level), sup_t(D, 1 - 2 * o.alpha), strict=True)
    return [(wide, _outcome(o, wide, narrow)) for wide, narrow in both]


def _outcome(o: Oracle, wide: Interval, narrow: Interval) -> str:
    if wide.n < o.seeds_to_reach or math.isnan(wide.low):
        return "too few"
    if max(-narrow.low, narrow.high) < o.margin:
        return "within"
    return "better" if wide.low > 0 else "worse" if wide.high < 0 else "undecided"


def _line(o: Oracle, own: Sequence[tuple[Trial, Interval, str]], texts: dict[str, str]) -> str:
    outcomes = [outcome for *_, outcome in own]
    mixed = len({*outcomes}) > 1
    advice = texts["mixed"] if mixed else texts.get(outcomes[0], "the data do not decide")
    if outcomes[0] == "within" and not mixed:
        advice = f"{advice}, to within {100 * o.margin:g} point{'' if o.margin == 0.01 else 's'}"
    if "too few" in outcomes:
        advice = too_few(min(found.n for _, found, _ in own))
    numbers = [_does(outcome, [(t, found) for t, found, of in own if of == outcome]) for outcome in DOES]
    first, *others = [number for number in numbers if number]
    return " ".join(
        [f"{advice}. {texts['against']}, {first}.", *(f"{other[0].upper()}{other[1:]}." for other in others)]
    )


def too_few(n: int) -> str:
    return f"{seeds(n)} {'is' if n == 1 else 'are'} too few to say"


def _does(outcome: str, own: Sequence[tuple[Trial, Interval]]) -> str:
    if not own:
        return ""
    if outcome in ("better", "worse"):
        return listed([f"{_label(trial)} {DOES[outcome]} {unsigned(found)[0]} points" for trial, found in own])
    numbers = "; ".join(estimate(found) for _, found in own)
    return f"{listed([_label(trial) for trial, _ in own])} {DOES[outcome]} ({numbers} points)"


def listed(parts: Sequence[str]) -> str:
    return " and ".join([*filter(None, [", ".join(parts[:-1])]), parts[-1]])


def _label(trial: Trial) -> str:
    if trial[1] is None:
        return NAMES[trial[0]]
    return f"batches of {trial[1]}" if trial[1] else "batches of all images"


def condition(shift: str, severity: int) -> str:
    return shift.replace("_", " ") + (f" at severity {severity}" if severity else "")


def _shifted(o: Oracle, say: Expected, scores: dict[tuple[str, int], dict[Trial, pd.Series]]) -> None:
    """Counts of conditions, with the largest change of those in which accuracy gains or loses."""
    asked = {at: of for at, of in scores.items() if {BATCHES[128], RUNNING} <= of.keys()}
    found = _judged(o, [of[BATCHES[128]] - of[RUNNING] for of in asked.values()])
    _headline_shifted(say, dict(zip(asked, found, strict=True)))
    if not found:
        return
    if any(outcome == "too few" for _, outcome in found):
        say.say("inference", f"{too_few(min(wide.n for wide, _ in found))}.")
        return
    parts = []
    for outcome, text in COUNTED.items():
        own = [(at, wide) for at, (wide, judged) in zip(asked, found, strict=True) if judged == outcome]
        if own:
            at, most = max(own, key=lambda one: abs(one[1].estimate))
            sure = outcome in ("better", "worse")
            parts.append(f"{text} {len(own)}" + (f" (most: {condition(*at)}, {unsigned(most)[0]} points)" * sure) + ".")
    say.say("inference", f"{len(found)} condition{'' if len(found) == 1 else 's'}. {' '.join(parts)}")


def _headline_shifted(say: Expected, found: dict[tuple[str, int], Judged]) -> None:
    """The largest change that is sure."""
    sure = {at: (wide, outcome) for at, (wide, outcome) in found.items() if outcome in ("better", "worse")}
    if not sure:
        return
    at = max(sure, key=lambda one: abs(sure[one][0].estimate))
    wide, outcome = sure[at]
    name = condition(*at)
    does = "gain" if outcome == "better" else "lose"
    said = f"{name[0].upper()}{name[1:]}: test batches of 128 {does} {unsigned(wide)[1]} points"
    say.say("inference", said)
