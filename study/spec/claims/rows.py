"""The rows of the ledger: each half-claim of the tutorial, what settles it, and the rule of its verdict.

A claim with two halves has a row for each. A row names its condition: nothing is averaged over settings. To add one: a
value in ``ROWS``, and in ``analysis/findings/claims/estimators.py`` what estimates it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import chain
from math import log
from typing import Any, Self

from study.errors import UsageError, describe_value
from study.spec.arms import PUBLISHED
from study.spec.claims.experiments import EXPERIMENTS
from study.spec.claims.rules import Rule
from study.spec.datasets import DatasetSpec

SEEDS, OTHERS, ALONE = "seeds", "others", "alone"
"""The families whose p-values are adjusted together: rows over the seeds that all experiments share, by max-T; rows of
other units, by Holm; and rows that are tested alone or not at all, such as identities and controls."""
MARGIN = 0.2
"""Points of accuracy that would not matter; other units have 10 % of a ratio, 0.02 of an AUC, 0.01 a layer of a slope.
"""

LIMITS: Mapping[str, tuple[float, float]] = {"share": (-1, 1), "correlation": (-1, 1), "AUC": (-0.5, 1)}
"""By unit, the smallest and the largest value that there can be: no interval reaches further."""


@dataclass(frozen=True)
class Row:
    """A half-claim, what is measured of it, and where its verdict turns."""

    key: str
    """Such as ``5a``: the number of the claim first."""
    claim: int
    statement: str
    """The claim in our words."""
    quantity: str
    unit: str
    """``points`` of accuracy of 100, ``share`` (0 to 1), ``log ratio``, ``ratio`` less 1, ``per layer``, ..."""
    condition: str
    """Setting and arm to which the number belongs."""
    rule: Rule
    experiments: tuple[str, ...]
    """What has to be run, keys of EXPERIMENTS."""
    family: str = SEEDS
    only: str | None = None
    """The data set that alone can answer it."""
    control: bool = False
    """Whether it only shows that the experiment works: then it does not count for the claim."""

    def why_not(self, data: DatasetSpec) -> str | None:
        """Return why a data set cannot answer it, None where it can."""
        if self.only is not None and data.key != self.only:
            return f"the tutorial's number is one of {self.only.upper()}; this is {data.name}"
        absent = (EXPERIMENTS[name].why_not(data) for name in self.experiments)
        return next((reason for reason in absent if reason), None)

    def to_dict(self) -> dict[str, Any]:
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        return plain | {"rule": self.rule.to_dict(), "experiments": [*self.experiments]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the row of a manifest; a UsageError where it is none."""
        if not isinstance(values, Mapping) or {*values} != {field.name for field in fields(cls)}:
            raise UsageError(f"a row of the ledger is {describe_value(values)}; restore the manifest")
        wrong = next((name for name, holds in _HOLDS.items() if not holds(values[name])), None)
        if wrong is not None:
            raise UsageError(f"a row of the ledger has {describe_value(values[wrong])} as {wrong}")
        return cls(**{**values, "rule": Rule.from_dict(values["rule"]), "experiments": tuple(values["experiments"])})


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 500 and value.isprintable()


_HOLDS: Mapping[str, Any] = {
    **dict.fromkeys(("key", "statement", "quantity", "unit", "condition"), _is_text),
    "claim": lambda value: type(value) is int and 1 <= value <= 18,
    "experiments": lambda value: isinstance(value, list) and all(name in [*EXPERIMENTS] for name in value),
    "family": lambda value: value in (SEEDS, OTHERS, ALONE),
    "only": lambda value: value is None or _is_text(value),
    "control": lambda value: type(value) is bool,
}

POST = "the tutorial's setting"
FEWER = f"{POST}, five sixths of the training images"
ACTIVATIONS = {"relu": "ReLU", "tanh": "tanh", "sigmoid": "sigmoid"}
TENTH = -log(0.9)
"""The log of a ratio that is 10 % away from 1."""


