"""Where does the noise of the difference and of each arm come from, and what did pairing gain?"""

import math
from typing import Any

from analysis.findings.arms import ArmCell
from analysis.findings.results import Findings, Noise, Results
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.columns import (
    cell_columns,
    cell_values,
    count_column,
    interval_column,
    interval_values,
    of_both,
    text_column,
)
from analysis.report.document import Block, Column, Paragraph, Table
from analysis.report.sentences import study_words


def blocks(study: StudyData, of_arm: Findings) -> list[Block]:
    if not of_arm.noise:
        return []
    return [_about(study, of_arm), _table(study, of_arm)]


def _about(study: StudyData, of_arm: Findings) -> Paragraph:
    return Paragraph(
        "Where does the noise come from? The table gives the difference after the last epoch with two intervals: for"
        " new seeds on these test images, and for new seeds and new images (two-way layout). All pairs count; a"
        f" diverged run counts as chance on every image.{_gained(study, of_arm)}"
    )


def _gained(study: StudyData, of_arm: Findings) -> str:
    """Return what pairing was worth, behind a space, where that is known."""
    pairing = of_arm.noise[0].pairing
    if math.isnan(pairing.gain):
        return ""
    alike = "" if math.isnan(pairing.rho) else f", at a correlation of {fmt.decimals(pairing.rho)} between the arms"
    return (
        f" Pairing {fmt.seeds(pairing.n)} was worth {fmt.decimals(pairing.gain)} times as"
        f" many{study_words.over_all(study)}{alike}. Below 1, the shared weights and batches did not help."
    )


def _table(study: StudyData, of_arm: Findings) -> Table:
    columns = [
        *cell_columns(study),
        count_column("n", "n"),
        interval_column("these test images, points", "these_images"),
        interval_column("new test images, points", "new_images"),
        Column("SD over seeds, points", _points, ("sd_seeds",)),
        Column("SD over test images, points", _points, ("sd_images",)),
        of_both(
            "SD over the last epochs, points,",
            of_arm.baseline,
            of_arm.arm,
            ("sd_epochs_baseline", "sd_epochs_arm"),
            _both,
        ),
        Column("pairing gain", fmt.decimals, ("pairing_gain",)),
        Column("correlation", fmt.decimals, ("correlation",)),
    ]
    rows = [cell_values(study, noise.cell) | _row(noise) for noise in of_arm.noise]
    caption = "Standard deviation (SD) of one seed's difference by cause, and the gain from pairing (all pairs)"
    return Table(f"noise-{of_arm.arm}", caption, columns, rows, n_totals=1)


def _points(sd: float) -> str:
    return fmt.decimals(100 * sd)


def _both(a: float, b: float) -> str:
    return f"{_points(a)} | {_points(b)}"


def _row(noise: Noise) -> dict[str, Any]:
    two_way = noise.two_way
    return {
        "n": two_way.n_seeds,
        **interval_values("these_images", two_way.this_test_set),
        **interval_values("new_images", two_way.new_images),
        "sd_seeds": math.sqrt(two_way.var_seeds),
        "sd_images": math.sqrt(two_way.var_images / two_way.n_images) if two_way.n_images else math.nan,
        "sd_epochs_baseline": noise.of_baseline.over_epochs,
        "sd_epochs_arm": noise.of_arm.over_epochs,
        "pairing_gain": noise.pairing.gain,
        "correlation": noise.pairing.rho,
    }


# --- each arm by itself


def of_arms(study: StudyData, results: Results) -> list[Block]:
    """Return how much of each arm's spread over seeds a finite test set makes."""
    if not results.arm_cells:
        return []
    about = (
        "How much of each arm's spread over seeds comes from the finite test set? Its binomial noise would change with"
        " other test images (Jordan 2023). The rest would remain on endless images of the kind."
    )
    columns = [
        *cell_columns(study),
        text_column("arm", "arm"),
        count_column("n", "n"),
        Column("SD over seeds, points", _points, ("sd_seeds",)),
        Column("SD of binomial test noise, points", _points, ("sd_binomial",)),
        Column("remaining SD, points", _points, ("sd_beyond",)),
        text_column("note", "note"),
    ]
    caption = "Standard deviation (SD) of each arm's accuracy over seeds after the last epoch (all runs)"
    return [Paragraph(about), Table("seed-noise", caption, columns, [_row_of_arm(study, c) for c in results.arm_cells])]


def _row_of_arm(study: StudyData, cell: ArmCell) -> dict[str, Any]:
    variance = cell.variance
    return {
        **cell_values(study, cell.cell),
        "arm": fmt.side(cell.arm),
        "n": variance.n_seeds,
        "sd_seeds": math.sqrt(variance.observed),
        "sd_binomial": math.sqrt(variance.binomial),
        "sd_beyond": math.sqrt(variance.beyond),
        "note": variance.reason,
    }
