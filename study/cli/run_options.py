"""The command line of ``study.run`` as one frozen value, checked before anything heavy is imported."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn

from study.cli import arguments, config_file
from study.cli.analysis_rule import asked_rule
from study.cli.option_groups import Data, Judgement, Machine, Sitting, StudyFolder
from study.errors import UsageError, quote, truncate
from study.runner.execution import Execution
from study.spec.analysis_rule import AskedRule
from study.spec.arms import DEFAULT_ARMS
from study.spec.commands import STUDY_ID
from study.spec.datasets import AUTO, DATASETS, DatasetSpec, OwnFile, check_dataset, is_file
from study.spec.design import MAX_SEED, MAX_SEEDS, Design
from study.spec.factors import FACTORS, Level, check_variable
from study.spec.networks import NetworkSpec
from study.store.study_folder import Folder

PROGRAM = "python -m study.run"
DEVICE = re.compile(r"auto|cpu|cuda(:[0-9]{1,3})?")
DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smh]?)")
SHARD = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")


@dataclass(frozen=True)
class Experiment:
    """What to train"""

    seeds: int = 10
    """Number of seeds; each repeats every pair of runs once."""
    first_seed: int = 0
    """First seed."""
    arms: tuple[str, ...] = DEFAULT_ARMS
    """Arms to compare: bn, no_bn, layer, bn_after, bn_beta, bn_gamma, bn_no_affine, bn_no_bias, layer_after, rms,
    renorm, noisy, and with any number ghost_8 (images), group_4 (groups), dropout_0.2. Spell out your own under
    [own-arms.KEY] in a TOML file for --config."""
    batch_sizes: tuple[int, ...] = (32, 128, 512)
    """Images per training step. Batch norm needs at least 2 images per batch; size 1 is recorded as not applicable."""
    lrs: tuple[float, ...] = (0.001, 0.01, 0.1)
    """Learning rates."""
    vary: tuple[str, ...] = ()
    """Further factors, each as KEY=LEVEL,LEVEL, such as depth=2,5,10: activation (relu, tanh, sigmoid), depth and width
    (equal hidden layers), optimizer (adam, adamw, sgd, momentum), weight_decay, init (torch, kaiming, xavier), n_train
    (training images), label_noise (share of wrong training labels), scale (none, standard)."""
    epochs: int = 10
    """Passes over the training images."""
    hidden: tuple[int, ...] = (32, 32)
    """Units in each hidden layer."""
    seed_of: Literal["both", "weights", "order"] = "both"
    """What varies with a seed: the first weights, the order of the images, or both. What does not is that of seed 0."""
    unpaired_init: bool = False
    """Draw first weights of its own for every arm but no_bn, as the tutorial does. By default arms start alike."""
    network: str | None = None
    """Network of your own, as FILE.py:make, a function that is given the arm and returns a torch.nn.Module; or one that
    comes with the program: cnn, residual. The file is run."""


@dataclass(frozen=True)
class Advanced:
    """Advanced"""

    tf32: bool = False
    """Multiply in TensorFloat-32 on a GPU: faster, with a 10-bit mantissa. A study never mixes it with float32."""
    shard: str | None = None
    """Train part i of n, given as i/n, while other processes train the other parts."""
    ablation: bool = True
    """Leave the inference modes to study.ablate; by default they follow as soon as the study is complete."""
    networks: bool = True
    """Keep no trained networks: no inference mode can be evaluated later. By default weights/ holds them all."""
    on_error: Literal["continue", "stop"] = "continue"
    """After runs that fail for good: continue with the others, or stop."""


@dataclass(frozen=True)
class Options(Experiment, Data, StudyFolder, Judgement, Machine, Advanced, Sitting):
    """Train the same small network with and without batch normalisation, over a grid of batch sizes, learning rates
    and seeds, and record every epoch.

    Repeat the command to train what is missing. Longer lists of arms, seeds or levels extend the study.

    Exit codes: 0 complete; 1 some runs failed; 2 wrong usage; 3 the machine's fault (no data, no space, no CUDA,
    another process at work); 75 stopped by --max-time; 130 and 143 stopped by a signal.

    Examples:
      # MNIST, 10 seeds, 9 settings
      python -m study.run
      # a first look in seconds
      python -m study.run --dataset digits --seeds 3 --epochs 3
      # your own grid; show only the plan
      python -m study.run --batch-sizes 16 64 --lrs 1e-3 1e-2 --seeds 20 --dry-run
    """

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
        if self.dataset != AUTO:
            self.data(self.dataset)
        self.execution()  # parsed here for its errors, as the rule is
        self.rule()
        return self

    def data(self, dataset: str) -> DatasetSpec:
        """Return a data set by its name or its file; a UsageError names what is wrong with it."""
        if is_file(dataset):
            from study.data import own_file

            return own_file.describe(Path(dataset))
        check_dataset(dataset, AUTO)
        return DATASETS[dataset]

    def design(self, dataset: str) -> Design:
        """Return the design on ``dataset``; a UsageError names what is wrong with it."""
        data = self.data(dataset)
        grid = {factor.field: getattr(self, factor.field) for factor in FACTORS.values() if factor.field}
        network = None if self.network is None else self._network(data)
        seeds = tuple(range(self.first_seed, self.first_seed + self.seeds))
        return Design(
            data.key,
            self.arms,
            seeds=seeds,
            epochs=self.epochs,
            hidden=self.hidden,
            vary=_parse_vary(self.vary),
            own_data=data if isinstance(data.source, OwnFile) else None,
            network=network,
            seed_of=self.seed_of,
            unpaired_init=self.unpaired_init,
            **grid,
        )

    def _network(self, data: DatasetSpec) -> NetworkSpec:
        """Return the network that is named, which is loaded and tried."""
        from study.engine.plain.probing import network

        assert self.network is not None
        return network(self.network, data, self.arms)

    def folder(self, dataset: str) -> Folder:
        """Return the study's folder, named by the data set unless there is a --study-id."""
        return Folder(self.out / (self.study_id or self.data(dataset).folder))

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
            inference=self.ablation,
            networks=self.networks,
            mixed_numerics=self.mixed_numerics,
        )

    def rule(self) -> AskedRule:
        """Return what is named of the rule by which the study is judged."""
        return asked_rule(self.alpha, self.margin, self.baseline)

    def _shard(self) -> tuple[int, int]:
        """Return (i, n) with 1 <= i <= n; (1, 1) is everything."""
        match = SHARD.fullmatch(self.shard or "1/1")
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise UsageError(f"--shard {quote(str(self.shard))}: give i/n with i from 1 to n, such as 2/8")
        return int(match[1]), int(match[2])


