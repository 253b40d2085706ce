"""What happens under covariate shift, to images that have changed since training?"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any

from analysis.findings.modes.inference_modes import CLEAN, ModeResult, Modes
from analysis.report import number_format as fmt
from analysis.report.columns import count_column, text_column
from analysis.report.document import Column, Figure, Table
from analysis.report.figures.modes.mode_looks import LARGE_BATCH, NO_NORM, RUNNING, SMALL_BATCH, Look
from analysis.report.figures.modes.shifts import Panel, accuracy_by_severity
from analysis.report.sections.modes.batch_size import counted
from analysis.report.sentences import inference as inference_sentences
from study.spec.inference.conditions import CHANGES, KINDS, SEVERITIES

SHOWN_SIZES = (8, 128)
"""Sizes of shuffled test batches that are drawn where the study has both, else its smallest and its largest."""
SELECTIONS = [name for name, change in CHANGES.items() if not change.strengths]

Place = tuple[str, list[tuple[str, int]]]
"""A tick of a panel, and the conditions whose accuracies are averaged there."""


@dataclass(frozen=True)
class Series:
    """A way to predict that is drawn."""

    name: str
    look: Look
    accuracy: dict[tuple[str, int], float]
    """By condition."""


def by_kind(modes: Modes) -> Figure | None:
    """Return accuracy over severity, a panel a kind of change."""
    series = _series(modes)
    of_kind = {kind: [name for name, change in CHANGES.items() if change.kind == kind] for kind in KINDS}
    panels = [_panel(_kind_title(kind, names, series), names, series) for kind, names in of_kind.items()]
    drawn = [panel for panel in panels if panel]
    if not drawn:
        return None
    return Figure(
        name="shifts",
        headline=_headline(modes),
        subtitle=(
            "Test accuracy (%) over severity by kind of change, averaged over its corruptions and over"
            f" {counted(modes.results)}, at {fmt.cell(modes.cell)}."
        ),
        draw=partial(accuracy_by_severity, drawn, _looks(series), {"wide": 3, "narrow": 2}),
        alt="; ".join(map(_alt, drawn)) + ".",
        caption=(
            "Severity 0 and “as is”: unchanged images. Test batches are shuffled. The appendix has every corruption"
            " and the differences with their intervals."
        ),
        table=_table("shifts", "Accuracy by kind of change", drawn),
    )


def one_by_one(modes: Modes) -> Figure | None:
    """Return the same with a panel a corruption, for the appendix."""
    series = _series(modes)
    corruptions = sorted(CHANGES.keys() - {*SELECTIONS}, key=lambda name: (KINDS.index(CHANGES[name].kind), name))
    panels = [
        _panel("selected images", SELECTIONS, series),
        *(_panel(_words(name), [name], series) for name in corruptions),
    ]
    drawn = [panel for panel in panels if panel]
    if not drawn:
        return None
    worst = min((r for r in modes.results if r.inference == "running"), key=lambda r: r.accuracy)
    return Figure(
        name="shifts-each",
        headline=_at_worst(worst),
        subtitle=(
            f"Test accuracy (%) over severity, a panel a corruption; mean over {counted(modes.results)} at"
            f" {fmt.cell(modes.cell)}."
        ),
        draw=partial(accuracy_by_severity, drawn, _looks(series), {"wide": 5, "narrow": 2}),
        alt="; ".join(map(_alt, drawn)) + ".",
        caption="Severity 0 and “as is”: unchanged images. Test batches are shuffled.",
        table=_table("shifts-each", "Accuracy by corruption", drawn),
    )


def _series(modes: Modes) -> list[Series]:
    """Return the ways to predict that are drawn, of those tried on changed images; none without a network that has
    statistics to choose."""

    def of(name: str, look: Look, *way: object) -> Series:
        own = [r for r in modes.results if (r.inference, r.eval_batch_size, r.order) == way]
        return Series(name, look, {(r.shift, r.severity): r.accuracy for r in own})

    sizes = dict(zip(_sizes(modes), (SMALL_BATCH, LARGE_BATCH), strict=False))
    without = {(one.shift, one.severity): one.accuracy for one in modes.no_norm}
    every = [
        of("running averages", RUNNING, "running", None, None),
        *(of(f"batches of {size:,}", look, "batch", size, "shuffled") for size, look in sizes.items()),
        Series("no batch norm", NO_NORM, without),
    ]
    return [series for series in every if modes.results and series.accuracy.keys() - {CLEAN}]


def _sizes(modes: Modes) -> Sequence[int]:
    """Return the sizes of test batches that are drawn, of those tried on changed images."""
    changed = [r for r in modes.results if (r.shift, r.severity) != CLEAN and not r.degenerate]
    tried = {r.eval_batch_size or 0 for r in changed if (r.inference, r.order) == ("batch", "shuffled")}
    return SHOWN_SIZES if {*SHOWN_SIZES} <= tried else sorted({min(tried), max(tried)}) if tried else []


def _looks(series: Sequence[Series]) -> dict[str, Look]:
    return {one.name: one.look for one in series}


def _words(name: str) -> str:
    return name.replace("_", " ")


def _kind_title(kind: str, names: Sequence[str], series: Sequence[Series]) -> str:
    known = {name for one in series for name, severity in one.accuracy if severity}
    n = len(known & {*names})
    return f"{kind} (mean of {n})" if n > 1 else kind


def _panel(title: str, names: Sequence[str], series: Sequence[Series]) -> Panel | None:
    """Return accuracies under changes that are alike, severities averaged over them; None where there are none."""
    corruptions = [name for name in names if CHANGES[name].strengths]
    common = set.intersection(*({*one.accuracy} for one in series)) if series else set()
    if corruptions:
        asked = [("0", [CLEAN]), *((str(s), [(name, s) for name in corruptions]) for s in SEVERITIES)]
    else:
        asked = [("as is", [CLEAN]), *((_words(name), [(name, 0)]) for name in names if (name, 0) in common)]
    places: list[Place] = [(text, [at for at in conditions if at in common]) for text, conditions in asked]
    if not any(conditions for _, conditions in places[1:]):
        return None
    return Panel(
        title,
        [text for text, _ in places],
        {one.name: [_mean(one.accuracy[at] for at in conditions) for _, conditions in places] for one in series},
        [len(conditions) for _, conditions in places],
        ordered=bool(corruptions),
    )


def _mean(values: Iterator[float]) -> float:
    known = [*values]
    return fmean(known) if known else math.nan


def _headline(modes: Modes) -> str:
    """Return the largest change that its interval is sure of, else the lowest accuracy."""
    compared = [c for c in modes.compared if c.rule == "shifted" and inference_sentences.verb(c)]
    if not compared:
        return _at_worst(min((r for r in modes.results if r.inference == "running"), key=lambda r: r.accuracy))
    most = max(compared, key=lambda c: abs(c.interval.estimate))
    at = fmt.sentence(inference_sentences.condition(most.shift, most.severity))
    verb = {"gain": "gain", "cost": "lose"}[str(inference_sentences.verb(most))]
    return f"{at}: test {inference_sentences.in_batches(most.way)} {verb} {inference_sentences.size(most)} points"


def _at_worst(result: ModeResult) -> str:
    at = inference_sentences.condition(result.shift, result.severity)
    return f"Running averages: {fmt.percent(result.accuracy)} at worst ({at})"


def _alt(panel: Panel) -> str:
    ways = [
        f"{name} {', '.join(fmt.percent(value) for value in accuracy)}" for name, accuracy in panel.accuracy.items()
    ]
    return f"{panel.title} ({', '.join(panel.places)}): {'; '.join(ways)}"


def _table(name: str, caption: str, panels: Sequence[Panel]) -> Table:
    ways = [*panels[0].accuracy]
    keys = dict(zip(ways, (way.replace(" ", "_") for way in ways), strict=True))
    columns = [
        text_column("images", "images"),
        text_column("severity", "severity"),
        count_column("conditions", "n_conditions"),
        *(Column(way, fmt.percent, (key,)) for way, key in keys.items()),
    ]
    return Table(name, caption, columns, [row for panel in panels for row in _rows(panel, keys)])


def _rows(panel: Panel, keys: dict[str, str]) -> Iterator[dict[str, Any]]:
    for i, place in enumerate(panel.places):
        if panel.n_conditions[i]:
            name, severity = (panel.title, place) if panel.ordered else (f"{panel.title}: {place}", None)
            accuracy = {key: panel.accuracy[way][i] for way, key in keys.items()}
            yield {"images": name, "severity": severity, "n_conditions": panel.n_conditions[i], **accuracy}
