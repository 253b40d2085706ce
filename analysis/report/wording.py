"""What a report calls the examples of a data set: images, or examples where they are rows of a table.

Sections, sentences and figures speak of images and pixels; this alone knows that a table has neither. All else of a
report stays what it is: names of files, keys of rows, the name of the study.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import wraps
from typing import Any, TypeVar

from matplotlib.figure import Figure as Drawing
from matplotlib.text import Text

from analysis.report.document import Column, Figure
from study.spec.datasets import DatasetSpec

T = TypeVar("T")
Say = Callable[[str], str]

KEPT = ("name", "key", "keys", "anchor", "command", "study_id", "dataset", "section")
"""Fields that name a thing and say nothing of it."""
IMAGES, PIXELS = re.compile(r"\b([Ii])mage(s?)\b"), re.compile(r"\bpixels\b")
FIVE = re.compile(r"\bfive classes\b")
"""Half of ten: of other data, the first half of the classes that there are."""


def for_data(value: T, data: DatasetSpec) -> T:
    """Return texts, or values that hold texts, as a report on ``data`` says them.

    >>> from study.spec.datasets import DATASETS
    >>> for_data(["An image of 30 pixels, nats per image"], DATASETS["sklearn:wine"])
    ['An example of 30 features, nats per example']
    """
    names = {data.key, data.name, data.folder}

    def say(text: str) -> str:
        if text in names:
            return text
        said = text if data.n_classes == 10 else FIVE.sub("half of the classes", text)
        return said if data.image else PIXELS.sub("features", IMAGES.sub(_example, said))

    return value if data.image and data.n_classes == 10 else _said(value, say)


def _example(match: re.Match[str]) -> str:
    return ("E" if match[1] == "I" else "e") + "xample" + match[2]


def _said(value: Any, say: Say) -> Any:
    if isinstance(value, str):
        return say(value)
    if isinstance(value, Column):
        return replace(value, head=say(value.head), show=_saying(value.show, say))
    if isinstance(value, Figure):
        texts = {name: say(getattr(value, name)) for name in ("headline", "subtitle", "alt", "caption")}
        return replace(value, **texts, draw=_drawing(value.draw, say), table=_said(value.table, say))
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: _said(getattr(value, f.name), say) for f in fields(value) if _is_said(f.name)})
    if isinstance(value, Mapping):
        return {key: _said(item, say) if _is_said(key) else item for key, item in value.items()}
    return type(value)(_said(item, say) for item in value) if isinstance(value, list | tuple) else value


def _is_said(name: Any) -> bool:
    return name not in KEPT


def _saying(show: Callable[..., str], say: Say) -> Callable[..., str]:
    return lambda *values: say(show(*values))


def _drawing(draw: Callable[..., Drawing], say: Say) -> Callable[..., Drawing]:
    @wraps(draw)
    def drawn(*arguments: Any, **options: Any) -> Drawing:
        drawing = draw(*arguments, **options)
        for text in drawing.findobj(Text):
            text.set_text(say(text.get_text()))
        return drawing

    return drawn
