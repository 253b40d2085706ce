"""How does a command import matplotlib whatever the user's configuration, backend and working folder are?

The style resets every setting while a figure is drawn. What is left is the import itself, which a notebook's
MPLBACKEND stops and a matplotlibrc may fill with warnings; the one in the working folder comes before all others. A
function in somebody's process leaves both alone: only a command, whose process is its own, may import it so.
"""

import contextlib
import os
from pathlib import Path

BACKEND = "MPLBACKEND"
EMPTY = Path(__file__).with_name("matplotlibrc")
"""A configuration that sets nothing."""


def import_matplotlib() -> None:
    """Import matplotlib with an empty configuration and a backend that needs no screen."""
    before = os.environ.get(BACKEND)
    os.environ[BACKEND] = "agg"
    try:
        with contextlib.chdir(EMPTY.parent):
            import matplotlib  # noqa: F401
    finally:
        os.environ.pop(BACKEND)
        if before is not None:
            os.environ[BACKEND] = before
