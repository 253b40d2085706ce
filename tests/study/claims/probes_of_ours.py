"""A probe whose rows say from what they were measured, for every key of the registry."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from study.claims.measuring import Context, Measured

TRAP = "LEDGER_TRAP"
"""Environment variable: a folder whose files say what units do: ``slow``, ``raise``, ``fault`` or ``die-once``."""


def measure(unit: str, context: Context) -> Sequence[Measured]:
    arm, seed = unit.split("-")
    _spring(unit, context)
    mean = float(context.images.test.images.double().mean())
    return [
        Measured("mean", mean, arm=arm, seed=int(seed), n=len(context.images.test.labels)),
        Measured("negative", -float(seed), "clean", arm, "running", int(seed), layer=1, step=100),
    ]


def _spring(unit: str, context: Context) -> None:
    folder = Path(os.environ.get(TRAP, "/nonexistent"))
    if (folder / "raise").exists() and unit == "bn-1":
        raise ZeroDivisionError("by the trap")
    if (folder / "fault").exists():
        raise PermissionError("the trap is closed")
    if (folder / "die-once").exists() and unit == "bn-1":
        (folder / "die-once").unlink()
        os._exit(9)
    while (folder / "slow").exists() and unit == "bn-1":
        context.check_cancelled()
        time.sleep(0.01)
