"""What a notebook displays by itself: the answer as a table, a figure as a drawing.

IPython asks a value for ``_repr_html_`` or ``_repr_svg_``; nothing of it is imported here.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from matplotlib.figure import Figure

from analysis.findings.answer import Answer, Part
from analysis.records.frames import FrameData
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.figures.style import svg
from analysis.report.sentences.answer import headline, title

HEADS = ("arm", "", "baseline", "arm's", "difference, {level} interval", "n", "verdict")


class Answers(dict[str, Answer]):
    """The answer of every arm, by its key; a notebook displays it as a table."""

    def __init__(self, answers: Mapping[str, Answer], data: StudyData | FrameData):
        super().__init__(answers)
        self.data = data

    def _repr_html_(self) -> str:
        """Return a row for each arm and part of its answer, under the first part of a study's in words."""
        rows = [_row(answer, part, self.data) for answer in self.values() for part in answer.parts]
        level = next((fmt.percent(1 - answer.alpha, 0) for answer in self.values()), "")
        table = [_line("th", [head.format(level=level) for head in HEADS]), *(_line("td", row) for row in rows)]
        return "\n".join([*self._sentences(), "<table>", *table, "</table>"])

    def _sentences(self) -> Iterable[str]:
        if isinstance(self.data, StudyData):
            told = [headline(answer, answer.first, self.data.design.dataset) for answer in self.values()]
            yield from (f"<p>{escape(sentence)}</p>" for sentence in told)


class Drawing(Figure):
    """A figure that a notebook displays even where pyplot was never imported."""

    def _repr_svg_(self) -> str:
        return svg(self).decode("utf-8")


def displayed(figure: Figure) -> Figure:
    """Return the figure as a ``Drawing``."""
    figure.__class__ = Drawing
    return figure


def _row(answer: Answer, part: Part, data: StudyData | FrameData) -> list[str]:
    score, change = (fmt.percent, fmt.estimate) if isinstance(data, StudyData) else ("{:.4g}".format, fmt.number)
    scores = [score(value) for value in (part.mean_baseline, part.mean_arm)]
    difference = change(part.difference.estimate, part.difference.low, part.difference.high)
    return [answer.arm, title(answer, part.key), *scores, difference, f"{part.n} {part.unit}", part.verdict]


def _line(tag: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"
