"""python -m study.ablate [STUDY_DIR]: how trained networks predict under other statistics and other images."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from study.cli import arguments
from study.cli.exits import run_command
from study.cli.run_options import DEVICE
from study.data.lazy import DATA_DIR, ImageSource
from study.errors import UsageError
from study.inference.complete import Extent, Say, complete_evaluation, evaluable
from study.runner.execution import Execution
from study.store.study_folder import Folder, newest_first


@dataclass(frozen=True)
class Options:
    """Evaluate the trained networks of a study: every inference mode of batch normalisation on the test images as
    they are, and the main ones under corruptions, other class priors and the halves of the test set. Resumable."""

    study_dir: Annotated[Path | None, tyro.conf.Positional] = None
    """The folder of the study; the one under --out that was trained last, unless given."""
    clean: bool = False
    """The test images as they are alone, which takes a fraction of the time."""
    data_dir: Path = DATA_DIR
    """As for study.run."""
    device: str = "cpu"
    """cpu, cuda or cuda:1."""
    out: Path = Path("results")
    """The folder of studies."""
    workers: int = 0
    """Threads on a CPU; 0 is one per core."""
    quiet: bool = False
    """Print errors alone."""


def run(options: Options) -> int:
    """Make the evaluation of a study complete; return the exit code."""
    n_workers = Execution(workers=options.workers).n_workers
    if not DEVICE.fullmatch(options.device):
        raise UsageError(f"--device {options.device!r}: choose cpu, cuda or cuda:0")
    folder = Folder(options.study_dir or _newest(options.out))
    design, runs = evaluable(folder)
    say: Say = (lambda text: None) if options.quiet else (lambda text: print(text, flush=True))
    source = ImageSource(design.dataset, options.data_dir)
    complete_evaluation(folder, design, runs, source, options.device, Extent(options.clean), n_workers, say)
    say(f"{folder.path} is evaluated. Next: python -m analysis.report {folder.path}")
    return 0


def _newest(out: Path) -> Path:
    """Return the study under ``out`` that was trained last."""
    for manifest in newest_first(out, holding="weights"):
        return manifest.parent
    raise UsageError(f"there is no study with kept networks under {out}; run python -m study.run first")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; every error is one sentence on stderr."""
    return run_command("study.ablate", lambda: run(arguments.read(Options, argv, "python -m study.ablate")))


if __name__ == "__main__":
    sys.exit(main())
