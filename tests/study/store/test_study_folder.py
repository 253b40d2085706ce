import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from study.errors import EnvironmentFault, StudyError, UsageError
from study.spec.cohorts import Cohort, cohorts, missing_runs
from study.spec.design import Design
from study.spec.history import History
from study.store import inference_tables, schemas, study_folder
from study.store.atomic import write_atomically
from study.store.manifest import Manifest
from study.store.study_folder import Folder
from study.tuning import trials_table

DESIGN = Design("digits", batch_sizes=(1, 32), lrs=(0.01, 0.1), seeds=(0, 1), epochs=2)


def history_of(cohort: Cohort) -> History:
    """Numbers that tell every run, epoch and split apart; the last run diverges at epoch 1."""
    n, epochs = len(cohort.runs), DESIGN.epochs + 1
    loss = np.arange(n * epochs * 2, dtype=float).reshape(n, epochs, 2) / 100 + cohort.batch_size
    loss[-1, 1:] = np.nan
    n_correct = np.arange(n * epochs * 2).reshape(n, epochs, 2)
    test_correct = np.random.default_rng(cohort.batch_size).random((n, 360)) < 0.9
    return History(loss, n_correct, np.ones((n, epochs), bool), test_correct, n_steps=88)


def select(history: History, run: int) -> History:
    """The history of one run of a cohort."""
    arrays = (history.loss, history.n_correct, history.finite, history.test_correct)
    return History(*(array[[run]] for array in arrays), history.n_steps)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path / "study")
    folder.prepare()
    write_manifest(folder)
    return folder


def write_manifest(folder: Folder, design: Design = DESIGN) -> None:
    device = {"kind": "cpu", "name": "abacus", "workers": 1}
    folder.write_manifest(
        Manifest(
            schema_version=schemas.SCHEMA_VERSION,
            study_id=folder.path.name,
            design=design.to_dict(),
            digest=design.digest,
            data={"name": "digits", "sha256": {}, "notice": None},
            argv="",
            versions={},
            git={"commit": None, "dirty": None},
            device=device,
            timings={},
            earlier=[],
        )
    )


def commit_all(folder: Folder) -> list[Path]:
    plan = cohorts(missing_runs(DESIGN, ()))
    return [commit(folder, cohort) for cohort in plan]


def commit(folder: Folder, cohort: Cohort, history: History | None = None) -> Path:
    unit = study_folder.unit_id(DESIGN, cohort, "data", "engine")
    return folder.commit(unit, schemas.part_table(DESIGN, cohort.runs, history or history_of(cohort)))


def test_the_tables_have_the_contract_s_columns_and_types(folder: Folder) -> None:
    commit_all(folder)
    folder.compact()
    schema = {field.name: str(field.type) for field in pq.read_schema(folder.path / "records.parquet")}
    assert schema == {
        "study_id": "string",
        "run_id": "string",
        "pair_id": "string",
        "arm": "string",
        "seed": "int32",
        "batch_size": "int32",
        "lr": "double",
        "epoch": "int32",
        "split": "string",
        "loss": "double",
        "accuracy": "double",
        "n_correct": "int32",
        "n_examples": "int32",
        "status": "string",
    }
    metadata = pq.read_schema(folder.path / "records.parquet").metadata
    assert metadata[b"study.study_id"] == b"study"
    assert Design.from_dict(json.loads(metadata[b"study.design"])) == DESIGN


@pytest.mark.parametrize("name", ["records", "runs", "trials", "ablation", "statistics"])
def test_no_number_of_a_table_is_so_small_that_a_product_wraps(name: str) -> None:
    """``epoch * 4000`` did before schema version 2: pandas keeps 16 bits."""
    of_modes = {table: schemas.keyed(columns) for table, columns in inference_tables.COLUMNS.items()}
    schema = {**study_folder.SCHEMAS, "trials": trials_table.trials_schema, **of_modes}[name]
    whole = [field for field in schema(["batch_size", "lr"]) if pa.types.is_integer(field.type)]
    for field in whole:
        assert (pa.array([0, 10], field.type).to_pandas() * 4000).max() == 40_000, field
    assert len(whole) > 2
    assert (pa.array([0, 10], pa.int16()).to_pandas() * np.int16(4000)).max() != 40_000, "so it was"


