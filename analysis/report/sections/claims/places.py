"""Where on the page is the evidence of a row? A figure or a section, or the sub-study that has it."""

from collections.abc import Collection

from analysis.findings.results import Results
from study.spec.claims.experiments import PROBES
from study.spec.claims.rows import Row

CATS, CATS_WEAK, DRIFT, GRADIENT, DEPTH, AFFINE, NUMBERS = (
    f"claims-{name}" for name in ("cats", "cats-weak", "drift", "gradient", "depth", "affine", "numbers")
)
"""Names of the section's figures."""
MEASURED = "claims-measured"
TRAININGS = ("drift-relu", "drift-relu-slow", "drift-tanh")
"""The probes of a training, drawn side by side."""
FIGURES = {
    "cats-answers": CATS, "cats-weak-answers": CATS_WEAK, "depth": DEPTH, "depth-kaiming": DEPTH,
    "depth-xavier": DEPTH, "affine": AFFINE, **dict.fromkeys(TRAININGS, DRIFT),
}  # fmt: skip
"""By the last experiment of a row."""
OF_GRADIENTS = ("7c", "7d-gradient")
INFERENCE = ("2a", "10", "12")
"""What the keys of rows begin with whose evidence is another figure, and the section on the inference modes."""
STUDIES = "studies/"
"""What the place of a row begins with whose evidence is a sub-study's own report."""
WORDS = {"figure": "figure", "table": "measurements", "inference": "Batch norm at test time"}
"""What links say, by what a place begins with."""


def place(row: Row, results: Results, drawn: Collection[str]) -> str:
    """Return the anchor of a row's evidence on the page, or the folder of its sub-study; ``drawn`` are the names of the
    section's figures and tables that there are."""
    figure = GRADIENT if row.key.startswith(OF_GRADIENTS) else FIGURES.get(row.experiments[-1])
    if row.rule.kind == "reported":
        figure = NUMBERS
    if figure in drawn:
        return f"figure-{figure}"
    if row.key.startswith(INFERENCE) and results.modes is not None:
        return "inference"
    if MEASURED in drawn and any(name in PROBES for name in row.experiments):
        return f"table-{MEASURED}"
    return f"{STUDIES}{row.experiments[0]}"


def is_anchor(place: str) -> bool:
    return not place.startswith(STUDIES)


def in_words(place: str) -> str:
    """Return what a link to a place says."""
    return WORDS.get(place.partition("-")[0], place)