# fmt: off
def _shift() -> Iterator[Row]:
    auc = "AUC of a classifier that tells two sets of images apart"
    run = ("two-sample",)
    yield Row("1a", 1, "Training and test images come from different distributions", auc, "AUC",
              "training against test images", Rule("above", 0.52), run, OTHERS)
    yield Row("1b", 1, "The test images do not all come from one distribution", auc, "AUC",
              "first against second half of the test file", Rule("above", 0.52), run, OTHERS)
    for key, of in (("1c-training", "training"), ("1c-test", "test")):
        yield Row(key, 1, f"Control: random halves of the {of} images look alike", f"{auc}, less 0.5", "AUC",
                  f"random halves of the {of} images", Rule("within", 0.02), run, ALONE, control=True)
    for key, name in (("2a-none", "without BN"), ("2a-bn", "with BN, running averages")):
        yield Row(key, 2, "A shift of the test images costs accuracy",
                  "accuracy on corrupted less on clean test images, mean of all corruptions", "points",
                  f"{POST}, {name}", Rule("below", -MARGIN), ("post",))
    for key, name in (("2b-none", "without BN"), ("2b-bn", "with BN, running averages")):
        yield Row(key, 2, "The larger the shift, the larger the loss",
                  "rank correlation of accuracy under corruptions with the shift of the first layer", "correlation",
                  f"{POST}, {name}", Rule("below", -0.5), ("post", "shift-size"))


def _cats() -> Iterator[Row]:
    as_dogs = "share of cats answered as dogs, less that with the background of training"
    strong, weak = ("cats", "cats-answers"), ("cats-weak", "cats-weak-answers")
    for key, name in (("3a-none", "without BN"), ("3a-bn", "with BN")):
        yield Row(key, 3, "An attribute tied to the class in training misleads where it is gone", as_dogs, "share",
                  f"background 0.1, removed at test, {name}", Rule("above", 0.1), strong)
    for key, name in (("3c-none", "without BN"), ("3c-bn", "with BN")):
        yield Row(key, 3, "Any other colour of the cats makes them dogs", as_dogs, "share",
                  f"background 0.1, brighter cats (0.3) at test, {name}", Rule("above", 0.1), strong)
    for key, name in (("3c-accuracy-none", "without BN"), ("3c-accuracy-bn", "with BN")):
        yield Row(key, 3, "Any other colour of the cats costs accuracy", "accuracy less that with the background of"
                  " training", "points", f"background 0.1, brighter cats (0.3) at test, {name}", Rule("below", -MARGIN),
                  strong)
    gap = "accuracy with BN less without"
    protects = "Batch normalisation protects from a misleading attribute"
    yield Row("3b-strong", 3, protects, gap, "points", "background 0.1, removed at test", Rule("above", MARGIN), strong)
    yield Row("3b-weak", 3, protects, gap, "points", "background 0.03, removed at test", Rule("above", MARGIN), weak)
    yield Row("3b-swapped", 3, protects, gap, "points", "background 0.03, swapped at test", Rule("above", MARGIN), weak)


