"""Where on the page is the evidence of a row? A figure or a section, or the sub-study that has it."""

from collections.abc import Collection

from analysis.findings.results import Results
from study.spec.claims.experiments import PROBES
from study.spec.claims.rows import Row

CATS, DRIFT, GRADIENT, DEPTH, AFFINE, NUMBERS = (
    f"claims-{name}" for name in ("cats", "drift", "gradient", "depth", "affine", "numbers")
)
"""Names of the section's figures."""
MEASURED = "claims-measured"
FIGURES = {
    3: CATS, 4: DRIFT, 5: DRIFT, 6: DEPTH, 7: DRIFT, "7c": GRADIENT, "7d-gradient": GRADIENT, "7d-relu": DEPTH,
    "7d-tanh": DEPTH, "7d-sigmoid": DEPTH, 9: AFFINE, 13: NUMBERS, 14: NUMBERS,
}  # fmt: skip
"""By claim, or by what a row's key begins with."""
INFERENCE = ("2a", "12")
"""What the keys of rows begin with whose evidence is that of the inference modes."""
STUDIES = "studies/"
"""What the place of a row begins with whose evidence is a sub-study's own report."""
WORDS = {
    "figure": "figure", "table": "measurements", "inference": "Batch norm at test time",
}  # fmt: skip
"""What links say, by what a place begins with."""


def place(row: Row, results: Results, drawn: Collection[str]) -> str:
    """Return the anchor of a row's evidence on the page, or the folder of its sub-study; ``drawn`` are the names of the
    section's figures and tables that there are."""
    keys = sorted((key for key in FIGURES if isinstance(key, str) and row.key.startswith(key)), key=len)
    figure = FIGURES.get(keys[-1] if keys else row.claim)
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
