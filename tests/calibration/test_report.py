"""The page says of planted studies what the arrays say: records on disk, the whole report, its ``report.json``."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

import analysis
from study.spec.design import Design
from study.spec.runs import Run
from tests.analysis.planted import plant
from tests.calibration.claims import ALPHA, MARGIN, Study
from tests.calibration.rows import FAILING, GATED, UNSEEN, Row
from tests.calibration.worlds import ARM, RATES, SIZES

ROWS = (*UNSEEN[:2], GATED[0], FAILING[0], FAILING[-1])
EACH = 4


def planted(path: Path, study: Study) -> Path:
    """Write a study whose runs end as drawn; those without a number have no records."""
    design = Design("mnist", batch_sizes=SIZES, lrs=RATES, seeds=tuple(range(len(study.accuracy))), epochs=1)

    def ended(run: Run) -> float:
        return float(study.accuracy[run.seed, study.world.cells.index(run.cell), int(run.arm == ARM)])

    lost = frozenset(run for run in design.runs if math.isnan(ended(run)))
    return plant(path, design, lambda run, epoch: ended(run) if epoch else 0.1, lost=lost)


def same(value: object, on_page: Any) -> bool:
    """Whether a number or a word of the page is the one of the arrays; null where there is no number."""
    if isinstance(value, float):
        return on_page is None if not math.isfinite(value) else math.isclose(value, on_page, abs_tol=1e-9)
    return value == on_page


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.what}, n = {row.size}")
def test_the_report_has_the_answer_of_the_arrays(row: Row, tmp_path: Path) -> None:
    for i in range(EACH):
        study = row.study(i)
        folder = planted(tmp_path / str(i), study)
        analysis.write_report(folder, ALPHA, MARGIN)
        report = json.loads((folder / "report.json").read_text("utf-8"))
        on_page = report["answers"][ARM]
        for name in ("best", "setting", "mean"):
            ours, part = getattr(study.answer, name), on_page[name]
            if ours is None:
                assert part is None
                continue
            for field in ("n", "mean_baseline", "mean_arm", "verdict", "qualified"):
                assert same(getattr(ours, field), part[field]), (name, field, i)
            for end in ("estimate", "low", "high"):
                assert same(getattr(ours.difference, end), part["difference"][end]), (name, end, i)
        failing = [(cell.n, cell.n_baseline, cell.n_arm) for cell in study.answer.not_learning]
        assert failing == [(cell["n"], cell["n_baseline"], cell["n_arm"]) for cell in on_page["not_learning"]]
        assert on_page["cells"] == study.answer.cells
