"""How far do the statistics saved in training lie from the exact ones?"""

from functools import partial

from analysis.findings.modes.inference_modes import Modes, StatisticResult
from analysis.report import number_format as fmt
from analysis.report.columns import count_column, interval_column, interval_values, text_column
from analysis.report.document import Figure, Table
from analysis.report.figures.statistics import statistic_errors


def figure(modes: Modes) -> Figure | None:
    if not modes.statistics:
        return None
    worst = max(modes.statistics, key=lambda s: s.mean_error.estimate)
    return Figure(
        name="statistics",
        headline=_headline(worst, len({s.inference for s in modes.statistics})),
        subtitle=(
            "Root mean square error over units, against the exact statistics of all training images; mean over"
            f" {fmt.seeds(worst.n)} at {fmt.cell(modes.cell)}."
        ),
        draw=partial(statistic_errors, modes.statistics),
        alt="; ".join(map(_alt, modes.statistics)) + ".",
        caption=(
            "Bars: intervals over seeds. SD: standard deviations of the unit. Errors below 1e-9 are those of the"
            " arithmetic and are not drawn."
        ),
        table=_table(modes.statistics),
    )


def _headline(worst: StatisticResult, n_statistics: int) -> str:
    error = fmt.size(*fmt.as_triple(worst.mean_error)).split(" ")[0]
    if n_statistics == 1:
        return f"{fmt.sentence(worst.mode.label)} are off by {error} SD in layer {worst.layer + 1}"
    return f"Least exact: {worst.mode.label} ({error} SD off)"


def _alt(s: StatisticResult) -> str:
    errors = f"mean {s.mean_error.estimate:.3f}, log variance {s.log_var_error.estimate:.3f}"
    return f"{s.mode.label}, layer {s.layer + 1}: {errors}"


def _table(statistics: list[StatisticResult]) -> Table:
    columns = [
        text_column("statistic", "statistic"),
        count_column("layer", "layer"),
        count_column("n", "n"),
        interval_column("error of the mean, SD", "mean_error", fmt.size),
        interval_column("error of the log variance", "log_var_error", fmt.size),
    ]
    rows = [
        {
            "statistic": s.mode.label,
            "layer": s.layer + 1,
            "n": s.n,
            **interval_values("mean_error", s.mean_error),
            **interval_values("log_var_error", s.log_var_error),
        }
        for s in statistics
    ]
    return Table("statistics", "How far statistics from training lie from the exact ones", columns, rows)
