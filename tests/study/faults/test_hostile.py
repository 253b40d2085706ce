"""Designs and manifests that anybody may have written: read, or refused in one sentence; nothing in them is run."""

import ast
import copy
import dataclasses
import json
import os
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from analysis.errors import AnalysisError
from analysis.findings.looks import Look
from analysis.records.tables import load
from analysis.report import __main__ as report
from study import run
from study.errors import EnvironmentFault, StudyError, UsageError
from study.spec import design
from study.spec.design import Design
from study.spec.runs import Run
from study.store import manifest, untrusted_parquet
from study.store.study_folder import Folder
from tests import ROOT
from tests.analysis.planted import plant

DESIGN = Design("digits", batch_sizes=(32, 64), lrs=(0.01,), seeds=(0, 1), epochs=2)
HUGE = 10**4000

ODD_VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 1.0, 0.5, -0.0, 1e308, HUGE, -HUGE, 2**31, 2**63, "", "0", "bn", "한국어",
    "x" * 100_000, "../../up", "a/b", "a\\b", "\0", "a\nb", "\x1b[2J", "\ud800", "=cmd", "<script>", [], {},
    [[]], [{}], {"": {}}, [1, "1"], [None], ["bn"], [True], [0.1], [HUGE], ["bn", ["no_bn"]],
]  # fmt: skip


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


# --- manifests


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = plant(tmp_path_factory.mktemp("hostile") / "s", DESIGN, lambda run, epoch: 0.25 + 0.25 * epoch)
    assert report.main([str(path)]) == 0
    text = json.loads((path / "manifest.json").read_text())
    session = {name: text[name] for name in manifest.SESSION}
    write(path, text | {"earlier": [session], "timings": {"training_seconds": 1.5}})
    return path


@pytest.fixture
def study(planted: Path) -> Iterator[Path]:
    """The planted study, whose manifest may be replaced."""
    before = (planted / "manifest.json").read_bytes()
    yield planted
    (planted / "manifest.json").unlink(missing_ok=True)
    (planted / "manifest.json").write_bytes(before)


def write(study: Path, manifest: Any) -> None:
    (study / "manifest.json").write_text(json.dumps(manifest), "utf-8")


def values_of(study: Path) -> dict[str, Any]:
    return json.loads((study / "manifest.json").read_text("utf-8"))


def refusal(study: Path, kind: type[StudyError] = UsageError) -> str:
    """What reading the manifest says; the report and a further command say it too, with the exit code of ``kind``."""
    with pytest.raises(StudyError) as error:
        Folder(study).read_manifest()
    assert type(error.value) is kind
    with pytest.raises(AnalysisError, match=re.escape(str(error.value))):
        load(study)
    text = str(error.value)
    assert str(study / "manifest.json") in text
    assert_one_sentence(text.replace(". Restore it or move it away.", ""))
    return text


def assert_one_sentence(text: str) -> None:
    assert len(text) < 1000
    assert "\n" not in text
    text.encode()


def test_a_manifest_that_the_program_writes_is_read(study: Path) -> None:
    assert Folder(study).read_manifest() == values_of(study)
    assert len(values_of(study)["earlier"]) == len(values_of(study)["looks"]) == 1


