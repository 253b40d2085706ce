"""What moves inside a network: drift, spread of batch means, live units and gradient ICS, by layer and arm."""

from collections.abc import Sequence
from functools import partial

from analysis.findings.claims.curves import CHANCE_SPREAD, Line, lines
from analysis.findings.claims.from_drift import BATCH, DRIFT, GRADIENT, SAMPLING
from analysis.records.claims import ClaimsData
from analysis.report import number_format as fmt
from analysis.report.columns import count_column, text_column
from analysis.report.document import Column, Figure, Table
from analysis.report.figures.claims.lines import LineRow, line_grid
from analysis.report.sections.claims import places
from analysis.report.sections.claims.places import TRAININGS
from study.spec.arms import DEFAULT_ARMS
from study.spec.claims.experiments import PROBES
from study.spec.claims.rows import ACTIVATIONS

Lines = dict[str, list[Line]]
"""By training."""


def figure(claims: ClaimsData, level: float) -> Figure | None:
    """Return drift, spread of batch means and live units by layer; None where no training was measured."""
    drift = _lines(claims, DRIFT, "layer", level)
    if not drift:
        return None
    spread, live = (_lines(claims, name, "layer", level) for name in (SAMPLING, "live"))
    law = f"1/sqrt({BATCH})"
    rows = [
        LineRow("drift a step", _panels(drift, drift), is_logarithmic=True),
        LineRow("spread of\nbatch means", _panels(spread, drift), law=CHANCE_SPREAD, law_name=law),
        LineRow("live units (%)", _panels(live, drift), scale=100),
    ]
    return Figure(
        name=places.DRIFT,
        headline=_headline("A step moves inputs {} times as far with BN as without", drift),
        subtitle=(
            "Drift of each layer's inputs in a training step and spread of their batch means, over sds of live units;"
            f" {_seeds(drift)}."
        ),
        draw=partial(line_grid, rows, [*map(title, drift)], "layer"),
        alt=f"Drift a step: {_in_words(drift)}. Spread of batch means: {_in_words(spread)}. Live units, share:"
        f" {_in_words(live)}.",
        caption=f"{_caption(level, 'layers', 'the steps')} Dashed: {law}, the spread that chance alone gives.",
        table=_table(
            places.DRIFT, "Drift, spread and live units by layer", "layer", drift=drift, spread=spread, live=live
        ),
    )


def gradients(claims: ClaimsData, level: float) -> Figure | None:
    """Return gradient ICS beside the loss by step; None where no training was measured."""
    ics, loss = (_lines(claims, name, "step", level) for name in (GRADIENT, "loss"))
    if not ics:
        return None
    rows = [
        LineRow("gradient ICS\n(relative L2)", _panels(ics, ics), is_logarithmic=True),
        LineRow("training loss\n(nats per image)", _panels(loss, ics)),
    ]
    return Figure(
        name=places.GRADIENT,
        headline=_headline("Gradient ICS with BN: {} times that without", ics),
        subtitle=(
            "How much the steps of the layers before it change a layer's gradient, and the loss, by training step;"
            f" {_seeds(ics)}{_progress(loss)}."
        ),
        draw=partial(line_grid, rows, [*map(title, ics)], "training step"),
        alt=f"Gradient ICS: {_in_words(ics)}. Loss: {_in_words(loss)}.",
        caption=f"{_caption(level, 'steps', 'the layers')} Gradient ICS has geometric means.",
        table=_table(places.GRADIENT, "Gradient ICS and loss by training step", "step", gradient_ics=ics, loss=loss),
    )


def title(training: str) -> str:
    settings = PROBES[training].settings
    return f"{ACTIVATIONS[settings['activation']]}, rate {settings['lr']:g}"


def _lines(claims: ClaimsData, measure: str, axis: str, level: float) -> Lines:
    found = {name: lines(claims.measurements, name, measure, axis, level) for name in TRAININGS}
    return {name: of for name, of in found.items() if of}


def _panels(lines: Lines, columns: Lines) -> list[Sequence[Line]]:
    return [lines.get(name, []) for name in columns]


def _both(lines: Lines) -> list[tuple[Line, Line]]:
    """Return the lines with and without batch normalisation, of the trainings that have both."""
    of_arms = [{line.arm: line for line in of} for of in lines.values()]
    bn, none = DEFAULT_ARMS
    return [(of[bn], of[none]) for of in of_arms if {bn, none} <= of.keys()]


def _headline(text: str, lines: Lines) -> str:
    """Return the range over the trainings of the ratio of both arms' means in a text."""
    ratios = [one.average / other.average for one, other in _both(lines) if other.average > 0]
    ends = [*dict.fromkeys(_short(pick(ratios)) for pick in (min, max))] if ratios else []
    return text.format("–".join(ends)) if ends else "Measured in one arm alone: there is nothing to compare"


def _short(ratio: float) -> str:
    """Return two digits of a ratio, without an exponent where it is above 1."""
    return f"{ratio:.2g}" if ratio < 10 else f"{ratio:,.0f}"


def _progress(loss: Lines) -> str:
    """Return in how many trainings the loss ends lower with batch normalisation."""
    both = [(one.mean[-1], other.mean[-1]) for one, other in _both(loss)]
    n = sum(one < other for one, other in both)
    return f"; the loss ends lower with BN than without in {n} of {len(both)}" if both else ""


def _seeds(lines: Lines) -> str:
    counts = sorted({line.n for of in lines.values() for line in of})
    return fmt.seeds(counts[0]) if len(counts) == 1 else f"{counts[0]} to {fmt.seeds(counts[-1])}"


def _in_words(lines: Lines) -> str:
    parts = [
        f"{title(name)}, {fmt.side(line.arm)} {line.mean[0]:.3g} at first, {line.mean[-1]:.3g} at last"
        for name, of in lines.items()
        for line in of
    ]
    return "; ".join(parts) or "not measured"


def _caption(level: float, along: str, averaged: str) -> str:
    return (
        f"Line: mean over seeds of each seed's mean over {averaged}. Band: {fmt.level(level)} simultaneous over the"
        f" {along} of a line (sup-t)."
    )


def _table(name: str, caption: str, axis: str, **measures: Lines) -> Table:
    columns = [
        text_column("training", "training"),
        text_column("measure", "measure"),
        text_column("arm", "arm"),
        count_column(axis, axis),
        Column("mean [band]", _shown, ("mean", "band_low", "band_high")),
        count_column("seeds", "n"),
    ]
    rows = [
        {
            "training": title(training), "measure": measure.replace("_", " "), "arm": fmt.side(line.arm), axis: int(at),
            "mean": mean, "band_low": low, "band_high": high, "n": line.n,
        }
        for measure, lines in measures.items()
        for training, of in lines.items()
        for line in of
        for at, mean, low, high in zip(line.at, line.mean, line.low, line.high, strict=True)
    ]  # fmt: skip
    return Table(name, caption, columns, rows)


def _shown(mean: float, low: float, high: float) -> str:
    return (
        fmt.size(mean, low, high)
        if fmt.digits(low, high, 1) < fmt.MAX_DIGITS
        else f"{mean:.3g} [{low:.3g}, {high:.3g}]"
    )