def _parse_vary(pairs: Sequence[str]) -> dict[str, tuple[Level, ...]]:
    """Return the levels of further factors by key, from pairs such as ``activation=relu,tanh``."""
    varied: dict[str, tuple[Level, ...]] = {}
    for i, pair in enumerate(pairs):
        key, equals, levels = pair.partition("=")
        if not equals and "=" in "".join(pairs[:i]):
            _refuse_blanks(pairs, i)
        check_variable(key)
        if not equals or key in varied:
            raise UsageError(f"--vary {quote(pair)}: give each factor once, as KEY=LEVEL,LEVEL")
        factor = FACTORS[key]
        if levels.endswith(",") and len(pairs) > i + 1 and "=" not in pairs[i + 1]:
            _refuse_blanks(pairs, i + 1)
        varied[key] = tuple(arguments.convert(factor.option, level, factor.kind) for level in levels.split(","))
    return varied


def _refuse_blanks(pairs: Sequence[str], i: int) -> NoReturn:
    """Refuse levels that blanks separate, of which ``pairs[i]`` is the second, with the words to type."""
    end = next((j for j in range(i, len(pairs)) if "=" in pairs[j]), len(pairs))
    meant = ",".join(word.strip(",") for word in pairs[i - 1 : end])
    raise UsageError(f"--vary {quote(' '.join(pairs[i - 1 : end]))} takes commas and no blanks: --vary {quote(meant)}")


def seconds_of(max_time: str | None) -> float | None:
    """Return ``--max-time`` in seconds."""
    if max_time is None:
        return None
    match = DURATION.fullmatch(max_time)
    if not match or float(match[1]) <= 0:
        raise UsageError(f"--max-time {quote(max_time)}: give a time above 0 such as 90s, 50m or 2h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def parse(argv: Sequence[str]) -> Options:
    """Return the options of the command line over those of ``--config``; a SystemExit or UsageError otherwise."""
    return config_file.read(Options, argv, PROGRAM).check()


def _check_pattern(option: str, value: str, pattern: re.Pattern[str], rule: str) -> None:
    if not pattern.fullmatch(value):
        raise UsageError(f"{option} {truncate(value)!r}: choose {rule}")
