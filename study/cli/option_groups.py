"""Which options do several commands share? Each class is a group of them, under its title in ``--help``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from study.data.lazy import DATA_DIR
from study.engine.registry import Engine
from study.spec import commands


@dataclass(frozen=True)
class DataFolder:
    """Data"""

    data_dir: Path = DATA_DIR
    """Folder with the files of the data set; missing files are downloaded into it. STUDY_DATA_DIR sets another
    default."""


@dataclass(frozen=True)
class Data(DataFolder):
    """Data"""

    dataset: str = "auto"
    """mnist, fashion-mnist, kmnist, cifar10, digits, sklearn:breast_cancer, sklearn:wine, sklearn:iris, mnist-cats and
    digits-cats (the upper classes have a background of 0.1; -cats-weak: 0.03), your own FILE.npz of X_train, y_train,
    X_test and y_test, or auto: MNIST if it is present or can be downloaded, otherwise digits."""


@dataclass(frozen=True)
class Judgement:
    """Judgement, fixed before the first run"""

    margin: str | None = None
    """Largest difference in accuracy that does not matter, as a fraction (0.002) or in points (0.2pt). 0.002 unless
    the first command sets it."""
    alpha: float | None = None
    """Significance level: tests use alpha, intervals cover 1 - alpha. 0.05 unless the first command sets it."""
    baseline: str | None = None
    """Arm that every other one is compared with: no_bn where it is an arm, else the first, unless the first command
    sets another."""


@dataclass(frozen=True)
class Machine:
    """Machine"""

    device: str = "auto"
    """cpu, cuda, cuda:1, or auto: the device on which the study began; for a new study the first GPU, if any."""
    engine: Engine = "auto"
    """kernel (C code, compiled at first use; faster, CPU only), torch, plain (a loop of torch.nn, slow, for any
    network), or auto: the engine with which the study began; for a new study plain for a network of your own, else on a
    CPU the kernel, if it can be compiled and the layers are narrow. A study keeps its engine."""
    workers: int = 0
    """Threads (kernel) or processes (torch, plain) on a CPU; 0 means one per core."""
    mixed_numerics: bool = False
    """Go on where this machine computes with other bits than those that the study began with; the report says so."""


@dataclass(frozen=True)
class StudiesFolder:
    """Study folder"""

    out: Path = commands.OUT
    """Folder that holds all studies."""


@dataclass(frozen=True)
class StudyFolder(StudiesFolder):
    """Study folder"""

    study_id: str | None = None
    """Name of the study and of its folder under --out. Default: the name of the data set; study.tune adds -tuned."""


@dataclass(frozen=True)
class Output:
    """This command"""

    log_format: Literal["text", "json"] = "text"
    """text, or json: one event per line."""
    quiet: bool = False
    """Print only errors."""


@dataclass(frozen=True)
class DryRun(Output):
    """This command"""

    dry_run: bool = False
    """Show the plan with its expected time, then stop."""


@dataclass(frozen=True)
class Sitting(DryRun):
    """This command"""

    config: Path | None = None
    """TOML file with any of these options; the command line overrides it."""
    max_time: str | None = None
    """Stop training after this time, such as 50m or 2h, with exit code 75. Finished work is saved; repeat the command
    to continue."""
