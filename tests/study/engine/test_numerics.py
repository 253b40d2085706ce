"""Numerics digests: what they tell apart, what they do not depend on, and what a study of other digests is told."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from study.data import dataset
from study.engine import devices, numerics, registry
from study.engine.environment import Machine, compiler, describe
from study.engine.numerics import Numerics, of_cells
from study.errors import EnvironmentFault
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.runs import Run

DESIGN = Design("digits", batch_sizes=(1, 32, 1000), lrs=(0.1, 0.5), seeds=(3,), epochs=2, hidden=(8, 6))
TORCH = devices.numerics_id("cpu", tf32=False)
ENGINES = [TORCH, registry.KERNEL]


@pytest.mark.parametrize("engine", ENGINES)
def test_there_is_a_digest_by_batch_size_and_shape_of_the_baseline_and_the_first_other_arm(
    engine: str, digits: dataset.Dataset
) -> None:
    found = of_cells(DESIGN, DESIGN.cells, digits, engine)
    assert [*found.digests] == [
        "b0001-64x8x6x10-relu-no_bn",  # batch norm cannot train on it
        "b0032-64x8x6x10-relu-no_bn", "b0032-64x8x6x10-relu-bn",
        "b1000-64x8x6x10-relu-no_bn", "b1000-64x8x6x10-relu-bn",
    ]  # fmt: skip
    assert len({*found.digests.values()}) == 5
    assert {len(digest) for digest in found.digests.values()} == {32}
    assert of_cells(DESIGN, DESIGN.cells, digits, engine) == found


@pytest.mark.parametrize("engine", ENGINES)
def test_a_digest_does_not_depend_on_seeds_rates_epochs_other_arms_or_company(
    engine: str, digits: dataset.Dataset
) -> None:
    first = of_cells(DESIGN, [Cell(32, 0.1)], digits, engine).digests
    other = replace(DESIGN, batch_sizes=(32,), lrs=(0.001,), seeds=(0, 9), epochs=7, arms=("bn", "no_bn", "layer"))
    assert of_cells(other, other.cells, digits, TORCH).differing({TORCH: first}) == {} or engine != TORCH
    same = replace(other, arms=("no_bn",))
    found = of_cells(same, same.cells, digits, engine).digests
    assert found.items() <= first.items()
    assert len(found) == 1


def test_a_digest_sees_what_an_engine_computes(digits: dataset.Dataset) -> None:
    cells = [Cell(32, 0.1)]
    by_engine = [of_cells(DESIGN, cells, digits, engine).digests for engine in ENGINES]
    other_images = dataset.Dataset(
        "digits", dataset.Split(digits.train.images / 2, digits.train.labels), digits.test, {}
    )
    found = [*by_engine, of_cells(DESIGN, cells, other_images, TORCH).digests]
    assert len({digests["b0032-64x8x6x10-relu-bn"] for digests in found}) == 3


def test_what_varies_beside_the_shape_of_a_network_is_in_the_name_where_it_is_not_a_number() -> None:
    varied = replace(DESIGN, vary={"activation": ("relu", "tanh")})
    names = {numerics.name_of(varied, Run(cell, seed=0, arm="bn")) for cell in varied.cells if cell.batch_size == 32}
    assert names == {"b0032-64x8x6x10-relu-bn", "b0032-64x8x6x10-tanh-bn"}
    deep = replace(DESIGN, hidden=(32,) * 100)
    name = numerics.name_of(deep, Run(32, 0.1, seed=0, arm="bn"))
    assert len(name) < 100
    assert name != numerics.name_of(replace(DESIGN, hidden=(32,) * 99), Run(32, 0.1, seed=0, arm="bn"))


def test_a_machine_of_other_digests_is_refused_with_both_and_the_two_ways_on() -> None:
    here = Numerics("engine", {"a": "1", "b": "2", "c": "3"})
    assert here.check({}, mixed=False) is here.check({"other": {"a": "0"}}, mixed=False) is None
    assert here.check({"engine": {"a": "1"}}, mixed=False) is None
    with pytest.raises(EnvironmentFault) as refusal:
        here.check({"engine": {"a": "1", "b": "0", "c": "0"}}, mixed=False)
    assert str(refusal.value) == (
        "this machine computes with other bits than the study by engine: b gives 2, the study has 0 (1 more digest"
        " differs). Go on where the study began, or add --mixed-numerics: its numbers are then of several machines, and"
        " the report says so."
    )
    said = here.check({"engine": {"b": "0"}}, mixed=True)
    assert said
    assert said.endswith("b gives 2, the study has 0; the study's numerics are mixed from here on (--mixed-numerics)")


def test_who_first_computes_a_shape_adds_its_digest_and_nobody_changes_it() -> None:
    manifest: dict = {}
    for digests in ({"a": "1"}, {"a": "2", "b": "2"}, {"b": "3"}):
        manifest |= Machine({"device": "x"}, Numerics("engine", digests)).of_study(manifest, "training")
    assert manifest["first_numerics"] == {"engine": {"a": "1", "b": "2"}}
    assert [mixed["numerics"] for mixed in manifest["mixed_numerics"]] == [{"a": "2"}, {"b": "3"}]
    again = Machine({"device": "x"}, Numerics("engine", {"b": "3"})).of_study(manifest, "training")
    assert again["mixed_numerics"] == manifest["mixed_numerics"]
    assert len(manifest["environments"]) == 1


def test_an_environment_names_neither_host_nor_date_and_of_the_kernel_the_compiler() -> None:
    by_kernel, by_torch = describe("cpu", registry.KERNEL), describe("cpu", TORCH)
    assert {*by_torch} == {"versions", "processor", "instructions", "device"}
    assert by_kernel == by_torch | ({"compiler": compiler()} if compiler() else {})
    assert os.uname().nodename not in str(by_kernel)
    assert Machine(by_kernel, Numerics("a", {})).digest == Machine(by_kernel, Numerics("b", {"c": "d"})).digest


@pytest.mark.slow
def test_a_processor_without_vectors_gives_other_digests_by_torch_and_the_same_by_the_kernel() -> None:
    """Torch is told to use none of them."""
    script = (
        "from study.data.dataset import load_digits\nfrom study.engine import numerics\n"
        "from study.spec.design import Design\nd = Design('digits', batch_sizes=(32,))\n"
        f"for e in {ENGINES}: print(*numerics.of_cells(d, d.cells, load_digits(), e).digests.values())"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ | environment
        ).stdout.splitlines()
        for environment in ({}, {"ATEN_CPU_CAPABILITY": "default"})
    ]
    assert said[0][0] != said[1][0]
    assert said[0][1] == said[1][1]
