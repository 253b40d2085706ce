"""A figure with the words that stand for it (alternative text) and below it (caption)."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from analysis import contrasts, figures, mode_figures, words
from analysis.contrasts import Contrast
from analysis.curves import Curve, Gap
from analysis.figures import ends
from analysis.findings import Results
from analysis.modes import Modes
from analysis.tables import PRIMARY, Study


@dataclass(frozen=True)
class Picture:
    title: str
    svg: bytes
    alt: str
    caption: str

    @property
    def source(self) -> str:
        """As a data address, so that the ids of one SVG cannot meet those of another."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg).decode()


def pictures(study: Study, found: Results) -> dict[str, Picture]:
    """The figures of the page by name, in its order."""
    curves = found.curves
    effects = {f"effect-{arm}": _effect(found.contrasts, arm) for arm in study.contenders}
    learned = {"curves": _curves(curves), "by-cell": _by_cell(curves)} if curves else {}
    gaps = {
        f"gap-{arm}": _gaps(of_arm.gaps, shown_cell(curves)) for arm, of_arm in found.of_arms.items() if of_arm.gaps
    }
    return {**effects, **learned, **gaps, **({} if found.modes is None else mode_pictures(found.modes))}


def _effect(found: Sequence[Contrast], arm: str) -> Picture:
    cells = contrasts.by_cell(found, arm)
    listed = "; ".join(
        f"batch size {size}, rate {words.rate(lr)}: {words.points(c.mean_diff)} {words.interval(*ends(c))}"
        for (size, lr), c in cells.items()
    )
    return Picture(
        "Where it helps: the effect over batch size and learning rate",
        figures.svg(figures.effect_map(cells)),
        f"Difference of test accuracy in points by batch size and learning rate. {listed}.",
        f"Test accuracy with minus without batch normalisation, in points ({words.endpoint(PRIMARY)}), with"
        " intervals that hold for all cells at once (sup-t, from 5 pairs on). Failed: runs without | with,"
        " that diverged or ended below twice chance."
        " Colours are linear up to half a point and logarithmic beyond.",
    )


def _curves(curves: Sequence[Curve]) -> Picture:
    size, lr = shown_cell(curves)
    where = f"batch size {size}, learning rate {words.rate(lr)}"
    shown = [curve for curve in curves if (curve.batch_size, curve.lr) == (size, lr)]
    return Picture(
        "How they learn: loss and accuracy over epochs",
        figures.svg(figures.learning_curves(shown)),
        f"Training and test loss and accuracy over epochs, with and without batch normalisation, at {where}.",
        f"The four plots of the tutorial that asked the question, at {where}. Thin lines: single seeds; thick: their"
        " mean; band: pointwise 95 % t interval of the mean. The untrained network is in the records and not drawn.",
    )


def _by_cell(curves: Sequence[Curve]) -> Picture:
    return Picture(
        "Test error in every cell",
        figures.svg(figures.error_by_cell(curves)),
        "Test error over epochs in every cell of batch size and learning rate, with and without batch normalisation.",
        "Every cell on one logarithmic scale; lines and bands as above. A seed's line ends where it diverges.",
    )


def _gaps(gaps: Sequence[Gap], cell: tuple[int, float]) -> Picture:
    shown = [gap for gap in gaps if (gap.batch_size, gap.lr) in ((None, None), cell)]
    last = "; ".join(
        f"{words.cell(gap.batch_size, gap.lr)}: {words.points(gap.mean[-1])} points after the last epoch"
        for gap in shown
    )
    return Picture(
        "When it helps: the difference over epochs",
        figures.svg(figures.gap_curves(shown)),
        f"Difference of test accuracy over epochs, with minus without batch normalisation. {last}.",
        "With minus without, in points. Outer band: holds for the whole curve at once"
        f" (sup-t, {words.level(shown[0].level)}); inner: each epoch on its own. A diverged run scores chance.",
    )


def mode_pictures(modes: Modes) -> dict[str, Picture]:
    """Of the inference modes, those that the ablation has numbers for."""
    made = {}
    if modes.clean("batch", 8, "shuffled"):
        made["modes"] = Picture(
            "Which statistics should it predict with? The size and order of the test batch",
            figures.svg(mode_figures.accuracy_by_size(modes)),
            "Test accuracy over the number of images in the test batch, shuffled, in the file's order and sorted by"
            " class, with the statistics from training as horizontal lines; the numbers stand in the table.",
            "Means over all networks with batch normalisation; the same networks in every line. A batch of one image"
            " has no variance, and is answered by the bias alone.",
        )
        made["calibration"] = Picture(
            "How far their confidence can be trusted",
            figures.svg(mode_figures.calibration(modes)),
            "Expected calibration error by way to predict; the numbers stand in the table of the ways to predict.",
            "15 equal bins on the probability of the answer; test batches are shuffled, their size is the last number.",
        )
    if modes.swaps:
        made["swaps"] = Picture(
            "One image in two batches",
            figures.svg(mode_figures.swaps(modes.swaps)),
            "Change of the batch mean and share of images that change class, over sqrt(2k)/m.",
            "k of the m images of a batch are replaced by others, never the one that is looked at; 2 of 8 is the"
            " tutorial's own example. The line is what independent draws give in expectation.",
        )
    if modes.statistics:
        made["statistics"] = Picture(
            "How far statistics from training lie from the truth",
            figures.svg(mode_figures.statistic_errors(modes.statistics)),
            "Root mean square error of mean and log variance of each statistic, by layer, against the exact ones.",
            "Against the exact statistics of all training images with the final weights; over units, networks, seeds.",
        )
    if any(result.shift != "clean" for result in modes.results):
        made["shifts"] = Picture(
            "When the images change: each way to predict against the running averages",
            figures.svg(mode_figures.shift_map(modes)),
            "Difference of test accuracy from the running averages by condition and way to predict.",
            "In points, on the same images. Severities 1, 3 and 5 of five; test batches are shuffled, the number is"
            " their size. All conditions with intervals stand in tables/modes.csv.",
        )
    return made


def shown_cell(curves: Sequence[Curve]) -> tuple[int, float]:
    """The cell whose curves are shown large: the post's (batch 32, rate 0.01), else the middle of those there are."""
    cells = sorted({(curve.batch_size, curve.lr) for curve in curves})
    return (32, 0.01) if (32, 0.01) in cells else cells[len(cells) // 2]