def test_the_looks_of_a_manifest_have_the_fields_of_the_reports() -> None:
    assert {*manifest.LOOK.required, *manifest.LOOK.optional} == {field.name for field in dataclasses.fields(Look)}
    assert set(manifest.COMMANDS) == set(manifest.SESSION)
    assert set(manifest.MANIFEST.required) == manifest.Manifest.__required_keys__
    assert set(manifest.MANIFEST.optional) == manifest.Manifest.__optional_keys__


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "large", "zero"])
def test_a_manifest_that_is_no_regular_file_of_bounded_size_is_refused(kind: str, study: Path) -> None:
    path = study / "manifest.json"
    text = path.read_bytes()
    path.unlink()
    try:
        if kind == "link":
            (study / "elsewhere").write_bytes(text)
            path.symlink_to(study / "elsewhere")
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        elif kind == "large":
            path.write_bytes(text + b" " * manifest.MAX_BYTES)
        else:
            path.symlink_to("/dev/zero")
        assert re.search("regular file|at most 16,777,216 are read", refusal(study))
    finally:
        path.rmdir() if path.is_dir() else path.unlink()


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("", EnvironmentFault, "cannot be read: Expecting value"),
        ("{", EnvironmentFault, "cannot be read"),
        ("\udcff", EnvironmentFault, "cannot be read: 'utf-8' codec"),
        ("9" * 5000, EnvironmentFault, "cannot be read: Exceeds the limit"),
        ("[" * 100_000, UsageError, "is nested deeper than any manifest"),
        ('{"a":' * 100_000, UsageError, "is nested deeper than any manifest"),
        ("[]", UsageError, "holds a list; a manifest is an object"),
        ("null", UsageError, "holds null; a manifest is an object"),
        ('{"schema_version": 1, "schema_version": 1}', UsageError, "has the field 'schema_version' twice"),
        ('{"timings": NaN}', UsageError, "holds NaN, which is no number of JSON; a manifest has null there"),
        ('{"timings": -Infinity}', UsageError, "holds -Infinity, "),
        ("{}", UsageError, "has schema version null, this program reads 1"),
        ('{"schema_version": true}', UsageError, "has schema version true, this program reads 1"),
        ('{"schema_version": 1.0}', UsageError, "has schema version 1.0, this program reads 1"),
        ('{"schema_version": "1"}', UsageError, "has schema version '1', this program reads 1"),
        ('{"schema_version": 99}', UsageError, r"made by a newer program \(schema 99, this one reads 1\): update it"),
        (f'{{"schema_version": 1{"0" * 4000}}}', UsageError, r"made by a newer program \(schema a number of"),
        ('{"schema_version": 0}', UsageError, r"made by an older program \(schema 0, this one reads 1\): read it with"),
        ('{"schema_version": 1}', UsageError, "lacks argv, data, design, device, digest, earlier, git, study_id"),
    ],
)
def test_what_is_no_manifest_is_refused(text: str, kind: type[StudyError], message: str, study: Path) -> None:
    (study / "manifest.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert re.search(message, refusal(study, kind))


def put(manifest: Any, place: str, value: Any) -> None:
    """``value`` at a place such as ``earlier.0.argv``."""
    *parents, last = [int(word) if word.isdigit() else word for word in place.split(".")]
    for word in parents:
        manifest = manifest[word]
    manifest[last] = value


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("study_id", "", "has '' as study_id; a name of 1 to 256 characters that can be printed belongs there"),
        ("study_id", "x" * 10_000, "has 'x{80}...' as study_id"),
        ("study_id", "a\nb", r"has 'a\\nb' as study_id"),
        ("study_id", "a\0b", r"has 'a\\x00b' as study_id"),
        ("study_id", "\ud800", r"has '\\ud800' as study_id"),
        ("study_id", 3, "has 3 as study_id"),
        ("design", [], "has a list as design; an object belongs there"),
        ("design.epochs", "2", "has a design that cannot be: this is not a design: epochs is '2'; give a whole number"),
        ("design.seeds", [0, 0], "has a design that cannot be: --seeds 0 0: 0 is given twice"),
        ("design.\x1b[2J", 1, r"a design has the fields .*; this one has .* '\\x1b\[2J'"),
        ("digest", None, "has null as digest; a text"),
        ("data", [], "has a list as data; an object belongs there"),
        ("data.name", 1, "has 1 as data.name; a text of at most"),
        ("data.sha256", "0", "has '0' as data.sha256; an object belongs there"),
        ("data.sha256.file", None, "has null as data.sha256.file"),
        ("data.notice", "\x1b[2J", r"has '\\x1b\[2J' as data.notice; a text of .* or null, belongs there"),
        ("argv", ["python"], "has a list as argv"),
        ("argv", "\ud800", "as argv"),
        ("versions.python", 3.11, "has 3.11 as versions.python"),
        ("versions.\n", "1", r"has '\\n' as the name of a field in versions"),
        ("git.commit", 1, "has 1 as git.commit; a text of .* or null, belongs there"),
        ("git.dirty", 0, "has 0 as git.dirty; true or false, or null, belongs there"),
        ("git.branch", "main", "has the field 'git.branch', which this program does not know"),
        ("device.kind", "tpu", "has 'tpu' as device.kind; cpu or cuda belongs there"),
        ("device.kind", [], "has a list as device.kind"),
        ("device.workers", 2.0, "has 2.0 as device.workers; a whole number from 0 on belongs there"),
        ("device.workers", True, "has true as device.workers"),
        ("device.engine", None, "has null as device.engine"),
        ("timings.training_seconds", "1", "has '1' as timings.training_seconds; a number from 0 on"),
        ("timings.training_seconds", -1, "has -1 as timings.training_seconds"),
        ("timings.training_seconds", HUGE, "has a number of 13288 bits as timings.training_seconds"),
        ("earlier", {}, "has an object as earlier; a list belongs there"),
        ("earlier.0", None, r"has null as earlier\[0\]; an object belongs there"),
        ("earlier.0.argv", 5, r"has 5 as earlier\[0\].argv"),
        ("earlier.0", {}, r"lacks earlier\[0\].argv, earlier\[0\].device, earlier\[0\].git"),
        ("earlier.0.looks", [], r"has the field 'earlier\[0\].looks', which this program does not know"),
        ("looks", None, "has null as looks; a list belongs there"),
        ("looks.0", {}, r"lacks looks\[0\].alpha, looks\[0\].arm, looks\[0\].mean_diff"),
        ("looks.0.arm", "bm", r"has 'bm' as looks\[0\].arm; one of bn, no_bn, layer belongs there"),
        ("looks.0.alpha", 0.5, r"has 0.5 as looks\[0\].alpha; a number between 0 and 0.5"),
        ("looks.0.seeds", "6", r"has '6' as looks\[0\].seeds"),
        ("looks.0.p_t", -0.1, r"has -0.1 as looks\[0\].p_t"),
        ("looks.0.extra", 1, r"has the field 'looks\[0\].extra', which this program does not know"),
        ("x" * 1000, 1, "has the field 'x{80}...', which this program does not know"),
    ],
)
def test_a_field_that_does_not_belong_there_is_refused_by_its_name(
    place: str, value: Any, message: str, study: Path
) -> None:
    manifest = values_of(study)
    put(manifest, place, value)
    write(study, manifest)
    assert re.search(message, refusal(study))


