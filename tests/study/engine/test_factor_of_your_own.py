"""A factor of one's own, added as CONTRIBUTING.md says: a value and the code that obeys it, in a module beside ours."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from study.data import variants
from study.spec.factors import FACTORS

MODULE = '''
"""Training images whose pixels are dropped at random, the same for every seed and arm: a factor of the data."""

from dataclasses import replace

import torch

from study.data import variants
from study.data.streams import generator
from study.spec.factors import FACTORS, Factor
from study.spec.checks import check_share, in_full


def dropped(data, made, cell):
    keep = torch.rand(made.train.images.shape, generator=generator(0, "dropped pixels", 0)) >= cell.dropped
    return replace(made, train=replace(made.train, images=made.train.images * keep, form=None))


FACTORS["dropped"] = Factor(
    "dropped", float, "dropped pixels", "share of dropped pixels", (0.0,), check_share,
    tag="drop{:g}".format, show=in_full,
)
variants.STEPS["dropped"] = dropped
'''


@pytest.fixture
def own_factor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "a_factor_of_mine.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module("a_factor_of_mine")
    yield
    del FACTORS["dropped"], variants.STEPS["dropped"], sys.modules["a_factor_of_mine"]


def test_it_is_varied_trained_and_recorded(own_factor: None, study_run: Callable[..., int], tmp_path: Path) -> None:
    asked = ("--seeds", "1", "--batch-sizes", "64", "--lrs", "0.01", "--epochs", "1", "--hidden", "12", "9")
    assert study_run(*asked, "--vary", "dropped=0,0.9", "--engine", "torch") == 0
    runs = pd.read_parquet(tmp_path / "s" / "runs.parquet")
    assert runs.groupby("dropped").size().to_dict() == {0.0: 2, 0.9: 2}
    assert runs.run_id.str.contains("_drop0.9_").tolist() == (runs.dropped == 0.9).tolist()
    records = pd.read_parquet(tmp_path / "s" / "records.parquet").query("epoch == 1 and split == 'train'")
    assert np.subtract(*records.groupby("dropped").loss.mean()) < -0.3  # pixels matter
    ways = pd.read_parquet(tmp_path / "s" / "ablation.parquet")
    assert {*ways.dropped} == {0.0, 0.9}


def test_the_kernel_leaves_it_to_torch(
    own_factor: None, study_run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert study_run("--vary", "dropped=0,0.9", "--engine", "kernel") == 3
    assert "the kernel does not know the factor dropped; choose --engine torch" in capsys.readouterr().err


def test_its_levels_are_checked(
    own_factor: None, study_run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert study_run("--vary", "dropped=1.5") == 2
    assert "--vary dropped= 1.5: give the share" in capsys.readouterr().err


def test_without_the_module_it_is_unknown(study_run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert study_run("--vary", "dropped=0,0.9") == 2
    assert "put Factor('dropped', ...) into FACTORS in study/spec/factors.py" in capsys.readouterr().err
