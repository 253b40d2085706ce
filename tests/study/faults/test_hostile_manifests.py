"""Manifests that anybody may have written: read, or refused in one sentence that names the field."""

import copy
import dataclasses
import json
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analysis.errors import AnalysisError
from analysis.findings.looks import Look
from analysis.records.tables import load
from analysis.report import __main__ as report
from study import run
from study.errors import EnvironmentFault, StudyError, UsageError
from study.spec.analysis_rule import FixedRule
from study.spec.design import Design
from study.store import manifest
from study.store.study_folder import Folder
from tests.analysis.planted import plant
from tests.study.faults.test_hostile import DESIGN, HUGE, ODD_VALUES, assert_one_sentence

# --- what is none

pytestmark = pytest.mark.usefixtures("no_drawings")
COMPILER = {"name": "gcc", "version": "gcc 12.2.0"}
OF_VERSION_2 = {
    "processor": "abacus", "compiler": COMPILER, "environment": "e1", "numerics": {"b0032-64x8x10-relu-bn": "00ff"},
    "networks": False,
    "environments": {
        "e1": {"versions": {"torch": "2.14.1"}, "processor": "abacus", "instructions": "AVX2", "device": "abacus",
               "compiler": COMPILER},
    },
    "first_numerics": {"kernel-1/float32": {"b0032-64x8x10-relu-bn": "00fe"}},
    "mixed_numerics": [{"work": "training", "environment": "e1", "numerics": {"b0032-64x8x10-relu-bn": "00ff"}}],
}  # fmt: skip


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = plant(tmp_path_factory.mktemp("hostile") / "s", DESIGN, lambda run, epoch: 0.25 + 0.25 * epoch)
    assert report.main([str(path)]) == 0
    text = json.loads((path / "manifest.json").read_text())
    text |= OF_VERSION_2
    write(path, text | {"earlier": [manifest.session_of(text)], "timings": {"training_seconds": 1.5}})
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


def test_a_manifest_that_the_program_writes_is_read(study: Path) -> None:
    assert Folder(study).read_manifest() == values_of(study)
    assert len(values_of(study)["earlier"]) == len(values_of(study)["looks"]) == 1


def test_the_looks_of_a_manifest_have_the_fields_of_the_reports() -> None:
    assert {*manifest.LOOK.required, *manifest.LOOK.optional} == {field.name for field in dataclasses.fields(Look)}
    assert {*manifest.COMMANDS.required, *manifest.COMMANDS.optional} == set(manifest.SESSION)
    assert set(manifest.RULE.required) == set(FixedRule.__annotations__)
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
        ('{"timings": NaN}', UsageError, "holds NaN, which is not a JSON number; a manifest has null there"),
        ('{"timings": -Infinity}', UsageError, "holds -Infinity, "),
        ("{}", UsageError, "has schema version null, this program reads 1 to 2"),
        ('{"schema_version": true}', UsageError, "has schema version true, this program reads 1 to 2"),
        ('{"schema_version": 1.0}', UsageError, "has schema version 1.0, this program reads 1 to 2"),
        ('{"schema_version": "1"}', UsageError, "has schema version '1', this program reads 1 to 2"),
        (
            '{"schema_version": 99}',
            UsageError,
            r"made by a newer program \(schema 99, this one reads 1 to 2\): update it",
        ),
        (f'{{"schema_version": 1{"0" * 4000}}}', UsageError, r"made by a newer program \(schema a number of"),
        (
            '{"schema_version": 0}',
            UsageError,
            r"made by an older program \(schema 0, this one reads 1 to 2\): read it with",
        ),
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
        ("networks", 0, "has 0 as networks; true or false belongs there"),
        ("compiler.name", 3, "has 3 as compiler.name; a text"),
        ("numerics.b0032-64x8x10-relu-bn", None, "has null as numerics.b0032-64x8x10-relu-bn; a text"),
        ("environments.e1", {}, "lacks environments.e1.device, environments.e1.instructions"),
        ("environments.e1.host", "h", "has the field 'environments.e1.host', which this program does not know"),
        ("environments.e1.versions.torch", [], "has a list as environments.e1.versions.torch; a text"),
        ("first_numerics.torch", "x", "has 'x' as first_numerics.torch; an object belongs there"),
        ("first_numerics.torch", {"b": 1}, "has 1 as first_numerics.torch.b; a text"),
        ("mixed_numerics", {}, "has an object as mixed_numerics; a list belongs there"),
        ("mixed_numerics.0.work", "\x1b[2J", "as mixed_numerics\\[0\\].work; a text"),
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
        ("looks.0.arm", "bm", r"has 'bm' as looks\[0\].arm; one of bn, no_bn belongs there"),
        ("looks.0.alpha", 0.5, r"has 0.5 as looks\[0\].alpha; a number between 0 and 0.5"),
        ("looks.0.seeds", "6", r"has '6' as looks\[0\].seeds"),
        ("looks.0.p_t", -0.1, r"has -0.1 as looks\[0\].p_t"),
        ("looks.0.extra", 1, r"has the field 'looks\[0\].extra', which this program does not know"),
        ("date", 20261130, "has 20261130 as date; a date such as 2026-11-30 belongs there"),
        ("date", "2026-11-31", "has '2026-11-31' as date"),
        ("earlier.0.date", "20261130", r"has '20261130' as earlier\[0\].date"),
        ("analysis_rule", None, "has null as analysis_rule; an object belongs there"),
        (
            "analysis_rule",
            {},
            "lacks analysis_rule.alpha, analysis_rule.date, analysis_rule.margin",
        ),
        ("analysis_rule.rule", "whatever is best", "as analysis_rule.rule; one of two-part-1 belongs there"),
        ("analysis_rule.rule", [], "has a list as analysis_rule.rule"),
        ("analysis_rule.alpha", 0, "has 0 as analysis_rule.alpha; a number between 0 and 0.5 belongs there"),
        ("analysis_rule.alpha", "0.05", "has '0.05' as analysis_rule.alpha"),
        ("analysis_rule.margin", -0.1, "has -0.1 as analysis_rule.margin; a fraction from 0 to below 1 belongs there"),
        ("analysis_rule.margin", 1, "has 1 as analysis_rule.margin"),
        ("analysis_rule.margin", HUGE, "has a number of 13288 bits as analysis_rule.margin"),
        ("analysis_rule.date", "yesterday", "has 'yesterday' as analysis_rule.date; a date such as"),
        ("analysis_rule.since", 1, "has the field 'analysis_rule.since', which this program does not know"),
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
