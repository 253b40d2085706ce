"""Is the gain there on training images already? Loss and error rate of both arms, in words and a small table."""

from collections.abc import Sequence
from typing import Any

from analysis.findings.secondary import generalisation as findings
from analysis.findings.secondary.generalisation import Generalisation, Images, Measure
from analysis.records.tables import PRIMARY, StudyData
from analysis.report import number_format as fmt
from analysis.report.columns import count_column, interval_values
from analysis.report.document import Block, Column, Paragraph, Table
from analysis.report.sentences import study_words
from analysis.stats.intervals import Interval

IMAGES: dict[Images, str] = {"train": "training images", "test": "test images", "gap": "test minus training"}
UNITS = {"loss": "loss (nats per image)", "error rate": "error rate (%)"}
VERDICTS = {
    "optimisation": "So it is a matter of optimisation: no change of the gap in accuracy is told apart from zero.",
    "optimisation and generalisation": "So it is a matter of both.",
    "optimisation, against generalisation": "So it is a matter of optimisation; the gap takes some of it back.",
    "generalisation": "So it is a matter of generalisation: no change on training images is told apart from zero.",
    "generalisation, against optimisation": "So it is a matter of generalisation; training takes some of it back.",
    findings.UNDIVIDED: "Which of both it is cannot be told.",
    findings.NO_CHANGE: "The change in test accuracy is not told apart from zero.",
    findings.DESCRIPTION: "There are too few seeds, or too little spread, to say which.",
}
HOW = (
    "Optimisation or generalisation: loss and error rate are of the {epochs}, as the primary endpoint is. A seed's"
    " change in test accuracy is the sum of two: its change on training images, and that of the gap, accuracy on test"
    " minus training images. The intervals are paired t intervals, each by itself. A part counts where its interval"
    " excludes zero. A diverged run counts as guessing throughout."
)


def evidence(found: Generalisation) -> list[Block]:
    """Return the paragraph and the table of one arm; a sentence where no run has a loss."""
    if found.n_diverged_arm == found.n_diverged_baseline == found.n:
        return [Paragraph(f"Every run at {fmt.cell(found.cell)} diverged: there is no loss to compare.")]
    return [Paragraph(_sentences(found)), _table(found)]


def details(study: StudyData, found: Sequence[Generalisation]) -> list[Block]:
    epochs = study_words.endpoints(study.design.epochs)[PRIMARY]
    return [Paragraph(HOW.format(epochs=epochs))] if found else []


def _sentences(found: Generalisation) -> str:
    by_key = {(one.metric, one.images): one for one in found.measures}
    loss = {images: fmt.number(*fmt.as_triple(by_key["loss", images].difference)) for images in IMAGES}
    errors = by_key["error rate", "test"]
    baseline, arm = fmt.side(found.baseline), fmt.side(found.arm)
    test, training, gap = (
        fmt.estimate(*fmt.as_triple(gain)) for gain in (found.test_gain, found.training_gain, found.gap_gain)
    )
    return (
        f"At {fmt.cell(found.cell)}, the test error rate is {_error(errors.of_arm)} {arm} and"
        f" {_error(errors.of_baseline)} {baseline}. Test accuracy changes by {test} points ({fmt.seeds(found.n)}):"
        f" {training} on training images already (optimisation) and {gap} in the gap between training and test"
        f" (generalisation). {VERDICTS[found.verdict]} Loss changes by {loss['train']} nats per image on training and"
        f" {loss['test']} on test images, its gap by {loss['gap']}.{_diverged(found)}"
    )


def _error(rate: Interval) -> str:
    return fmt.percent(rate.estimate, fmt.digits(rate.low, rate.high))


def _diverged(found: Generalisation) -> str:
    counts = ((found.n_diverged_arm, found.arm), (found.n_diverged_baseline, found.baseline))
    if not any(n for n, _ in counts):
        return ""
    sides = fmt.listing([f"{n} of {found.n} runs {fmt.side(arm)}" for n, arm in counts])
    return f" Diverged, and counted as guessing: {sides}."


def _table(found: Generalisation) -> Table:
    columns = [
        Column("metric", lambda metric: UNITS[metric], ("metric",), is_text=True),
        Column("images", lambda images: IMAGES[images], ("images",), is_text=True),
        Column(fmt.side(found.baseline), _value, ("baseline", "baseline_low", "baseline_high", "metric", "images")),
        Column(fmt.side(found.arm), _value, ("arm", "arm_low", "arm_high", "metric", "images")),
        Column("difference [interval]", _difference, ("difference", "difference_low", "difference_high", "metric")),
        count_column("seeds", "n"),
    ]
    caption = f"Loss and error rate at {fmt.cell(found.cell)}, mean of the last epochs; differences of error in points"
    return Table(f"generalisation-{found.arm}", caption, columns, [_row(found, one) for one in found.measures])


def _value(value: float, low: float, high: float, metric: str, images: str) -> str:
    if images == "gap":
        return _difference(value, low, high, metric)
    return fmt.size(value, low, high) if metric == "loss" else fmt.share(value, low, high)


def _difference(value: float, low: float, high: float, metric: str) -> str:
    return fmt.number(value, low, high) if metric == "loss" else fmt.estimate(value, low, high)


def _row(found: Generalisation, one: Measure) -> dict[str, Any]:
    return {
        "metric": one.metric,
        "images": one.images,
        "n": found.n,
        **interval_values("baseline", one.of_baseline),
        **interval_values("arm", one.of_arm),
        **interval_values("difference", one.difference),
    }
