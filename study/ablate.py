"""python -m study.ablate: evaluate trained networks under other normalisation statistics and on other images."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from study.cli import arguments
from study.cli.exits import exit_now, run_command
from study.cli.option_groups import DataFolder, DryRun, StudiesFolder
from study.cli.run_options import DEVICE
from study.data.lazy import ImageSource
from study.engine import devices
from study.errors import UsageError
from study.inference.complete import Extent, complete_evaluation, evaluable, without_networks
from study.runner import evaluation_plan
from study.runner.execution import Execution
from study.runner.progress import Progress
from study.runner.session import emit_place
from study.spec import commands
from study.spec.commands import shown_path
from study.store.study_folder import Folder, newest_first


@dataclass(frozen=True)
class Options(StudiesFolder, DataFolder, DryRun):
    """Evaluate the trained networks of a study in every inference mode of batch normalisation on the clean test images.
    Then evaluate the main modes under corruptions, other class priors and on the halves of the test set.

    Repeat the command to continue; finished evaluations are kept.

    Examples:
      # the study that was trained last
      python -m study.ablate
      # only the clean test images of one study
      python -m study.ablate results/mnist --clean
    """

    study_dir: Annotated[Path | None, tyro.conf.Positional] = None
    """Folder of the study. Default: the study under --out that was trained last."""
    clean: bool = False
    """Evaluate only the clean test images: a fraction of the time."""
    device: str = "cpu"
    """cpu, cuda or cuda:1."""
    workers: int = 0
    """Threads on a CPU; 0 means one per core."""
    mixed_numerics: bool = False
    """Evaluate on a machine that computes with other bits than those that the study began with; the report says so."""


def run(options: Options) -> int:
    """Make the evaluation of a study complete; return the exit code."""
    n_workers = Execution(workers=options.workers).n_workers
    if not DEVICE.fullmatch(options.device):
        raise UsageError(f"--device {options.device!r}: choose cpu, cuda or cuda:0")
    folder = Folder(options.study_dir or _newest(options.out))
    design, runs = evaluable(folder)
    extent, progress = Extent(options.clean), Progress(options.log_format, options.quiet and not options.dry_run)
    if not runs:
        progress.emit("notice", f"{without_networks(folder)}.", sys.stderr)
        return 0
    device = evaluation_plan.announce(folder, design, runs, extent, options.device, n_workers, progress)
    if options.dry_run:
        return 0
    if device is not None:
        emit_place(progress, device, devices.numerics_id(device, tf32=False))
    source = ImageSource(design.data, options.data_dir)
    try:
        complete_evaluation(
            folder, design, runs, source, options.device, extent, n_workers, progress, options.mixed_numerics
        )
    finally:
        progress.close()
    report = commands.report_on(folder.path)
    progress.emit("done", f"{shown_path(folder.path)} is evaluated. Make the report: {report}")
    return 0


def _newest(out: Path) -> Path:
    """Return the study under ``out`` that was trained last."""
    for manifest in newest_first(out, holding="weights"):
        return manifest.parent
    raise UsageError(
        f"there is no study with trained networks under {shown_path(out)}. Train one first: {commands.train_under(out)}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; every error is one sentence on stderr."""
    program = "python -m study.ablate"
    return run_command("study.ablate", lambda: run(arguments.read(Options, argv, program)), saves="evaluations")


if __name__ == "__main__":
    exit_now("study.ablate", main)
