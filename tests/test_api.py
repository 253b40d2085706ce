"""The public names, as a notebook uses them: train, evaluate, optimise, read, fit; load, contrast, analyse, write."""

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import analysis
import study
from study.engine import devices
from study.errors import UsageError


@pytest.fixture(scope="module")
def design() -> study.Design:
    return study.Design("digits", batch_sizes=[32, 64], lrs=[0.01, 0.1], seeds=range(6), epochs=3, hidden=(12,))


@pytest.fixture(scope="module")
def path(design: study.Design, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = study.train(design, tmp_path_factory.mktemp("results") / "try", workers=1, inference_modes=False)
    return study.evaluate(path, conditions="clean", workers=1)


def test_a_study_is_trained_read_and_trained_again_for_nothing(design: study.Design, path: Path) -> None:
    records = study.read(path)
    assert len(records) == len(design.runs) * 2 * (design.epochs + 1)
    assert {*study.read(path, "ablation").arm} == {"bn", "no_bn"}
    before = (path / "records.parquet").read_bytes()
    assert study.train(design, path, inference_modes=False) == path
    assert (path / "records.parquet").read_bytes() == before


@pytest.mark.parametrize("arm", ["bn", "no_bn"])
def test_one_run_in_memory_has_the_bits_of_its_records(design: study.Design, path: Path, arm: str) -> None:
    history = study.fit(design, study.Run(32, 0.01, seed=3, arm=arm))
    devices.prepare(devices.numerics_id("cpu", tf32=False))
    records = study.read(path)
    mine = records[(records.arm == arm) & (records.seed == 3) & (records.batch_size == 32) & (records.lr == 0.01)]
    for i, split in enumerate(("train", "test")):
        assert mine[mine.split == split].loss.tolist() == history.loss[0, :, i].tolist()


def test_contrasts_of_a_study_are_those_of_its_frame(path: Path) -> None:
    data = analysis.load(path)
    contrasts = analysis.contrasts(data, alpha=0.05, margin=0.002)
    assert {contrast.endpoint for contrast in contrasts} == {"last3", "final"}
    last = study.read(path).query("split == 'test' and epoch == 3")
    scores = last.assign(accuracy=last.accuracy.fillna(data.chance))[["seed", "arm", "batch_size", "lr", "accuracy"]]
    frame = analysis.from_frame(
        scores, unit="seed", arm="arm", baseline="no_bn", factors=["batch_size", "lr"], outcome="accuracy"
    )
    ours = analysis.to_frame([contrast for contrast in contrasts if contrast.endpoint == "final"])
    theirs = analysis.to_frame(analysis.contrasts(frame))
    numbers = ["batch_size", "lr", "n_pairs", "mean_diff", "ci_low", "ci_high", "p_t", "p_sign_flip", "p_adjusted"]
    pd.testing.assert_frame_equal(ours[numbers], theirs[numbers], check_dtype=False)


def test_everything_of_a_report_can_be_had(path: Path) -> None:
    data = analysis.load(path)
    results = analysis.analyse(data)
    assert results.contrasts == analysis.contrasts(data)
    assert analysis.write_report(path).read_text("utf-8").startswith("<!doctype html>")
    for draw in (analysis.figures.effect_map, analysis.figures.forest):
        assert isinstance(draw(results.contrasts), Figure)
    assert isinstance(analysis.figures.learning_curves(data), Figure)


def test_a_notebook_displays_the_answer_and_the_figures(path: Path) -> None:
    """By the methods that IPython asks for; neither it nor pyplot is loaded."""
    data = analysis.load(path)
    answers = analysis.answers(data)
    part, page = answers["bn"].first, answers._repr_html_()
    assert f"<td>{100 * part.mean_arm:.2f} %</td>" in page
    assert f"<td>{100 * part.difference.estimate:+.0f} [{100 * part.difference.low:+.0f}, " in page
    assert f"<td>{part.n} seeds</td><td>{part.verdict}</td>" in page
    assert page.startswith("<p>With each arm in its best setting, batch normalisation ")
    assert page.count("<tr>") == 1 + len(answers["bn"].parts)
    drawn = analysis.figures.learning_curves(data)
    assert drawn._repr_svg_().count("<svg") == 1  # type: ignore[attr-defined]


def test_a_notebook_displays_names_as_text(tmp_path: Path) -> None:
    rows = [{"fold": i, "model": m, "auc": i + len(m)} for i in range(3) for m in ("a", "<b>")]
    frame = analysis.from_frame(pd.DataFrame(rows), unit="fold", arm="model", baseline="a", factors=[], outcome="auc")
    page = analysis.answers(frame)._repr_html_()
    assert "&lt;b&gt;" in page
    assert "<b>" not in page


def test_every_arm_is_tuned_and_its_trials_read(tmp_path: Path) -> None:
    small = {"trials": 4, "trial_seeds": 2, "seeds": range(3), "epochs": 1, "hidden": (8,), "workers": 1}
    path = study.optimise("digits", tmp_path / "tuned", **small)  # type: ignore[arg-type]
    assert study.read(path, "trials").groupby("arm").trial.nunique().to_dict() == {"bn": 4, "no_bn": 4}


def test_a_frame_may_have_other_arms_and_factors() -> None:
    rng, mean = np.random.default_rng(0), {"plain": 0.8, "wide": 0.9}
    rows = [
        {"fold": fold, "model": model, "depth": depth, "data": data, "auc": rng.normal(mean[model], 0.01)}
        for fold in range(8) for model in ("plain", "wide") for depth in (2, 4) for data in ("a", "b")
    ]  # fmt: skip
    frame = analysis.from_frame(
        pd.DataFrame(rows), unit="fold", arm="model", baseline="plain", factors=["depth", "data"], outcome="auc"
    )
    whole, *cells = analysis.contrasts(frame)
    assert whole.verdict == "better"
    answer = analysis.answers(frame)["wide"]
    assert answer.best
    assert (answer.best.verdict, answer.best.tipping, answer.setting) == ("better", None, None)
    assert whole.estimand == "mean over folds of wide minus plain, auc, averaged over 4 cells, failures as they ended"
    assert cells[0].estimand.endswith(", auc, at depth 2, data a, given that both learn")
    assert isinstance(analysis.figures.effect_map([whole, *cells]), Figure)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.assign(accuracy=None), "8 rows have a value missing, the first is row 0"),
        (lambda frame: pd.concat([frame, frame]), "8 rows stand twice, the first is lr 0.1, seed 0, arm a"),
        (lambda frame: frame.drop(columns="lr"), "the frame has no column 'lr'"),
        (lambda frame: frame[frame.arm == "a"], "the baseline is 'b' and the arms are a; give two arms"),
    ],
)
def test_a_frame_that_does_not_say_one_thing_of_each_run_is_refused(change, message: str) -> None:  # type: ignore[no-untyped-def]
    rows = [{"seed": seed, "arm": arm, "lr": 0.1, "accuracy": 0.5} for seed in range(4) for arm in "ab"]
    with pytest.raises(analysis.AnalysisError, match=f"^{message}"):
        analysis.from_frame(
            change(pd.DataFrame(rows)), unit="seed", arm="arm", baseline="b", factors=["lr"], outcome="accuracy"
        )


