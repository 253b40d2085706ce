"""The protocol of the cats as a picture: the images of each background, and below them what networks answer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.findings.claims.cats import CONDITIONS, Answers, Pictures
from analysis.report import number_format as fmt
from analysis.report.figures.style import GREY, SMALL, WIDE, Medium, arm_style, styled

ENLARGED = 4
"""Pixels of the drawing to one of an image, so that a browser keeps its edges."""
HOLLOW = ("population",)
"""Modes drawn with an empty mark; those by test batches have a cross."""


@dataclass(frozen=True)
class CatsPanels:
    """What is drawn, a row a background."""

    pictures: Pictures | None
    accuracy: Sequence[Answers]
    as_other: Sequence[Answers]


@styled
def cats(found: CatsPanels, medium: Medium = WIDE) -> Figure:
    """Draw a row for each background of the test images: its images, the accuracy, and cats answered as dogs."""
    conditions = [name for name in CONDITIONS if any(name in answers.shares for answers in found.accuracy)]
    n_answers = max(len(found.accuracy), 1)
    height, above = max(0.62 if medium.stacked else 0.7, 0.1 * n_answers + 0.2), 1.55 if medium.stacked else 0.95
    figure = Figure(figsize=(medium.width, height * len(conditions) + above), layout="constrained")
    widths = [1.0, 1.15, 1.15] if medium.stacked else [1.35, 1.5, 1.5]
    grid = figure.subplots(len(conditions), 3, squeeze=False, gridspec_kw={"width_ratios": widths})
    for name, (images, accuracy, as_other) in zip(conditions, grid, strict=True):
        _draw_images(images, found.pictures, name, 2 if medium.stacked else 4)
        is_last = name == conditions[-1]
        _draw_shares(accuracy, found.accuracy, name, is_last)
        _draw_shares(as_other, found.as_other, name, is_last)
    grid[0][1].set_title("accuracy (%)", size=SMALL)
    grid[0][2].set_title("cats answered\nas dogs (%)" if medium.stacked else "cats answered as dogs (%)", size=SMALL)
    handles, labels = grid[0][1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=1 if medium.stacked else 3, fontsize=SMALL)
    return figure


def _draw_images(axes: Axes, pictures: Pictures | None, condition: str, n: int) -> None:
    axes.set_axis_off()
    axes.set(xticks=[], yticks=[])
    axes.set_title(CONDITIONS[condition], size=SMALL)
    images = [] if pictures is None else pictures.by_condition.get(condition, [])
    if images:
        step = max(1, len(images) // n)
        gap = np.full((len(images[0]), 1), np.nan)
        shown = [part for image in images[::step] for part in (image, gap)]
        strip = np.repeat(np.repeat(np.hstack(shown[:-1]), ENLARGED, 0), ENLARGED, 1)
        axes.imshow(np.ma.masked_invalid(strip), cmap="gray", vmin=0, vmax=1, interpolation="none")


def _draw_shares(axes: Axes, answers: Sequence[Answers], condition: str, is_last: bool) -> None:
    for place, of in enumerate(answers):
        share = of.shares.get(condition)
        if share is None:
            continue
        look = arm_style(of.arm)
        mark = {"marker": look["marker"], "color": look["color"], "markersize": 4, "linestyle": ""}
        if of.mode in HOLLOW:
            mark |= {"markerfacecolor": "none"}
        elif of.mode.startswith("batch"):
            mark |= {"marker": "x"}
        if math.isfinite(share.low):
            axes.plot([100 * share.low, 100 * share.high], [place, place], color=look["color"], linewidth=1.0)
        axes.plot([100 * share.estimate], [place], label=name(of), **mark)
    axes.set(xlim=(-4, 104), ylim=(len(answers) - 0.4, -0.6), xticks=(0, 50, 100))
    axes.set_yticks([])
    axes.grid(axis="x", color=GREY, alpha=0.35, linewidth=0.4)
    axes.tick_params(labelsize=SMALL, labelbottom=is_last)


MODES = {"none": "", "running": "running averages", "population": "exact statistics"}


def name(answers: Answers) -> str:
    """Return the arm and the statistics by which it answers."""
    size = answers.mode.removeprefix("batch_")
    mode = MODES.get(answers.mode, f"test batches of {size}")
    return ", ".join(filter(None, (fmt.side(answers.arm), mode)))
