"""Under which conditions may trained networks be evaluated? Names and strengths, as values; knows no torch.

``study.inference.corruptions`` applies them.
"""

from dataclasses import dataclass

from study.spec.inference_modes import CLEAN

SEVERITIES = (1, 2, 3, 4, 5)
STRENGTHS: dict[str, tuple[float, ...]] = {
    "gaussian_noise": (0.08, 0.12, 0.18, 0.26, 0.38),  # sd; as MNIST-C
    "shot_noise": (60, 25, 12, 5, 3),  # photons that make a white pixel; as MNIST-C
    "impulse_noise": (0.03, 0.06, 0.09, 0.17, 0.27),  # share of the pixels, half to black, half to white; as MNIST-C
    "brightness": (0.1, 0.2, 0.3, 0.4, 0.5),  # added; as MNIST-C
    "contrast": (0.75, 0.5, 0.3, 0.15, 0.05),  # what remains of the distance to the image's mean; MNIST-C from 0.4
    "gain": (0.8, 0.6, 0.4, 0.2, 0.1),  # factor; above 1, white strokes would merely be clipped
    "gaussian_blur": (0.5, 0.8, 1.2, 1.8, 2.5),  # sd in pixels of 28; MNIST-C's 1 to 6 leave no digit
    "rotate": (10, 20, 30, 45, 60),  # degrees counterclockwise; MNIST-C 11 to 57
    "translate": (1, 2, 3, 4, 5),  # pixels of 28, to the right and down; as MNIST-C
    "scale": (0.9, 0.8, 0.7, 0.6, 0.5),  # factor of the size; as MNIST-C
    "shear": (0.2, 0.4, 0.6, 0.8, 1.0),  # pixels to the right per pixel of height; as MNIST-C
    "invert": (0.1, 0.2, 0.4, 0.7, 1.0),  # share of the negative; 0.5 would be plain grey
    "background": (0.1, 0.2, 0.3, 0.45, 0.6),  # level behind the last class, 0 behind the first
}
"""Strength at severities 1 to 5 of each corruption; lengths in pixels of 28, scaled for images of another side."""

PRIORS = ("long_tail", "five_classes", "one_class", "first_half", "second_half")
"""Selections of the test images: other class priors, and the halves of the test set."""


@dataclass(frozen=True)
class Condition:
    """A corruption or a selection of the test images; raises ValueError for an unknown name or severity.

    >>> Condition("rotate", 6)
    Traceback (most recent call last):
    ValueError: severity 6 of 'rotate': choose one of 1, 2, 3, 4, 5
    """

    name: str
    severity: int = 0
    """1 to 5; 0 for conditions that have none."""

    def __post_init__(self) -> None:
        names = (CLEAN[0], *STRENGTHS, *PRIORS)
        if self.name not in names:
            raise ValueError(f"condition {self.name!r}: unknown; choose one of {', '.join(names)}")
        valid = SEVERITIES if self.name in STRENGTHS else (0,)
        if self.severity not in valid:
            choice = ", ".join(map(str, valid))
            raise ValueError(f"severity {self.severity} of {self.name!r}: choose one of {choice}")


CONDITIONS: tuple[Condition, ...] = (
    Condition(*CLEAN),
    *(Condition(name, severity) for name in STRENGTHS for severity in SEVERITIES),
    *(Condition(name) for name in PRIORS),
)
