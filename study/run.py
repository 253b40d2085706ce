"""python -m study.run: train a study and record every epoch."""

import sys
from collections.abc import Sequence

from study.cli.exits import command_line, exit_now, run_command
from study.cli.run_options import Options, parse
from study.data import download
from study.data.lazy import ImageSource
from study.runner import plan
from study.runner.complete import carry_out, conclude
from study.runner.progress import Progress
from study.spec.datasets import first_choice


def run(options: Options, argv: Sequence[str]) -> int:
    """Make the study that ``options`` ask for complete; return the exit code."""
    progress = Progress(options.log_format, options.quiet and not options.dry_run)
    first = first_choice(options.dataset)
    _announce(options, first, progress)
    if options.dry_run:
        return 0
    name, notice = download.choose(options.dataset, options.data_dir)
    if name != first:
        progress.emit("notice", f"Warning: {notice}", sys.stderr)
        _announce(options, name, progress)
    design, folder, execution = options.design(name), options.folder(name), options.execution()
    source, command = ImageSource(design.data, options.data_dir), command_line("study.run", argv)
    ended = carry_out(design, folder, source, execution, progress, command, notice, options.rule())
    return conclude(progress, folder, ended).exit_code


def _announce(options: Options, name: str, progress: Progress) -> None:
    """Say what will be done on the data set ``name``; uses no network and writes nothing."""
    design, folder = options.design(name), options.folder(name)
    absent = download.describe_absence(options.dataset, name, options.data_dir)
    plan.announce(design, folder, options.execution(), progress, options.rule(), absent)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    return run_command("study.run", lambda: run(parse(arguments), arguments))


if __name__ == "__main__":
    exit_now("study.run", main)
