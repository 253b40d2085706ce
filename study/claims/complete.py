"""What is missing of a ledger? Fix its rules, make its studies, measure its probes, write its tables. Resumable."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from study.claims import workers
from study.claims.plan import LOST, Planned, planned
from study.claims.sub_studies import ExperimentProgress, Making, make
from study.claims.workers import Answer, Job, Unit
from study.data.lazy import ImageSource
from study.engine import environment
from study.engine.machine import processor
from study.errors import UsageError
from study.runner import provenance
from study.runner.outcome import Outcome
from study.runner.progress import duration
from study.runner.work import Work
from study.spec.checks import counted
from study.spec.claims.experiments import EXPERIMENTS, PROBES, Study, Tuned
from study.spec.commands import report_on, shown_path
from study.store.claims_folder import BEGUN, PICTURES, ClaimsFolder
from study.store.claims_manifest import LEDGER_VERSION, LedgerManifest, session_of
from study.store.manifest import LEDGER

if TYPE_CHECKING:  # torch takes seconds to import; a command that has nothing to do never does
    from study.data.dataset import Dataset

MEASURING = "measuring"


def complete(making: Making) -> Outcome:
    """Make the ledger complete; a KeyboardInterrupt or ``Terminated`` where it was stopped: what is committed stays."""
    folder = making.ledger.folder
    with folder.sole_worker():
        session = Session(making)
        session.set_damaged_aside()
        plan = planned(making.ledger)
        if any(one.n_done < one.n for one in plan) or folder.lacks_manifest():
            session.begin()
        with session.recorded():
            outcome = session.work(plan)
        folder.compact()
        folder.touch()
    return session.conclude(outcome)


@dataclass(frozen=True)
class Session:
    """One command's work on a ledger."""

    making: Making
    timings: dict[str, float] = field(default_factory=dict)
    """Seconds of the experiments that it worked on."""

    @property
    def folder(self) -> ClaimsFolder:
        return self.making.ledger.folder

    @cached_property
    def images(self) -> "Dataset":
        return ImageSource(self.making.ledger.data, self.making.ledger.data_dir).images

    # --- before

    def set_damaged_aside(self) -> None:
        for path in self.folder.quarantine():
            text = f"{path.name} was damaged and moved to {shown_path(path.parent)}; it is measured again"
            self.making.console.emit("quarantine", f"Warning: {text}", sys.stderr)

    def begin(self) -> None:
        """Fix the rules in the manifest of a new ledger; record this command in one that was begun."""
        ledger, older, today = self.making.ledger, self.folder.read_manifest(), provenance.today()
        if self.folder.lacks_manifest():
            self.making.console.emit("lost", f"Warning: {shown_path(self.folder.path)}: {LOST}", sys.stderr)
        if older is not None and self.folder.fixed() != ledger.fixed:
            raise UsageError(f"{shown_path(self.folder.path)} was begun otherwise just now; choose another --study-id.")
        if older is not None and older["data"]["sha256"] != self.images.sha256:
            raise UsageError(
                f"--data-dir {ledger.data_dir} holds other images than those of {shown_path(self.folder.path)};"
                " name the folder with the ledger's data, or choose another --study-id."
            )
        earlier = [*older["earlier"], session_of(older)] if older else []
        manifest: Any = {**(older or self._new(today)), **self._session(today), "earlier": earlier}
        self.folder.write_manifest(manifest)
        self.folder.commit(BEGUN, ledger.fixed, [])

    def _new(self, today: str) -> dict[str, Any]:
        return {
            "kind": LEDGER,
            "schema_version": LEDGER_VERSION,
            "study_id": self.folder.path.name,
            **self.making.ledger.fixed.to_dict(),
            "begun": today,
            "data": {"name": self.images.name, "sha256": self.images.sha256, "notice": self.making.notice},
        }

    def _session(self, today: str) -> dict[str, Any]:
        return {
            "argv": self.making.command,
            "versions": environment.versions(),
            "git": provenance.git(),
            "device": {"kind": "cpu", "name": processor(), "workers": self.making.ledger.n_workers},
            "timings": {},
            "date": today,
            "processor": processor(),
        }

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Record the seconds of what was worked on, however it ends."""
        try:
            yield
        finally:
            if self.timings:
                manifest: LedgerManifest = self.folder.own_manifest()
                manifest["timings"] = {key: round(seconds, 3) for key, seconds in self.timings.items()}
                self.folder.write_manifest(manifest)

    # --- the work

    def work(self, plan: Sequence[Planned]) -> Outcome:
        """Make the studies, then measure the probes, which need them."""
        missing = {one.experiment for one in plan if one.n_done < one.n}
        for key in self.making.ledger.fixed.experiments:
            experiment = EXPERIMENTS[key]
            if isinstance(experiment, Study | Tuned):
                began = time.monotonic()
                outcome = make(self.making, experiment)
                if key in missing:
                    self.worked(key, time.monotonic() - began)
                if outcome != Outcome():
                    text = (
                        f"{key}: {counted(outcome.failures, 'group')} of runs failed; repeat the command to try again"
                    )
                    self.making.console.emit("failed", text, sys.stderr)
                    return outcome
        failures = self._measure()
        if self.making.ledger.has_pictures and PICTURES in missing:
            self._keep_pictures()
        return Outcome(failures)

    def worked(self, key: str, seconds: float) -> None:
        self.timings[key] = seconds
        self.making.console.emit("experiment", f"{key}: done in {duration(seconds)}", experiment=key)

    def _measure(self) -> int:
        """Measure the units that are missing, each committed when it ends; returns how many failed for good."""
        ledger, done = self.making.ledger, self.folder.done(self.making.ledger.fixed)
        probes = sorted((key for key in ledger.fixed.experiments if key in PROBES), key=self._seconds, reverse=True)
        units = [unit for key in probes for unit in ledger.units(key) if unit.key not in done]
        if not units:
            return 0
        fixed = ledger.fixed
        job = Job(ledger.data, fixed.extent, self.folder.studies, ledger.registry)
        progress = Measuring(self, units)
        try:
            with closing(workers.measure(job, units, self.images, ledger.n_workers, self.folder.path)) as answers:
                for answer in answers:
                    if answer.failure is None:
                        rows = ({"experiment": answer.unit.probe, **row._asdict()} for row in answer.rows)
                        self.folder.commit(answer.unit.key, fixed, rows)
                    progress.measured(answer)
        finally:
            progress.close()
        return progress.failures

    def _seconds(self, probe: str) -> float:
        """Return the time of a unit: the longest come first, so that no worker is left with one at the end."""
        return self.making.ledger.registry[probe].seconds

    def _keep_pictures(self) -> None:
        from study.claims.pictures import pictures

        ledger = self.making.ledger
        rows = [asdict(picture) for picture in pictures(ledger.data, self.images)]
        self.folder.commit(PICTURES, ledger.fixed, rows, PICTURES)

    # --- after

    def conclude(self, outcome: Outcome) -> Outcome:
        """Say how it ended."""
        making, path = self.making, shown_path(self.folder.path)
        if making.notice:
            making.console.emit("notice", f"Warning: {making.notice}", sys.stderr)
        if outcome == Outcome():
            making.console.emit("done", f"{path} is complete. Make the report: {report_on(self.folder.path)}")
        return outcome


class Measuring(ExperimentProgress):
    """The progress of all units together."""

    def __init__(self, session: Session, units: Sequence[Unit]):
        super().__init__("probes", session.making.console)
        self.session, self.registry = session, session.making.ledger.registry
        self.left: dict[str, int] = {}
        for unit in units:
            self.left[unit.probe] = self.left.get(unit.probe, 0) + 1
        self.seconds = dict.fromkeys(self.left, 0.0)
        self.n_units, self.n_measured, self.failures = len(units), 0, 0
        weight = sum(self.registry[unit.probe].seconds for unit in units)
        self.begin(MEASURING, Work(weight), lambda: f"{self.n_measured} of {self.n_units} units")

    def measured(self, answer: Answer) -> None:
        """Count a unit; say what is done, or why it failed."""
        key = answer.unit.probe
        self.n_measured += 1
        self.left[key] -= 1
        self.seconds[key] += answer.seconds
        self.phases[MEASURING].done += self.registry[key].seconds
        if answer.failure is not None:
            self.failures += 1
            text = f"{answer.unit.name} failed: {answer.failure}; repeat the command to try it again"
            self.session.making.console.emit("failed", f"{key}: {text}", sys.stderr)
        if self.left[key]:
            self.now_and_then("measured")
        else:
            self.session.worked(key, self.seconds[key])
