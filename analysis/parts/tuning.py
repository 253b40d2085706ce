"""Part 8: tuned against tuned. No command of this program tunes yet, and the page says so."""

from analysis.document import Missing, Part
from analysis.findings import Results
from analysis.tables import Study

GRID = "--lrs 0.001 0.003 0.01 0.03 0.1"


def part(study: Study, found: Results) -> Part:
    text = (
        "Neither arm was tuned: both have the rates of this grid, and part 5 says which did best on the test images"
        " themselves. Equal tuning budgets on held-out images are not part of this study; a finer grid is run by"
    )
    sizes = " ".join(map(str, study.design.batch_sizes))
    command = f"python -m study.run --study-id finer --dataset {study.design.dataset} --batch-sizes {sizes} {GRID}"
    return Part("tuned", "Tuned against tuned", [Missing(text, command)])