def test_numbers_beyond_a_float_are_refused(study: Path) -> None:
    text = json.dumps(values_of(study)).replace('"training_seconds": 1.5', '"training_seconds": 1e999')
    (study / "manifest.json").write_text(text)
    assert "has inf as timings.training_seconds" in refusal(study)


@pytest.mark.parametrize("name", ["../../up", "/etc/passwd", "..", "=cmd|' <script>a\\b한국어"])
def test_a_name_is_shown_and_never_where_anything_is_written(name: str, study: Path) -> None:
    """The folder of a study is the one that was asked for, whatever its manifest says."""
    write(study, values_of(study) | {"study_id": name, "looks": []})
    Folder(study).compact()
    beside = {path for path in study.parent.parent.rglob("*") if study not in path.parents}
    assert report.main([str(study)]) == 0
    assert {path for path in study.parent.parent.rglob("*") if study not in path.parents} == beside
    assert json.loads((study / "report.json").read_text())["study_id"] == name
    write(study, values_of(study) | {"study_id": "s"})
    Folder(study).compact()


@pytest.mark.parametrize("text", ["{", '{"schema_version": 99}', "[" * 100_000])
def test_a_command_on_a_study_with_such_a_manifest_leaves_it_alone(
    text: str, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in study.rglob("*.parquet")}
    (study / "manifest.json").write_text(text)
    command = ["--dataset", "digits", "--out", str(study.parent), "--study-id", "s", "--workers", "1"]
    assert run.main([*command, "--dry-run"]) == run.main(command) == (3 if text == "{" else 2)
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert str(study / "manifest.json") in error
    assert (study / "manifest.json").read_text() == text
    assert {path: path.stat().st_mtime_ns for path in study.rglob("*.parquet")} == before


