"""A design in a manifest: what makes each field a JSON value, what checks one, and what makes it a field again."""

from collections.abc import Callable
from typing import Any

from study.errors import UsageError, describe_value
from study.spec.arms import Arm
from study.spec.checks import check_known
from study.spec.datasets import DatasetSpec
from study.spec.factors import FACTORS, Cell, Level, variable
from study.spec.networks import NetworkSpec
from study.spec.runs import Configuration

ONE_VALUE = ("dataset", "epochs", "own_data", "network", "seed_of", "unpaired_init")


def to_json(name: str, value: Any) -> Any:
    """Return a field of a design as a JSON value."""
    return _JSON.get(name, _list)(value)


def from_json(name: str, value: Any) -> Any:
    """Return the field of a design of a JSON value; a UsageError where it is of the wrong kind."""
    _check_kind(name, value)
    return _PARSE[name](value) if name in _PARSE else value


def _as_json(chosen: Configuration) -> dict[str, Any]:
    search = {} if chosen.search == 1 else {"search": chosen.search}
    return {"arm": chosen.arm, **search, **chosen.cell.identity}


def _of_json(arm: str, search: int = 1, **levels: Level) -> Configuration:
    return Configuration(arm, Cell(**levels), search)


def _list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


_JSON: dict[str, Callable[[Any], Any]] = {
    "tuned": lambda tuned: [_as_json(chosen) for chosen in tuned],
    "vary": lambda vary: {key: list(levels) for key, levels in vary},
    "own_arms": lambda own: [arm.to_dict() for arm in own],
    "own_data": DatasetSpec.to_dict,
    "network": NetworkSpec.to_dict,
}
"""What makes a field of a design a JSON value, where it is more than a value or a list."""
_PARSE: dict[str, Callable[[Any], Any]] = {
    "tuned": lambda tuned: tuple(_of_json(**chosen) for chosen in tuned),
    "own_arms": lambda own: tuple(Arm.from_dict(arm) for arm in own),
    "own_data": DatasetSpec.from_dict,
    "network": NetworkSpec.from_dict,
}
"""What makes it a field again."""


def _is_a(kind: type) -> Callable[[object], bool]:
    """Return the check that a value of JSON is of a kind: a whole number is a float too, true is no number."""
    return lambda value: type(value) in ((int, float) if kind is float else (kind,))


def _is_configuration(value: object) -> bool:
    if not isinstance(value, dict) or "arm" not in value or not value.keys() - {"arm", "search"} <= FACTORS.keys():
        return False
    levels = {key: level for key, level in value.items() if key not in ("arm", "search")}
    named = all(factor.key in levels for factor in FACTORS.values() if factor.always)
    identified = isinstance(value["arm"], str) and type(value.get("search", 1)) is int
    return named and identified and all(is_level(key, level) for key, level in levels.items())


def is_level(key: str, value: object) -> bool:
    """Whether a value of JSON is of the kind of a factor's levels."""
    return _is_a(FACTORS[key].kind)(value)


KINDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "dataset": (_is_a(str), 'a text such as "mnist"'),
    "arms": (_is_a(str), 'a list of texts such as ["bn", "no_bn"]'),
    "batch_sizes": (_is_a(int), "a list of whole numbers such as [32, 128]"),
    "lrs": (_is_a(float), "a list of numbers such as [0.01, 0.1]"),
    "seeds": (_is_a(int), "a list of whole numbers such as [0, 1]"),
    "epochs": (_is_a(int), "a whole number such as 10"),
    "hidden": (_is_a(int), "a list of whole numbers such as [32, 32]"),
    "own_arms": (lambda value: isinstance(value, dict), 'a list of objects such as {"key": "mine", ...}'),
    "own_data": (lambda value: isinstance(value, dict), "an object"),
    "network": (lambda value: isinstance(value, dict), "an object"),
    "seed_of": (_is_a(str), 'a text such as "both"'),
    "unpaired_init": (_is_a(bool), "true or false"),
    "tuned": (_is_configuration, 'a list of objects such as {"arm": "bn", "batch_size": 32, "lr": 0.01}'),
}
"""The check of a field of a design in a manifest, or of each item where it is a list, and a valid choice."""


def _check_kind(name: str, value: object) -> None:
    if name == "vary":
        _check_vary(value)
        return
    is_of_kind, kind = KINDS[name]
    is_list = isinstance(value, list | tuple)
    if is_list == (name in ONE_VALUE):
        raise UsageError(f"this is not a design: {name} is {describe_value(value)}; give {kind}")
    for item in value if isinstance(value, list | tuple) else (value,):
        if not is_of_kind(item):
            raise UsageError(
                f"this is not a design: {name} {'has' if is_list else 'is'} {describe_value(item)}; give {kind}"
            )


def _check_vary(value: object) -> None:
    """Refuse what is no object of lists of levels by the keys of factors."""
    if not isinstance(value, dict):
        raise UsageError(f"this is not a design: vary is {describe_value(value)}; give an object of lists by factor")
    for key, levels in value.items():
        check_known("this is not a design: vary:", key, variable())
        if not isinstance(levels, list) or not all(is_level(key, level) for level in levels):
            raise UsageError(f"this is not a design: vary.{key} is {describe_value(levels)}; give a list of its levels")
