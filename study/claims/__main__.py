"""python -m study.claims: make what the ledger of the tutorial's claims needs, its rules fixed before the first run."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from study.claims.complete import complete
from study.claims.plan import FOR_VERDICTS, Ledger, agreed, announce, planned
from study.claims.registry import REGISTRY
from study.claims.sub_studies import Making
from study.cli import arguments
from study.cli.analysis_rule import asked_rule
from study.cli.exits import command_line, exit_now, run_command
from study.cli.option_groups import Data, DryRun, StudiesFolder
from study.data import download
from study.errors import UsageError, quote
from study.runner.console import Console
from study.runner.execution import Execution
from study.spec.analysis_rule import ALPHA
from study.spec.claims.experiments import FULL, QUICK, Extent
from study.spec.claims.fixed import Fixed
from study.spec.commands import LEDGER_ID, STUDY_ID
from study.spec.datasets import AUTO, DATASETS, Tied, first_choice
from study.store.claims_folder import ClaimsFolder


@dataclass(frozen=True)
class Options(Data, StudiesFolder, DryRun):
    """Train and measure what decides the testable claims of the batch norm tutorial, row by row. What a row measures,
    the rule of its verdict and the level are fixed in the manifest before the first run.

    Repeat the command to continue; finished runs and measurements are kept. What the first command has fixed need not
    be named again, and cannot be changed.

    Exit codes: 0 complete; 1 something failed; 2 wrong usage; 3 the machine's fault (no data, no space, another process
    at work); 130 and 143 stopped by a signal.

    Examples:
      # the ledger on MNIST, in a quarter of an hour
      python -m study.claims
      # fewer seeds, in some minutes
      python -m study.claims --quick --study-id claims-quick
      # show only the plan
      python -m study.claims --dry-run
    """

    study_id: str = LEDGER_ID
    """Name of the ledger and of its folder under --out."""
    quick: bool = False
    """Take fewer seeds, and leave out what takes longest."""
    seeds: int | None = None
    """Seeds that the experiments share, at least 2: 10, or 6 with --quick. Verdicts need at least 6."""
    alpha: float | None = None
    """Significance level of the whole family of rows. 0.05 unless the first command sets it."""
    workers: int = 0
    """Threads and processes; 0 means one per core."""

    def check(self) -> "Options":
        """Refuse what no data set could make right; returns self."""
        if not STUDY_ID.fullmatch(self.study_id):
            raise UsageError(f"--study-id {quote(self.study_id)}: choose letters, digits, '.', '_', '-'; e.g. claims-2")
        if self.dataset != AUTO:
            _check_pictures(self.dataset)
        asked_rule(self.alpha, None)
        self.extent()
        self.n_workers()
        return self

    @property
    def folder(self) -> ClaimsFolder:
        return ClaimsFolder(self.out / self.study_id)

    @property
    def named(self) -> list[str]:
        """Which of the things that a ledger fixes the command names."""
        named = {"dataset": self.dataset != AUTO, "extent": self.quick or self.seeds is not None}
        return [name for name, given in (named | {"alpha": self.alpha is not None}).items() if given]

    def of_ledger(self) -> "Options":
        """Return the options with the data set of a ledger that was begun, where they name none."""
        fixed = self.folder.fixed() if self.dataset == AUTO else None
        return self if fixed is None else replace(self, dataset=fixed.dataset)

    def extent(self) -> Extent:
        """Return how many seeds the experiments have; more shared seeds take as many runs at the tutorial's setting."""
        extent = QUICK if self.quick else FULL
        if self.seeds is None:
            return extent
        if self.seeds < 2:
            raise UsageError(f"--seeds {self.seeds}: give at least 2, and for verdicts at least {FOR_VERDICTS}")
        return replace(extent, seeds=self.seeds, runs=max(extent.runs, self.seeds))

    def fixed(self, dataset: str) -> Fixed:
        """Return what a new ledger fixes."""
        return Fixed.begin(DATASETS[dataset], self.extent(), ALPHA if self.alpha is None else self.alpha)

    def n_workers(self) -> int:
        return Execution(workers=self.workers).n_workers


def _check_pictures(dataset: str) -> None:
    """Refuse what is no registered data set of pictures, and one whose background is tied already."""
    able = [key for key, data in DATASETS.items() if data.has_pictures and not isinstance(data.source, Tied)]
    if dataset not in able:
        raise UsageError(
            f"--dataset {quote(dataset)}: the tutorial's claims are about pictures that come with the program; choose"
            f" from: {', '.join(able)}"
        )


def run(options: Options, argv: Sequence[str]) -> int:
    """Make the ledger that ``options`` ask for complete; return the exit code."""
    console = Console(options.log_format, options.quiet and not options.dry_run)
    options = options.of_ledger()
    first = first_choice(options.dataset)
    ledger = _announced(options, first, console)
    if options.dry_run:
        return 0
    name, notice = download.choose(options.dataset, options.data_dir)
    if name != first:
        console.emit("notice", f"Warning: {notice}", sys.stderr)
        ledger = _announced(options, name, console)
    making = Making(ledger, console, command_line("study.claims", argv), notice)
    return complete(making).exit_code


def _announced(options: Options, dataset: str, console: Console) -> Ledger:
    """Say what will be done on a data set, and return it; uses no network and writes nothing."""
    fixed = agreed(options.folder, options.fixed(dataset), options.named)
    ledger = Ledger(fixed, options.folder, options.n_workers(), REGISTRY, options.data_dir)
    absent = download.describe_absence(options.dataset, dataset, options.data_dir)
    announce(ledger, planned(ledger), console, absent)
    return ledger


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; every error is one sentence on stderr."""
    words = sys.argv[1:] if argv is None else list(argv)
    program = "python -m study.claims"

    def work() -> int:
        return run(arguments.read(Options, words, program).check(), words)

    return run_command("study.claims", work, saves="runs and measurements")


if __name__ == "__main__":
    exit_now("study.claims", main)
