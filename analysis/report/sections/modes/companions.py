"""What do the other images of a test batch do to one of them?"""

from functools import partial
from typing import Any

from analysis.findings.modes.inference_modes import Modes, SwapResult
from analysis.report import number_format as fmt
from analysis.report.columns import count_column, interval_column, interval_values
from analysis.report.document import Column, Figure, Table
from analysis.report.figures.modes.swaps import swap_sensitivity
from analysis.report.sentences import inference as inference_sentences


def swaps(modes: Modes) -> Figure | None:
    """Return what happens to an image when some of its companions are replaced."""
    shown = inference_sentences.shown_swap(modes)
    if shown is None:
        return None
    replaced, flips = f"{shown.n_swapped} of {shown.eval_batch_size:,}", fmt.percent(shown.flip_rate.estimate)
    return Figure(
        name="swaps",
        headline=f"Replacing {replaced} images changes {flips} of predicted classes",
        subtitle=(
            "Predicted classes that change (%) and moves of the batch mean (SD) when images are replaced; mean over"
            f" {fmt.seeds(shown.n)} at {fmt.cell(modes.cell)}."
        ),
        draw=partial(swap_sensitivity, modes.swaps),
        alt="; ".join(map(_alt, modes.swaps)) + ".",
        caption=(
            "The image itself stays; bars are intervals over seeds. The black line is what random draws give for the"
            f" first layer's mean: sqrt(2k)/m for k of m images. {_draws(modes)}"
        ),
        table=_swap_table(modes.swaps),
    )


def _alt(swap: SwapResult) -> str:
    return (
        f"{swap.n_swapped} of {swap.eval_batch_size}: {fmt.percent(swap.flip_rate.estimate)} change class, the mean"
        f" moves by {swap.mean_change.estimate:.3f} (expected {swap.law:.3f})"
    )


def _draws(modes: Modes) -> str:
    if modes.drawn_by_seed:
        return "Each network's seed draws its images."
    return "All networks share one draw, made by an earlier program, so the intervals leave its error out."


def _swap_table(swaps: list[SwapResult]) -> Table:
    columns = [
        Column("replaced", lambda k, m: f"{k:,} of {m:,}", ("n_swapped", "eval_batch_size")),
        count_column("n", "n"),
        interval_column("class changes", "flip_rate", fmt.share),
        Column("with running averages", _flips, ("running_flips", "n_images")),
        interval_column("batch mean moves, SD", "mean_change", fmt.size),
        Column("expected, SD", lambda law: f"{law:.3f}", ("law",)),
        interval_column("own value moves, SD", "value_change", fmt.size),
    ]
    return Table("swaps", "One image in two batches", columns, [_swap_row(swap) for swap in swaps])


def _swap_row(swap: SwapResult) -> dict[str, Any]:
    return {
        "eval_batch_size": swap.eval_batch_size,
        "n_swapped": swap.n_swapped,
        "n": swap.n,
        "law": swap.law,
        **interval_values("mean_change", swap.mean_change),
        **interval_values("value_change", swap.value_change),
        **interval_values("logit_change", swap.logit_change),
        **interval_values("flip_rate", swap.flip_rate),
        "running_flips": swap.running_flips,
        "n_images": None if swap.running_flip_rate is None else swap.running_flip_rate.n,
    }


def _flips(k: int | None, n: int | None) -> str:
    return fmt.NO_NUMBER if k is None else f"{k:,} of {n:,}"


def logits(modes: Modes) -> Table | None:
    """Return how far the logits of an image move, for the appendix."""
    if not modes.swaps:
        return None
    columns = [
        Column("replaced", lambda k, m: f"{k:,} of {m:,}", ("n_swapped", "eval_batch_size")),
        count_column("n", "n"),
        interval_column("logits move", "logit_change", fmt.size),
    ]
    rows = [
        {key: value for key, value in _swap_row(swap).items() if key in ("eval_batch_size", "n_swapped", "n")}
        | interval_values("logit_change", swap.logit_change)
        for swap in modes.swaps
    ]
    return Table("swaps-logits", "Logits of one image in two batches", columns, rows)


def compositions(modes: Modes) -> Table | None:
    """Return what becomes of all test images in many random batches, for the appendix."""
    if not modes.compositions:
        return None
    columns = [
        count_column("batch", "eval_batch_size"),
        count_column("n", "n"),
        interval_column("images whose class ever changes", "any_flip", fmt.share),
        interval_column("share of logit variance from companions", "mates_share", fmt.share),
    ]
    rows = [
        {
            "eval_batch_size": c.eval_batch_size,
            "n": c.n,
            **interval_values("any_flip", c.any_flip),
            **interval_values("mates_share", c.mates_share),
        }
        for c in modes.compositions
    ]
    caption = f"All test images in 32 random compositions of the batches. {_draws(modes)}"
    return Table("compositions", caption, columns, rows)
