"""Arms and normalisations are values: an unknown one can be neither asked for nor trained, and none is the baseline."""

from pathlib import Path

import pytest
import torch

import study.engine.norms
from study import run
from study.data.dataset import Dataset
from study.engine import norms, registry
from study.engine.lockstep.stacks import Lockstep
from study.errors import UsageError
from study.spec.arms import ARMS, BASELINE, DEFAULT_ARMS, NORM_KINDS, Arm, Norm
from study.spec.design import Design
from tests.study.values import cohort_of


def test_every_kind_of_norm_has_its_file_and_every_file_its_kind() -> None:
    folder = Path(study.engine.norms.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == {*NORM_KINDS}
    for kind in NORM_KINDS:
        module = norms.module_of(Norm(kind))
        assert all(callable(getattr(module, name)) for name in ("stacked", "twin", "by_image"))


def test_an_unknown_kind_of_norm_cannot_be_built() -> None:
    with pytest.raises(
        UsageError, match=r"normalisation 'bach' is unknown \(did you mean batch\?\); choose from: batch"
    ):
        Norm("bach")


def test_an_unknown_arm_cannot_be_asked_for(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run.main(["--dataset", "digits", "--arms", "bm", "no_bn", "--out", str(tmp_path)]) == 2
    assert "study.run: --arms 'bm' is unknown (did you mean bn?); choose from: bn, no_bn" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "norm",
    [
        Norm("batch", group=4),
        Norm("batch", placement="after"),
        Norm("batch", gamma=False),
        Norm("batch", bias=False),
        Norm("batch"),
        Norm("batch", ("cumulative_all",)),
        Norm("batch", ("running", "median")),
        Norm("layer", ("running",)),
        Norm("layer", momentum=0.5),
    ],
)
def test_what_an_engine_does_not_know_of_a_norm_it_refuses(norm: Norm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ARMS, "planted", Arm("planted", "a planted norm", "planted", "planted", norm))
    design = Design("digits", arms=("planted", BASELINE))
    with pytest.raises(UsageError, match="the torch engine cannot train this: it does not know a normalisation with"):
        registry.choose("torch", design, "cpu", tf32=False, of_study=None)
    with pytest.raises(UsageError, match="it does not know a normalisation with"):
        registry.choose("auto", design, "cpu", tf32=False, of_study=None)


def test_an_arm_that_the_kernel_does_not_know_trains_by_torch_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Norm("batch", ARMS["bn"].statistics, momentum=0.01)
    monkeypatch.setitem(ARMS, "slow", Arm("slow", "slow batch normalisation", "with slow BN", "slow", slow, 2))
    design = Design("digits", arms=("slow", BASELINE))
    engine, notice = registry.choose("auto", design, "cpu", tf32=False, of_study=None)
    assert engine.startswith("torch")
    assert notice is not None
    assert notice.startswith("the kernel does not know the arm slow: the torch engine trains")
    with pytest.raises(Exception, match="--engine kernel: the kernel does not know the arm slow"):
        registry.choose("kernel", design, "cpu", tf32=False, of_study=None)


def test_a_further_arm_is_trained_as_itself(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its momentum is obeyed: the running averages move more slowly than those of ``bn``, and nothing else differs."""
    slow = Norm("batch", ARMS["bn"].statistics, momentum=0.01)
    monkeypatch.setitem(ARMS, "slow", Arm("slow", "slow batch normalisation", "with slow BN", "slow", slow, 2))
    stacks = {}
    for arm in ("bn", "slow", BASELINE):
        cohort = cohort_of(64, (arm,), (0.01,), (0,))
        lockstep = Lockstep(
            Design("digits", arms=(arm, "no_bn")[: 1 + (arm != BASELINE)]), cohort, torch.float32, torch.device("cpu")
        )
        with torch.no_grad():
            for images in digits.train.pixels.batches(torch.arange(64)[None, None]):
                lockstep.step(images, digits.train.labels[:64][None])
        stacks[arm] = lockstep.stacks[0].state_dict(0)
    assert torch.equal(stacks["bn"]["linears.0.weight"], stacks["slow"]["linears.0.weight"])
    assert not torch.equal(stacks["bn"]["linears.0.weight"], stacks[BASELINE]["linears.0.weight"])
    for name in ("running_mean", "running_var"):
        start = float(name == "running_var")
        fast, moved = (stacks[arm][f"norms.0.{name}"] - start for arm in ("bn", "slow"))
        torch.testing.assert_close(moved, fast / 10, rtol=1e-4, atol=1e-6)


def test_what_is_compared_by_default_is_another_thing_than_what_is_known() -> None:
    assert Design("digits").arms == DEFAULT_ARMS
    assert {*DEFAULT_ARMS} <= {*ARMS}
