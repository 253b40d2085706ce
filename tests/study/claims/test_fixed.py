"""What a ledger fixes before its first run stays fixed; who asks for something else, or changes it, is told so."""

import dataclasses
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from analysis.report.__main__ import newest
from study import ablate, run, tune
from study.claims import __main__ as command
from study.claims.registry import REGISTRY
from study.errors import StudyError, UsageError
from study.spec.claims.experiments import EXTENTS, FULL, PROBES, Extent
from study.spec.claims.fixed import Fixed
from study.spec.claims.rows import ROWS
from study.spec.datasets import DATASETS
from study.store import claims_manifest, parts
from study.store.claims_folder import FIXED, MEASUREMENTS, ClaimsFolder
from study.store.manifest import read_manifest
from tests.study.claims.ledgers import BARE, make, only, ours, part_of, tables
from tests.study.claims.probes_of_ours import TRAP

Values = dict[str, Any]


def values_of(out: Path) -> Values:
    values: Values = json.loads((out / "claims" / "manifest.json").read_text())
    return values


def write(out: Path, values: Any) -> None:
    (out / "claims" / "manifest.json").write_text(json.dumps(values))


def test_the_manifest_has_the_fields_of_its_type(whole: Path) -> None:
    values, type_ = values_of(whole), claims_manifest.LedgerManifest
    assert {*values} == type_.__required_keys__ | type_.__optional_keys__
    assert {*claims_manifest.KINDS.required} == type_.__required_keys__
    assert {*claims_manifest.KINDS.optional} == type_.__optional_keys__


def test_rows_rules_and_level_come_back_as_they_were_fixed(whole: Path) -> None:
    assert ClaimsFolder(whole / "claims").fixed() == Fixed.begin(DATASETS["digits"], BARE, 0.05)


def test_what_is_fixed_stands_in_the_manifest_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRAP, str(tmp_path))
    (tmp_path / "fault").touch()
    assert make(tmp_path) == 3
    assert values_of(tmp_path)["rows"] == [row.to_dict() for row in ROWS.values()]
    folder = ClaimsFolder(tmp_path / "claims")
    assert (fixed := folder.fixed()) is not None
    assert folder.done(fixed) == {"begun"}


def looser(values: Values) -> None:
    values["rows"][0]["rule"]["bound"] = 0.5


def other_kind(values: Values) -> None:
    values["rows"][0]["rule"]["kind"] = "below"


def fewer(values: Values) -> None:
    del values["rows"][3]


def other_words(values: Values) -> None:
    values["rows"][1]["statement"] = "What we had meant"


def other_level(values: Values) -> None:
    values["alpha"] = 0.01


def other_family(values: Values) -> None:
    values["rows"][0]["family"] = "alone"


def more_seeds(values: Values) -> None:
    values["extent"]["runs"] += 1


