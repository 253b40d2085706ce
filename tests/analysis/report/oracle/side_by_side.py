"""What the comparison with other studies must say: paired by seed in common settings, by the ends of both intervals
where each arm is at its best."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from tests.analysis.report.oracle.arithmetic import one_family, paired_t, snapped, t_interval
from tests.analysis.report.oracle.records import ARMS, Oracle
from tests.analysis.report.oracle.spelling import (
    NO_NUMBER,
    Cell,
    Expected,
    Interval,
    Row,
    either,
    estimates,
    p_text,
    place,
    points,
    seeds,
    unsigned,
)
from tests.analysis.report.oracle.tuning import Searches, chosen_by, cross_fitted_ends, within

AT_BEST = "each arm at its best"
Ends = tuple[float, float]


class Known(NamedTuple):
    """An estimate with what either end of its interval may be: resampled ends are known to a tolerance."""

    estimate: float
    lows: Ends
    highs: Ends
    n: int
    unit: str = "seeds"

    @classmethod
    def of(cls, found: Interval, unit: str = "seeds") -> Self:
        return cls(found.estimate, (found.low, found.low), (found.high, found.high), found.n, unit)

    @property
    def texts(self) -> list[str]:
        if self.lows[0] == self.lows[1] or not math.isfinite(self.lows[0]):
            return estimates(Interval(self.estimate, self.lows[0], self.highs[0]))
        return within(self.estimate, self.lows, self.highs)

    @property
    def text(self) -> str:
        return either(self.texts)

    @property
    def units(self) -> str:
        return seeds(self.n) if self.unit == "seeds" else f"{self.n} {self.unit}"


@dataclass
class Line:
    """The difference of this study and of another, and how they compare."""

    setting: str
    name: str
    here: Known
    there: Known
    less: Known
    p: str = NO_NUMBER
    n_common: str = NO_NUMBER


def say_compared(o: Oracle, say: Expected) -> None:
    if not o.others:
        return
    lines = [line for other in o.others for line in _lines(o, other)]
    say.table("compared-bn", ("setting", "study"), [_tests(o.of.name, line) for line in lines])
    say.table("studies-bn", ("setting", "study"), _each(o.of.name, lines))
    say.say("compared", *_rows(o.of.name, lines), *(_common(o, other) for other in o.others))
    if len(o.others) == 1:
        say.say("compared", _headline(o.of.name, _first(o, o.others[0], lines)))
        return
    firsts = [_first(o, other, lines) for other in o.others]
    sizes = [known.estimate for line in firsts for known in (line.here, line.there)]
    say.say(
        "compared", f"Differences from {points(min(sizes))} to {points(max(sizes))} points in {1 + len(firsts)} studies"
    )


def _cells(o: Oracle, other: Oracle) -> list[Cell]:
    cells = ([one.of.cells[i] for i in one.of.common] for one in (o, other))
    mine, theirs = cells
    return [cell for cell in mine if cell in theirs]


def _lines(o: Oracle, other: Oracle) -> Iterator[Line]:
    cells, best = _cells(o, other), [_best(o), _best(other)]
    if len(o.of.common) > 1 or len(other.of.common) > 1 or not cells:
        here, there = best
        lows, highs = (
            (here.lows[0] - there.highs[1], here.lows[1] - there.highs[0]),
            (here.highs[0] - there.lows[1], here.highs[1] - there.lows[0]),
        )
        yield Line(AT_BEST, other.of.name, here, there, Known(here.estimate - there.estimate, lows, highs, 0))
    if cells:
        yield from _in_common(o, other, cells)


def _best(o: Oracle) -> Known:
    """Tuned, or in the one cell, or in the cells that other seeds chose."""
    chosen = chosen_by(o)
    if chosen:
        made = Searches(o, chosen)
        both = sorted(set(made.tuned["bn"]) & set(made.tuned["no_bn"]))
        return Known.of(made.interval(made.less(made.tuned["bn"], made.tuned["no_bn"], both)), made.unit)
    of = o.of
    if len(of.common) == 1:
        (at,) = of.common
        return Known.of(t_interval(of.difference()[of.paired[:, at], at], o.level))
    there = of.complete(of.common)
    baseline, arm = (of.score["last3"][name][there][:, of.common] for name in ARMS)
    return Known(*cross_fitted_ends(baseline, arm, o.level), int(there.sum()))


def _in_common(o: Oracle, other: Oracle, cells: Sequence[Cell]) -> Iterator[Line]:
    """Over all of ``cells`` where there is more than one, and in each."""
    both = (o.of, other.of)
    columns = [[study.cells.index(cell) for cell in cells] for study in both]
    tables = [
        dict(zip(np.array(study.seeds)[rows], study.difference()[rows][:, at], strict=True))
        for study, at in zip(both, columns, strict=True)
        for rows in [study.complete(at)]
    ]
    common = sorted(set(tables[0]) & set(tables[1]))
    d = snapped([tables[0][seed] - tables[1][seed] for seed in common]).reshape(len(common), len(cells))
    name, n = other.of.name, str(len(common))
    if len(cells) > 1:
        sides = [Known.of(t_interval(snapped([row.mean() for row in table.values()]), o.level)) for table in tables]
        means = snapped(d.mean(1))
        alike = [one.of.name for one in o.others if _cells(o, one) == cells]
        whom = "" if len(alike) == len(o.others) else f" with {listed(alike)}"
        yield Line(
            f"the {len(cells)} settings in common{whom}",
            name,
            *sides,
            Known.of(t_interval(means, o.level)),
            p_text(paired_t(means)),
            n,
        )
    for i, (test, difference) in enumerate(one_family(d, o.alpha)):
        alone = [
            Known.of(t_interval(study.difference()[study.paired[:, at[i]], at[i]], o.level))
            for study, at in zip(both, columns, strict=True)
        ]
        yield Line(place(cells[i]), name, *alone, Known.of(difference), test.text, n)


def listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _first(o: Oracle, other: Oracle, lines: Iterable[Line]) -> Line:
    """Common settings where there are some, unless a study is a tuned one, whose common setting nobody tuned."""
    own = [line for line in lines if line.name == other.of.name]
    tuned = chosen_by(o) or chosen_by(other)
    told = own if tuned or not _cells(o, other) else [line for line in own if line.setting != AT_BEST]
    return told[0]


def _headline(name: str, first: Line) -> str:
    less = first.less
    if not math.isfinite(less.lows[0]):
        return f"{points(first.here.estimate)} points in {name}, {points(first.there.estimate)} in {first.name}"
    if less.lows[0] <= 0 <= less.highs[1]:
        both = f"{points(first.here.estimate)} and {points(first.there.estimate)} points"
        return f"No significant difference between {name} and {first.name}: {both}"
    size = either(unsigned(text.partition(" ")[0]).removeprefix("-") for text in less.texts)
    return f"Difference {size} points {'higher' if less.estimate > 0 else 'lower'} in {name} than in {first.name}"


def _common(o: Oracle, other: Oracle) -> str:
    n = len(_cells(o, other))
    settings = f"{n} setting{'' if n == 1 else 's'}" if n else "no setting"
    return f"{other.of.name} has {settings} in common with {o.of.name}"


def _rows(name: str, lines: Sequence[Line]) -> Iterator[str]:
    """What each drawn row says, of all studies that it has."""
    for setting in dict.fromkeys(line.setting for line in lines):
        row = [line for line in lines if line.setting == setting]
        others = (f", {line.there.text} in {line.name}" for line in row)
        yield f"{setting}: {row[0].here.text} in {name}{''.join(others)}"


def _tests(name: str, line: Line) -> Row:
    return {
        "setting": line.setting,
        "study": line.name,
        "its difference, points": line.there.text,
        "n": line.there.units,
        f"{name}, points": line.here.text,
        "n (2)": line.here.units,
        f"{name} minus study [settings: simultaneous]": line.less.text,
        "p, in common: paired t; settings: adjusted (sup-t)": line.p,
        "common seeds": line.n_common,
    }


def _each(name: str, lines: Sequence[Line]) -> Iterator[Row]:
    for line in lines:
        for study, known, less in ((name, line.here, NO_NUMBER), (line.name, line.there, line.less.text)):
            yield {
                "setting": line.setting,
                "study": study,
                "difference, points": known.text,
                "n": known.units,
                f"{name} minus it, points": less,
            }
