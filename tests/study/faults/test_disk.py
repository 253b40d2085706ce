"""Disks that are full, read-only, failing or gone: exit code 3, one sentence, and the same command goes on."""

import ctypes
import errno
import os
import re
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from study import run
from study.data import dataset
from study.engine.lockstep import training
from study.runner import provenance, session
from study.spec import history
from study.store.study_folder import Folder
from tests.study.faults.disks import FULL, Disk, Failing, Short, Vanishing
from tests.study.studies import Child, Ended, launch, litter, results, say, study
from tests.study.values import slow

SMALLEST = ("--seeds", "1", "--batch-sizes", "512", "--lrs", "0.01")
UNTRIED = ("--no-ablation",)


@pytest.fixture
def trained_already(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each cohort is trained once, however often it is asked for: what these tests try is the writing."""
    images, train, known = dataset.load_digits(), training.train_together, {}

    def remembered(design, cohorts, *rest) -> list[history.History]:
        key = (design, tuple(cohorts))
        known[key] = known.get(key) or train(design, cohorts, *rest)
        return known[key]

    monkeypatch.setattr(training, "train_together", remembered)
    monkeypatch.setattr(dataset, "load_digits", lambda: images)
    monkeypatch.setattr(session, "expected_throughput", lambda *_: (1e9, "a guess"))
    monkeypatch.setattr(provenance, "git", lambda: {"commit": None, "dirty": None})


def is_one_sentence(error: str, command: str = "study.run") -> None:
    assert error.startswith(f"{command}: ")
    assert error.count("\n") == 1, error
    assert "Traceback" not in error


def is_readable(folder: Path) -> None:
    """What was committed."""
    Folder(folder).read_parts()
    for path in folder.rglob("[!.]*.parquet"):
        pq.read_table(path)
    assert not (folder / "quarantine").exists()


def on(disk: Disk, arguments: list[str]) -> int:
    with disk.at_work():
        code = run.main(arguments)
    root = Path(disk.root).parent
    root.mkdir(exist_ok=True)
    (root / "calls").write_text(" ".join(disk.calls))
    return code


# --- each call fails once


Command = Callable[[Disk, Path], tuple[int, str]]
"""What came of it on that disk with that folder: the exit code and the words."""


def trouble_at_every_call(
    root: Path, disk_at: Callable[[Path, int], Disk], command: Command, begin: Callable[[Path], object] = Path.mkdir
) -> list[str]:
    """The calls that were fatal, one after another, until the command gets through without trouble.

    Every time the same command on a disk that is well makes the study complete. ``begin`` makes the folder.
    """
    begin(root := root / "whole")
    assert command(Disk(root / "s"), root) == (0, "")
    expected, fatal, number = results(root / "s"), [], 1
    while True:
        begin(out := root / str(number))
        code, error = command(disk_at(out / "s", number), out)
        calls = (out / "calls").read_text().split(" ")
        if number > len(calls):
            return fatal
        if code:
            assert code == 3
            is_one_sentence(error)
            is_readable(out / "s")
            fatal.append(calls[number - 1])
        else:
            assert error == ""
            assert results(out / "s") == expected, "what went wrong did not matter"
        assert command(Disk(out / "s"), out) == (0, "")
        assert results(out / "s") == expected
        assert litter(out / "s") == []
        number += 1


@pytest.fixture
def here(trained_already: None, capfd: pytest.CaptureFixture[str]) -> Command:
    """In this process, without the inference modes."""
    return lambda disk, out: (on(disk, study(out, *SMALLEST, *UNTRIED)), capfd.readouterr().err)


@pytest.mark.slow
def test_a_full_disk_at_any_call_is_one_sentence_and_the_same_command_completes(here: Command, tmp_path: Path) -> None:
    fatal = trouble_at_every_call(tmp_path, lambda root, at: Failing(root, at, errno.ENOSPC), here)
    assert len(fatal) > 50
    assert {*fatal} == {"open", "write", "close", "os.open", "os.mkdir", "os.fsync", "os.replace", "os.utime"}


@pytest.mark.slow
def test_a_folder_that_vanishes_at_any_call_is_one_sentence_and_the_same_command_begins_anew(
    here: Command, tmp_path: Path
) -> None:
    assert len(trouble_at_every_call(tmp_path, Vanishing, here)) > 50


def test_writes_that_are_cut_short_go_on_where_they_were_cut(trained_already: None, tmp_path: Path) -> None:
    assert run.main(study(tmp_path, *SMALLEST, *UNTRIED)) == 0
    disk = Short(tmp_path / "short" / "s")
    assert on(disk, study(tmp_path / "short", *SMALLEST, *UNTRIED)) == 0
    assert disk.calls.count("write") > 1.5 * disk.calls.count("open")
    assert results(tmp_path / "short" / "s") == results(tmp_path / "s")


@pytest.mark.slow
@pytest.mark.parametrize("stays", [False, True])
@pytest.mark.parametrize("number", FULL)
def test_a_fault_of_any_kind_at_any_call_that_passes_or_stays(
    number: int, stays: bool, here: Command, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fatal = trouble_at_every_call(tmp_path, lambda root, at: Failing(root, at, number, stays), here)
    say(capfd, f"{errno.errorcode[number]}: {len(fatal)} calls failed, exit 3 every time, all studies equal")


@pytest.mark.slow
def test_a_fault_at_any_call_of_the_inference_modes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of one kind after another, in a study that is trained."""
    assert launch(tmp_path, *SMALLEST, *UNTRIED).end().code == 0

    def begin(out: Path) -> None:
        shutil.copytree(tmp_path / "s", out / "s")

    def command(disk: Disk, out: Path) -> tuple[int, str]:
        ended = Child(out / "stderr", on, disk, study(out, *SMALLEST)).end()
        return ended.code, ended.error

    fatal = trouble_at_every_call(
        tmp_path, lambda root, at: Failing(root, at, FULL[at % 4], stays=at // 4 % 2 == 1), command, begin
    )
    say(capsys, f"{len(fatal)} calls of the inference modes failed, exit 3 every time, all studies equal")


def complete(out: Path, expected: dict[str, bytes], *options: str) -> None:
    """By the same command, on a disk that is well."""
    ended = launch(out, *options).end()
    assert (ended.code, ended.error) == (0, "")
    assert results(out / "s") == expected
    assert litter(out / "s") == []


# --- real disks


def with_files_of_at_most(n_bytes: int, arguments: list[str]) -> int:
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, resource.RLIM_INFINITY))
    return run.main(arguments)


