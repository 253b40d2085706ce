"""Which command comes next? Its text, as a shell in the working folder takes it: quoted, and with the paths given."""

import re
import shlex
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.spec.datasets import DATASETS

if TYPE_CHECKING:
    from study.spec.design import Design

OUT = Path("results")
"""The folder of studies, unless a command names another."""
LEDGER_ID = "claims"
"""What the folder of a ledger is called by default."""
SUFFIXES = {"study.tune": "-tuned"}
"""What a command puts behind the key of the data set in the name of a study."""
STUDY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""What a study may be called."""


def command(module: str, *words: str) -> str:
    """Return a command that can be pasted.

    >>> command("analysis.report", "my results/s")
    "python -m analysis.report 'my results/s'"
    """
    return shlex.join(["python", "-m", module, *words])


def shown_path(path: Path) -> str:
    """Return a path as a sentence or a command names it: in quotation marks where a shell would need them."""
    return shlex.quote(_path(path))


def report_on(study: Path, *options: str) -> str:
    """Return the command that makes a study's report."""
    return command("analysis.report", _path(study), *options)


def evaluate(study: Path) -> str:
    """Return the command that evaluates the inference modes of a study."""
    return command("study.ablate", _path(study))


def train_into(study: Path, module: str = "study.run") -> str:
    """Return the command that makes a study in this folder, as far as it can have its name.

    >>> train_into(Path("results/mine")), train_into(Path("else where/digits"))
    ('python -m study.run --study-id mine', "python -m study.run --out 'else where' --dataset digits")
    >>> train_into(Path("results/digits-tuned"), "study.tune")
    'python -m study.tune --dataset digits'
    """
    named = ["--study-id", study.name] if STUDY_ID.fullmatch(study.name) else []
    keys = {data.folder + SUFFIXES.get(module, ""): data.key for data in DATASETS.values()}
    if study.name in keys:
        named = ["--dataset", keys[study.name]]
    return command(module, *_out(study.parent), *named)


def claims_into(folder: Path, *options: str) -> str:
    """Return the command that makes, or goes on with, the ledger in this folder.

    >>> claims_into(Path("results/claims")), claims_into(Path("results/mine"), "--quick")
    ('python -m study.claims', 'python -m study.claims --study-id mine --quick')
    """
    named = [] if folder.name == LEDGER_ID else ["--study-id", folder.name]
    return command("study.claims", *_out(folder.parent), *named, *options)


def train_anew(design: "Design", study: Path) -> str:
    """Return the command that trains a design under another name beside a study.

    >>> from study.spec.design import Design
    >>> train_anew(Design("digits", ("bn", "layer"), seeds=range(3), vary={"activation": ["tanh"]}), Path("results/a"))
    'python -m study.run --study-id a-2 --dataset digits --arms bn layer --seeds 3 --vary activation=tanh'
    """
    words: list[str] = []
    given: dict[str, tuple[Any, Any]] = {f.name: (getattr(design, f.name), f.default) for f in fields(design)}
    for name in ("arms", "batch_sizes", "lrs", "seeds", "epochs", "hidden"):
        value, default = given[name]
        if name == "seeds":
            value, default = len(value), len(default)
        if value != default:
            words += [f"--{name.replace('_', '-')}", *map(str, value if isinstance(value, tuple) else (value,))]
    first = ["--first-seed", str(min(design.seeds))] if min(design.seeds) else []
    vary = [f"{key}={','.join(map(str, levels))}" for key, levels in dict(design.vary).items()]
    own = ["--config", "FILE.toml"] if design.own_arms else []
    named = ["--study-id", f"{study.name}-2", "--dataset", design.dataset]
    return command("study.run", *_out(study.parent), *own, *named, *words, *first, *(["--vary", *vary] if vary else []))


def train_under(out: Path) -> str:
    """Return the command that trains a study in a folder of studies."""
    return command("study.run", *_out(out))


def _out(out: Path) -> list[str]:
    return [] if out == OUT else ["--out", _path(out)]


def _path(path: Path) -> str:
    """Return the path, not to be taken for an option."""
    return f"./{path}" if str(path).startswith("-") else str(path)
