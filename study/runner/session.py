"""One command at work on a study: load the data, write the manifest, train the plan, say how it ended."""

import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.cli.run_options import Options
from study.data.lazy import ImageSource
from study.engine import costs as forecast
from study.engine import devices
from study.engine import registry as engines
from study.errors import EnvironmentFault, UsageError
from study.runner import jobs as workers
from study.runner import provenance
from study.runner import worker_pool as team
from study.runner.progress import Progress
from study.spec.cohorts import Cohort
from study.spec.design import Design
from study.store.manifest import SESSION, Manifest
from study.store.schemas import SCHEMA_VERSION
from study.store.study_folder import Folder

if TYPE_CHECKING:  # torch takes seconds to import; a command that has nothing to train never does
    from study.data.dataset import Dataset

OUT_OF_TIME, INTERRUPTED, TERMINATED = 75, 130, 143


class Terminated(BaseException):
    """SIGTERM; like KeyboardInterrupt, no error."""


@dataclass(frozen=True)
class Outcome:
    """How the training ended: cohorts that failed for good, the exit code of an early stop."""

    failures: int = 0
    stopped: int | None = None


@dataclass(frozen=True)
class Place:
    """Where and by what the command trains."""

    device: str
    engine: str
    n_workers: int


@dataclass(frozen=True)
class Session:
    options: Options
    argv: Sequence[str]
    design: Design
    folder: Folder
    notice: str | None
    program: str

    def train(self, plan: list[Cohort], source: ImageSource, progress: Progress) -> Outcome:
        """Train ``plan`` and commit each cohort; the manifest says first what, and at last how long."""
        older = self.folder.read_manifest()
        place = self._place(plan, older, progress)
        data = source.images
        self._write_manifest(data, place)
        began = time.monotonic()
        progress.start(plan, partial(forecast.of(place.engine).work, self.design))
        outcome = self._train_stoppably(plan, data, place, progress)
        progress.close()
        timings = {"training_seconds": time.monotonic() - began}
        if progress.worker_seconds:
            timings["work_per_second_and_worker"] = progress.worked / progress.worker_seconds
        self._write_timings(timings)
        return outcome

    def _train_stoppably(self, plan: list[Cohort], data: "Dataset", place: Place, progress: Progress) -> Outcome:
        prefix = f".data{self.options.shard_suffix}-"
        for left_behind in self.folder.path.glob(f"{prefix}*"):  # by this shard when it was killed, if not alone now
            shutil.rmtree(left_behind)
        try:
            with tempfile.TemporaryDirectory(prefix=prefix, dir=self.folder.path) as shared:
                job = self._job(data, place, Path(shared))
                if place.n_workers > 1:
                    return Outcome(team.train(job, plan, place.n_workers, data, progress))
                if place.device == "cpu":
                    return Outcome(workers.train_here(job, plan, data, progress))
                at_once = self._at_once(plan, place.device)
                return Outcome(workers.train_here(job, plan, data.to(place.device), progress, at_once))
        except workers.OutOfTime:
            return Outcome(stopped=OUT_OF_TIME)
        except KeyboardInterrupt:
            return Outcome(stopped=INTERRUPTED)
        except Terminated:
            return Outcome(stopped=TERMINATED)

    def _job(self, data: "Dataset", place: Place, shared: Path) -> workers.Job:
        limit = self.options.seconds
        return workers.Job(
            design=self.design,
            study=self.folder.path,
            device=place.device,
            engine=place.engine,
            data_name=data.name,
            data_sha256=data.sha256,
            shared_data=shared,
            deadline=None if limit is None else time.monotonic() + limit,
            stop_on_error=self.options.on_error == "stop",
        )

    def _place(self, plan: list[Cohort], older: Manifest | None, progress: Progress) -> Place:
        """As the options say and as the study began; a StudyError where these do not go together."""
        device = devices.choose(self.options.device, older and older["device"]["kind"])
        began_with = older and older["device"].get("engine", "torch-1")
        engine, slower = engines.choose(self.options.engine, self.design, device, self.options.tf32, began_with)
        if slower:
            progress.say("notice", slower, sys.stderr)
        prices = forecast.of(engine)
        wanted = self._wanted_workers(plan, device, prices)
        n_workers = fitting_workers(prices, self.design, plan, wanted)
        if n_workers < wanted:
            progress.say("notice", f"memory is short: {n_workers} of {wanted} workers", sys.stderr)
        return Place(device, engine, n_workers)

    def _wanted_workers(self, plan: list[Cohort], device: str, prices: forecast.Prices) -> int:
        """One for a GPU, and for so little that starting processes takes longer than the work; else as asked for."""
        if device != "cpu":
            return 1
        if not prices.in_threads:
            rate, _ = prices.expected_rate(self.design, self.options.out)
            if prices.seconds(self.design, plan, 1, rate) < 2 * prices.start_seconds:
                return 1
        return min(self.options.n_workers, max(1, len(plan)))

    def _at_once(self, plan: list[Cohort], device: str) -> int:
        """How many cohorts a GPU's free memory holds side by side."""
        room, largest = devices.memory_left(device), max(forecast.cohort_bytes(self.design, c) for c in plan)
        return max(1, int((room or 0.0) / largest))

    def _command(self) -> str:
        return shlex.join(["python", "-m", self.program, *self.argv])

    def _write_manifest(self, data: "Dataset", place: Place) -> None:
        """Say what this command is about to do; what the manifest says of an earlier one moves to ``earlier``."""
        device = self._device(data, place)
        with self.folder.exclusively():
            older = self.folder.read_manifest()
            if older is not None:
                self.design.check_extends(Design.from_dict(older["design"]))
                check_same_data(self.folder, older, data.sha256)
            manifest: Manifest = {
                "schema_version": SCHEMA_VERSION,
                "study_id": older["study_id"] if older else self.folder.path.name,
                "design": self.design.to_dict(),
                "digest": self.design.digest,
                "data": {"name": data.name, "sha256": data.sha256, "notice": self.notice},
                "argv": self._command(),
                "versions": provenance.versions(),
                "git": provenance.git(),
                "device": device,
                "timings": {},
                "earlier": [*older["earlier"], {key: older[key] for key in SESSION}] if older else [],  # type: ignore[literal-required]
                "looks": older.get("looks", []) if older else [],
                "tables": older.get("tables", {}) if older else {},
            }
            if older and "tuning" in older:
                manifest["tuning"] = older["tuning"]
            self.folder.write_manifest(manifest)

    def _device(self, data: "Dataset", place: Place) -> dict[str, Any]:
        kind, name = devices.kind(place.device), devices.name(place.device)
        facts = {"kind": kind, "name": name, "engine": place.engine, "workers": place.n_workers}
        first_layer = engines.first_layer(place.engine, self.design, data)
        return facts | ({"first_layer": first_layer} if first_layer else {})

    def _write_timings(self, timings: dict[str, float]) -> None:
        """Into what the manifest says of this command, which may have become an earlier one beside shards."""
        with self.folder.exclusively():
            manifest = self.folder.own_manifest()
            for command in (manifest, *reversed(manifest["earlier"])):
                if command["argv"] == self._command() and not command["timings"]:
                    command["timings"] = timings
                    break
            self.folder.write_manifest(manifest)


def fitting_workers(prices: forecast.Prices, design: Design, plan: Sequence[Cohort], wanted: int) -> int:
    """As many of the wanted as memory holds; an EnvironmentFault where not one fits."""
    room = devices.memory_left("cpu")
    needs = {n: prices.memory(design, plan, n) for n in range(wanted, 0, -1)}
    fitting = [n for n, need in needs.items() if room is None or need <= room]
    if not fitting:
        raise EnvironmentFault(
            f"training needs about {needs[1] / 1e9:.1f} GB of memory and {(room or 0) / 1e9:.1f} GB are free."
            " Free some, or choose a smaller --hidden or --batch-sizes."
        )
    return fitting[0]


def check_same_data(folder: Folder, manifest: Manifest, sha256: dict[str, str]) -> None:
    """Refuse to train one study on two versions of its data."""
    if manifest["data"]["sha256"] != sha256:
        raise UsageError(
            f"{folder.path} was made from data with the sha256 {manifest['data']['sha256']}; --data-dir holds"
            f" {sha256}. Name the folder with the study's data, or choose another --study-id."
        )