# --- a fuzzer of manifests


def places(value: Any, place: tuple = ()) -> Iterator[tuple]:
    """Of every node below the root."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*place, key)
        yield from places(item, (*place, key))


def mutated(manifest: dict[str, Any], chance: random.Random) -> Any:
    """One to three nodes replaced, deleted, doubled, renamed or given to another place."""
    changed: Any = copy.deepcopy(manifest)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        *way, last = chance.choice([*places(changed)])
        parent = changed
        for key in way:
            parent = parent[key]
        action = chance.choice(("replace", "replace", "delete", "double", "rename", "wrap"))
        if action == "delete":
            del parent[last]
        elif action == "wrap":
            parent[last] = chance.choice(([parent[last]], {"x": parent[last]}, json.dumps(parent[last])))
        elif action == "double" and isinstance(parent, list):
            parent.insert(last, copy.deepcopy(parent[last]))
        elif action == "rename" and isinstance(parent, dict):
            parent[chance.choice(("x", "", "seeds", "looks", "argv", "\n"))] = parent.pop(last)
        else:
            parent[last] = copy.deepcopy(chance.choice(ODD_VALUES))
    return changed


def damaged(text: bytes, chance: random.Random) -> bytes:
    """A byte flipped, a stretch cut, doubled or filled, or a word put where it does not belong."""
    start, length = chance.randrange(len(text)), chance.choice((1, 1, 2, 10, 100))
    new = chance.choice(
        (b"", bytes(chance.randrange(256) for _ in range(length)), text[start : start + length] * 2, b"NaN", b"1e999",
         b"[" * 50, b'{"a":', b"\xff", b"\x00", b"-", b"true", b"null", b'"')
    )  # fmt: skip
    return text[:start] + new + text[start + length :]


def read_or_refused(study: Path) -> bool:
    """Whether the study loads; anything but a refusal in words is a failure of the test."""
    try:
        manifest = Folder(study).read_manifest()
        assert manifest is not None
        Design.from_dict(manifest["design"])
    except StudyError as error:
        assert_one_sentence(str(error).replace(". Restore it or move it away.", ""))
        with pytest.raises(AnalysisError):
            load(study)
        return False
    try:
        loaded = load(study)
    except AnalysisError as error:
        assert_one_sentence(str(error))
        return False
    assert all(Look(**look).seeds >= 0 for look in loaded.manifest.get("looks", []))
    return True


def fuzz_manifests(study: Path, n: int) -> tuple[int, int]:
    """How many of ``n`` mutants were read, and how many refused."""
    manifest, text = values_of(study), (study / "manifest.json").read_bytes()
    n_read = 0
    for i in range(n):
        chance = random.Random(i)
        mutant = damaged(text, chance) if i % 2 else json.dumps(mutated(manifest, chance)).encode()
        (study / "manifest.json").write_bytes(mutant)
        try:
            n_read += read_or_refused(study)
        except Exception as error:
            raise AssertionError(f"mutant {i}: {mutant[:2000]!r}") from error
    return n_read, n - n_read


def test_a_mutated_manifest_is_read_or_refused(study: Path) -> None:
    n_read, n_refused = fuzz_manifests(study, 300)
    assert min(n_read, n_refused) > 20


@pytest.mark.slow
def test_20_000_mutated_manifests_are_read_or_refused(study: Path) -> None:
    n_read, n_refused = fuzz_manifests(study, 20_000)
    assert min(n_read, n_refused) > 1000


def test_the_fuzzer_finds_a_reader_that_trusts(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the check of the fields, a mutant ends in a KeyError or a TypeError."""
    monkeypatch.setattr(manifest, "_check_fields", lambda values: None)
    with pytest.raises(AssertionError, match="mutant"):
        fuzz_manifests(study, 300)


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

    path = weights.path_of(tmp_path, DESIGN.run_id(Run(32, 0.01, seed=0, arm="bn")))
    assert path.suffix == ".safetensors"