def test_a_file_that_the_system_lets_not_grow_is_one_sentence_and_the_same_command_completes(tmp_path: Path) -> None:
    """The write of a real file is cut short, and the next one refused."""
    options = (*SMALLEST, *UNTRIED)
    assert launch(tmp_path, *options).end().code == 0
    sizes = sorted({path.stat().st_size for path in (tmp_path / "s").rglob("[!.]*") if path.is_file()})
    assert len(sizes) > 5
    for size in (sizes[0], sizes[len(sizes) // 2], sizes[-1]):
        out = tmp_path / str(size)
        out.mkdir()
        ended = Child(out / "stderr", with_files_of_at_most, size - 1, study(out, *options)).end()
        assert ended.code == 3
        is_one_sentence(ended.error)
        assert "File too large" in ended.error
        is_readable(out / "s")
        complete(out, results(tmp_path / "s"), *options)


NOT_PERMITTED = 77
"""Exit code of a process that may not mount."""
NEW_USER, NEW_MOUNTS, REMOUNT, READ_ONLY = 0x10000000, 0x00020000, 32, 1


def mounted(folder: Path, kilobytes: int, flags: int = 0) -> None:
    size = f"size={kilobytes}k".encode()
    if ctypes.CDLL(None, use_errno=True).mount(b"none", os.fsencode(folder), b"tmpfs", flags, size):
        raise OSError(ctypes.get_errno(), "mount")


def with_mounts_of_its_own() -> bool:
    """Whether this process now may mount what no other sees."""
    user, group = os.geteuid(), os.getegid()
    if not hasattr(os, "memfd_create") or ctypes.CDLL(None).unshare(NEW_USER | NEW_MOUNTS):
        return False
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    return True


def fill(disk: Path, kept: Path, commands: list[list[str]]) -> int:
    """Each command on a disk that is full and gets a little more room until it completes; then one that is read-only.

    What came of it goes to ``kept``: a line for each end.
    """
    if not with_mounts_of_its_own():
        return NOT_PERMITTED
    mounted(disk, size := 40)
    for command in commands:
        main, arguments, more = (report, command[1:], 200) if command[0] == "report" else (run.main, command, 40)
        while (code := main(arguments)) and size < 4000:
            is_readable(disk / "s")
            with open(kept / "ends", "a") as file:
                print(main.__name__, size, code, file=file)
            size += more
            mounted(disk, size, REMOUNT)
        assert code == 0
    shutil.copytree(disk / "s", kept / "s")
    mounted(disk, size, REMOUNT | READ_ONLY)
    return run.main(commands[0])


def report(arguments: list[str]) -> int:
    from analysis.report.__main__ import main

    return main(arguments)


def on_a_small_disk(tmp_path: Path, *further: list[str]) -> tuple[Ended, list[str]]:
    """How it ended on the disk that was read-only, and the ends before."""
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    kept.mkdir()
    ended = Child(tmp_path / "stderr", fill, disk, kept, [study(disk, *SMALLEST), *further]).end()
    if ended.code == NOT_PERMITTED:
        pytest.skip("this system lets no process mount a small disk of its own")
    return ended, (kept / "ends").read_text().splitlines()


def test_a_disk_that_is_really_full_and_then_has_room_and_then_is_read_only(tmp_path: Path) -> None:
    assert launch(tmp_path, *SMALLEST).end().code == 0
    ended, ends = on_a_small_disk(tmp_path)
    assert ended.code == 3, ended.error
    assert {line.split()[-1] for line in ends} == {"3"}
    lines = ended.error.splitlines()
    assert len(lines) == len(ends) + 1
    assert all("No space left on device" in line for line in lines[:-1])
    assert "Read-only file system" in lines[-1]
    assert results(tmp_path / "kept" / "s") == results(tmp_path / "s")
    assert litter(tmp_path / "kept" / "s") == []


@pytest.mark.slow
def test_a_report_on_a_full_disk_is_one_sentence_and_the_same_command_completes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, ends = on_a_small_disk(tmp_path, ["report", str(tmp_path / "disk" / "s")])
    said = [line for line in ended.error.splitlines() if line.startswith("analysis.report: ")]
    codes = [line.split()[-1] for line in ends if line.startswith("report")]
    assert len(said) == len(codes) > 3
    assert {*codes} <= {"2", "3"}
    assert all("No space left on device" in line for line in said)
    of_errors = [line for line in ended.error.splitlines() if re.match(r"(study|analysis)\.\w+: ", line)]
    assert len(of_errors) == len(ends) + 1
    assert "Traceback" not in ended.error
    assert (tmp_path / "kept" / "s" / "report.html").exists()
    say(capsys, f"a study and its report met a full disk {len(ends)} times")


def without_privileges(arguments: list[str]) -> int:
    """Root may write anywhere, but for the capabilities that this gives up."""
    if os.geteuid() == 0:
        version_3, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
        assert ctypes.CDLL(None).capset(version_3, none) == 0
    return run.main(arguments)


@pytest.mark.parametrize("which", [slow("."), slow("s"), "s/parts", slow("s/weights")])
def test_a_folder_without_permission_is_one_sentence_and_the_same_command_completes(which: str, tmp_path: Path) -> None:
    """The folder that studies go to, then those of a study that has a cohort more to train."""
    out, whole, more = tmp_path / "out", tmp_path / "whole", (*SMALLEST, *UNTRIED, "--lrs", "0.01", "0.1")
    for folder in (out, whole):
        folder.mkdir()
    assert which == "." or launch(out, *SMALLEST, *UNTRIED).end().code == 0
    (out / which).chmod(0o555)
    ended = Child(tmp_path / "stderr", without_privileges, study(out, *more)).end()
    assert ended.code == 3, ended.error
    is_one_sentence(ended.error)
    assert "Permission denied" in ended.error
    (out / which).chmod(0o755)
    assert launch(whole, *more).end().code == 0
    complete(out, results(whole / "s"), *more)
