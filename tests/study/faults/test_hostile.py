"""Designs that anybody may have written: read, or refused in one sentence; nothing in a file is run."""

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from study.errors import UsageError
from study.spec import design
from study.spec.design import Design
from study.spec.runs import Run
from study.store import untrusted_parquet
from tests import ROOT

DESIGN = Design("digits", batch_sizes=(32, 64), lrs=(0.01,), seeds=(0, 1), epochs=2)
HUGE = 10**4000

ODD_VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 1.0, 0.5, -0.0, 1e308, HUGE, -HUGE, 2**31, 2**63, "", "0", "bn", "한국어",
    "x" * 100_000, "../../up", "a/b", "a\\b", "\0", "a\nb", "\x1b[2J", "\ud800", "=cmd", "<script>", [], {},
    [[]], [{}], {"": {}}, [1, "1"], [None], ["bn"], [True], [0.1], [HUGE], ["bn", ["no_bn"]],
]  # fmt: skip


def assert_one_sentence(text: str) -> None:
    assert len(text) < 1000
    assert "\n" not in text
    text.encode()


# --- designs


@pytest.mark.parametrize("field", sorted(DESIGN.to_dict()))
@pytest.mark.parametrize("odd", [0, 1])
def test_a_field_of_a_design_that_is_of_another_type_is_refused(field: str, odd: int) -> None:
    """As a value, and as an item of its list; what is taken is what belongs there."""
    sound = DESIGN.to_dict()
    for value in ODD_VALUES:
        wrapped = [*sound[field], value] if odd and isinstance(sound[field], list) else value
        try:
            made = Design.from_dict(sound | {field: wrapped})
        except UsageError as error:
            assert_one_sentence(str(error))
        else:
            assert made.to_dict() == Design.from_dict(json.loads(json.dumps(made.to_dict()))).to_dict()
            assert type(getattr(made, field)) is type(getattr(DESIGN, field))


@pytest.mark.parametrize("values", [None, [], "design", 3, {}, DESIGN.to_dict() | {"extra": 1}, {"dataset": "digits"}])
def test_a_design_with_other_fields_is_refused(values: Any) -> None:
    with pytest.raises(UsageError, match="a design has the fields arms, batch_sizes, dataset, epochs, hidden, lrs"):
        Design.from_dict(values)


def test_whole_numbers_as_rates_are_the_rates_that_they_are() -> None:
    whole, same = (Design.from_dict(DESIGN.to_dict() | {"lrs": lrs}) for lrs in ([1], [1.0]))
    assert (whole.digest, whole.runs) == (same.digest, same.runs)
    with pytest.raises(UsageError, match=r"1(\.0)? is given twice"):
        Design.from_dict(DESIGN.to_dict() | {"lrs": [1, 1.0]})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": range(100_001)}, "--seeds: these are 100,001 seeds; give at most 100,000"),
        ({"lrs": [1 + i * 1e-6 for i in range(5001)]}, "these are 10,002 cells; give at most 10,000"),
        (
            {"seeds": range(100_000), "lrs": [0.1, 0.2, 0.3]},
            "--batch-sizes times --lrs times --seeds times --arms: these are 1,200,000 runs; give at most 1,000,000",
        ),
        (
            {"seeds": range(1000), "epochs": 32_767},
            "4,000 runs of --epochs 32767: these are 262,144,000 records; give at most 20,000,000",
        ),
        ({"epochs": 32_768}, "--epochs 32768: give a whole number from 1 to 32767 epochs"),
        ({"hidden": [32] * 101}, "--hidden: these are 101 layers; give at most 100"),
        ({"hidden": [32_769]}, "--hidden 32769: give a whole number from 1 to 32768 units"),
        ({"hidden": [32_768] * 3}, "--hidden: these are 2,.* weights; give at most 2,147,483,647"),
        ({"batch_sizes": [HUGE]}, "--batch-sizes a number of 13288 bits: give a whole number from 1 to 1437"),
        ({"lrs": [HUGE]}, "--lrs a number of 13288 bits: a learning rate is"),
        ({"dataset": "x" * 100_000}, "--dataset 'x{80}...' is unknown; choose from"),
        ({"seeds": [7] * 1_000_000}, "--seeds 7 7 7.*: 7 is given twice"),
    ],
)
def test_a_design_cannot_ask_for_what_no_machine_holds(change: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message) as refusal:
        Design.from_dict(
            DESIGN.to_dict() | {name: list(v) if isinstance(v, range) else v for name, v in change.items()}
        )
    assert_one_sentence(str(refusal.value))


def test_the_bounds_are_generous() -> None:
    """A million runs, a hundred thousand seeds; the tables of the largest design can be read again."""
    Design("mnist", batch_sizes=tuple(range(2, 52)), lrs=(0.1,), seeds=tuple(range(10_000)), epochs=9)
    Design("mnist", lrs=(0.1,), seeds=tuple(range(100_000)))
    Design("mnist", hidden=(32_768,), epochs=32_767)
    assert design.MAX_RECORDS <= untrusted_parquet.MAX_VALUES


# --- nothing is executed

MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml", "jsonpickle", "code"}
CALLS = {"eval", "exec", "compile", "__import__", "execfile"}


def loads_code(source: str) -> list[str]:
    """What in ``source`` could run what it reads."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom):
            found += [str(node.module)] if str(node.module).split(".")[0] in MODULES else []
        elif isinstance(node, ast.Call):
            found += _of_call(node)
    return found


def _of_call(call: ast.Call) -> list[str]:
    name = ast.unparse(call.func)
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    checks: list[Callable[[], bool]] = [
        lambda: name in CALLS,
        lambda: name in ("torch.load", "os.system", "os.popen", "pd.read_pickle", "pandas.read_pickle"),
        lambda: name.endswith((".load", ".memmap")) and "allow_pickle" in keywords,
        lambda: name in ("np.load", "numpy.load") and len(call.args) > 2,
        lambda: "shell" in keywords and ast.unparse(keywords["shell"]) != "False",
    ]
    return [name] if any(check() for check in checks) else []


def test_nothing_in_the_program_runs_what_it_reads() -> None:
    files = [path for folder in ("study", "analysis") for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 80
    assert {path.name: found for path in files if (found := loads_code(path.read_text("utf-8")))} == {}


@pytest.mark.parametrize(
    "source",
    ["import pickle", "from joblib import load", "import yaml", "import marshal, os", "eval('1')", "exec(text)",
     "torch.load(path, weights_only=False)", "np.load(path, allow_pickle=True)", "numpy.load(path, None, True)",
     "subprocess.run(command, shell=True)", "os.system('ls')", "import shelve as s", "pd.read_pickle(path)"],
)  # fmt: skip
def test_the_search_finds_what_it_looks_for(source: str) -> None:
    assert loads_code(source)


def test_a_network_is_never_a_pickle(tmp_path: Path) -> None:
    from study.store import weights

    path = weights.Networks(tmp_path, DESIGN).path(Run(32, 0.01, seed=0, arm="bn"))
    assert path.suffix == ".safetensors"
    assert not weights.NAME.fullmatch("network.pkl")