def test_a_table_and_a_part_of_version_1_read_as_of_version_2(folder: Folder) -> None:
    paths = commit_all(folder)
    folder.compact()
    whole, runs, records = folder.read_parts(), folder.read("runs"), folder.read("records")
    for path in paths:
        table = pq.ParquetFile(path).read().drop_columns(schemas.names_of(schemas.MADE_BY))
        path.unlink()
        folder.commit(path.stem.partition("-")[0], of_version_1(table))
    assert {*folder.path.joinpath("parts").iterdir()}.isdisjoint(paths)
    assert [one.sort_by("run_id") for one in folder.read_parts()] == [one.sort_by("run_id") for one in whole]
    folder.path.joinpath("runs.parquet").unlink()
    folder.compact()
    assert (folder.read("runs"), folder.read("records")) == (runs, records)
    for name, table in (("runs", runs), ("records", records)):
        pq.write_table(of_version_1(table), folder.path / f"{name}.parquet")
        manifest = folder.own_manifest()
        folder.write_manifest({**manifest, "schema_version": 1, "tables": {}})
        assert folder.read(name) == table
    assert folder.own_manifest()["schema_version"] == 1
    folder.compact()
    assert folder.own_manifest()["schema_version"] == 2


def of_version_1(table: pa.Table) -> pa.Table:
    """The table with epochs in 16 bits."""
    for i, field in enumerate(table.schema):
        if field.name in ("epoch", "first_bad_epoch"):
            table = table.set_column(i, field.name, table[field.name].cast(pa.int16()))
        elif field.name == "history":
            narrow = [pa.field("epoch", pa.int16()) if f.name == "epoch" else f for f in field.type.value_type]
            table = table.set_column(i, field.name, table[field.name].cast(pa.list_(pa.struct(narrow))))
    return table


def test_every_run_epoch_and_split_is_a_row_in_the_order_of_the_key(folder: Folder) -> None:
    commit_all(folder)
    folder.compact()
    table = folder.read("records").to_pandas()
    assert len(table) == len(DESIGN.runs) * 3 * 2
    key = ["batch_size", "lr", "seed", "arm", "epoch", "split"]
    assert table[key].equals(table[key].sort_values(key, ignore_index=True))
    assert (table.study_id == "study").all()


def test_what_is_written_is_what_is_read(folder: Folder) -> None:
    commit_all(folder)
    folder.compact()
    table = folder.read("records").to_pandas().set_index(["run_id", "epoch", "split"])
    runs = folder.read("runs").to_pandas().set_index("run_id")
    for cohort in cohorts(missing_runs(DESIGN, ())):
        history = history_of(cohort)
        for i, run in enumerate(cohort.runs):
            run_id = DESIGN.run_id(run)
            packed = runs.loc[run_id].test_correct
            if history.first_bad_epoch[i] is None:
                assert (np.unpackbits(np.frombuffer(packed, np.uint8), count=360) == history.test_correct[i]).all()
            else:
                assert packed is None
            for epoch in range(3):
                row = table.loc[(run_id, epoch, "test")]
                if np.isnan(history.loss[i, epoch, 1]):
                    assert row[["loss", "accuracy", "n_correct"]].isna().all()
                    assert row.status == "diverged"
                else:
                    assert row.loss == history.loss[i, epoch, 1]
                    assert row.n_correct == history.n_correct[i, epoch, 1]
                    assert row.accuracy == history.n_correct[i, epoch, 1] / 360
                    assert row.status == "ok"


def test_a_diverged_run_has_its_status_and_first_bad_epoch(folder: Folder) -> None:
    commit_all(folder)
    folder.compact()
    runs = folder.read("runs").to_pandas()
    diverged = runs[runs.status == "diverged"]
    assert len(diverged) == 2
    assert (diverged.first_bad_epoch == 1).all()
    assert runs[runs.status != "diverged"].first_bad_epoch.isna().all()


def test_null_metrics_are_null_and_not_nan(folder: Folder) -> None:
    """A NaN survives into means; a null is left out of them."""
    commit_all(folder)
    folder.compact()
    loss = folder.read("records").column("loss")
    assert loss.null_count > 0
    assert not np.isnan(loss.drop_null().to_numpy()).any()


def test_runs_that_cannot_be_are_recorded_as_such(folder: Folder) -> None:
    commit_all(folder)
    folder.compact()
    runs = folder.read("runs").to_pandas()
    impossible = runs[(runs.arm == "bn") & (runs.batch_size == 1)]
    assert (impossible.status == "not_applicable").all()
    assert (impossible.n_steps == 0).all()
    assert len(impossible) == 4


