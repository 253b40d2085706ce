"""The command line of ``study.run`` as one frozen value, checked before anything heavy is imported."""

import argparse
import os
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import tyro

from study import ARMS
from study.design import DATASETS, Design, check_known
from study.errors import UsageError

DATA_DIR = Path(os.environ.get("STUDY_DATA_DIR", "data"))
MOST_SEEDS = 100_000
STUDY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")
DURATION = re.compile(r"(\d+(?:\.\d+)?)([smh]?)")
SHARD = re.compile(r"(\d+)/(\d+)")


@dataclass(frozen=True)
class Options:
    """Train the same small network with and without batch normalisation over a grid of batch sizes,
    learning rates and seeds, and record every epoch. The same command again does what is missing;
    longer lists of seeds, batch sizes or rates extend the study.

    Exit codes: 0 done, 1 some runs failed, 2 usage, 3 environment (no data, no space, no CUDA, another
    process at work), 75 stopped by --max-time, 130 and 143 stopped by a signal."""

    seeds: int = 10
    """How many seeds: the number of independent repetitions of every pair."""
    first_seed: int = 0
    """The first of them."""
    arms: tuple[str, ...] = ARMS
    """What is compared: bn, no_bn."""
    batch_sizes: tuple[int, ...] = (32, 128, 512)
    """Images per training step. Batch size 1 cannot be under batch norm and is recorded as such."""
    lrs: tuple[float, ...] = (0.001, 0.01, 0.1)
    """Adam's learning rates."""
    epochs: int = 10
    """Passes over the training images."""
    hidden: tuple[int, ...] = (32, 32)
    """Units of each hidden layer."""
    dataset: str = "auto"
    """mnist, fashion-mnist, kmnist, digits, or auto: MNIST where it can be had, else digits."""
    data_dir: Path = DATA_DIR
    """Where the files of the data set lie or are downloaded to (also STUDY_DATA_DIR)."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:1; auto is what the study began on, for a new study the first GPU if there is one."""
    tf32: bool = False
    """On a GPU, multiply in TensorFloat-32: faster, 10 bits of mantissa; recorded, and not mixed with float32."""
    study_id: str | None = None
    """The name of the study and of its folder; the data set's name unless given."""
    out: Path = Path("results")
    """The folder of studies."""
    config: Path | None = None
    """A TOML file with any of these options; the command line overrides it."""
    dry_run: bool = False
    """Show what would be done, its time and its memory, and do nothing."""
    workers: int = 0
    """Processes of one thread each on a CPU; 0 is one per core."""
    shard: str | None = None
    """i/n: train the i-th of n parts of the plan, beside other processes that train the others."""
    max_time: str | None = None
    """Stop after this long, such as 50m or 2h, with exit code 75; the same command goes on."""
    no_ablation: bool = False
    """Do not evaluate the inference modes on the test images when the study is complete; see study.ablate."""
    on_error: Literal["continue", "stop"] = "continue"
    """Whether to go on with other cohorts when one fails for good."""
    log_format: Literal["text", "json"] = "text"
    """json prints one event a line."""
    quiet: bool = False
    """Print errors alone."""

    def check(self) -> "Options":
        """Refuse what no data set could make right; returns self."""
        if not 1 <= self.seeds <= MOST_SEEDS:
            raise UsageError(f"--seeds {self.seeds}: a study has 1 to {MOST_SEEDS} seeds, such as --seeds 10")
        if self.first_seed < 0:
            raise UsageError(f"--first-seed {self.first_seed}: a seed is 0 or above")
        if self.workers < 0:
            raise UsageError(f"--workers {self.workers}: give 1 or more, or 0 for one per core")
        if self.study_id is not None:
            _check_pattern("--study-id", self.study_id, STUDY_ID, "letters, digits, '.', '_', '-'; e.g. mnist-2")
        _check_pattern("--device", self.device, DEVICE, "auto, cpu, cuda or cuda:0")
        check_known("--dataset", self.dataset, ["auto", *DATASETS])
        self.shard_of, self.seconds  # noqa: B018  parsed here for their errors
        return self

    def design(self, dataset: str) -> Design:
        """The design on ``dataset``; a UsageError names what is wrong with it."""
        seeds = tuple(range(self.first_seed, self.first_seed + self.seeds))
        return Design(dataset, self.arms, self.batch_sizes, self.lrs, seeds, self.epochs, self.hidden)

    @property
    def shard_of(self) -> tuple[int, int]:
        """(i, n) with 1 <= i <= n; (1, 1) is everything."""
        match = SHARD.fullmatch(self.shard or "1/1")
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise UsageError(f"--shard {self.shard}: give i/n with i from 1 to n, such as 2/8")
        return int(match[1]), int(match[2])

    @property
    def shard_suffix(self) -> str:
        """For the names of what each process on a study has to itself; a whole study is shard 1 of 1."""
        part, of = self.shard_of
        return f"-{part}-of-{of}"

    @property
    def n_workers(self) -> int:
        """``--workers``, by default the cores that this process may use."""
        return self.workers or cores()

    @property
    def seconds(self) -> float | None:
        """``--max-time`` in seconds."""
        if self.max_time is None:
            return None
        match = DURATION.fullmatch(self.max_time)
        if not match or float(match[1]) <= 0:
            raise UsageError(f"--max-time {self.max_time}: give a time above 0 such as 90s, 50m or 2h")
        return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parse(argv: Sequence[str]) -> Options:
    """Options from the command line over those of ``--config``; a SystemExit(2) or UsageError on a wrong one."""
    peek = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    peek.add_argument("--config", type=Path, nargs="?")
    config = peek.parse_known_args(argv)[0].config
    from_file = _arguments(config) if config else []
    return tyro.cli(
        Options,
        args=[*from_file, *argv],
        prog="python -m study.run",
    ).check()


def _arguments(path: Path) -> list[str]:
    """The options of a TOML file as they would stand on the command line."""
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"--config {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"--config {path} is not TOML: {error}") from None
    known = sorted({field.name.replace("_", "-") for field in fields(Options)} - {"config"})
    arguments: list[str] = []
    for key, value in values.items():
        name = key.replace("_", "-")
        check_known(f"--config {path}:", name, known)
        arguments += _as_arguments(f"--{name}", value)
    return arguments


def _as_arguments(option: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [option] if value else []
    items = value if isinstance(value, list) else [value]
    return [option, *map(str, items)]


def _check_pattern(option: str, value: str, pattern: re.Pattern[str], rule: str) -> None:
    if not pattern.fullmatch(value):
        raise UsageError(f"{option} {value!r}: choose {rule}")
