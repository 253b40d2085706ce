"""python -m study.tune: the same tuning budget for both arms, then fresh seeds for what each found best.

The story is in ``tune``; everything below it is a chapter.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock

from study import ARMS, UNTUNED, arguments, devices, engines, options, run, sources, storages, trials
from study.design import MOST_SEED, Design
from study.errors import UsageError
from study.folder import Folder
from study.held_out import TrialDesign, hold_out
from study.manifest import Manifest
from study.plan import LANES, Cohort
from study.progress import duration
from study.search import Presence, Search, Terms
from study.session import OUT_OF_TIME, check_same_data, fitting_workers
from study.space import DEFAULT, Space
from study.tuning import Say, TrialJob, Tuning, best_so_far
from study.workers import OutOfTime

if TYPE_CHECKING:  # torch takes seconds to import; --help needs none of it
    from study.data import Dataset

FIRST_SEED = 2**30
"""Of the trials: seeds that no run of a study has."""
MOST_TRIALS = 10_000
MOST_SEEDS = 1_000


@dataclass(frozen=True)
class Options:
    """Tune both arms with the same budget on training images that are held out, then train what each found best with
    fresh seeds on all training images. The same command again goes on where it was stopped; several at once share the
    work; more trials or seeds extend the study.

    Exit codes are those of study.run."""

    trials: int = 64
    """Trials of each arm, in all."""
    tune_seeds: int = 3
    """Seeds of each trial; its score is their mean."""
    seeds: int = 10
    """Fresh seeds for the best configuration of each arm."""
    first_seed: int = 0
    """The first of them."""
    sampler: Literal["sobol", "tpe", "gp"] = "sobol"
    """sobol: evenly spread, the same points for both arms, so that trials pair; tpe, gp: where it went well so far."""
    sampler_seed: int = 0
    """Of the sampler's random numbers."""
    space: str = DEFAULT
    """The range of the rate, and that of the batch size in powers of two; what is not named is as by default."""
    pruner: Literal["none", "median", "halving"] = "none"
    """Stop trials of both arms that go badly; trials then train one by one."""
    epochs: int = 5
    """Passes over the training images, of trials and of what follows."""
    hidden: tuple[int, ...] = (32, 32)
    """Units of each hidden layer."""
    dataset: str = "auto"
    """mnist, fashion-mnist, kmnist, digits, or auto: MNIST where it can be had, else digits."""
    data_dir: Path = options.DATA_DIR
    """As for study.run."""
    device: str = "auto"
    """As for study.run."""
    engine: Literal["auto", "torch", "kernel"] = "auto"
    """As for study.run."""
    study_id: str | None = None
    """The name of the study and of its folder; by default the data set's and -tuned."""
    out: Path = Path("results")
    """The folder of studies."""
    storage: str | None = None
    """The URL of a database for the trials, such as postgresql://user@host/database; a journal in the study's folder
    unless given."""
    at_once: int = 16
    """Trials of each arm that are asked for at once and train together."""
    workers: int = 0
    """Processes of one thread each on a CPU; 0 is one per core."""
    max_time: str | None = None
    """Stop after this long, such as 50m or 2h, with exit code 75; the same command goes on."""
    quiet: bool = False
    """Print errors alone."""

    def check(self) -> "Options":
        """Refuse what no data set could make right; returns self."""
        for option, value, most in (
            ("--trials", self.trials, MOST_TRIALS),
            ("--tune-seeds", self.tune_seeds, MOST_SEEDS),
            ("--at-once", self.at_once, MOST_TRIALS),
        ):
            if not 1 <= value <= most:
                raise UsageError(f"{option} {value}: give a whole number from 1 to {most}")
        if not 0 <= self.sampler_seed <= MOST_SEED:
            raise UsageError(f"--sampler-seed {self.sampler_seed}: give a whole number from 0 to {MOST_SEED}")
        if self.first_seed + self.seeds > FIRST_SEED:
            raise UsageError(
                f"--first-seed {self.first_seed}: seeds from {FIRST_SEED} on are the trials'; give a lower one"
            )
        self.of_runs("mnist" if self.dataset == "auto" else self.dataset).check()
        return self

    def of_runs(self, dataset: str) -> options.Options:
        """How the runs after the tuning train, and the setting that nobody tuned beside them."""
        batch_size, lr = UNTUNED
        return options.Options(
            seeds=self.seeds,
            first_seed=self.first_seed,
            batch_sizes=(batch_size,),
            lrs=(lr,),
            epochs=self.epochs,
            hidden=self.hidden,
            dataset=dataset,
            data_dir=self.data_dir,
            device=self.device,
            engine=self.engine,
            study_id=self.study_id or f"{dataset}-tuned",
            out=self.out,
            workers=self.workers,
            max_time=self.max_time,
            no_ablation=True,
            quiet=self.quiet,
        )

    @property
    def seeds_of_trials(self) -> tuple[int, ...]:
        return tuple(range(FIRST_SEED, FIRST_SEED + self.tune_seeds))


