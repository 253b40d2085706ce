"""python -m study.tune: the same tuning budget for both arms, then fresh seeds for what each found best.

The story is in ``Command.run``; everything around it is a chapter.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from study import run
from study.cli import run_options as options
from study.cli.tune_options import Options, parse
from study.data import download as sources
from study.data.held_out import TrialDesign, hold_out
from study.data.lazy import ImageSource
from study.engine import costs as forecast
from study.engine import devices
from study.engine import registry as engines
from study.errors import StudyError, UsageError
from study.runner.jobs import OutOfTime
from study.runner.progress import Voice, duration
from study.runner.session import OUT_OF_TIME, check_same_data, fitting_workers
from study.spec.cohorts import LANES, Cohort
from study.spec.constants import ARMS
from study.spec.design import Design
from study.store.manifest import Manifest
from study.store.study_folder import Folder
from study.tuning import storage as storages
from study.tuning import trials_table as trials
from study.tuning.lease import Presence
from study.tuning.loop import TrialJob, Tuning, best_so_far
from study.tuning.search import Search, Terms
from study.tuning.space import Space
from study.tuning.trials_table import Tuned

if TYPE_CHECKING:  # torch takes seconds to import; --help needs none of it
    from study.data.dataset import Dataset


def tune(asked: Options, argv: Sequence[str]) -> int:
    """Make both searches and the runs that follow complete; returns the exit code."""
    name, notice = sources.choose(asked.dataset, asked.data_dir)
    of_runs = asked.of_runs(name)
    folder = Folder(of_runs.out / str(of_runs.study_id))
    source, voice = ImageSource(name, asked.data_dir), Voice(asked.log_format, asked.quiet)
    command = Command(asked, argv, source, notice, folder, voice, time.monotonic())
    return command.run()


@dataclass(frozen=True)
class Command:
    asked: Options
    argv: Sequence[str]
    source: ImageSource
    notice: str | None
    folder: Folder
    voice: Voice
    began: float

    def run(self) -> int:
        """Prepare, search, and train the fresh seeds."""
        space = Space.parse(self.asked.space)
        design, manifest = _trial_design(self.asked, self.source.name, space), _tuned_before(self.folder)
        if self.notice:
            self.voice.say("notice", self.notice, sys.stderr)
        data, job = self._job(design, manifest)
        terms = _terms(self.asked, space, data, job.engine)
        try:
            tuned = self._search(terms, job, data)
        except OutOfTime:
            return self._out_of_time()
        _say_chosen(tuned, self.voice, self._seconds)
        return self._train_chosen(tuned, _as_told(self.asked, terms))

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self.began

    def _job(self, design: TrialDesign, manifest: Manifest | None) -> tuple["Dataset", TrialJob]:
        """The images of the trials, and what their training has in common."""
        device = devices.choose(self.asked.device, manifest and manifest["device"]["kind"])
        began_with = manifest and manifest["device"].get("engine")
        engine, slower = engines.choose(self.asked.engine, design, device, tf32=False, of_study=began_with)
        if slower:
            self.voice.say("notice", slower, sys.stderr)
        data = self.source.images
        if manifest is not None:
            check_same_data(self.folder, manifest, data.sha256)
        limit = self.asked.of_runs(self.source.name).seconds
        deadline = None if limit is None else time.monotonic() + limit
        path = self.folder.path
        job = TrialJob(design, path, device, engine, data.name, data.sha256, shared_data=path, deadline=deadline)
        return hold_out(data).to(device) if device != "cpu" else hold_out(data), job

    def _search(self, terms: Terms, job: TrialJob, data: "Dataset") -> Tuned:
        """What both searches came to. Raises OutOfTime, and a StudyError where cohorts failed for good."""
        path, storage = self.folder.path, self.asked.storage
        presence = Presence(path)
        with storages.opened(path, storage) as opened:
            searches = {arm: Search(opened, f"{path.name}/{arm}", terms, presence, storage is None) for arm in ARMS}
            for arm, search in searches.items():
                search.check_total(arm, self.asked.trials)
            self.folder.prepare()
            with presence.shown():
                job, faults = replace(job, shared_data=presence.images), partial(storages.faults, storage)
                asking = FileLock(path / ".asking")
                tuning = Tuning(searches, self.asked.trials, job, asking, faults, self.voice)
                try:
                    failures = tuning.run(data, _n_workers(self.asked, job), self.asked.at_once)
                finally:
                    tuning.leave()
            if failures:
                raise StudyError(f"{failures} cohorts of trials failed; the same command tries them again")
            return Tuned({arm: search.finished() for arm, search in searches.items()})

    def _train_chosen(self, tuned: Tuned, tuning: dict[str, Any]) -> int:
        """Train the fresh seeds; whoever comes meanwhile waits and finds them done."""
        of_runs = self.asked.of_runs(self.source.name)
        if of_runs.seconds is not None:
            left = of_runs.seconds - self._seconds
            if left < 0.001:
                return self._out_of_time()
            of_runs = replace(of_runs, max_time=f"{left:.3f}s")
        design = replace(of_runs.design(self.source.name), tuned=tuned.chosen)
        with FileLock(self.folder.path / ".confirming"):
            words = _without_secrets(self.argv)
            code = run.complete(of_runs, words, design, self.folder, self.notice, self.source, "study.tune")
            if code == 0:
                trials.write(self.folder, tuned, tuning)
                self.voice.say("tuned", f"tuned and trained in {duration(self._seconds)}")
        return code

    def _out_of_time(self) -> int:
        text = f"{run.STOPS[OUT_OF_TIME]}: {self.folder.path} keeps what is told; the same command goes on"
        self.voice.say("stopped", text, sys.stderr)
        return OUT_OF_TIME


# --- before


def _tuned_before(folder: Folder) -> Manifest | None:
    """The manifest of a tuned study, None for a new one; refuses the folder of a grid alone."""
    folder.check_not_shipped()
    manifest = folder.read_manifest()
    if manifest is not None and not Design.from_dict(manifest["design"]).tuned:
        raise UsageError(f"{folder.path} holds a study that was not tuned; choose another --study-id.")
    return manifest


def _trial_design(asked: Options, dataset: str, space: Space) -> TrialDesign:
    design = TrialDesign(dataset, ARMS, (2,), (space.lr[0],), asked.seeds_of_trials, asked.epochs, asked.hidden)
    n_train = design.facts.n_train
    if space.sizes[-1] > n_train:
        fitting = 2 ** (n_train.bit_length() - 1)
        raise UsageError(
            f"--space batch_size={space.batch_size[0]}:{space.batch_size[1]}: {n_train} images of {dataset} train a"
            f" trial; give a range up to {fitting}, such as batch_size=16:{fitting}"
        )
    return design


def _terms(asked: Options, space: Space, data: "Dataset", engine: str) -> Terms:
    return Terms(
        dataset=data.name,
        data=data.digest,
        space=str(space),
        epochs=asked.epochs,
        hidden=asked.hidden,
        seeds=asked.seeds_of_trials,
        engine=engine,
        sampler=asked.sampler,
        sampler_seed=asked.sampler_seed,
        pruner=asked.pruner,
    )


def _as_told(asked: Options, terms: Terms) -> dict[str, Any]:
    """As the manifest has it."""
    same = ("space", "epochs", "sampler", "sampler_seed", "pruner")
    return {
        "trials": asked.trials,
        "first_seed": terms.seeds[0],
        "n_seeds": len(terms.seeds),
        "storage": storages.JOURNAL if asked.storage is None else storages.shown(asked.storage),
        "optuna": version("optuna"),
        **{name: getattr(terms, name) for name in same},
    }


def _n_workers(asked: Options, job: TrialJob) -> int:
    """Workers that train trials side by side: one for a GPU, and for trials that may be pruned."""
    if job.device != "cpu" or asked.pruner != "none":
        return 1
    space = Space.parse(asked.space)
    largest = Cohort(space.sizes[-1], ARMS, (space.lr[0],) * LANES, asked.seeds_of_trials[:1])
    return fitting_workers(forecast.of(job.engine), job.design, [largest], asked.workers or options.cores())


# --- after


def _say_chosen(tuned: Tuned, voice: Voice, seconds: float) -> None:
    for chosen, finished in zip(tuned.chosen, tuned.finished.values(), strict=True):
        best = best_so_far(finished)
        voice.say("chosen", f"{chosen.arm} is tuned: {best}, the best of {len(finished)} trials")
    voice.say("searched", f"tuned in {duration(seconds)}")


def _without_secrets(argv: Sequence[str]) -> list[str]:
    """As a manifest may keep it: every URL as it may be shown, the one that was overridden too."""
    words, option = [], "--storage"
    for before, word in zip(("", *argv), argv, strict=False):
        if before == option:
            word = storages.shown(word)
        elif word.startswith(f"{option}="):
            word = f"{option}={storages.shown(word.removeprefix(f'{option}='))}"
        words.append(word)
    return words


def main(argv: Sequence[str] | None = None) -> int:
    """The command; every error is one sentence on stderr."""
    words = sys.argv[1:] if argv is None else list(argv)
    return run.guarded("study.tune", lambda: tune(parse(words), words))


if __name__ == "__main__":
    run.leave("study.tune", main)
