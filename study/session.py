"""One command at work on a study: load the data, write the manifest, train the plan, say how it ended."""

import shlex
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study import forecast, provenance, workers
from study.design import Design
from study.errors import EnvironmentFault, UsageError
from study.folder import Folder
from study.options import Options
from study.plan import Cohort
from study.progress import Progress
from study.records import SCHEMA_VERSION

if TYPE_CHECKING:  # torch takes seconds to import; a command that has nothing to train never does
    from study.data import Dataset

OUT_OF_TIME, INTERRUPTED, TERMINATED = 75, 130, 143
SESSION = ("argv", "versions", "git", "device", "timings")
"""The fields of a manifest that speak of one command; the others speak of the study."""


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
    older: dict[str, Any] | None
    """The manifest of the study before this command, None for a new study."""
    notice: str | None

    def train(self, plan: list[Cohort], progress: Progress) -> Outcome:
        """Train ``plan`` and commit each cohort; the manifest says first what, and at last how long."""
        from study.data import load

        device = choose_device(self.options.device)
        data = load(self.design.dataset, self.options.data_dir)
        self._check_same_data(data)
        n_workers = self._n_workers(plan, device)
        manifest = self._manifest(data, device, n_workers)
        self.folder.write_manifest(manifest)
        began = time.monotonic()
        progress.start(plan)
        outcome = self._train_stoppably(plan, data, device, n_workers, progress)
        progress.close()
        timings = {"training_seconds": time.monotonic() - began}
        if progress.worker_seconds:
            timings["flop_per_second_and_worker"] = progress.worked / progress.worker_seconds
        self.folder.write_manifest(manifest | {"timings": timings})
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
            folder=self.folder.path,
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

    def _check_same_data(self, data: "Dataset") -> None:
        if self.older is not None and self.older["data"]["sha256"] != data.sha256:
            raise UsageError(
                f"{self.folder.path} was made from data with the sha256 {self.older['data']['sha256']}; --data-dir"
                f" holds {data.sha256}. Name the folder with the study's data, or choose another --study-id."
            )

    def _manifest(self, data: "Dataset", device: str, n_workers: int) -> dict[str, Any]:
        """The manifest of this command; what the older one says of its command moves to ``earlier``."""
        older = self.older
        return {
            "schema_version": SCHEMA_VERSION,
            "study_id": self.folder.study_id,
            "design": self.design.to_dict(),
            "digest": self.design.digest,
            "data": {"name": data.name, "sha256": data.sha256, "notice": self.notice},
            "argv": shlex.join(["python", "-m", "study.run", *self.argv]),
            "versions": provenance.versions(),
            "git": provenance.git(),
            "device": {"kind": device, "name": device_name(device), "workers": n_workers},
            "timings": {},
            "earlier": [] if older is None else [*older["earlier"], {key: older[key] for key in SESSION}],
        }


def choose_device(asked: str) -> str:
    """``cpu``, ``cuda`` or ``cuda:1``; an EnvironmentFault where the GPU asked for is not there."""
    import torch

    n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if asked == "auto":
        return "cuda" if n_devices else "cpu"
    if asked != "cpu" and int(asked.partition(":")[2] or 0) >= n_devices:
        raise EnvironmentFault(
            f"--device {asked}: torch sees {n_devices} CUDA devices here; use --device cpu, or auto."
        )
    return asked


def device_name(device: str) -> str:
    import torch

    return forecast.processor() if device == "cpu" else torch.cuda.get_device_name(device)
