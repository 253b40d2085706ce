"""Where does the noise come from, and what did the pairing gain? Of the difference, and of either arm."""

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


def blocks(study: StudyData, of_arm: Findings) -> list[Block]:
    if not of_arm.noise:
        return []
    return [_about(of_arm), _table(study, of_arm)]


def _about(of_arm: Findings) -> Paragraph:
    overall = of_arm.noise[0]
    gain = overall.pairing.gain
    bought = "" if math.isnan(gain) else (
        f" Over all cells pairing was worth {fmt.decimals(gain)} times as many seeds (correlation of the arms over"
        f" seeds: {fmt.decimals(overall.pairing.rho)}, {fmt.seeds(overall.pairing.n)})."
    )  # fmt: skip
    return Paragraph(
        "The difference at the last epoch, from the answers to every test image: its interval for other seeds and"
        " these images, and for other seeds and other images of the kind (two-way layout). All pairs count; a diverged"
        f" run has chance for every image.{bought} A gain below 1 says that the shared weights and batches did not help"
        " here."
    )


def _table(study: StudyData, of_arm: Findings) -> Table:
    columns = [
        *cell_columns(study),
        count_column("n", "n"),
        interval_column("these test images, points", "these_images"),
        interval_column("new test images, points", "new_images"),
        Column("sd over seeds, points", _points, ("sd_seeds",)),
        Column("sd over test images", _points, ("sd_images",)),
        of_both(
            "sd over the last epochs,", of_arm.baseline, of_arm.arm, ("sd_epochs_baseline", "sd_epochs_arm"), _both
        ),
        Column("pairing gain", fmt.decimals, ("pairing_gain",)),
        Column("correlation", fmt.decimals, ("correlation",)),
    ]
    rows = [cell_values(study, noise.cell) | _row(noise) for noise in of_arm.noise]
    caption = "Standard deviations of one seed's mean difference by cause, and what pairing bought; all pairs"
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
        "Each arm by itself: of the spread of its accuracy over seeds, the binomial noise of the test set is what other"
        " images would not repeat (Jordan 2023); what is left is the spread on endless images of the kind."
    )
    columns = [
        *cell_columns(study),
        text_column("arm", "arm"),
        count_column("n", "n"),
        Column("sd over seeds, points", _points, ("sd_seeds",)),
        Column("of the test set's binomial noise", _points, ("sd_binomial",)),
        Column("left", _points, ("sd_beyond",)),
        text_column("note", "note"),
    ]
    caption = "Standard deviation of an arm's accuracy over seeds, after the last epoch; all runs"
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
