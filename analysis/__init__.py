"""What may be concluded from records: estimates, intervals, tests and a page. Imports no torch.

The unit of replication is the seed. A difference is arm minus baseline within a pair, joined by key.
A run that diverged is an outcome and counts as chance; a pair is never dropped in silence.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis import figures
    from analysis.api import analyse, answers, contrasts, export, load, to_frame, write_report
    from analysis.errors import AnalysisError
    from analysis.records.frames import from_frame

__all__ = [
    "AnalysisError",
    "analyse",
    "answers",
    "contrasts",
    "export",
    "figures",
    "from_frame",
    "load",
    "to_frame",
    "write_report",
]

_HOME = {"AnalysisError": "errors", "from_frame": "records.frames"}
"""Modules by name; the other functions are in ``api``."""


def __getattr__(name: str) -> Any:
    if name == "figures":
        return import_module("analysis.figures")
    if name not in __all__:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"analysis.{_HOME.get(name, 'api')}"), name)


def __dir__() -> list[str]:
    return __all__
