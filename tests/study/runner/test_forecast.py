import json
import math
import os
from pathlib import Path

import pytest

from study.engine import costs, registry
from study.engine.costs import KERNEL, TORCH
from study.engine.machine import processor
from study.runner import forecast
from study.runner.forecast import expected_throughput
from study.spec.cohorts import cohorts, missing_runs
from study.spec.design import Design

DESIGN = Design("mnist")


def write_manifest(folder: Path, design: Design, throughput: float, device: str, **of_device: str) -> None:
    folder.mkdir(parents=True)
    manifest = {
        "design": design.to_dict(),
        "device": {"name": device, **of_device},
        "timings": {"work_per_second_and_worker": throughput},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_the_last_study_of_such_networks_on_this_processor_tells_the_throughput(tmp_path: Path) -> None:
    here = processor()
    write_manifest(tmp_path / "other-network", Design("mnist", hidden=(8,)), 1.0, here)
    write_manifest(tmp_path / "other-machine", DESIGN, 2.0, "abacus")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{")
    write_manifest(tmp_path / "other-engine", DESIGN, 2.0, here, engine=registry.KERNEL)
    throughput, source = expected_throughput(TORCH, DESIGN, tmp_path)
    assert "a matrix product timed just now" in source
    assert throughput > 1e8
    assert expected_throughput(KERNEL, DESIGN, tmp_path) == (2.0, "the last study on this processor")
    write_manifest(tmp_path / "alike", Design("mnist", seeds=(3,)), 7e9, here)
    assert expected_throughput(TORCH, DESIGN, tmp_path) == (7e9, "the last study on this processor")


def test_of_the_studies_that_match_the_newest_tells_the_throughput_and_newer_ones_that_do_not_are_passed_over(
    tmp_path: Path,
) -> None:
    here, n_written = processor(), 0

    def write(name: str, throughput: float, design: Design = DESIGN, device: str = here, **of_device: str) -> None:
        """Every one a second newer than the one before."""
        nonlocal n_written
        n_written += 1
        write_manifest(tmp_path / name, design, throughput, device, **of_device)
        os.utime(tmp_path / name / "manifest.json", (n_written, n_written))

    for name, throughput in (("c", 3.0), ("a", 5.0), ("b", 7.0)):
        write(name, throughput)
        assert expected_throughput(TORCH, DESIGN, tmp_path)[0] == throughput
    write("other-data", 1.0, Design("kmnist"))
    write("other-network", 1.0, Design("mnist", hidden=(32,)))
    write("other-machine", 1.0, device="abacus")
    write("other-engine", 1.0, engine=registry.KERNEL)
    for i, none in enumerate((0.0, -1.0, math.inf, math.nan)):
        write(f"none-{i}", none)
    assert expected_throughput(TORCH, DESIGN, tmp_path) == (7.0, "the last study on this processor")


def test_where_no_study_tells_the_throughput_it_follows_from_the_timed_product(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast, "_flop_per_second", lambda: 1e9)
    expected = TORCH.throughput_per_flop * 1e9
    assert expected_throughput(TORCH, DESIGN, tmp_path) == (expected, "a matrix product timed just now (rough)")


@pytest.mark.parametrize("inference", [False, True])
def test_the_inference_modes_are_in_the_forecast_where_networks_lack_them(
    inference: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast, "_flop_per_second", lambda: 1e9)
    design, throughput = Design("digits"), KERNEL.throughput_per_flop * 1e9
    plan = cohorts(missing_runs(design, ()), workers=2)
    found = forecast.forecast(KERNEL, design, plan, plan if inference else [], 2, tmp_path)
    seconds, memory = KERNEL.seconds(design, plan, 2, throughput), KERNEL.memory(design, plan, 2)
    if inference:
        seconds += KERNEL.inference_seconds(design, plan, 2, throughput)
        memory += costs.inference_bytes(design, 2)
    assert (found.seconds, found.memory) == pytest.approx((seconds, memory))
