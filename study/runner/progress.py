"""What does the user see while a command works? One bar over all of it on a terminal, a line now and then on a pipe,
or JSON."""

import sys
import time
from collections.abc import Callable
from typing import Any

from tqdm import tqdm

from study.runner.console import Console
from study.runner.work import Work
from study.spec.checks import format_value
from study.spec.cohorts import Cohort
from study.spec.factors import in_words

LINE_SECONDS = 30
TRIALS, TRAINING, INFERENCE = "trials", "training", "inference"
"""Phases of a command, in their order."""


class Progress(Console):
    """A command's progress over all its phases; implements ``jobs.Report`` and ``inference.complete.Report``."""

    def __init__(self, log_format: str = "text", quiet: bool = False):
        super().__init__(log_format, quiet)
        self.epochs, self.n_done, self.n_runs = 1, 0, 0
        self.n_evaluated = self.n_networks = 0
        self.n_told = self.n_told_before = self.n_trials = 0
        self.worked = self.worker_seconds = 0.0  # of the committed cohorts: a later forecast's throughput
        self.shares: dict[str, float] = {}
        self.phases: dict[str, Work] = {}
        self.describe: Callable[[], str] = self._runs
        self.began: float | None = None
        self.bar: Bar | None = None

    # --- what there is to do

    def expect(self, **shares: float) -> None:
        """Set how long the phases will take, in any unit that they share; one that is not named takes no time."""
        self.shares |= shares

    def count(self, epochs: int, n_done: int, n_runs: int) -> None:
        """Set the number of epochs, of runs done before, and of all runs."""
        self.epochs, self.n_done, self.n_runs = epochs, n_done, n_runs

    def begin(self, phase: str, work: Work, describe: Callable[[], str]) -> None:
        """Begin a phase, of which ``describe`` says how far it is; the first opens the bar."""
        self.phases[phase], self.describe = work, describe
        self.shares.setdefault(phase, 1.0)
        if self.began is None:
            self.began = self.last_line = time.monotonic()
        if self.bar is None and sys.stderr.isatty() and self.log_format == "text" and not self.quiet:
            self.bar = Bar(self)
        self.show()

    def start(self, cohorts: list[Cohort], weight: Callable[[Cohort], float]) -> None:
        """Begin the training of ``cohorts``, whose work is by ``weight``."""
        self.begin(TRAINING, Work(sum(map(weight, cohorts)), weight, self.epochs), self._runs)
        self.line("started")

    # --- trials

    def begin_trials(self, n_told: int, n_trials: int, work: Work) -> None:
        """Begin trials, of which ``n_told`` are finished; ``work`` is that of the others."""
        self.n_told = self.n_told_before = n_told
        self.n_trials = n_trials
        self.begin(TRIALS, work, lambda: f"{self.n_told} of {self.n_trials} trials")

    def told(self, n_told: int) -> None:
        """Set how many trials are finished, by whichever worker."""
        self.n_told = n_told
        self.phases[TRIALS].reach((n_told - self.n_told_before) / max(1, self.n_trials - self.n_told_before))
        self.show()

    # --- training

    def epoch(self, cohort: Cohort) -> None:
        self.phases[TRAINING].epoch(cohort)
        self.now_and_then()

    def committed(self, cohort: Cohort, seconds: float, result: object = None) -> None:
        self.n_done += len(cohort.runs)
        self.worked += self.phases[TRAINING].weight(cohort)
        self.worker_seconds += seconds
        self.phases[TRAINING].committed(cohort)
        self.line("committed")

    def failed(self, cohort: Cohort, reason: str, last: bool) -> None:
        """Report a failed cohort; its epochs count again when it is tried again."""
        self.phases[TRAINING].failed(cohort)
        self.show()
        self.emit("failed", describe_failure(cohort, reason, last), file=sys.stderr)

    # --- inference modes

    def evaluating(self, n_networks: int, work: float) -> None:
        """Begin the evaluation of so many networks."""
        self.n_evaluated, self.n_networks = 0, n_networks
        self.begin(INFERENCE, Work(work), lambda: f"{self.n_evaluated} of {self.n_networks} networks")

    def evaluated(self, n_networks: int, work: float) -> None:
        self.n_evaluated += n_networks
        self.phases[INFERENCE].done += work
        if self.n_evaluated == self.n_networks:
            self.line("ablation")
        else:
            self.now_and_then("ablation")

    # --- what is shown

    def now_and_then(self, event: str = "progress") -> None:
        """Show how far it is: on a pipe after LINE_SECONDS without a line."""
        if self.bar is None and time.monotonic() - self.last_line <= LINE_SECONDS:
            return
        self.line(event)

    def line(self, event: str) -> None:
        """Show how far it is: on a pipe by a line."""
        self.last_line = time.monotonic()
        if self.bar is not None:
            self.show()
            return
        counts: dict[str, Any] = {"runs_done": self.n_done, "runs": self.n_runs, "fraction": round(self.fraction, 4)}
        if event == "ablation":
            counts |= {"networks_done": self.n_evaluated, "networks": self.n_networks}
        text = f"{self.describe()}, {100 * self.fraction:.0f} % of the work, {self.clock()}"
        self.emit(event, text, **counts)

    def show(self) -> None:
        """Move the bar, if there is one."""
        if self.bar is not None:
            self.bar.set_description_str(self.describe(), refresh=False)
            self.bar.update(self.fraction - self.bar.n)

    def close(self) -> None:
        """Leave the bar as it stands; lines follow below."""
        if self.bar is not None:
            self.bar.refresh()
            self.bar.close()
            self.bar = None

    @property
    def fraction(self) -> float:
        """Share of the command's work that is done, each phase by its expected time."""
        done = sum(self.shares[name] * work.fraction for name, work in self.phases.items())
        return done / (sum(self.shares.values()) or 1.0)

    def clock(self) -> str:
        """Return the time since the first phase began and the time that is left, at the pace so far."""
        elapsed = 0.0 if self.began is None else time.monotonic() - self.began
        left = clock(elapsed / self.fraction - elapsed) if self.fraction else "unknown time"
        return f"{clock(elapsed)} elapsed, {left} left"

    def _runs(self) -> str:
        return f"{self.n_done} of {self.n_runs} runs"


class Bar(tqdm):
    """The bar of a progress, with its clock."""

    def __init__(self, progress: Progress):
        self.progress = progress
        layout = "{percentage:3.0f} %|{bar}| {desc}, {clock}"
        super().__init__(total=1.0, bar_format=layout, desc=progress.describe(), dynamic_ncols=True, miniters=0)

    @property
    def format_dict(self) -> Any:
        return {**super().format_dict, "clock": self.progress.clock()}


def clock(seconds: float) -> str:
    """Return seconds as minutes or hours show them.

    >>> clock(2), clock(200), clock(9000)
    ('0:02', '3:20', '2:30:00')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def duration(seconds: float) -> str:
    """Return seconds as a short text with a unit.

    >>> duration(42), duration(200), duration(9000)
    ('42 s', '3.3 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def describe_failure(cohort: Cohort, reason: str, last: bool) -> str:
    """Return the line on a cohort that failed: its cells and seeds, why, and what follows."""
    then = "given up" if last else "trying once more"
    return f"{'; '.join(map(in_words, cohort.cells))}; seeds {format_value(cohort.seeds)}: {reason}; {then}"