def _inside() -> Iterator[Row]:
    deep, rate = "10 hidden layers, batch size 64", "rate 0.01"
    relu, slow, tanh = "drift-relu", "drift-relu-slow", "drift-tanh"
    yield Row("4", 4, "Mini-batches differ from one another, as chance alone makes them",
              "spread of the batch means of a layer's inputs over 1/sqrt(m), less 1", "ratio",
              f"{deep}, ReLU, {rate}, without BN", Rule("within", 0.1), (relu,))
    yield Row("5a", 5, "The difference between mini-batches grows with depth",
              "slope over layers of the log of that spread", "per layer", f"{deep}, ReLU, {rate}, without BN",
              Rule("above", 0.01), (relu,))
    for key, name, at, run in (("5b-relu", "ReLU", "0.01", relu), ("5b-tanh", "tanh", "0.003", tanh)):
        yield Row(key, 5, "What a training step moves grows with depth",
                  "slope over layers of the log of the drift a step, live units", "per layer",
                  f"{deep}, {name}, rate {at}, without BN", Rule("above", 0.01), (run,))
    yield Row("7a", 7, "Batch normalisation makes mini-batches more alike",
              "log of the spread of batch means, BN over none", "log ratio", f"{deep}, ReLU, {rate}",
              Rule("below", -TENTH), (relu,))
    yield Row("7b", 7, "Batch normalisation reduces what a step moves", "log of the drift a step, BN over none",
              "log ratio", f"{deep}, ReLU, {rate}", Rule("below", -TENTH), (relu,))
    for key, name, at, run in (
        ("7c-relu", "ReLU", "0.01", relu), ("7c-relu-slow", "ReLU", "0.001", slow),
        ("7c-tanh", "tanh", "0.003", tanh),
    ):  # fmt: skip
        yield Row(key, 7, "Batch normalisation reduces how other layers' steps change a layer's gradient",
                  "mean log of gradient ICS (Santurkar et al. 2018), BN less none", "log ratio",
                  f"{deep}, {name}, rate {at}", Rule("below", -TENTH), (run,))
    for key, what in (
        ("7d-drift", "drift a step"), ("7d-sampling", "spread of batch means"), ("7d-gradient", "gradient ICS"),
    ):  # fmt: skip
        yield Row(key, 7, "Control: noisy batch norm has more internal covariate shift than none",
                  f"log of the {what}, noisy BN over none", "log ratio", f"{deep}, ReLU, {rate}", Rule("above", TENTH),
                  (relu,), control=True)
    for activation in ACTIVATIONS:
        yield Row(f"7d-{activation}", 7, "Noisy batch norm, with more of this shift than none, learns no better",
                  "accuracy of noisy BN less none", "points", f"{_depth(activation)}, 10 hidden layers",
                  Rule("below", MARGIN), ("depth",))


def _depth(activation: str) -> str:
    return f"{ACTIVATIONS[activation]}, batch size 128, rate 0.01, 2 epochs"


def _deeper() -> Iterator[Row]:
    for activation in ACTIVATIONS:
        yield Row(f"6a-{activation}", 6, "Deeper networks learn worse without batch normalisation",
                  "slope of accuracy over doublings of the depth (2, 5, 10 layers), without BN", "points a doubling",
                  _depth(activation), Rule("below", -MARGIN), ("depth",))
    for activation in ACTIVATIONS:
        yield Row(f"6b-{activation}", 6, "The deeper the network, the more batch normalisation helps",
                  "slope over doublings of the depth of the difference BN makes", "points a doubling",
                  _depth(activation), Rule("above", MARGIN), ("depth",))
    for activation in ACTIVATIONS:
        yield Row(f"6c-{activation}", 6, "At 10 layers runs fail that batch normalisation saves",
                  "share of runs that fail, without BN less with", "share", f"{_depth(activation)}, 10 hidden layers",
                  Rule("above"), ("depth",), OTHERS)
    for activation in ACTIVATIONS:
        run, init = ("depth-kaiming", "He's") if activation == "relu" else ("depth-xavier", "Glorot's")
        yield Row(f"6d-{activation}", 6, "Also with weights that suit the activation BN helps the more, the deeper",
                  "slope over doublings of the depth of the difference BN makes", "points a doubling",
                  f"{_depth(activation)}, {init} first weights", Rule("above", MARGIN), (run,))


def _formulas() -> Iterator[Row]:
    yield Row("8", 8, "The formulas of training, testing and their gradients are those of the engine",
              "largest error against float64", "absolute", "every formula of the tutorial", Rule("exact", 1e-10),
              ("formulas",), ALONE)
    affine = "accuracy without gamma and beta less with both"
    matter = "Without gamma and beta accuracy suffers"
    for depth in (2, 10):
        for activation in ACTIVATIONS:
            half = "9a" if activation == "relu" else "9b"
            yield Row(f"{half}-{activation}-{depth}", 9, matter, affine, "points",
                      f"{_depth(activation)}, {depth} hidden layers", Rule("below", -MARGIN), ("affine",))


