"""The command line of ``study.run`` as one frozen value, checked before anything heavy is imported."""

import os
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from study.cli import arguments
from study.cli.analysis_rule import asked_rule
from study.data.lazy import DATA_DIR
from study.engine.registry import Engine
from study.errors import UsageError, describe_value, quote, truncate
from study.runner.execution import Execution
from study.spec.analysis_rule import AskedRule
from study.spec.arms import DEFAULT_ARMS
from study.spec.checks import check_known
from study.spec.datasets import AUTO, DATASETS
from study.spec.design import MAX_SEED, MAX_SEEDS, Design
from study.spec.factors import FACTORS, Level, variable
from study.store.study_folder import Folder
from study.store.untrusted_parquet import InvalidFile, file_bytes

PROGRAM = "python -m study.run"
STUDY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
DEVICE = re.compile(r"auto|cpu|cuda(:[0-9]{1,3})?")
DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smh]?)")
SHARD = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")
CONFIG_BYTES = 10**6
"""Bytes of a TOML file that are read."""
MAX_DOTS = 1000
"""Dots of a TOML file between two commas or line ends: the time to read ``a.a.a.a = 1`` grows with their square."""


@dataclass(frozen=True)
class Options:
    """Train the same small network with and without batch normalisation over a grid of batch sizes,
    learning rates and seeds, and record every epoch. The same command again does what is missing;
    longer lists of seeds or levels extend the study.

    Exit codes: 0 done, 1 some runs failed, 2 usage, 3 environment (no data, no space, no CUDA, another
    process at work), 75 stopped by --max-time, 130 and 143 stopped by a signal."""

    seeds: int = 10
    """How many seeds: the number of independent repetitions of every pair."""
    first_seed: int = 0
    """The first of them."""
    arms: tuple[str, ...] = DEFAULT_ARMS
    """What is compared: bn, no_bn, layer."""
    batch_sizes: tuple[int, ...] = (32, 128, 512)
    """Images per training step. Batch size 1 cannot be under batch norm and is recorded as such."""
    lrs: tuple[float, ...] = (0.001, 0.01, 0.1)
    """Adam's learning rates."""
    vary: tuple[str, ...] = ()
    """Further factors, each as KEY=LEVEL,LEVEL, such as activation=relu,tanh."""
    epochs: int = 10
    """Passes over the training images."""
    hidden: tuple[int, ...] = (32, 32)
    """Units of each hidden layer."""
    dataset: str = "auto"
    """mnist, fashion-mnist, kmnist, digits, or auto: MNIST where it can be had, else digits."""
    margin: str | None = None
    """A difference of accuracy that would not matter, as a fraction such as 0.002 or in points such as 0.2pt; fixed
    before the first run, 0.002 unless given then."""
    alpha: float | None = None
    """Significance level: tests use alpha, intervals cover 1 - alpha; fixed before the first run, 0.05 unless given
    then."""
    data_dir: Path = DATA_DIR
    """Where the files of the data set lie or are downloaded to (also STUDY_DATA_DIR)."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:1; auto is what the study began on, for a new study the first GPU if there is one."""
    tf32: bool = False
    """On a GPU, multiply in TensorFloat-32: faster, 10 bits of mantissa; recorded, and not mixed with float32."""
    engine: Engine = "auto"
    """torch, or a kernel in C that the system's compiler makes at first use, faster and for CPUs alone; auto is what
    the study began with, for a new study on a CPU the kernel if it can be made and the layers are narrow. Recorded, and
    not mixed."""
    study_id: str | None = None
    """The name of the study and of its folder; the data set's name unless given."""
    out: Path = Path("results")
    """The folder of studies."""
    config: Path | None = None
    """A TOML file with any of these options; the command line overrides it."""
    dry_run: bool = False
    """Show what would be done, its time and its memory, and do nothing."""
    workers: int = 0
    """Threads of the kernel, or processes of torch's engine, on a CPU; 0 is one per core."""
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
        if not 1 <= self.seeds <= MAX_SEEDS:
            raise UsageError(f"--seeds {self.seeds}: a study has 1 to {MAX_SEEDS} seeds, such as --seeds 10")
        if not 0 <= self.first_seed <= MAX_SEED:
            raise UsageError(f"--first-seed {self.first_seed}: a seed is 0 or above, up to {MAX_SEED}")
        if self.study_id is not None:
            _check_pattern("--study-id", self.study_id, STUDY_ID, "letters, digits, '.', '_', '-'; e.g. mnist-2")
        _check_pattern("--device", self.device, DEVICE, "auto, cpu, cuda or cuda:0")
        if self.tf32 and self.device == "cpu":
            raise UsageError("--tf32: only a GPU has it; leave it out, or choose --device cuda")
        check_known("--dataset", self.dataset, [AUTO, *DATASETS])
        self.execution()  # parsed here for its errors, as the rule is
        self.rule()
        return self

    def design(self, dataset: str) -> Design:
        """Return the design on ``dataset``; a UsageError names what is wrong with it."""
        grid = {factor.field: getattr(self, factor.field) for factor in FACTORS.values() if factor.field}
        seeds = tuple(range(self.first_seed, self.first_seed + self.seeds))
        return Design(
            dataset, self.arms, seeds=seeds, epochs=self.epochs, hidden=self.hidden, vary=_parse_vary(self.vary), **grid
        )

    def folder(self, dataset: str) -> Folder:
        """Return the study's folder, named by the data set unless there is a --study-id."""
        return Folder(self.out / (self.study_id or dataset))

    def execution(self) -> Execution:
        """Return where, by what and for how long to train."""
        return Execution(
            device=self.device,
            engine=self.engine,
            tf32=self.tf32,
            workers=self.workers or None,
            max_seconds=seconds_of(self.max_time),
            on_error=self.on_error,
            shard=self._shard(),
            inference=not self.no_ablation,
        )

    def rule(self) -> AskedRule:
        """Return what is named of the rule by which the study is judged."""
        return asked_rule(self.alpha, self.margin)

    def _shard(self) -> tuple[int, int]:
        """Return (i, n) with 1 <= i <= n; (1, 1) is everything."""
        match = SHARD.fullmatch(self.shard or "1/1")
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise UsageError(f"--shard {quote(str(self.shard))}: give i/n with i from 1 to n, such as 2/8")
        return int(match[1]), int(match[2])


