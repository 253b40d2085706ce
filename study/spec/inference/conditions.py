"""What may be done to the test images before a network is evaluated? Corruptions and selections, values of a kind.

``study.inference.corruptions`` makes the images; a reader groups what came of them by kind.
"""

from dataclasses import dataclass

from study.spec.datasets import DatasetSpec
from study.spec.inference.modes import CLEAN

SEVERITIES = (1, 2, 3, 4, 5)
KINDS = ("noise", "blur", "geometry", "class mix", "intensity")
"""Kinds of change that a figure has a panel for; the halves of the file, which nobody changed, are of none of them."""


@dataclass(frozen=True)
class Change:
    """A corruption of the test images, or a selection of some of them."""

    name: str
    kind: str
    """What is alike between it and others."""
    strengths: tuple[float, ...] = ()
    """At severities 1 to 5, lengths in pixels of 28; a selection has none."""


CHANGES = {
    change.name: change
    for change in (
        Change("gaussian_noise", "noise", (0.08, 0.12, 0.18, 0.26, 0.38)),  # sd; as MNIST-C
        Change("shot_noise", "noise", (60, 25, 12, 5, 3)),  # photons that make a white pixel; as MNIST-C
        Change("impulse_noise", "noise", (0.03, 0.06, 0.09, 0.17, 0.27)),  # share of pixels, half to black; as MNIST-C
        Change("brightness", "intensity", (0.1, 0.2, 0.3, 0.4, 0.5)),  # added; as MNIST-C
        Change("contrast", "intensity", (0.75, 0.5, 0.3, 0.15, 0.05)),  # of the distance to the mean; MNIST-C from 0.4
        Change("gain", "intensity", (0.8, 0.6, 0.4, 0.2, 0.1)),  # factor; above 1, white would merely be clipped
        Change("gaussian_blur", "blur", (0.5, 0.8, 1.2, 1.8, 2.5)),  # sd in pixels; MNIST-C's 1 to 6 leave no digit
        Change("rotate", "geometry", (10, 20, 30, 45, 60)),  # degrees counterclockwise; MNIST-C 11 to 57
        Change("translate", "geometry", (1, 2, 3, 4, 5)),  # pixels to the right and down; as MNIST-C
        Change("scale", "geometry", (0.9, 0.8, 0.7, 0.6, 0.5)),  # factor of the size; as MNIST-C
        Change("shear", "geometry", (0.2, 0.4, 0.6, 0.8, 1.0)),  # pixels right per pixel of height; as MNIST-C
        Change("invert", "intensity", (0.1, 0.2, 0.4, 0.7, 1.0)),  # share of the negative; 0.5 would be plain grey
        Change(
            "background", "intensity", (0.1, 0.2, 0.3, 0.45, 0.6)
        ),  # level behind the last class; 0 behind the first
        Change("long_tail", "class mix"),
        Change("five_classes", "class mix"),  # the first half of the classes, of however many
        Change("one_class", "class mix"),
        Change("first_half", "half of the file"),
        Change("second_half", "half of the file"),
    )
}
"""By name, corruptions first."""
STRENGTHS = {change.name: change.strengths for change in CHANGES.values() if change.strengths}
"""Strength at severities 1 to 5 of each corruption; scaled for images of another side than 28."""


@dataclass(frozen=True)
class Condition:
    """A change of the test images at a severity, or none; raises ValueError for an unknown name or severity.

    >>> Condition("rotate", 6)
    Traceback (most recent call last):
    ValueError: severity 6 of 'rotate': choose one of 1, 2, 3, 4, 5
    """

    name: str
    severity: int = 0
    """1 to 5; 0 for conditions that have none."""

    def __post_init__(self) -> None:
        names = (CLEAN[0], *CHANGES)
        if self.name not in names:
            raise ValueError(f"condition {self.name!r}: unknown; choose one of {', '.join(names)}")
        valid = SEVERITIES if self.name in STRENGTHS else (0,)
        if self.severity not in valid:
            choice = ", ".join(map(str, valid))
            raise ValueError(f"severity {self.severity} of {self.name!r}: choose one of {choice}")


CONDITIONS: tuple[Condition, ...] = (
    Condition(*CLEAN),
    *(Condition(name, severity) for name in STRENGTHS for severity in SEVERITIES),
    *(Condition(name) for name in CHANGES if name not in STRENGTHS),
)
"""Every condition under which networks are evaluated, the images as they are first."""


def conditions_of(data: DatasetSpec) -> tuple[Condition, ...]:
    """Return the conditions that a data set can be under: corruptions are of pictures, and half of two classes is one.

    >>> from study.spec.datasets import DATASETS
    >>> [condition.name for condition in conditions_of(DATASETS["sklearn:breast_cancer"])]
    ['clean', 'long_tail', 'one_class', 'first_half', 'second_half']
    """
    left_out = {*(() if data.has_pictures else STRENGTHS), *(("five_classes",) if data.n_classes == 2 else ())}
    return tuple(condition for condition in CONDITIONS if condition.name not in left_out)