def _testing() -> Iterator[Row]:
    yield Row("10a", 10, "Replacing 2 of a batch of 8 moves its mean as chance alone does",
              "rms change of the batch mean over sqrt(2 k)/m, less 1", "ratio", f"{POST}, first layer",
              Rule("within", 0.02), ("post",))
    yield Row("10b", 10, "The same image gets another class in another batch",
              "share of images that change their class when 2 of 7 companions are replaced", "share", POST,
              Rule("above", 0.01), ("post",))
    yield Row("11", 11, "Statistics of training take the other images' influence away",
              "images whose class is another alone than in a batch of 64", "images", f"{POST}, running averages",
              Rule("exact"), ("post", "single-image"), ALONE)
    for key, mode in (("12a", "all of training"), ("12b", "the last epoch"), ("12c", "batches with frozen weights")):
        yield Row(key, 12, f"Averages over {mode} are as good as exact statistics",
                  "accuracy by the averages less by exact statistics of all training images", "points", POST,
                  Rule("within", MARGIN), ("post",))
    yield Row("12d", 12, "With averages over all of training batch normalisation still wins",
              "accuracy with BN, by averages over all of training, less without BN", "points", POST,
              Rule("above", MARGIN), ("post",))


def _numbers() -> Iterator[Row]:
    for claim, arm, name in ((13, "no_bn", "without"), (14, "bn", "with")):
        reported = 100 * PUBLISHED[arm]
        yield Row(str(claim), claim, f"One run {name} batch normalisation reaches {reported:g} %",
                  "prediction interval for the test accuracy of one more run that learns", "percent", POST,
                  Rule("reported", round(reported, 6)), ("post",), OTHERS, only="mnist")
    gap, better = "accuracy with BN less without", "Batch normalisation is better"
    yield Row("15a", 15, better, f"{gap}, mean of the last three epochs", "points", POST, Rule("above", MARGIN),
              ("post",))
    yield Row("15b", 15, better, f"{gap}, after the last epoch", "points",
              f"{POST}, each arm with first weights of its own, as in the tutorial", Rule("above", MARGIN),
              ("unpaired",), OTHERS)
    yield Row("15c", 15, better, f"{gap}, mean of the last three epochs", "points",
              "each arm at the rate found by an equal search on held-out training images", Rule("above", MARGIN),
              ("tuned",))
    yield Row("15d", 15, better, f"{gap}, each arm at the rate that was best on the other seeds", "points",
              "batch size 2, 1 epoch, rates from 0.0001 to 0.003", Rule("above", MARGIN), ("batch-2",))
    yield Row("16", 16, "Batch normalisation learns faster",
              "steps of the first epoch to an accuracy of 93 %, with BN less without", "steps", POST, Rule("below"),
              ("speed",))
    yield Row("17a", 17, "A seed makes a run reproducible", "bits that differ when a run is trained again", "bits",
              f"{POST}, same machine", Rule("exact"), ("repeat",), ALONE)
    for key, what, name in (
        ("17b-running", "running averages", "as in the tutorial"),
        ("17b-population", "exact statistics", "as in the tutorial"),
        ("17b-no-bias", "running averages", "no bias in front of batch norm"),
    ):  # fmt: skip
        yield Row(key, 17, "The order of the images in a batch changes nothing",
                  f"images that change their class when the rows of every batch are reversed, by {what}", "images",
                  f"{POST}, 60 steps, {name}", Rule("exact"), ("row-reversal",), ALONE)
    for key, name in (("18-none", "without BN"), ("18-bn", "with BN")):
        yield Row(key, 18, "Choosing the best epoch on the test images flatters",
                  "test accuracy of the best epoch less that of the epoch chosen on held-out images", "points",
                  f"{FEWER}, {name}", Rule("above", 0.01), ("best-epoch",), OTHERS)
    yield Row("18-gap", 18, "The choice of the epoch does not change the difference BN makes",
              f"{gap}, each at its best test epoch, less at the last", "points", FEWER, Rule("within", MARGIN),
              ("best-epoch",), OTHERS)


# fmt: on
ROWS: Mapping[str, Row] = {
    row.key: row
    for row in sorted(
        chain.from_iterable(part() for part in (_shift, _cats, _inside, _deeper, _formulas, _testing, _numbers)),
        key=lambda row: row.claim,
    )
}
"""The rows by key, in the order of the claims."""