def test_what_cannot_be_is_said(path: Path, design: study.Design, tmp_path: Path) -> None:
    with pytest.raises(study.StudyError, match="there is no table 'nope'; choose from: records, runs, labels, trials"):
        study.read(path, "nope")
    with pytest.raises(study.StudyError, match="batch norm on batches of one; choose another batch size"):
        study.fit(design, study.Run(1, 0.01, seed=0, arm="bn"))
    with pytest.raises(study.StudyError, match="holds no study"):
        study.evaluate(tmp_path)
    with pytest.raises(analysis.AnalysisError, match=r"^alpha 0.7: give a number between 0 and 0.5"):
        analysis.contrasts(analysis.load(path), alpha=0.7)


def test_nothing_heavy_is_imported_before_a_name_is_used() -> None:
    script = (
        "import sys, study, analysis\n"
        "assert not {'torch', 'numpy', 'pandas', 'pyarrow', 'matplotlib'} & set(sys.modules)\n"
        "study.Design('digits')\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("module", [study, analysis])
def test_every_public_name_is_there_and_every_function_says_its_parameters(module) -> None:  # type: ignore[no-untyped-def]
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isfunction(value):
            said = inspect.getdoc(value) or ""
            for parameter in inspect.signature(value).parameters:
                assert parameter in said, f"{name}: {parameter}"
            assert "Returns\n-------" in said or name == "to_frame", name


@pytest.mark.parametrize("engine", ["torch", "auto"])
def test_a_run_of_another_arm_or_level_than_its_design_s_is_trained_as_itself(engine: Literal["torch", "auto"]) -> None:
    """And not as what the design has: by ``auto`` the kernel, which knows neither, would be asked."""
    design = study.Design("digits", epochs=1, hidden=(8,))
    plain, tanh, layer = (
        study.fit(design, study.Run(256, 0.01, activation=activation, seed=0, arm=arm), engine=engine)
        for activation, arm in (("relu", "bn"), ("tanh", "bn"), ("relu", "layer"))
    )
    assert len({tuple(history.loss.ravel()) for history in (plain, tanh, layer)}) == 3
    assert "norms.0.running_mean" not in layer.weights[0]


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (study.Run(256, 0.01, seed=0, arm="nope"), "--arms 'nope' is unknown"),
        (study.Run(256, 0.01, activation="tahn", seed=0, arm="bn"), "'tahn' is unknown .did you mean tanh"),
        (study.Run(5000, 0.01, seed=0, arm="bn"), "--batch-sizes 5000: give a whole number from 1 to"),
    ],
)
def test_a_run_that_no_study_could_have_is_refused(run: study.Run, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        study.fit(study.Design("digits", epochs=1, hidden=(8,)), run)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": -1}, "--workers -1: give 1 or more"),
        ({"sampler": "foo"}, "--sampler 'foo' is unknown"),
        ({"trials": 0}, "--trials 0: give a whole number from 1"),
        ({"seeds": (2**30,)}, "seeds from 1073741824 on are for trials"),
    ],
)
def test_a_wrong_budget_or_execution_is_refused_before_anything_is_written(
    options: dict, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        study.optimise("digits", tmp_path / "s", **options)
    assert not any(tmp_path.iterdir())
