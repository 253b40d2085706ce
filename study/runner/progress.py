"""What does the user see while a study trains? A bar on a terminal, a line now and then on a pipe, or JSON."""

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, TextIO

from tqdm import tqdm

from study.spec.checks import format_value
from study.spec.cohorts import Cohort
from study.spec.factors import in_words

LINE_SECONDS = 30


class Console:
    """Output of a command as text or JSON, one event a line."""

    def __init__(self, log_format: str, quiet: bool):
        self.log_format, self.quiet = log_format, quiet

    def emit(self, event: str, text: str, file: TextIO | None = None, **values: object) -> None:
        """Print one event; one for stderr is printed even when quiet."""
        if self.quiet and file is None:
            return
        if self.log_format == "json":
            line = json.dumps({"event": event, "text": text, **values}, ensure_ascii=False)
        else:
            line = text
        try:
            tqdm.write(line, file=file or sys.stdout)
            (file or sys.stdout).flush()
        except BrokenPipeError:  # the reader has gone, which is no reason to stop training
            os.dup2(os.open(os.devnull, os.O_WRONLY), (file or sys.stdout).fileno())


class Progress(Console):
    """Counter of committed runs and, by their work, of finished epochs; implements ``jobs.Report``."""

    def __init__(self, log_format: str, quiet: bool):
        super().__init__(log_format, quiet)
        self.epochs, self.n_done, self.n_runs = 1, 0, 0
        self.weight: Callable[[Cohort], float] = lambda cohort: 0.0
        self.finished: Counter[Cohort] = Counter()
        self.total = 0.0
        self.worked = self.worker_seconds = 0.0  # of the committed cohorts: a later forecast's throughput
        self.bar: tqdm[Any] | None = None

    def count(self, epochs: int, n_done: int, n_runs: int) -> None:
        """Set the number of epochs, of runs done before, and of all runs."""
        self.epochs, self.n_done, self.n_runs = epochs, n_done, n_runs

    def start(self, cohorts: list[Cohort], weight: Callable[[Cohort], float]) -> None:
        """Begin the plan of this command; the work of all ``cohorts``, each by ``weight``, is 100 %."""
        self.weight = weight
        self.total = sum(map(self.weight, cohorts)) or 1.0
        self.began = self.last_line = time.monotonic()
        if sys.stderr.isatty() and self.log_format == "text" and not self.quiet:
            layout = "{percentage:3.0f} %|{bar}| {desc}, {elapsed} gone, {remaining} left"
            self.bar = tqdm(total=self.total, bar_format=layout, desc=self._runs())
        self._event("started", f"{self._runs()} done")

    def epoch(self, cohort: Cohort) -> None:
        self.finished[cohort] += 1
        if self.bar:
            self.bar.update(self.weight(cohort) / self.epochs)
        elif time.monotonic() - self.last_line > LINE_SECONDS:
            self._event("progress", f"{self._runs()} done, {self.fraction:.0%} of the work, {self._left()} left")

    def committed(self, cohort: Cohort, seconds: float, result: object = None) -> None:
        self.n_done += len(cohort.runs)
        self.worked += self.weight(cohort)
        self.worker_seconds += seconds
        left = self.epochs - self.finished[cohort]
        self.finished[cohort] = self.epochs
        if self.bar:
            self.bar.set_description_str(self._runs(), refresh=False)
            self.bar.update(self.weight(cohort) * left / self.epochs)
        else:
            self._event("committed", f"{self._runs()} done, {self.fraction:.0%} of the work, {self._left()} left")

    def failed(self, cohort: Cohort, reason: str, last: bool) -> None:
        """Report a failed cohort; its epochs count again when it is tried again."""
        if self.bar:
            self.bar.update(-self.weight(cohort) * self.finished[cohort] / self.epochs)
        self.finished[cohort] = 0
        self.emit("failed", describe_failure(cohort, reason, last), file=sys.stderr)

    def close(self) -> None:
        if self.bar:
            self.bar.close()

    @property
    def fraction(self) -> float:
        return sum(self.weight(cohort) * n / self.epochs for cohort, n in self.finished.items()) / self.total

    def _event(self, event: str, text: str) -> None:
        self.last_line = time.monotonic()
        if not self.bar:
            self.emit(event, text, runs_done=self.n_done, runs=self.n_runs, fraction=round(self.fraction, 4))

    def _runs(self) -> str:
        return f"{self.n_done} of {self.n_runs} runs"

    def _left(self) -> str:
        elapsed = time.monotonic() - self.began
        return duration(elapsed / self.fraction - elapsed) if self.fraction else "unknown time"


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
