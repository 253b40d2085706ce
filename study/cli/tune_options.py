"""The command line of ``study.tune`` as one frozen value, checked before anything heavy is imported."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from study.cli import config_file, run_options
from study.cli.option_groups import Data, Judgement, Machine, Sitting, StudyFolder
from study.spec.arms import DEFAULT_ARMS
from study.spec.datasets import first_choice
from study.spec.factors import REFERENCE_GRID
from study.tuning import storage
from study.tuning.budget import Budget
from study.tuning.space import DEFAULT, Space

PROGRAM = "python -m study.tune"


@dataclass(frozen=True)
class SearchOptions:
    """Search"""

    trials: int = 64
    """Trials per arm in each search, in total."""
    searches: int = 1
    """Independent searches, in total, each with its own seeds. One compares two configurations; six or more show what
    equal tuning gives."""
    tune_seeds: int = 3
    """Seeds per trial; a trial's score is their mean."""
    sampler: str = "sobol"
    """sobol (evenly spread, the same points for every arm, so trials pair), tpe or gp (near the best trials so far)."""
    space: str = DEFAULT
    """Ranges of the learning rate and of the batch size (powers of two); an omitted range keeps its default."""
    pruner: str = "none"
    """none, median or halving: stop poor trials early, in all arms. Trials then train one at a time."""


@dataclass(frozen=True)
class Confirmation:
    """What to compare"""

    arms: tuple[str, ...] = DEFAULT_ARMS
    """Arms to compare; each has the same budget."""
    seeds: int = 10
    """Fresh seeds for the best configuration of each arm and search."""
    first_seed: int = 0
    """First fresh seed."""
    epochs: int = 5
    """Passes over the training images, in trials and in the runs that follow."""
    hidden: tuple[int, ...] = (32, 32)
    """Units in each hidden layer."""


@dataclass(frozen=True)
class Advanced:
    """Advanced"""

    sampler_seed: int = 0
    """Seed of the sampler."""
    storage: str | None = None
    """URL of a database for the trials, such as postgresql+psycopg://user@host/database. Default: a journal in the
    study's folder."""
    at_once: int = 16
    """Trials per arm that train together."""


@dataclass(frozen=True)
class Options(SearchOptions, Confirmation, Data, StudyFolder, Judgement, Machine, Advanced, Sitting):
    """Tune every arm with the same budget on held-out training images. Then train the best configuration of each arm
    with fresh seeds on all training images.

    Repeat the command to continue; several at once share the work. More trials, searches or seeds extend the study.

    Exit codes are those of study.run.

    Examples:
      # 64 trials per arm on MNIST, then 10 fresh seeds
      python -m study.tune
      # a first look in seconds
      python -m study.tune --dataset digits --trials 8 --seeds 3 --epochs 2
      # six searches; show only the plan
      python -m study.tune --searches 6 --dry-run
    """

    def check(self) -> "Options":
        """Refuse what no data set could make right; returns self."""
        name = first_choice(self.dataset)
        budget = self.budget()  # made here for its errors, as the designs are
        design = self.run_options(name).check().design(name)
        replace(design, seeds=budget.final_seeds(design.seeds))
        return self

    def run_options(self, dataset: str) -> run_options.Options:
        """Return the options of the runs after the tuning, with the untuned setting as their grid."""
        shared: dict[str, Any] = {
            field.name: getattr(self, field.name) for field in fields(run_options.Options) if hasattr(self, field.name)
        }
        plain = run_options.Options(**(shared | REFERENCE_GRID | {"dataset": dataset, "ablation": False}))
        return replace(plain, study_id=self.study_id or f"{plain.data(dataset).folder}-tuned")

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
    """Return the options of the command line over those of ``--config``; a SystemExit or UsageError otherwise."""
    return config_file.read(Options, argv, PROGRAM).check()


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
