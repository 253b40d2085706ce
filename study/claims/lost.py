"""What was lost of a sub-study: faults of the machine, which name the folder to move away."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from study.errors import EnvironmentFault
from study.spec.commands import shown_path
from study.store.study_folder import Folder
from study.store.weights import NoNetwork


def check_manifest(study: Folder) -> None:
    """Refuse a sub-study whose runs are there without their manifest."""
    if study.has_parts() and not study.manifest.exists():
        raise _fault(study.path, f"{study.manifest} is lost, so nothing says how the runs beside it were trained")


@contextmanager
def needed_networks(study: Path) -> Iterator[None]:
    """Say what to do with a sub-study of which a network is missing or damaged."""
    try:
        yield
    except NoNetwork as error:
        raise _fault(study, error.what) from None


def _fault(study: Path, what: str) -> EnvironmentFault:
    return EnvironmentFault(
        f"{what}. Restore it, or move {shown_path(study)} away and repeat the command, which trains it again."
    )
