"""python -m study.run: train a study and record every epoch."""

import sys
from collections.abc import Sequence

from study.cli.exits import command_line, exit_now, run_command
from study.cli.run_options import Options, parse
from study.data import download
from study.data.lazy import ImageSource
from study.runner.complete import check_device, check_free, check_rule, complete, describe_plan
from study.runner.progress import Progress
from study.spec.datasets import AUTO, FALLBACK, first_choice


def run(options: Options, argv: Sequence[str]) -> int:
    """Make the study that ``options`` ask for complete; return the exit code."""
    if options.dry_run:
        return _show_plan(options)
    options.design(first_choice(options.dataset))  # refused before anything is downloaded
    name, notice = download.choose(options.dataset, options.data_dir)
    design, folder, execution = options.design(name), options.folder(name), options.execution()
    check_free(folder)
    check_device(execution)
    source, progress = ImageSource(name, options.data_dir), Progress(options.log_format, options.quiet)
    command, rule = command_line("study.run", argv), options.rule()
    return complete(design, folder, source, execution, progress, command, notice, rule).exit_code


def _show_plan(options: Options) -> int:
    """Print what would be done; use no network and write nothing."""
    name = first_choice(options.dataset)
    design, folder = options.design(name), options.folder(name)
    check_free(folder)
    check_rule(folder, options.rule())
    lines = describe_plan(design, folder, options.execution())
    print(*_absent(options, name), *lines, sep="\n")
    return 0


def _absent(options: Options, name: str) -> list[str]:
    """Return a line on files that are absent, if so."""
    if download.is_present(name, options.data_dir):
        return []
    otherwise = f" or, if that fails, {FALLBACK} taken instead" if options.dataset == AUTO else ""
    return [f"{name} is not in {options.data_dir}: it would be downloaded{otherwise}"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    return run_command("study.run", lambda: run(parse(arguments), arguments))


if __name__ == "__main__":
    exit_now("study.run", main)
