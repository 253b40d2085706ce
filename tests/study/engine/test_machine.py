from pathlib import Path

import pytest

from study.engine import machine


def test_memory_left_is_less_than_the_machine_has() -> None:
    left = machine.memory_left("cpu")
    if left is not None:
        total = next(int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines())
        assert 0 < left <= 1024 * total


def test_a_container_s_limit_counts_without_what_it_could_drop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    assert machine._cgroup_memory() is None
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 100\ninactive_file 250\n")
    (tmp_path / "memory.max").write_text("1000\n")
    assert machine._cgroup_memory() == 550
    (tmp_path / "memory.max").write_text("max\n")
    assert machine._cgroup_memory() is None
