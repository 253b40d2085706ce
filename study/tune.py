"""python -m study.tune: tune every arm with the same budget, then train fresh seeds of the best configurations."""

import sys
from collections.abc import Sequence

from study.cli.exits import command_line, exit_now, run_command
from study.cli.tune_options import Options, parse, without_secrets
from study.data import download
from study.data.lazy import ImageSource
from study.runner.progress import Progress
from study.spec.datasets import first_choice
from study.tuning import plan
from study.tuning.complete import Optimisation


def tune(options: Options, argv: Sequence[str]) -> int:
    """Make the searches and the runs that follow complete; return the exit code."""
    progress = Progress(options.log_format, options.quiet and not options.dry_run)
    first = first_choice(options.dataset)
    _announce(options, first, _optimisation(options, argv, first, None, progress))
    if options.dry_run:
        return 0
    name, notice = download.choose(options.dataset, options.data_dir)
    optimisation = _optimisation(options, argv, name, notice, progress)
    if name != first:
        progress.emit("notice", f"Warning: {notice}", sys.stderr)
        _announce(options, name, optimisation)
    return optimisation.complete().exit_code


def _announce(options: Options, name: str, optimisation: Optimisation) -> None:
    """Say what will be done; uses no network and writes nothing."""
    plan.announce(optimisation, download.describe_absence(options.dataset, name, options.data_dir))


def _optimisation(
    options: Options, argv: Sequence[str], name: str, notice: str | None, progress: Progress
) -> Optimisation:
    run_options = options.run_options(name)
    design = run_options.design(name)
    return Optimisation(
        design=design,
        budget=options.budget(),
        folder=run_options.folder(name),
        source=ImageSource(design.data, options.data_dir),
        execution=run_options.execution(),
        progress=progress,
        command=command_line("study.tune", without_secrets(argv)),
        notice=notice,
        asked=run_options.rule(),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; every error is one sentence on stderr."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    return run_command("study.tune", lambda: tune(parse(arguments), arguments), saves="trials and runs")


if __name__ == "__main__":
    exit_now("study.tune", main)
