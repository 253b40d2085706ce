"""The command line of ``study.tune`` as one frozen value, checked before anything heavy is imported."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from study.cli import arguments, run_options
from study.data.lazy import DATA_DIR
from study.engine.registry import Engine
from study.spec.arms import DEFAULT_ARMS
from study.spec.datasets import first_choice
from study.spec.factors import REFERENCE_GRID
from study.tuning import storage
from study.tuning.budget import Budget
from study.tuning.space import DEFAULT, Space


@dataclass(frozen=True)
class Options:
    """Tune every arm with the same budget on training images that are held out, then train what each found best with
    fresh seeds on all training images. The same command again goes on where it was stopped; several at once share the
    work; more trials, searches or seeds extend the study.

    Exit codes are those of study.run."""

    trials: int = 64
    """Trials of each arm in a search, in all."""
    searches: int = 1
    """Independent searches, in all, each with seeds of its own: one compares two configurations, six or more what equal
    tuning gives."""
    tune_seeds: int = 3
    """Seeds of each trial; its score is their mean."""
    seeds: int = 10
    """Fresh seeds for the best configuration of each arm and search."""
    first_seed: int = 0
    """The first of them."""
    arms: tuple[str, ...] = DEFAULT_ARMS
    """What is compared; each has the same budget."""
    sampler: str = "sobol"
    """sobol: evenly spread, the same points for every arm, so that trials pair; tpe, gp: where it went well so far."""
    sampler_seed: int = 0
    """Seed of the sampler's random numbers."""
    space: str = DEFAULT
    """The range of the rate, and that of the batch size in powers of two; what is not named is as by default."""
    pruner: str = "none"
    """none, median or halving: stop trials of all arms that go badly; trials then train one by one."""
    epochs: int = 5
    """Passes over the training images, of trials and of what follows."""
    hidden: tuple[int, ...] = (32, 32)
    """Units of each hidden layer."""
    dataset: str = "auto"
    """mnist, fashion-mnist, kmnist, digits, or auto: MNIST where it can be had, else digits."""
    margin: str | None = None
    """As for study.run; fixed before the first trial."""
    alpha: float | None = None
    """As for study.run; fixed before the first trial."""
    data_dir: Path = DATA_DIR
    """As for study.run."""
    device: str = "auto"
    """As for study.run."""
    engine: Engine = "auto"
    """As for study.run."""
    study_id: str | None = None
    """The name of the study and of its folder; by default the data set's and -tuned."""
    out: Path = Path("results")
    """The folder of studies."""
    storage: str | None = None
    """The URL of a database for the trials, such as postgresql+psycopg://user@host/database; a journal in the study's
    folder unless given."""
    at_once: int = 16
    """Trials of each arm that are asked for at once and train together."""
    dry_run: bool = False
    """Show what would be done, and its time, and do nothing."""
    workers: int = 0
    """Threads of the kernel, or processes of torch's engine, on a CPU; 0 is one per core."""
    max_time: str | None = None
    """Stop after this long, such as 50m or 2h, with exit code 75; the same command goes on."""
    log_format: Literal["text", "json"] = "text"
    """json prints one event a line."""
    quiet: bool = False
    """Print errors alone."""

    def check(self) -> "Options":
        """Refuse what no data set could make right; returns self."""
        name = first_choice(self.dataset)
        budget = self.budget()  # made here for its errors, as the designs are
        design = self.run_options(name).check().design(name)
        replace(design, seeds=budget.final_seeds(design.seeds))
        return self

    def run_options(self, dataset: str) -> run_options.Options:
        """Return the options of the runs after the tuning, with the untuned setting as their grid."""
        return run_options.Options(
            **REFERENCE_GRID,  # type: ignore[arg-type]
            seeds=self.seeds,
            first_seed=self.first_seed,
            arms=self.arms,
            epochs=self.epochs,
            hidden=self.hidden,
            dataset=dataset,
            margin=self.margin,
            alpha=self.alpha,
            data_dir=self.data_dir,
            device=self.device,
            engine=self.engine,
            study_id=self.study_id or f"{dataset}-tuned",
            out=self.out,
            workers=self.workers,
            max_time=self.max_time,
            no_ablation=True,
            log_format=self.log_format,
            quiet=self.quiet,
        )

    def budget(self) -> Budget:
        """Return the budget of every arm."""
        return Budget(
            trials=self.trials,
            searches=self.searches,
            seeds=self.tune_seeds,
            space=Space.parse(self.space),
            sampler=self.sampler,
            sampler_seed=self.sampler_seed,
            pruner=self.pruner,
            trial_batch_size=self.at_once,
            storage=self.storage,
        )


def parse(argv: Sequence[str]) -> Options:
    """Return the options of the command line; a SystemExit(2) or UsageError otherwise."""
    return arguments.read(Options, argv, "python -m study.tune").check()


def without_secrets(argv: Sequence[str]) -> list[str]:
    """Return the command line for a manifest: without the password of any URL, an overridden one included."""
    words, option = [], "--storage"
    for before, word in zip(("", *argv), argv, strict=False):
        if before == option:
            word = storage.without_password(word)
        elif word.startswith(f"{option}="):
            word = f"{option}={storage.without_password(word.removeprefix(f'{option}='))}"
        words.append(word)
    return words
