import json
from pathlib import Path

from study.engine import registry
from study.engine.costs import KERNEL, TORCH
from study.engine.machine import processor
from study.runner.forecast import expected_throughput
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
    assert "a matrix product timed now" in source
    assert throughput > 1e8
    assert expected_throughput(KERNEL, DESIGN, tmp_path) == (2.0, "the last study on this processor")
    write_manifest(tmp_path / "alike", Design("mnist", seeds=(3,)), 7e9, here)
    assert expected_throughput(TORCH, DESIGN, tmp_path) == (7e9, "the last study on this processor")
