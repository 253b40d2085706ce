"""The studies of a ledger, each made complete in a folder of its own: grid studies, evaluated where that is asked for,
and the search for each arm's rate."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TextIO

from study.claims.lost import needed_networks
from study.claims.plan import Ledger
from study.data.lazy import ImageSource
from study.inference import complete as inference
from study.runner.complete import carry_out
from study.runner.console import Console
from study.runner.outcome import INTERRUPTED, Outcome, Terminated
from study.runner.progress import Progress
from study.spec.claims.experiments import Study, Tuned
from study.spec.datasets import DATASETS

SILENT = frozenset({"plan", "device", "summary", "chosen", "searched", "tuned", "done", "stopped"})
"""Events of a study that the ledger's command says in its own way, or not at all."""


class ExperimentProgress(Progress):
    """The progress of one experiment: its lines begin with its key."""

    def __init__(self, key: str, console: Console):
        super().__init__(console.log_format, console.quiet)
        self.key = key

    def emit(self, event: str, text: str, file: TextIO | None = None, **values: Any) -> None:
        if event not in SILENT:
            super().emit(event, f"{self.key}: {text}", file, experiment=self.key, **values)


@dataclass(frozen=True)
class Making:
    """What the making of every sub-study needs."""

    ledger: Ledger
    console: Console
    command: str
    notice: str | None
    """The reason why the data are not those that were asked for."""


def make(making: Making, experiment: Study | Tuned) -> Outcome:
    """Train and evaluate what is missing of a study; raises what has stopped it."""
    outcome = MAKERS[type(experiment)](making, experiment)
    if outcome.stopped is not None:
        raise KeyboardInterrupt if outcome.stopped == INTERRUPTED else Terminated
    return outcome


def _make_study(making: Making, study: Study) -> Outcome:
    ledger, progress = making.ledger, ExperimentProgress(study.key, making.console)
    design, folder = study.design(ledger.data, ledger.fixed.extent), ledger.study_folder(study.key)
    execution = ledger.execution(ledger.keeps_networks(study))
    source = ImageSource(DATASETS[design.dataset], ledger.data_dir)
    ended = carry_out(design, folder, source, execution, progress, making.command, making.notice, ledger.asked)
    if study.evaluated and ended.outcome == Outcome():
        runs = ledger.evaluated_runs(design, folder)
        try:
            with needed_networks(folder.path):
                inference.complete_evaluation(
                    folder, design, runs, source, "cpu", inference.Extent(), ledger.n_workers, progress
                )
        finally:
            progress.close()
    return ended.outcome


def _make_tuned(making: Making, tuned: Tuned) -> Outcome:
    progress = ExperimentProgress(tuned.key, making.console)
    source = ImageSource(making.ledger.data, making.ledger.data_dir)
    return making.ledger.optimisation(tuned, progress, making.command, source).complete()


MAKERS: Mapping[type, Callable[[Making, Any], Outcome]] = {Study: _make_study, Tuned: _make_tuned}
