"""How every figure of the inference modes draws a way to predict: the same colour and line for the same statistics.

The colours of the arms mean the arms: blue is a network with batch norm as it predicts by default, with its running
averages, vermillion one without batch norm. Statistics of the test batch are purple in every order and size.
"""

from typing import Any

from analysis.report.figures.style import GREY, PALETTE, PURPLE, arm_style
from study.spec.arms import ARMS

BLACK, BROWN, SKY = "black", PALETTE[5], PALETTE[9]

Look = dict[str, Any]
RUNNING = arm_style(next(arm.key for arm in ARMS.values() if arm.statistics))
NO_NORM = arm_style(next(arm.key for arm in ARMS.values() if arm.norm is None))
SAVED: dict[str, Look] = {
    "running": RUNNING,
    "population": {"color": BLACK, "linestyle": "--"},
    "cumulative_last": {"color": BROWN, "linestyle": "-."},
    "cumulative_all": {"color": GREY, "linestyle": ":"},
}
"""Looks of statistics saved in training, by inference mode."""
ORDERS: dict[str, Look] = {
    "shuffled": {"color": PURPLE, "linestyle": "-", "marker": "o"},
    "natural": {"color": PURPLE, "linestyle": "--", "marker": "s"},
    "sorted": {"color": PURPLE, "linestyle": ":", "marker": "^"},
}
"""Looks of test batches by the order of their images."""
BLEND: Look = {"color": SKY, "linestyle": "-.", "marker": "D"}
SMALL_BATCH: Look = {"color": PURPLE, "linestyle": ":", "marker": "^"}
LARGE_BATCH: Look = {"color": PURPLE, "linestyle": "-", "marker": "D"}