def tune(asked: Options, argv: Sequence[str]) -> int:
    """Make both searches and the runs that follow complete; returns the exit code."""
    began, space = time.monotonic(), Space.parse(asked.space)
    name, notice = sources.choose(asked.dataset, asked.data_dir)
    of_runs, trial = asked.of_runs(name), _trial_design(asked, name, space)
    folder = Folder(of_runs.out / str(of_runs.study_id))
    manifest = _tuned_before(folder)
    say = _silent if asked.quiet else _say
    if notice:
        print(notice, file=sys.stderr)
    data, job = _job(asked, trial, folder, manifest)
    terms = _terms(asked, space, data, job.engine)
    try:
        tuned = _search(asked, terms, job, data, folder, say)
    except OutOfTime:
        return _out_of_time(folder)
    if isinstance(tuned, int):
        print(f"study.tune: {tuned} cohorts of trials failed; the same command tries them again", file=sys.stderr)
        return run.SOME_FAILED
    _say_chosen(tuned, say, time.monotonic() - began)
    return _confirm(asked, argv, name, folder, tuned, _as_told(asked, terms), notice, say, began)


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


def _job(asked: Options, design: TrialDesign, folder: Folder, manifest: Manifest | None) -> tuple["Dataset", TrialJob]:
    """The images of the trials, and what their training has in common."""
    from study.data import load

    device = devices.choose(asked.device, manifest and manifest["device"]["kind"])
    began_with = manifest and manifest["device"].get("engine")
    engine, slower = engines.choose(asked.engine, design, device, tf32=False, of_study=began_with)
    if slower:
        print(slower, file=sys.stderr)
    data = load(design.dataset, asked.data_dir)
    if manifest is not None:
        check_same_data(folder, manifest, data.sha256)
    limit = asked.of_runs(design.dataset).seconds
    deadline = None if limit is None else time.monotonic() + limit
    job = TrialJob(design, folder.path, device, engine, data.name, data.sha256, folder.path, deadline)
    return hold_out(data).to(device) if device != "cpu" else hold_out(data), job


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


# --- the searches


def _search(
    asked: Options, terms: Terms, job: TrialJob, data: "Dataset", folder: Folder, say: Say
) -> trials.Tuned | int:
    """What both searches came to; or the number of cohorts that failed for good. Raises OutOfTime."""
    presence, local = Presence(folder.path), asked.storage is None
    with storages.opened(folder.path, asked.storage) as storage:
        searches = {arm: Search(storage, f"{folder.path.name}/{arm}", terms, presence, local) for arm in ARMS}
        for arm, search in searches.items():
            search.check_total(arm, asked.trials)
        folder.prepare()
        with presence.shown():
            job, faults = replace(job, shared_data=presence.images), partial(storages.faults, asked.storage)
            tuning = Tuning(searches, asked.trials, job, FileLock(folder.path / ".asking"), faults, say)
            try:
                failures = tuning.run(data, _n_workers(asked, job), asked.at_once)
            finally:
                tuning.leave()
        return failures or trials.Tuned({arm: search.finished() for arm, search in searches.items()})


def _n_workers(asked: Options, job: TrialJob) -> int:
    """Processes that train trials side by side: one for a GPU, and for trials that may be pruned."""
    if job.device != "cpu" or asked.pruner != "none":
        return 1
    space = Space.parse(asked.space)
    largest = Cohort(space.sizes[-1], ARMS, (space.lr[0],) * LANES, asked.seeds_of_trials[:1])
    return fitting_workers(job.design, [largest], asked.workers or options.cores())


# --- after


def _say_chosen(tuned: trials.Tuned, say: Say, seconds: float) -> None:
    for chosen, finished in zip(tuned.chosen, tuned.finished.values(), strict=True):
        say(f"{chosen.arm} is tuned: {best_so_far(finished)}, the best of {len(finished)} trials")
    say(f"tuned in {duration(seconds)}")


def _confirm(
    asked: Options,
    argv: Sequence[str],
    dataset: str,
    folder: Folder,
    tuned: trials.Tuned,
    tuning: dict[str, Any],
    notice: str | None,
    say: Say,
    began: float,
) -> int:
    """Train the fresh seeds; whoever comes meanwhile waits and finds them done."""
    of_runs = asked.of_runs(dataset)
    if of_runs.seconds is not None:
        left = of_runs.seconds - (time.monotonic() - began)
        if left < 0.001:
            return _out_of_time(folder)
        of_runs = replace(of_runs, max_time=f"{left:.3f}s")
    design = replace(of_runs.design(dataset), tuned=tuned.chosen)
    with FileLock(folder.path / ".confirming"):
        code = run.complete(of_runs, _without_secrets(argv), design, folder, notice, "study.tune")
        if code == 0:
            trials.write(folder, tuned, tuning)
            say(f"tuned and trained in {duration(time.monotonic() - began)}")
    return code


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


def _out_of_time(folder: Folder) -> int:
    print(f"{run.STOPS[OUT_OF_TIME]}: {folder.path} keeps what is told; the same command goes on", file=sys.stderr)
    return OUT_OF_TIME


def _say(text: str) -> None:
    print(text, flush=True)


def _silent(text: str) -> None:
    pass


def main(argv: Sequence[str] | None = None) -> int:
    """The command; every error is one sentence on stderr."""
    words = sys.argv[1:] if argv is None else list(argv)
    return run.guarded(
        "study.tune", lambda: tune(arguments.read(Options, words, "python -m study.tune").check(), words)
    )


if __name__ == "__main__":
    run.leave(main())
