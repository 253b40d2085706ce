"""What is a level of a factor? Its check, its text in ids, and its text for a reader."""

from collections.abc import Callable, Sequence
from typing import Any

from study.errors import UsageError, describe_value
from study.spec.checks import check_known, check_whole
from study.spec.datasets import DatasetSpec

Check = Callable[[str, Any, DatasetSpec], None]
"""A function that refuses a wrong level: (its option, the level, the data set)."""


def check_batch_size(option: str, size: Any, data: DatasetSpec) -> None:
    check_whole(option, (size,), 1, data.n_train, f"{data.noun}s, as {data.key} has")


def check_n_train(option: str, n: Any, data: DatasetSpec) -> None:
    check_whole(option, (n,), 1, data.n_train, f"training {data.noun}s, as {data.key} has")


def check_rate(option: str, lr: Any, data: DatasetSpec) -> None:
    if not isinstance(lr, int | float) or not 1e-30 <= lr <= 1e30:  # NaN neither; engines store weights over rates
        raise UsageError(
            f"{option} {describe_value(lr)}: a learning rate is a finite number above 0 (1e-30 to 1e30), such as 0.01"
        )


def check_decay(option: str, decay: Any, data: DatasetSpec) -> None:
    if not isinstance(decay, int | float) or not 0 <= decay <= 1e30:
        raise UsageError(
            f"{option} {describe_value(decay)}: a weight decay is a finite number from 0 (none) to 1e30, such as 0.0001"
        )


def check_share(option: str, share: Any, data: DatasetSpec) -> None:
    if not isinstance(share, int | float) or not 0 <= share < 1:
        raise UsageError(
            f"{option} {describe_value(share)}: give the share of training labels that are wrong, from 0 (none) to"
            " below 1, such as 0.2"
        )


def whole(high: int, what: str) -> Check:
    """Return the check of a factor whose levels are whole numbers from 1 to ``high``, of which there are ``what``."""
    return lambda option, number, data: check_whole(option, (number,), 1, high, what)


def one_of(names: Sequence[str]) -> Check:
    """Return the check of a factor whose levels are names."""
    return lambda option, name, data: check_known(option, name, names)


def in_full(number: float) -> str:
    """Return a number without an exponent as far as that can be read: 0.001, never 1e-03."""
    return f"{number:.12f}".rstrip("0") if 1e-6 <= number < 1 else f"{number:g}"


def in_ids(prefix: str) -> Callable[[float], str]:
    """Return the function from a number to its text in an id, such as ``lr1e-02``."""

    def tag(number: float) -> str:
        mantissa, exponent = f"{number:e}".split("e")
        return f"{prefix}{mantissa.rstrip('0').rstrip('.')}e{exponent}"

    return tag
