"""Arms in a study: one is added as a seed is, another is spelled out in a file, and a kind of one's own is a file."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import study.engine.norms
from study import api
from study.spec.arms import ARMS, Arm
from study.spec.design import Design
from study.spec.norms import NORM_KINDS, Kind, Norm
from study.store import weights
from study.store.study_folder import Folder
from tests.study.studies import tables

StudyRun = Callable[..., int]
FEW = ("--epochs", "1", "--batch-sizes", "256", "--lrs", "0.01", "--seeds", "2", "--no-ablation")


def test_an_arm_is_added_to_a_finished_study_as_a_seed_is(study_run: StudyRun, tmp_path: Path) -> None:
    """Only what is missing trains, and the tables are those of a study that had the arms at once."""
    few, more = (*FEW, "--engine", "torch"), ("--arms", "bn", "no_bn", "layer", "ghost_16")
    assert study_run(*few, "--arms", "bn", "no_bn") == 0
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "s" / "weights").iterdir()}
    assert study_run(*few, *more) == 0
    assert study_run(*few, *more, "--out", str(tmp_path / "at once")) == 0
    assert tables(tmp_path / "s") == tables(tmp_path / "at once" / "s")
    assert Folder(tmp_path / "s").read("runs").num_rows == 8
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_an_arm_that_the_engine_does_not_know_is_refused_with_the_command_of_a_new_study(
    study_run: StudyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study_run(*FEW, "--arms", "bn", "no_bn", "--engine", "kernel") == 0
    before = tables(tmp_path / "s")
    for dry in ((), ("--dry-run",)):
        assert study_run(*FEW, "--arms", "bn", "no_bn", "layer", *dry) == 2
        said = capsys.readouterr().err
        assert "its runs were trained by the kernel, which does not know the arm layer" in said
        assert "--study-id s-2 --dataset digits --arms bn no_bn layer --batch-sizes 256 --lrs 0.01 --seeds 2" in said
    assert tables(tmp_path / "s") == before
    assert study_run(*FEW, "--arms", "bn") == 2  # a study never loses an arm
    assert "arms: the study has bn no_bn, the command asks for bn" in capsys.readouterr().err


def test_an_arm_of_a_file_is_trained_kept_and_added_to(study_run: StudyRun, tmp_path: Path) -> None:
    config = tmp_path / "own.toml"
    config.write_text('arms = ["no_bn", "slow"]\nown-arms.slow = {norm = "batch", momentum = 0.01, dropout = 0.1}\n')
    assert study_run(*FEW, "--config", str(config)) == 0
    del ARMS["slow"]
    design = Folder(tmp_path / "s").design()
    assert design is not None
    assert design.own_arms == (Arm("slow", norm=Norm("batch", momentum=0.01), dropout=0.1),)
    assert study_run(*FEW, "--config", str(config), "--arms", "no_bn", "slow", "rms") == 0
    assert set(Folder(tmp_path / "s").read("runs")["arm"].to_pylist()) == {"no_bn", "slow", "rms"}


def test_another_arm_under_the_same_key_is_refused(
    study_run: StudyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "own.toml"
    for momentum, code in (("0.01", 0), ("0.5", 2)):
        config.write_text(f'arms = ["no_bn", "slow"]\nown-arms.slow = {{norm = "batch", momentum = {momentum}}}\n')
        ARMS.pop("slow", None)
        assert study_run(*FEW, "--config", str(config)) == code
    assert "the arm slow is known and is another one; give yours another key" in capsys.readouterr().err


PNORM = '''
    """z divided by the mean absolute value of an image's units: Santurkar et al. 2018, appendix, L1 normalisation."""

    import torch
    from torch import nn

    from study.engine.norms.layer import ByImage


    def normalise(z):
        inverse = 1 / (z.abs().mean(-1, keepdim=True) + 1e-5)
        return z * inverse, inverse


    def gradient(d, x_hat, inverse):
        return (d - x_hat.sign() * (d * x_hat).mean(-1, keepdim=True)) * inverse


    def stacked(layer, norm):
        return ByImage(layer, norm, normalise, gradient)


    class Twin(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

        def forward(self, z):
            return by_image(z, None) * self.weight + self.bias


    def twin(width, norm, seed=0, layer=0):
        return Twin(width)


    def by_image(z, norm):
        return normalise(z)[0]
'''


@pytest.fixture
def l1_norm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Arm:
    """An arm of a new kind: a value, and a file with its formula."""
    (tmp_path / "kinds").mkdir()
    (tmp_path / "kinds" / "l1_norm.py").write_text(textwrap.dedent(PNORM))
    monkeypatch.setattr(study.engine.norms, "__path__", [*study.engine.norms.__path__, str(tmp_path / "kinds")])
    monkeypatch.setitem(NORM_KINDS, "l1_norm", Kind("l1_norm", "L1 normalisation", "Santurkar et al. 2018"))
    return Arm("l1", "L1 normalisation", "with L1", norm=Norm("l1_norm"))


def test_a_new_arm_is_a_value_and_a_formula(l1_norm: Arm, tmp_path: Path) -> None:
    """From both to the tables: nothing else knows of it."""
    from study.data.dataset import load_digits
    from tests.study.engine.steps import steps_equal_torchs
    from tests.study.values import cohort_of

    design = Design("digits", (l1_norm, "no_bn"), (32,), (0.01,), (0, 1), 1, (20, 12))
    steps_equal_torchs(design, cohort_of(32, ("l1",), (0.01,), (0, 1)), load_digits().to("cpu", torch.float64))
    folder = api.train(design, tmp_path / "mine")
    runs = api.read(folder, "runs")
    assert [*runs.arm.value_counts().sort_index().items()] == [("l1", 2), ("no_bn", 2)]
    kept = weights.read(folder, design, design.runs[0])
    assert (design.runs[0].arm, kept["norms.0.weight"].shape) == ("l1", (20,))