def test_committing_twice_is_committing_once(folder: Folder) -> None:
    first = commit_all(folder)
    assert commit_all(folder) == first
    assert len(list(folder.parts.iterdir())) == len(first)


def test_the_bytes_of_the_tables_do_not_depend_on_how_runs_were_grouped(tmp_path: Path) -> None:
    one, other = Folder(tmp_path / "a" / "study"), Folder(tmp_path / "b" / "study")
    for folder in (one, other):
        folder.prepare()
        write_manifest(folder)
    whole = cohorts(missing_runs(DESIGN, ()))
    for cohort in whole:
        commit(one, cohort)
        history = history_of(cohort)
        for index in reversed(range(len(cohort.runs))):
            part = schemas.part_table(DESIGN, cohort.runs[index : index + 1], select(history, index))
            other.commit(f"{index}", part)
    for folder in (one, other):
        folder.compact()
    for name in ("records.parquet", "runs.parquet"):
        assert (one.path / name).read_bytes() == (other.path / name).read_bytes()


def test_done_is_what_stands_in_sound_parts_and_in_the_design(folder: Folder) -> None:
    assert folder.done(DESIGN) == set()
    commit_all(folder)
    assert folder.done(DESIGN) == {run for run in DESIGN.runs if run.applicable}
    other = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=(0,), epochs=3)
    assert folder.done(other) == set()


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "rename", "link", "text"])
def test_a_damaged_part_is_set_aside_and_its_runs_are_missing(folder: Folder, damage: str) -> None:
    paths = commit_all(folder)
    path, content = paths[0], paths[0].read_bytes()
    if damage == "flip":
        path.write_bytes(content[:200] + bytes([content[200] ^ 1]) + content[201:])
    elif damage == "truncate":
        path.write_bytes(content[:-1])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "rename":
        path = path.rename(path.with_name("0" * 64 + path.name[64:]))
    elif damage == "text":
        digest = hashlib.sha256(b"no parquet").hexdigest()[:32]
        path = path.rename(path.with_name(f"{path.name[:64]}-{digest}.parquet"))
        path.write_bytes(b"no parquet")
    else:
        elsewhere = folder.path / "elsewhere"
        path.rename(elsewhere)
        path.symlink_to(elsewhere)
    before = len([run for run in DESIGN.runs if run.applicable])
    assert len(folder.done(DESIGN)) < before
    assert folder.quarantine() == [folder.path / "quarantine" / path.name]
    assert folder.quarantine() == []
    commit_all(folder)
    assert len(folder.done(DESIGN)) == before


def test_a_part_of_a_study_of_other_factors_is_left_alone(folder: Folder) -> None:
    commit_all(folder)
    folder.compact()
    before, done = folder.path.joinpath("runs.parquet").read_bytes(), folder.done(DESIGN)
    other = replace(DESIGN, vary={"activation": ("relu", "tanh")})
    cohort = cohorts(missing_runs(other, ()))[0]
    folder.commit("other", schemas.part_table(other, cohort.runs, history_of(cohort)))
    assert folder.done(DESIGN) == done
    folder.compact()
    assert folder.path.joinpath("runs.parquet").read_bytes() == before


def test_two_parts_that_disagree_are_a_loud_error(folder: Folder) -> None:
    cohort = cohorts(missing_runs(DESIGN, ()))[0]
    commit(folder, cohort)
    history = history_of(cohort)
    history.loss[0, 0, 0] += 1e-9
    commit(folder, cohort, history)
    with pytest.raises(StudyError, match=r"two parts hold different numbers for no_bn_b0001_lr1e-02_s000-"):
        folder.compact()


def test_two_parts_that_differ_in_who_made_them_alone_agree(folder: Folder) -> None:
    cohort = cohorts(missing_runs(DESIGN, ()))[0]
    history, names = history_of(cohort), schemas.names_of(schemas.MADE_BY)
    for machine in ("one", "another"):
        made_by = [dict.fromkeys(names, machine)] * len(cohort.runs)
        folder.commit("unit", schemas.part_table(DESIGN, cohort.runs, history, made_by))
    commit(folder, cohort, history)
    assert len(list(folder.parts.iterdir())) == 3
    assert {part["engine"][0].as_py() for part in folder.read_parts()} == {None, "one", "another"}
    assert folder.done(DESIGN) == {run for run in cohort.runs if run.applicable}
    folder.compact()
    assert not {*names} & {*folder.read("runs").column_names, *folder.read("records").column_names}


