"""``--alpha`` and ``--margin``, as every command and function that takes them reads them."""

from decimal import Decimal

from study.cli.arguments import convert
from study.errors import UsageError, quote
from study.spec.analysis_rule import AskedRule
from study.spec.checks import NUMBER

POINTS = "pt"
"""The unit of a margin in percentage points: 0.2pt is 0.002."""


def asked_rule(alpha: float | None, margin: str | float | None, baseline: str | None = None) -> AskedRule:
    """Return the values that are named; a UsageError where level or margin cannot be."""
    if alpha is not None and not 0 < alpha < 0.5:
        raise UsageError(f"--alpha {alpha}: give a number between 0 and 0.5, such as 0.05")
    return AskedRule(alpha, None if margin is None else parse_margin(str(margin)), baseline=baseline)


def parse_margin(word: str) -> float:
    """Return a difference of accuracy as a fraction, from one such as ``0.002`` or from points such as ``0.2pt``.

    >>> parse_margin("0.2pt") == parse_margin("0.002") == 0.002
    True
    """
    number = word.removesuffix(POINTS)
    if not NUMBER.fullmatch(number):
        raise UsageError(f"--margin {quote(word)}: give a fraction such as 0.002, or points such as 0.2pt")
    value = convert("--margin", number, float)
    if number != word:
        value = float(Decimal(number).scaleb(-2))  # the nearest float: 0.7 / 100 is not 0.007
    if not 0 <= value < 1:
        raise UsageError(
            f"--margin {quote(word)}: give a fraction from 0 to below 1 such as 0.002, or points such as 0.2pt"
        )
    return float(value)