@pytest.mark.parametrize("change", [looser, other_kind, fewer, other_words, other_level, other_family, more_seeds])
def test_what_was_changed_after_the_first_run_is_noticed_by_the_command_and_by_a_reader(
    change: Callable[[Values], None], ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = values_of(ledger)
    change(values)
    write(ledger, values)
    assert make(ledger) == 2
    told = capsys.readouterr().err
    assert "has other rows, rules, alpha or experiments than those under which its part" in told
    assert told.count("\n") == 1
    with pytest.raises(UsageError, match="under which its table measurements was made"):
        ClaimsFolder(ledger / "claims").read(MEASUREMENTS)


def test_a_rule_changed_before_the_first_measurement_is_noticed_too(ledger: Path) -> None:
    """The command was killed when it had fixed the rules and no more."""
    begun = part_of(ledger, "begun")
    for path in [*begun.parent.iterdir(), *(ledger / "claims").glob("*.parquet")]:
        if path != begun:
            path.unlink()
    values = values_of(ledger)
    looser(values)
    write(ledger, values)
    assert make(ledger) == 2


def test_parts_of_another_ledger_are_refused(ledger: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert make(other, "--alpha", "0.01") == 0
    stranger = part_of(other, "speed/bn-1")
    stranger.rename(ledger / "claims" / "parts" / stranger.name)
    assert make(ledger) == 2


def test_an_experiment_of_another_version_of_the_program_is_refused(
    ledger: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = dataclasses.replace(PROBES["speed"], settings={"every": 50})
    for where in ("experiments", "fixed"):
        monkeypatch.setitem(__import__(f"study.spec.claims.{where}", fromlist=["x"]).EXPERIMENTS, "speed", changed)
    assert make(ledger) == 2
    assert "the experiment speed is another in this version" in capsys.readouterr().err


def test_a_lost_manifest_is_written_again_where_the_parts_were_made_under_what_is_asked_for(
    ledger: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ledger is complete, so that nothing else is to be done."""
    (ledger / "claims" / "manifest.json").unlink()
    lost = "manifest.json is lost; it is written again, since the parts were made under what this command asks for"
    assert make(ledger, "--dry-run") == 0
    assert re.search(rf"alpha 0.05, as fixed before the first run\n +{lost}\n", capsys.readouterr().out)
    assert not (ledger / "claims" / "manifest.json").exists()
    assert make(ledger) == 0
    assert capsys.readouterr().err == f"Warning: {ledger / 'claims'}: {lost}\n"
    assert tables(ledger) == tables(whole)
    made, first = values_of(ledger), values_of(whole)
    settings = ("rows", "alpha", "extent", "experiments", "tables", "data")
    assert [made[key] for key in settings] == [first[key] for key in settings]
    assert make(ledger) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("options", [("--alpha", "0.01"), ("--seeds", "3"), ("--alpha", "0.01", "--dry-run")])
def test_a_lost_manifest_gives_way_to_no_other_rules(
    options: tuple[str, ...], ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (ledger / "claims" / "manifest.json").unlink()
    before = {path: path.read_bytes() for path in ledger.rglob("*") if path.is_file()}
    assert make(ledger, *options) == 2
    told = capsys.readouterr().err
    assert "manifest.json is lost, and this command asks for other rows, rules, alpha or experiments than" in told
    assert told.endswith("Restore it, or choose another --study-id.\n")
    assert told.count("\n") == 1
    assert {path: path.read_bytes() for path in ledger.rglob("*") if path.is_file()} == before


def test_tables_take_no_part_of_other_rules(ledger: Path) -> None:
    folder, values = ClaimsFolder(ledger / "claims"), values_of(ledger)
    looser(values)
    write(ledger, values)
    with pytest.raises(UsageError, match="under which its part"):
        folder.compact()
    with pytest.raises(UsageError, match="under which its part"):
        folder.done(Fixed.from_dict(values))


# --- asked for otherwise


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        (("--alpha", "0.01"), "to the full extent with 2 seeds and alpha 0.01"),
        (("--seeds", "3"), "to the full extent with 3 seeds and alpha 0.05"),
        (("--quick",), "to the quick extent with 6 seeds and alpha 0.05"),
        (("--dataset", "mnist"), "on MNIST to the full extent with 2 seeds and alpha 0.05"),
    ],
)
def test_another_ledger_is_refused_with_the_command_that_goes_on(
    options: tuple[str, ...], asked: str, ledger: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(ledger, *options) == 2
    told = capsys.readouterr().err
    assert "was begun on scikit-learn's digits to the full extent with 2 seeds and alpha 0.05" in told
    assert asked in told
    assert told.count("\n") == 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(EXTENTS, "full", BARE)
        assert make(ledger, *options) == 2
    match = re.search(r"go on with python -m study.claims (.*)", capsys.readouterr().err)
    assert match
    assert make(ledger, *[word.strip("'") for word in match[1].split()]) == 0
    assert tables(ledger) == tables(whole)


def test_a_command_that_names_nothing_goes_on_with_what_was_fixed(
    ledger: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program's own extent and data set are others than this ledger's."""
    part_of(ledger, "speed/bn-1").unlink()
    with ours(FULL):
        assert command.main(["--out", str(ledger), "--workers", "1"]) == 0
    assert "extent   full, 2 seeds, alpha 0.05, as fixed before the first run" in capsys.readouterr().out
    assert tables(ledger) == tables(whole)


def test_the_level_of_the_first_command_is_that_of_the_next(tmp_path: Path) -> None:
    assert make(tmp_path, "--alpha", "0.01") == 0
    assert make(tmp_path) == 0
    assert values_of(tmp_path)["alpha"] == 0.01


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--seeds", "1"), "--seeds 1: give at least 2, and for verdicts at least 6"),
        (("--alpha", "0.7"), "--alpha 0.7: give a number between 0 and 0.5"),
        (("--study-id", "../x"), "--study-id ../x: choose letters"),
        (("--dataset", "sklearn:wine"), "--dataset sklearn:wine: the tutorial's claims are about pictures"),
        (("--dataset", "own.npz"), "--dataset own.npz: the tutorial's claims are about pictures that come with"),
        (("--dataset", "mnist-cats"), "--dataset mnist-cats: the tutorial's claims are about pictures"),
        (("--workers", "-1"), "--workers -1: give 1 or more"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    options: tuple[str, ...], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(tmp_path, *options) == 2
    assert capsys.readouterr().err.startswith(f"study.claims: {told}")
    assert not [*tmp_path.iterdir()]


# --- studies and ledgers


@pytest.mark.parametrize("program", [run, tune])
def test_a_command_of_studies_says_what_a_ledger_is(
    program: Any, ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in ledger.rglob("*") if path.is_file()}
    assert program.main(["--dataset", "digits", "--out", str(ledger), "--study-id", "claims"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert f"go on with the ledger: python -m study.claims --out {ledger}" in told
    assert {path: path.read_bytes() for path in ledger.rglob("*") if path.is_file()} == before


def test_inference_modes_are_those_of_a_ledgers_studies(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ablate.main([str(ledger / "claims")]) == 2
    told = capsys.readouterr().err
    assert "is that of a ledger of the tutorial's claims" in told
    assert f"Name the folder of one, under {ledger / 'claims' / 'studies'}, or go on with the ledger: python" in told
    assert "--study-id" not in told
    with pytest.raises(UsageError, match="Choose another --study-id, or go on with the ledger"):
        read_manifest(ledger / "claims" / "manifest.json")


def test_a_study_is_no_ledger(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = ["--dataset", "digits", "--seeds", "1", "--epochs", "1", "--lrs", "0.01", "--batch-sizes", "512", "--quiet"]
    assert run.main([*study, "--no-ablation", "--out", str(tmp_path), "--study-id", "claims"]) == 0
    assert make(tmp_path) == 2
    assert "is that of a study, not of a ledger of claims" in capsys.readouterr().err


def test_the_report_finds_the_ledger_that_was_made_last(ledger: Path) -> None:
    assert newest(ledger) == ledger / "claims"


# --- the plan


def test_a_dry_run_says_what_is_done_and_writes_nothing(
    ledger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part_of(ledger, "speed/bn-1").unlink()
    before = {path: path.stat().st_mtime_ns for path in ledger.rglob("*")}
    assert make(ledger, "--dry-run") == 0
    assert {path: path.stat().st_mtime_ns for path in ledger.rglob("*")} == before
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    said = dict(line for line in lines if len(line) == 2)
    assert said["formulas"] == "2 units, done"
    assert said["speed"] == "2 units, 1 done, about 1 s"
    assert said["cats"].startswith("not run: ")
    assert said["post"] == "not run: the full extent leaves it out"
    assert said["extent"] == "full, 2 seeds, alpha 0.05, as fixed before the first run"


def test_a_dry_run_of_a_new_ledger_names_every_experiment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ours(dataclasses.replace(only(), left_out=())):
        assert command.main(["--dataset", "digits", "--out", str(tmp_path), "--dry-run"]) == 0
    said = capsys.readouterr().out
    for key in ("post", "post, modes", "unpaired", "depth", "affine", "tuned, search", "tuned", *PROBES):
        assert re.search(rf"^  {key} +", said, re.MULTILINE), key
    assert re.search(r"^extent +full, 2 seeds, alpha 0.05, to be fixed before the first run$", said, re.MULTILINE)
    assert not [*tmp_path.iterdir()]


def test_every_probe_has_its_module() -> None:
    assert {*REGISTRY} == {*PROBES}
    digits = DATASETS["digits"]
    for key, entry in REGISTRY.items():
        assert callable(entry.load()), key
        units = PROBES[key].units(digits, FULL)
        assert len({*units}) == len(units) > 0, key


# --- manifests and tables that anybody may have written


@pytest.mark.parametrize("reader", [read_manifest, claims_manifest.read_ledger_manifest])
def test_a_kind_that_is_not_known_is_named(reader: Callable[[Path], Any], ledger: Path) -> None:
    write(ledger, values_of(ledger) | {"kind": "herd"})
    with pytest.raises(UsageError, match=r"has 'herd' as kind, which this program does not know: .* Restore it"):
        reader(ledger / "claims" / "manifest.json")


def test_a_table_of_another_ledger_is_refused(ledger: Path) -> None:
    folder = ClaimsFolder(ledger / "claims")
    table = folder.read(MEASUREMENTS).replace_schema_metadata({FIXED: "0" * 64})
    content = parts.encode(table)
    values = values_of(ledger)
    values["tables"] |= parts.write_tables(folder.path, {MEASUREMENTS: content})
    write(ledger, values)
    with pytest.raises(UsageError, match="under which its table measurements was made"):
        folder.read(MEASUREMENTS)


def test_a_table_of_other_columns_is_refused(ledger: Path) -> None:
    folder = ClaimsFolder(ledger / "claims")
    path = folder.path / "measurements.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["n"]), path)
    with pytest.raises(UsageError, match="its sha256 is not the one in manifest"):
        folder.read(MEASUREMENTS)
    values = values_of(ledger)
    del values["tables"][MEASUREMENTS]
    write(ledger, values)
    with pytest.raises(UsageError, match="it has the columns"):
        folder.read(MEASUREMENTS)


STRANGE = [None, True, -1, 0, 1.5, 10**40, "", "a\0b", "\x1b[2J", "x" * 2000, [], [[]], [1], {}, {"a": 1}, [{"a": []}]]


def test_a_mutated_manifest_is_read_or_refused(ledger: Path) -> None:
    """Each place of the manifest gets each of the strange values; what is refused is a sentence of ours."""
    values, n_refused = values_of(ledger), 0
    places = [*places_of(values)]
    stream = random.Random(0)
    for path in stream.sample(places, 150):
        mutant = json.loads(json.dumps(values))
        inner = mutant
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = stream.choice(STRANGE)
        write(ledger, mutant)
        try:
            n_refused += refused(ledger)
        except Exception as error:
            raise AssertionError(f"{path}: {inner[path[-1]]!r}") from error
    assert n_refused > 75


def refused(ledger: Path) -> bool:
    try:
        ClaimsFolder(ledger / "claims").read_manifest()
    except StudyError:
        return True
    return False


def places_of(value: Any, path: tuple = ()) -> Any:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places_of(item, (*path, key))


@pytest.mark.parametrize(
    "change", [{"seeds": 0}, {"seeds": True}, {"runs": 1}, {"left_out": ["x"]}, {"name": []}, {"more": 1}]
)
def test_an_extent_that_cannot_be_is_refused(change: Values) -> None:
    assert Extent.from_dict(FULL.to_dict()) == FULL
    with pytest.raises(UsageError):
        Extent.from_dict(FULL.to_dict() | change)
