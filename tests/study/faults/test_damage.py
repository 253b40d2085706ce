"""Damage: every part that is not what was committed is found, named, set aside and trained again; every table that is
not what was written is refused."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.report import __main__ as report
from study import run
from study.store.study_folder import Folder
from tests.conftest import SMALL
from tests.study.studies import tables

pytestmark = pytest.mark.usefixtures("no_drawings")
SEEDS = ("--seeds", "6", "--no-ablation")


@pytest.fixture
def study(small_study: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(small_study, tmp_path / "s"))


def damages(content: bytes, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """Ways to lose a file, each once, at places drawn anew."""
    a, b = sorted(rng.sample(range(len(content)), 2))
    yield "a bit", content[:a] + bytes([content[a] ^ 1 << rng.randrange(8)]) + content[a + 1 :]
    yield "the end", content[:a]
    yield "the beginning", content[a + 1 :]
    yield "the middle", content[:a] + content[b:]
    yield "a block of zeros", content[:a] + bytes(b - a) + content[b:] + b"\0"
    yield "a block twice", content[:b] + content[a:]
    yield "everything", b""
    yield "for another file", rng.randbytes(len(content))


def survived(study: Path, rounds: int, seed: int) -> int:
    """Damage one part after the other, ``rounds`` times in every way; how many were found, set aside and named."""
    folder, rng, found = Folder(study), random.Random(seed), 0
    design = folder.design()
    assert design
    paths = sorted(folder.parts.glob("*.parquet"))
    sound = {path: path.read_bytes() for path in paths}
    done = folder.done(design)
    for _ in range(rounds):
        path = rng.choice(paths)
        for what, content in damages(sound[path], rng):
            path.write_bytes(content)
            assert folder.done(design) < done, what
            assert folder.quarantine() == [study / "quarantine" / path.name], what
            assert (study / "quarantine" / path.name).read_bytes() == content, what
            path.write_bytes(sound[path])
            found += 1
    assert folder.done(design) == done
    return found


def test_every_damage_to_a_part_is_found_and_the_part_set_aside(study: Path) -> None:
    assert survived(study, rounds=25, seed=0) == 200


@pytest.mark.slow
def test_two_thousand_damaged_parts_are_found(study: Path) -> None:
    assert survived(study, rounds=250, seed=1) == 2000


def test_what_was_damaged_is_trained_again_to_the_same_bytes(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, rng = tables(study), random.Random(3)
    paths = sorted((study / "parts").glob("*.parquet"))
    paths[0].write_bytes(dict(damages(paths[0].read_bytes(), rng))["a bit"])
    paths[1].unlink()
    (study / "records.parquet").write_bytes(b"")
    assert run.main([*SMALL, *SEEDS, "--out", str(study.parent), "--study-id", "s"]) == 0
    assert f"{paths[0].name} was damaged and moved to {study / 'quarantine'}" in capsys.readouterr().err
    assert tables(study) == before


def test_a_table_that_is_not_what_was_written_is_refused_by_the_report_and_made_again(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A flipped bit in a number still makes a parquet file that reads well: the digest in the manifest tells."""
    rng = random.Random(5)
    for name in ("records", "runs"):
        path = study / f"{name}.parquet"
        sound = path.read_bytes()
        for what, content in damages(sound, rng):
            path.write_bytes(content)
            assert report.main([str(study)]) == 2, what
            told = capsys.readouterr().err
            assert told.startswith(f"analysis.report: {path}"), what
            assert "Traceback" not in told
        assert run.main([*SMALL, *SEEDS, "--out", str(study.parent), "--study-id", "s"]) == 0
        assert path.read_bytes() == sound
    assert report.main([str(study)]) == 0
