"""Which mean and variance batch normalisation may use when it predicts: the inference modes, each a value.

Tables hold a mode by its key. A family with a number (``blend_16``, ``layer_0``) has a mode for each; ``parse`` alone
reads a key. ``study.inference.modes`` makes the normalisation of a mode.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from study.spec.checks import check_known
from study.spec.factors import REFERENCE_SETTING, Cell

CLEAN = ("clean", 0)
"""Name and severity of the condition under which the test images are as they are."""


class Evaluation(NamedTuple):
    """What is evaluated of a network at a time and committed as one: the rows of a table that it names."""

    table: str
    """``ablation``, ``statistics``, ``swaps`` or ``compositions``."""
    shift: str = CLEAN[0]
    severity: int = CLEAN[1]
    further: bool = False
    """Of the ablation, the ways to predict that are no main ones."""


DETAILS = (
    Evaluation("ablation", further=True),
    Evaluation("statistics"),
    Evaluation("swaps"),
    Evaluation("compositions"),
)
"""Evaluations, beside the main ways to predict, of a network whose arm keeps statistics."""
MAIN_SIZES, MAIN_BLEND_SIZES, MAIN_BLEND = (8, 32, 128, 512, 0), (8, 32), 16
"""Sizes of shuffled test batches of the main ways, 0 for all images in one; and those of a blend worth 16 images."""


def shown_cell(cells: Iterable[Cell], score: Callable[[Cell], float]) -> Cell:
    """Return the cell of an arm at which a report shows the inference modes: the tutorial's where it is among
    ``cells``, else the first with the highest ``score``."""
    cells = [*cells]
    return REFERENCE_SETTING if REFERENCE_SETTING in cells else max(cells, key=lambda cell: round(score(cell), 12))


@dataclass(frozen=True)
class Family:
    """An inference mode, or one for each number."""

    key: str
    label: Callable[[int], str] | str
    """The name that a reader sees; of a numbered family, made from the number."""
    needs_batch: bool = False
    """Whether the other images of the test batch matter."""
    numbered: bool = False
    one_layer: bool = False
    """Whether the number is that of the only layer in which it looks at the batch."""


FAMILIES = {
    family.key: family
    for family in (
        Family("running", "running averages"),
        Family("population", "exact statistics of all training images"),
        Family("precise", "averages over batches with the final weights"),
        Family("cumulative_all", "plain averages over all of training"),
        Family("cumulative_last", "plain averages over the last epoch"),
        Family("batch", "statistics of the test batch", needs_batch=True),
        Family(
            "blend",
            "test batch blended with running averages (worth {} images)".format,
            needs_batch=True,
            numbered=True,
        ),
        Family("mean_only", "mean of the test batch, running variance", needs_batch=True),
        Family("var_only", "variance of the test batch, running mean", needs_batch=True),
        Family(
            "layer", lambda n: f"statistics of the test batch in layer {n + 1} alone",
            needs_batch=True, numbered=True, one_layer=True,
        ),
        Family("none", "no statistics to choose"),
    )
}  # fmt: skip
"""The families by key, in the order in which a report lists them."""


@dataclass(frozen=True)
class InferenceMode:
    """A family of inference modes, and the number that picks one of a numbered family."""

    family: Family
    number: int | None = None

    @property
    def key(self) -> str:
        return self.family.key if self.number is None else f"{self.family.key}_{self.number}"

    @property
    def label(self) -> str:
        label = self.family.label
        return label if isinstance(label, str) else label(self.number or 0)

    @property
    def needs_batch(self) -> bool:
        return self.family.needs_batch

    @property
    def one_layer(self) -> bool:
        return self.family.one_layer

    @property
    def place(self) -> tuple[int, int]:
        """The key by which modes sort into the order of ``FAMILIES``, then by number."""
        return [*FAMILIES].index(self.family.key), self.number or 0


@cache
def parse(key: str) -> InferenceMode:
    """Return the mode of a key; raises UsageError where there is none.

    >>> parse("blend_16").label, parse("running").needs_batch
    ('test batch blended with running averages (worth 16 images)', False)
    """
    stem, _, number = key.rpartition("_")
    if stem in FAMILIES and FAMILIES[stem].numbered and number.isdecimal():
        return InferenceMode(FAMILIES[stem], int(number))
    check_known("inference mode", key, [family.key for family in FAMILIES.values() if not family.numbered])
    return InferenceMode(FAMILIES[key])


def is_main(inference: str, size: int | None, order: str | None, n_images: int) -> bool:
    """Whether a way to predict is a main one, which every network is evaluated in; ``size`` of ``n_images`` is all.

    ``precise`` is none: it takes a pass over the training images of its own, for what ``population`` says as well.

    >>> is_main("running", None, None, 360), is_main("batch", 360, "shuffled", 360), is_main("batch", 8, "sorted", 360)
    (True, True, False)
    """
    sizes = {"batch": (*MAIN_SIZES, n_images), numbered("blend", MAIN_BLEND): MAIN_BLEND_SIZES}
    if order is None:
        return inference != "precise"
    return order == "shuffled" and size in sizes.get(inference, ())


def numbered(family: str, number: int) -> str:
    """Return the key of a numbered family's mode."""
    return InferenceMode(FAMILIES[family], number).key
