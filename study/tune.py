"""python -m study.tune: the same tuning budget for every arm, then fresh seeds for what each found best."""

import sys
from collections.abc import Sequence

from study.cli.exits import command_line, exit_now, run_command
from study.cli.tune_options import Options, parse, without_secrets
from study.data import download
from study.data.lazy import ImageSource
from study.runner.progress import Progress
from study.spec.datasets import first_choice
from study.tuning.complete import Optimisation


def tune(options: Options, argv: Sequence[str]) -> int:
    """Make the searches and the runs that follow complete; return the exit code."""
    if options.dry_run:
        return _show_plan(options)
    name, notice = download.choose(options.dataset, options.data_dir)
    return _optimisation(options, argv, name, notice).complete().exit_code


def _show_plan(options: Options) -> int:
    """Print what would be done; use no network and write nothing."""
    from study.tuning import dry_run

    lines = dry_run.describe(_optimisation(options, (), first_choice(options.dataset), None))
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def _optimisation(options: Options, argv: Sequence[str], name: str, notice: str | None) -> Optimisation:
    run_options = options.run_options(name)
    return Optimisation(
        design=run_options.design(name),
        budget=options.budget(),
        folder=run_options.folder(name),
        source=ImageSource(name, options.data_dir),
        execution=run_options.execution(),
        progress=Progress(options.log_format, options.quiet),
        command=command_line("study.tune", without_secrets(argv)),
        notice=notice,
        asked=run_options.rule(),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; every error is one sentence on stderr."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    return run_command("study.tune", lambda: tune(parse(arguments), arguments))


if __name__ == "__main__":
    exit_now("study.tune", main)