def _parse_vary(pairs: Sequence[str]) -> dict[str, tuple[Level, ...]]:
    """Return the levels of further factors by key, from pairs such as ``activation=relu,tanh``."""
    varied: dict[str, tuple[Level, ...]] = {}
    for pair in pairs:
        key, equals, levels = pair.partition("=")
        check_known("--vary", key, variable())
        if not equals or key in varied:
            raise UsageError(f"--vary {quote(pair)}: give each factor once, as KEY=LEVEL,LEVEL")
        factor = FACTORS[key]
        varied[key] = tuple(arguments.convert(factor.option, level, factor.kind) for level in levels.split(","))
    return varied


def seconds_of(max_time: str | None) -> float | None:
    """Return ``--max-time`` in seconds."""
    if max_time is None:
        return None
    match = DURATION.fullmatch(max_time)
    if not match or float(match[1]) <= 0:
        raise UsageError(f"--max-time {quote(max_time)}: give a time above 0 such as 90s, 50m or 2h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def parse(argv: Sequence[str]) -> Options:
    """Return the options of the command line over those of ``--config``; a SystemExit(2) or UsageError otherwise."""
    options = arguments.read(Options, argv, PROGRAM)
    if options.config is not None:
        options = arguments.read(Options, argv, PROGRAM, _from_file(options.config))
    return options.check()


def _from_file(path: Path) -> Options:
    """Return the options of a TOML file, the others as by default."""
    hints = {name.replace("_", "-"): hint for name, hint in get_type_hints(Options).items() if name != "config"}
    values = {}
    for key, value in _toml(path).items():
        option = key.replace("_", "-")
        check_known(f"--config {path}:", option, sorted(hints))
        try:
            values[option.replace("-", "_")] = _converted(option, value, hints[option])
        except UsageError as error:
            raise UsageError(f"--config {path}: {error}") from None
    return Options(**values)


def _toml(path: Path) -> dict[str, Any]:
    """Return the values of a regular file of bounded size, or of the one that a link leads to."""
    try:
        content = file_bytes(Path(os.path.realpath(path)), CONFIG_BYTES)
        if any(piece.count(b".") > MAX_DOTS for piece in re.split(rb"[,\n]", content)):
            raise InvalidFile(f"it has a name of more than {MAX_DOTS} parts")
        return tomllib.loads(content.decode("utf-8"))
    except OSError as error:
        raise UsageError(f"--config {path}: {error.strerror}") from None
    except InvalidFile as error:
        raise UsageError(f"--config {path}: {error}; give a file of options such as seeds = 10") from None
    except RecursionError:
        raise UsageError(f"--config {path} is nested too deeply; give options such as seeds = 10") from None
    except ValueError as error:
        raise UsageError(f"--config {path} is not TOML: {truncate(str(error), 200)}") from None


def _converted(option: str, value: Any, hint: Any) -> Any:
    """Return a value of TOML as the type of its option has it; a UsageError where it is none."""
    if hint is bool:
        if isinstance(value, bool):
            return value
        raise UsageError(f"{option} = {describe_value(value)}: give true or false")
    is_list, items = get_origin(hint) is tuple, value if isinstance(value, list) else [value]
    if isinstance(value, list) and not is_list:
        raise UsageError(f"{option} is a list: give one value, without brackets")
    for item in items:
        if not _is_plain(item):
            raise UsageError(f"{option} = {describe_value(item)}: give a number or a text, or a list of these")
    if len({isinstance(item, str) for item in items}) > 1:
        both = f"{describe_value(items[0])}, {describe_value(items[1])}"
        raise UsageError(f"{option} = {both}: give a list of numbers or of texts alone")
    kind = get_args(hint)[0] if is_list else arguments.given_kind(hint)
    converted = tuple(arguments.convert(f"--{option}", str(item), kind) for item in items)
    return converted if is_list else converted[0]


def _is_plain(item: object) -> bool:
    """Whether a value of TOML could be one argument of a command line."""
    if isinstance(item, str):
        return not item.startswith("--")
    return isinstance(item, float) or (type(item) is int and abs(item) < 10**100)


def _check_pattern(option: str, value: str, pattern: re.Pattern[str], rule: str) -> None:
    if not pattern.fullmatch(value):
        raise UsageError(f"{option} {truncate(value)!r}: choose {rule}")
