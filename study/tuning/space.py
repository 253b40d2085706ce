"""Which configurations does tuning choose from? A range of rates and one of batch sizes, both on a logarithmic scale.

Batch sizes are powers of two, as in practice: nobody knows a difference between 100 and 101, and trials that share a
batch size train in lockstep.
"""

import math
import re
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from study.errors import UsageError, quote, truncate
from study.spec.checks import NUMBER, WHOLE
from study.spec.factors import Cell

DEFAULT = "lr=1e-4:1,batch_size=16:1024"
FORM = f"give ranges such as {DEFAULT}"
RANGE = re.compile(r"([^=]*)=([^:]*)(?::(.*))?", re.DOTALL)
MIN_LR, MAX_LR = 1e-30, 1e30
MAX_BATCH = 2**15
HELD = (signal.SIGINT, signal.SIGTERM)

Params = Mapping[str, Any]
"""Parameters of an Optuna trial: ``lr`` and ``log2_batch_size``."""


@dataclass(frozen=True)
class Space:
    """Ranges of ``lr`` and ``batch_size``: the lowest and the highest of each, which may be equal."""

    lr: tuple[float, float]
    batch_size: tuple[int, int]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the space of a text such as ``--space`` takes; a factor that is not named has its default range.

        Raises UsageError, which quotes what is wrong.

        >>> Space.parse("lr=0.001:0.1")
        Space(lr=(0.001, 0.1), batch_size=(16, 1024))
        """
        ranges = _ranges(DEFAULT) | _ranges(text)
        lr, size = (tuple(_number(name, text) for text in ranges[name]) for name in ("lr", "batch_size"))
        return cls((float(lr[0]), float(lr[1])), (int(size[0]), int(size[1])))

    def __post_init__(self) -> None:
        for name in ("lr", "batch_size"):
            low, high = getattr(self, name)
            if low > high:
                raise UsageError(f"--space {name}={low}:{high}: the low end comes first; {FORM}")
        if not MIN_LR <= self.lr[0] <= self.lr[1] <= MAX_LR:
            raise UsageError(f"--space lr={self.lr[0]}:{self.lr[1]}: rates lie between 1e-30 and 1e30; {FORM}")
        for size in self.batch_size:
            if not 2 <= size <= MAX_BATCH or size & (size - 1):
                raise UsageError(
                    f"--space batch_size={self.batch_size[0]}:{self.batch_size[1]}: batch sizes are powers of two from"
                    f" 2, below which batch norm cannot train, to {MAX_BATCH}; {FORM}"
                )
        if self.lr[0] == self.lr[1] and self.batch_size[0] == self.batch_size[1]:
            raise UsageError(f"--space {self}: there is one configuration and nothing to tune; {FORM}")

    def __str__(self) -> str:
        return f"lr={self.lr[0]!r}:{self.lr[1]!r},batch_size={self.batch_size[0]}:{self.batch_size[1]}"

    @property
    def sizes(self) -> list[int]:
        """Every batch size of the space."""
        return [2**exponent for exponent in range(self._exponents[0], self._exponents[1] + 1)]

    @cached_property
    def _exponents(self) -> tuple[int, int]:
        return self.batch_size[0].bit_length() - 1, self.batch_size[1].bit_length() - 1

    def holds(self, factor: str, level: float) -> bool:
        """Whether the level of a factor is one of the space."""
        return level in self.sizes if factor == "batch_size" else bool(self.lr[0] <= level <= self.lr[1])

    @cached_property
    def distributions(self) -> dict[str, Any]:
        """Optuna's distributions of the parameters."""
        from optuna.distributions import FloatDistribution, IntDistribution

        return {"lr": FloatDistribution(*self.lr, log=True), "log2_batch_size": IntDistribution(*self._exponents)}

    def sobol(self, n: int, seed: int) -> list[dict[str, Any]]:
        """Return the first ``n`` points of a scrambled Sobol sequence over the space.

        They are more even than random ones, and a longer sequence begins with the shorter one (Owen 1998, Joe & Kuo
        2008).
        """
        from scipy.stats import qmc

        with _signals_held():
            drawn = qmc.Sobol(2, scramble=True, seed=seed).random_base2(max(0, math.ceil(math.log2(n))))
        return [self._at(u) for u in drawn[:n]]

    def _at(self, u: NDArray[np.float64]) -> dict[str, Any]:
        """Return the parameters at ``u`` (2,) in [0, 1)."""
        low, high = map(math.log, self.lr)
        lr = min(max(math.exp(low + float(u[0]) * (high - low)), self.lr[0]), self.lr[1])
        first, last = self._exponents
        return {"lr": lr, "log2_batch_size": first + int(u[1] * (last - first + 1))}


@contextmanager
def _signals_held() -> Iterator[None]:
    """Hold signals back until scipy has read its tables: it swallows what a signal raises meanwhile, and then draws one
    point again and again."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: list[int] = []
    before = {number: signal.signal(number, lambda number, _: pending.append(number)) for number in HELD}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for missed in pending:
            signal.raise_signal(missed)


def point(params: Params) -> Cell:
    """Return the configuration of a trial."""
    return Cell(batch_size=2 ** int(params["log2_batch_size"]), lr=float(params["lr"]))


def params(at: Cell) -> dict[str, Any]:
    """Return the parameters of a configuration's trial.

    >>> point(params(Cell(32, 0.01)))
    Cell(batch_size=32, lr=0.01)
    """
    return {"lr": at.lr, "log2_batch_size": at.batch_size.bit_length() - 1}


def _ranges(text: str) -> dict[str, tuple[str, str]]:
    """Return the texts of both ends by factor; a single value is both."""
    ranges: dict[str, tuple[str, str]] = {}
    for piece in text.split(","):
        match = RANGE.fullmatch(piece.strip())
        if not match:
            raise UsageError(f"--space {quote(text)}: {truncate(piece.strip())!r} is not a range; {FORM}")
        name, low, high = match[1].strip(), match[2].strip(), match[3]
        if name not in ("lr", "batch_size"):
            raise UsageError(f"--space {quote(text)}: {truncate(name)!r} cannot be tuned; {FORM}")
        if name in ranges:
            raise UsageError(f"--space {quote(text)}: {name} is given twice; {FORM}")
        ranges[name] = (low, low if high is None else high.strip())
    return ranges


def _number(name: str, text: str) -> float:
    pattern = WHOLE if name == "batch_size" else NUMBER
    if len(text) > 100 or not pattern.fullmatch(text):
        kind = "a whole number" if name == "batch_size" else "a number"
        raise UsageError(f"--space {name}: {truncate(text)!r} is not {kind} in the digits 0 to 9; {FORM}")
    return int(text) if name == "batch_size" else float(text)