def test_the_labels_are_kept_once_and_checked(folder: Folder) -> None:
    folder.write_labels([3, 1, 2])
    assert folder.read("labels").to_pylist() == [{"index": i, "label": n} for i, n in enumerate((3, 1, 2))]
    assert {str(field.type) for field in folder.read("labels").schema} == {"int32"}
    before = folder.path.joinpath("labels.parquet").stat().st_mtime_ns
    folder.write_labels([3, 1, 2])
    assert folder.path.joinpath("labels.parquet").stat().st_mtime_ns == before
    pq.write_table(schemas.labels_table([3, 1, 1], "study"), folder.path / "labels.parquet")
    with pytest.raises(UsageError, match=r"labels.parquet cannot be read: its sha256 is not the one in manifest.json"):
        folder.read("labels")


def test_an_arm_that_is_the_user_s_is_in_the_id_of_the_units_that_train_it() -> None:
    @dataclass(frozen=True)
    class Own:
        key: str
        momentum: float

        def to_dict(self) -> dict[str, object]:
            return {"key": self.key, "momentum": self.momentum}

    def units(*own: Own) -> list[str]:
        design = replace(DESIGN)
        object.__setattr__(design, "own_arms", own)
        return [study_folder.unit_id(design, cohort, "data", "engine") for cohort in both]

    cell = DESIGN.cells[-1]
    both = [Cohort((cell,), ("bn",), (0,)), Cohort((cell,), ("no_bn",), (0,))]
    plain, one, other = units(), units(Own("bn", 0.1)), units(Own("bn", 0.2))
    assert len({plain[0], one[0], other[0]}) == 3
    assert plain[1] == one[1] == other[1]


def test_tables_without_their_parts_are_never_written_over(folder: Folder) -> None:
    commit_all(folder)
    folder.compact()
    folder.check_not_archived()
    for path in list(folder.parts.iterdir()):
        path.unlink()
    with pytest.raises(UsageError, match="choose another --study-id"):
        folder.check_not_archived()


def test_a_study_without_a_trained_run_is_not_taken_for_a_shipped_one(folder: Folder) -> None:
    folder.compact()
    assert folder.read("runs").num_rows == 4  # batch norm on batches of one
    folder.check_not_archived()


def test_tables_that_are_current_are_left_alone_and_others_made_again(folder: Folder) -> None:
    commit_all(folder)
    folder.compact()
    paths = [folder.path / f"{name}.parquet" for name in ("records", "runs")]
    before = [(path.stat().st_mtime_ns, path.read_bytes()) for path in paths]
    folder.compact()
    assert [(path.stat().st_mtime_ns, path.read_bytes()) for path in paths] == before
    paths[0].write_bytes(b"damaged")
    folder.compact()
    assert paths[0].read_bytes() == before[0][1]


@pytest.mark.parametrize("step", ["os.fsync", "os.replace"])
def test_a_failed_write_leaves_the_old_file_and_no_litter(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the rename nobody sees the new bytes, and it comes after they are flushed."""
    path = tmp_path / "table.parquet"
    write_atomically(path, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(step, full)
    with pytest.raises(EnvironmentFault, match=r"table.parquet cannot be written: No space left on device"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["table.parquet"]


def test_foreign_tables_and_manifests_are_refused_with_the_reason(folder: Folder) -> None:
    with pytest.raises(UsageError, match=r"records.parquet does not exist. "):
        folder.read("records")
    pq.write_table(pa.table({"x": [1]}), folder.path / "records.parquet")
    with pytest.raises(UsageError, match=r"has the columns \['x'\]; expected"):
        folder.read("records")
    (folder.path / "records.parquet").write_bytes(b"PAR1")
    with pytest.raises(UsageError, match="cannot be read: it is not a parquet file"):
        folder.read("records")
    folder.manifest.unlink()
    assert folder.read_manifest() is None
    folder.manifest.write_text('{"schema_version": 99}')
    with pytest.raises(
        UsageError, match=r"was made by a newer program \(schema 99, this one reads 1 to 2\): update it"
    ):
        folder.read_manifest()
    folder.manifest.write_text('{"schema_version": 1, "data": {"name": "digits"}}')
    with pytest.raises(UsageError, match=r"lacks argv, data.notice, data.sha256, design"):
        folder.read_manifest()
    folder.manifest.write_text("{")
    with pytest.raises(EnvironmentFault, match=r"manifest.json cannot be read"):
        folder.read_manifest()
