"""Alpha and margin are fixed before the first run, and no later command changes them or anything of the runs."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

import study
from study import run, tune
from study.cli.analysis_rule import parse_margin
from study.errors import UsageError
from study.runner import jobs, provenance
from study.spec.analysis_rule import DECISIONS
from study.tuning.loop import Tuning
from tests.study import studies
from tests.study.studies import Child, parts, tables, tuned_study

StudyRun = Callable[..., int]
FIRST, LATER = "2026-11-30", "2027-01-02"
ONE = ("--seeds", "1", "--no-ablation")
TWO = ("--seeds", "2", "--no-ablation")


@pytest.fixture(autouse=True)
def first_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "today", lambda: FIRST)


def days_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "today", lambda: LATER)


def manifest_of(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
    return manifest


def without(folder: Path, *fields: str) -> None:
    """Take fields out of the manifest, as a program of before they were kept left it."""
    kept = {name: value for name, value in manifest_of(folder).items() if name not in fields}
    (folder / "manifest.json").write_text(json.dumps(kept), "utf-8")


def rule(alpha: float = 0.05, margin: float = 0.002, date: str = FIRST) -> dict[str, Any]:
    return {"rule": DECISIONS[-1], "alpha": alpha, "margin": margin, "date": date}


# --- a study of a grid


def test_the_first_command_fixes_what_it_names_and_the_rest_as_by_default(study_run: StudyRun, tmp_path: Path) -> None:
    assert study_run(*ONE, "--margin", "0.3pt") == 0
    assert manifest_of(tmp_path / "s")["analysis_rule"] == rule(margin=0.003)


def test_a_later_command_that_names_nothing_keeps_the_rule_and_has_its_own_date(
    study_run: StudyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert study_run(*ONE, "--alpha", "0.01") == 0
    days_later(monkeypatch)
    assert study_run(*TWO) == 0
    manifest = manifest_of(tmp_path / "s")
    assert manifest["analysis_rule"] == rule(alpha=0.01)
    assert [command["date"] for command in (*manifest["earlier"], manifest)] == [FIRST, LATER]


def test_a_later_command_may_name_what_is_fixed(study_run: StudyRun, tmp_path: Path) -> None:
    assert study_run(*ONE, "--margin", "0.005") == 0
    assert study_run(*TWO, "--margin", "0.5pt", "--alpha", "0.05") == 0
    assert manifest_of(tmp_path / "s")["analysis_rule"] == rule(margin=0.005)


@pytest.mark.parametrize("extension", [ONE, TWO, (*TWO, "--dry-run")], ids=["nothing missing", "a seed more", "dry"])
@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        (
            ("--alpha", "0.01"),
            f"--alpha 0.01: {{0}} fixed alpha 0.05 on {FIRST}, before its first run. Leave it out, or give it to the"
            " report alone, which says that it was changed: python -m analysis.report {0} --alpha 0.01",
        ),
        (
            ("--margin", "1pt", "--alpha", "0.1"),
            f"--alpha 0.1 and --margin 0.01: {{0}} fixed alpha 0.05 and margin 0.002 on {FIRST}, before its first run."
            " Leave them out, or give them to the report alone, which says that they were changed:"
            " python -m analysis.report {0} --alpha 0.1 --margin 0.01",
        ),
    ],
    ids=["alpha", "both"],
)
def test_a_later_command_with_others_is_refused_and_changes_nothing(
    extension: tuple[str, ...],
    named: tuple[str, ...],
    sentence: str,
    study_run: StudyRun,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "s"
    assert study_run(*ONE) == 0
    before, committed = (folder / "manifest.json").read_bytes(), parts(folder)
    assert study_run(*extension, *named) == 2
    assert capsys.readouterr().err == f"study.run: {sentence.format(folder)}\n"
    assert ((folder / "manifest.json").read_bytes(), parts(folder)) == (before, committed)


def test_digest_and_records_are_the_same_whatever_the_rule(study_run: StudyRun, tmp_path: Path) -> None:
    assert study_run(*ONE) == 0
    assert study_run(*ONE, "--alpha", "0.2", "--margin", "0.1", "--out", str(tmp_path / "other")) == 0
    plain, other = tmp_path / "s", tmp_path / "other" / "s"
    assert tables(plain) == tables(other)
    assert parts(plain).keys() == parts(other).keys()
    assert manifest_of(plain)["digest"] == manifest_of(other)["digest"]
    assert manifest_of(plain)["tables"] == manifest_of(other)["tables"]


def killed(*_: object) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def killed_before_the_first_run(arguments: list[str]) -> int:
    provenance.today = lambda: FIRST
    jobs.train_here = killed  # type: ignore[assignment]
    return run.main(arguments)


@pytest.mark.slow
def test_a_rule_survives_a_kill_before_the_first_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    days_later(monkeypatch)
    command = studies.study(tmp_path, "--no-ablation")
    child = Child(tmp_path / "stderr", killed_before_the_first_run, [*command, "--alpha", "0.01"])
    assert child.end().code == -signal.SIGKILL
    assert parts(tmp_path / "s") == {}
    assert run.main([*command, "--alpha", "0.05"]) == 2
    assert f"fixed alpha 0.01 on {FIRST}" in capsys.readouterr().err
    assert run.main(command) == 0
    assert manifest_of(tmp_path / "s")["analysis_rule"] == rule(alpha=0.01)


# --- a study that an earlier program began


def test_runs_without_a_rule_get_none_after_the_fact(
    study_run: StudyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "s"
    assert study_run(*ONE) == 0
    without(folder, "analysis_rule", "date")
    assert study_run(*TWO, "--alpha", "0.05") == 2
    assert capsys.readouterr().err == (
        f"study.run: --alpha 0.05: {folder} fixed no alpha before its first run. Leave it out, or give it to the report"
        f" alone, which says that it was chosen after looking: python -m analysis.report {folder} --alpha 0.05\n"
    )
    assert study_run(*TWO) == 0
    manifest = manifest_of(folder)
    assert "analysis_rule" not in manifest
    assert manifest["date"] == FIRST
    assert ["date" in command for command in manifest["earlier"]] == [False]


@pytest.mark.parametrize("lost", ["manifest.json", "quarantined"])
def test_a_lost_manifest_or_damaged_runs_make_no_study_new(lost: str, study_run: StudyRun, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    assert study_run(*ONE) == 0
    if lost == "manifest.json":
        (folder / "manifest.json").unlink()
    else:
        without(folder, "analysis_rule")
        for part in (folder / "parts").iterdir():
            part.write_bytes(b"")
    assert study_run(*TWO) == 0
    assert "analysis_rule" not in manifest_of(folder)


def test_a_study_without_a_rule_and_without_a_run_gets_one(study_run: StudyRun, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    assert study_run(*ONE) == 0
    without(folder, "analysis_rule")
    for part in (folder / "parts").iterdir():
        part.unlink()
    for name in ("records", "runs"):
        (folder / f"{name}.parquet").unlink()
    assert study_run(*ONE, "--alpha", "0.1") == 0
    assert manifest_of(folder)["analysis_rule"] == rule(alpha=0.1)


# --- a tuned study


def test_a_tuning_fixes_its_rule_before_the_first_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stopped before any trial, it has no manifest yet; scores of trials are no reason to choose another."""
    with monkeypatch.context() as patch:
        patch.setattr(Tuning, "run", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert tune.main(tuned_study(tmp_path, "--margin", "1pt")) == 130
    assert not (tmp_path / "s" / "manifest.json").exists()
    days_later(monkeypatch)
    assert tune.main(tuned_study(tmp_path, "--margin", "2pt")) == 2
    assert f"--margin 0.02: {tmp_path / 's'} fixed margin 0.01 on {FIRST}" in capsys.readouterr().err
    assert tune.main(tuned_study(tmp_path)) == 0
    manifest = manifest_of(tmp_path / "s")
    assert (manifest["analysis_rule"], manifest["date"]) == (rule(margin=0.01), LATER)
    assert tune.main(tuned_study(tmp_path, "--alpha", "0.1", "--seeds", "4")) == 2
    assert f"--alpha 0.1: {tmp_path / 's'} fixed alpha 0.05 on {FIRST}" in capsys.readouterr().err


# --- what is named


def test_the_functions_fix_and_refuse_as_the_commands_do(tmp_path: Path) -> None:
    design = study.Design("digits", batch_sizes=(256,), lrs=(0.01,), seeds=(0,), epochs=1, hidden=(8,))
    options: dict[str, Any] = {"workers": 1, "inference_modes": False}
    path = study.train(design, tmp_path / "s", alpha=0.01, margin="0.5pt", **options)
    assert manifest_of(path)["analysis_rule"] == rule(0.01, 0.005)
    assert study.train(design, path, margin=0.005, **options) == path
    with pytest.raises(UsageError, match=r"^--margin 0.004: .* fixed margin 0.005 on 2026-11-30, before its first run"):
        study.train(design, path, margin=0.004, **options)
    with pytest.raises(UsageError, match=r"^--alpha 0.7: give a number between 0 and 0.5"):
        study.optimise("digits", tmp_path / "tuned", alpha=0.7)
    assert not (tmp_path / "tuned").exists()


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("0.002", 0.002),
        ("0.2pt", 0.002),
        ("0.7pt", 0.007),
        ("2e-1pt", 0.002),
        ("0", 0.0),
        (".5pt", 0.005),
    ],
)
def test_a_margin_in_points_is_the_fraction_that_one_would_write(word: str, value: float) -> None:
    assert parse_margin(word) == value


@pytest.mark.parametrize(
    "word",
    ["20%", "0.2 pt", "pt", "0.2points", "0.2ptpt", "1", "100pt", "-0.1pt", "nan", "inf", "1_0pt", "٢pt", "1e9pt"],
)
def test_what_is_no_margin_is_refused_with_the_rule(word: str) -> None:
    with pytest.raises(UsageError, match=r"^--margin .*(0.002, or points such as 0.2pt|give a number such as 0.01)$"):
        parse_margin(word)
