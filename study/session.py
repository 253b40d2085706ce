"""One command at work on a study: load the data, write the manifest, train the plan, say how it ended."""

import shlex
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from study import forecast, provenance, workers
from study.design import Design
from study.errors import EnvironmentFault, UsageError
from study.folder import SESSION, Folder, Manifest
from study.options import Options
from study.plan import Cohort
from study.progress import Progress
from study.records import SCHEMA_VERSION

if TYPE_CHECKING:  # torch takes seconds to import; a command that has nothing to train never does
    from study.data import Dataset

OUT_OF_TIME, INTERRUPTED, TERMINATED = 75, 130, 143


class Terminated(BaseException):
    """SIGTERM; like KeyboardInterrupt, no error."""


@dataclass(frozen=True)
class Outcome:
    """How the training ended: cohorts that failed for good, the exit code of an early stop."""

    failures: int = 0
    stopped: int | None = None


@dataclass(frozen=True)
class Session:
    options: Options
    argv: Sequence[str]
    design: Design
    folder: Folder
    notice: str | None

    def train(self, plan: list[Cohort], progress: Progress) -> Outcome:
        """Train ``plan`` and commit each cohort; the manifest says first what, and at last how long."""
        from study.data import load

        older = self.folder.read_manifest()
        device = choose_device(self.options.device, older and older["device"]["kind"])
        data = load(self.design.dataset, self.options.data_dir)
        n_workers = self._n_workers(plan, device)
        self._write_manifest(data, device, n_workers)
        began = time.monotonic()
        progress.start(plan)
        outcome = self._train_stoppably(plan, data, device, n_workers, progress)
        progress.close()
        timings = {"training_seconds": time.monotonic() - began}
        if progress.worker_seconds:
            timings["flop_per_second_and_worker"] = progress.worked / progress.worker_seconds
        self._write_timings(timings)
        return outcome

    def _train_stoppably(
        self, plan: list[Cohort], data: "Dataset", device: str, n_workers: int, progress: Progress
    ) -> Outcome:
        prefix = f".data{self.options.shard_suffix}-"
        for left_behind in self.folder.path.glob(f"{prefix}*"):  # by a command that was killed
            shutil.rmtree(left_behind)
        try:
            with tempfile.TemporaryDirectory(prefix=prefix, dir=self.folder.path) as shared:
                job = self._job(data, device, Path(shared))
                if n_workers == 1:
                    return Outcome(workers.train_here(job, plan, data.to(device), progress))
                return Outcome(workers.train_in_processes(job, plan, n_workers, data, progress))
        except workers.OutOfTime:
            return Outcome(stopped=OUT_OF_TIME)
        except KeyboardInterrupt:
            return Outcome(stopped=INTERRUPTED)
        except Terminated:
            return Outcome(stopped=TERMINATED)

    def _job(self, data: "Dataset", device: str, shared: Path) -> workers.Job:
        limit = self.options.seconds
        return workers.Job(
            design=self.design,
            study=self.folder.path,
            device=device,
            data_name=data.name,
            data_sha256=data.sha256,
            shared_data=shared,
            deadline=None if limit is None else time.monotonic() + limit,
            stop_on_error=self.options.on_error == "stop",
        )

    def _n_workers(self, plan: list[Cohort], device: str) -> int:
        """One for a GPU, and for so little that starting processes takes longer than the work."""
        rate, _ = forecast.expected_rate(self.design, self.options.out)
        little = forecast.seconds(self.design, plan, 1, rate) < 2 * forecast.START_SECONDS
        return 1 if device != "cpu" or little else min(self.options.n_workers, len(plan))

    def _command(self) -> str:
        return shlex.join(["python", "-m", "study.run", *self.argv])

    def _write_manifest(self, data: "Dataset", device: str, n_workers: int) -> None:
        """Say what this command is about to do; what the manifest says of an earlier one moves to ``earlier``."""
        with self.folder.exclusively():
            older = self.folder.read_manifest()
            if older is not None:
                self.design.check_extends(Design.from_dict(older["design"]))
                check_same_data(self.folder, older, data.sha256)
            self.folder.write_manifest(
                {
                    "schema_version": SCHEMA_VERSION,
                    "study_id": older["study_id"] if older else self.folder.path.name,
                    "design": self.design.to_dict(),
                    "digest": self.design.digest,
                    "data": {"name": data.name, "sha256": data.sha256, "notice": self.notice},
                    "argv": self._command(),
                    "versions": provenance.versions(),
                    "git": provenance.git(),
                    "device": {"kind": device_kind(device), "name": device_name(device), "workers": n_workers},
                    "timings": {},
                    "earlier": [*older["earlier"], {key: older[key] for key in SESSION}] if older else [],  # type: ignore[literal-required]
                }
            )

    def _write_timings(self, timings: dict[str, float]) -> None:
        """Into what the manifest says of this command, which may have become an earlier one beside shards."""
        with self.folder.exclusively():
            manifest = self.folder.read_manifest()
            assert manifest is not None, "this command wrote one"
            for command in (manifest, *reversed(manifest["earlier"])):
                if command["argv"] == self._command() and not command["timings"]:
                    command["timings"] = timings
                    break
            self.folder.write_manifest(manifest)


def check_same_data(folder: Folder, manifest: Manifest, sha256: dict[str, str]) -> None:
    """Refuse to train one study on two versions of its data."""
    if manifest["data"]["sha256"] != sha256:
        raise UsageError(
            f"{folder.path} was made from data with the sha256 {manifest['data']['sha256']}; --data-dir holds"
            f" {sha256}. Name the folder with the study's data, or choose another --study-id."
        )


def choose_device(asked: str, of_study: str | None) -> str:
    """``cpu``, ``cuda`` or ``cuda:1``; ``auto`` is the study's own kind of device, else a GPU if there is one.

    An EnvironmentFault where the GPU is not there, a UsageError where the study has another kind of device:
    their bits differ.
    """
    import torch

    n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    device = (of_study or ("cuda" if n_devices else "cpu")) if asked == "auto" else asked
    if of_study not in (None, device_kind(device)):
        raise UsageError(f"--device {asked}: the study was trained on {of_study}; choose that, or another --study-id.")
    if device != "cpu" and int(device.partition(":")[2] or 0) >= n_devices:
        raise EnvironmentFault(
            f"--device {asked}: torch sees {n_devices} CUDA devices here; use --device cpu for a new study."
        )
    return device


def device_kind(device: str) -> str:
    return device.partition(":")[0]


def device_name(device: str) -> str:
    import torch

    return forecast.processor() if device == "cpu" else torch.cuda.get_device_name(device)
