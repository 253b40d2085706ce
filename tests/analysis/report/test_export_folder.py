"""Where are a report and an export written? Figures as files, a folder that replaces its own, a read-only study."""

import errno
import os
import re
import webbrowser
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure as Drawing

import analysis
from analysis.errors import AnalysisError
from analysis.records import tables
from analysis.report import __main__ as report
from analysis.report import write
from analysis.report.document import Figure, Section, Table
from analysis.report.export import figure_files, folder
from analysis.report.figures import style
from analysis.report.write import UNRECORDED
from study.spec.arms import DEFAULT_ARMS
from study.store import atomic
from tests.analysis.planted import plant
from tests.analysis.report.exported import SMALL, score
from tests.analysis.report.test_report import Page
from tests.study.faults.disks import Disk

TINY = replace(SMALL, arms=("bn",), seeds=(0, 1), epochs=1)
"""A design whose page is made fast."""


def figure() -> Figure:
    def draw(medium: style.Medium) -> Drawing:
        with style.style():
            drawn, axes = medium.panels(2, 1.5)
            axes[0].plot([1, 2], [3, 4], label="a")
            axes[0].set_xlabel("text")
        return drawn

    return Figure("one", "A headline", "A subtitle.", draw, "1", "A caption.", Table("one", "", [], []))


def test_figures_are_files_of_both_widths_and_forms_with_equal_bytes_and_no_date() -> None:
    sections = [Section("s", "S", [figure()], [replace_name(figure(), "hidden")])]
    files = figure_files.figure_files(sections)
    names = {f"one-{width}in.{form}" for width in ("3.25", "6.75") for form in ("pdf", "png")}
    assert {*files} == names
    assert files == figure_files.figure_files(sections)
    for name, content in files.items():
        assert not re.search(rb"Date|Matplotlib|matplotlib|20\d\d-", content), name
    width, height = (int.from_bytes(files["one-3.25in.png"][at : at + 4], "big") for at in (16, 20))
    assert (width, height) == (975, 900), "300 dots an inch, panels stacked"
    box = re.search(rb"/MediaBox \[ ?0 0 (\S+) (\S+) ?\]", files["one-6.75in.pdf"])
    assert box
    assert [float(side) for side in box.groups()] == [486, 108]


def replace_name(of: Figure, name: str) -> Figure:
    return Figure(name, of.headline, of.subtitle, of.draw, of.alt, of.caption, of.table)


# --- the folder


@pytest.fixture
def one_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """An export draws one figure of its own: what these tests try is the rest."""
    monkeypatch.setattr(figure_files, "evidence", lambda sections: [figure()])


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


FILES = {"methods.tex", "methods.md", "references.bib", "sentence.txt", "export.json"}


def test_the_command_writes_page_and_export_and_the_same_again(
    tmp_path: Path, one_figure: None, capsys: pytest.CaptureFixture[str]
) -> None:
    study, paper = plant(tmp_path / "s", TINY, score), tmp_path / "deep" / "paper"
    assert report.main([str(study), "--export", str(paper)]) == 0
    assert f"\n{paper} (for a paper: " in capsys.readouterr().out
    before = content(paper)
    figures = {f"figures/one-{width}in.{form}" for width in ("3.25", "6.75") for form in ("pdf", "png")}
    assert {*before} == FILES | figures
    page = Page((study / "report.html").read_text("utf-8"))
    assert all(line in page.text for line in before["sentence.txt"].decode().splitlines())
    (paper / "figures" / "one-3.25in.pdf").unlink()
    assert analysis.export(study, paper) == paper
    assert content(paper) == before
    assert [*paper.parent.iterdir()] == [paper]


@pytest.mark.parametrize("name", ["notes.txt", "figures/mine.pdf", "table.tex"])
def test_what_no_export_wrote_is_not_overwritten(name: str, tmp_path: Path) -> None:
    paper = tmp_path / "paper"
    folder.write(paper, "s", {"table.tex": b"ours", "figures/a.pdf": b"ours"})
    (paper / name).write_text("mine")
    before = content(paper)
    with pytest.raises(AnalysisError, match=rf"holds {name}, which an export did not write .* name a new folder"):
        folder.write(paper, "s", {"table.tex": b"new"})
    assert content(paper) == before


def test_a_folder_of_something_else_is_refused_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "load", lambda path: pytest.fail("it was read"))
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    for place in (tmp_path, tmp_path / "file", tmp_path / "link", Path(".")):
        assert report.main(["study", "--export", str(place)]) == 2
        assert re.fullmatch(r"analysis.report: --export .*\n", capsys.readouterr().err)
    assert {path.name for path in tmp_path.iterdir()} == {"file", "link"}


@pytest.mark.parametrize("stops_at", ["new", "paper"])
def test_an_export_that_fails_leaves_the_one_before(
    stops_at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper, rename, write = tmp_path / "paper", Path.rename, atomic._write_through
    folder.write(paper, "s", {"table.tex": b"before"})

    def renaming(path: Path, target: Path) -> Path:
        if ".new." in path.name and stops_at == "paper":
            raise OSError(5, "Input/output error")
        return rename(path, target)

    def writing(path: Path, content: bytes) -> None:
        if stops_at == "new":
            raise OSError(28, "No space left on device")
        write(path, content)

    monkeypatch.setattr(Path, "rename", renaming)
    monkeypatch.setattr(atomic, "_write_through", writing)
    with pytest.raises(AnalysisError, match="cannot be written"):
        folder.write(paper, "s", {"table.tex": b"after"})
    monkeypatch.undo()
    assert content(paper)["table.tex"] == b"before"
    assert [*tmp_path.iterdir()] == [paper]
    folder.write(paper, "s", {"table.tex": b"after"})
    assert content(paper)["table.tex"] == b"after"


# --- elsewhere


def test_a_report_written_elsewhere_is_the_same_and_its_look_is_recorded(tmp_path: Path) -> None:
    here, there = (plant(tmp_path / name / "s", replace(TINY, arms=DEFAULT_ARMS), score) for name in ("here", "there"))
    to = tmp_path / "deep" / "elsewhere"
    assert report.main([str(here), "--to", str(here)]) == 0
    assert report.main([str(there), "--to", str(to)]) == 0
    made = {name: (here / name).read_bytes() for name in ("report.html", "report.json", "figures/curves.svg")}
    assert {name: (to / name).read_bytes() for name in made} == made
    assert (there / "manifest.json").read_bytes() == (here / "manifest.json").read_bytes()
    assert b'"looks"' in (there / "manifest.json").read_bytes()
    assert not (there / "report.html").exists()


class ReadOnly(Disk):
    """Every call that would write below its root is refused."""

    def called(self, name: str, path: object = None) -> None:
        if path is not None and self._concerns(path):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A study into which nothing can be written: modes say so, and the disk to root, whom they do not bind."""
    study = plant(tmp_path / "s", replace(TINY, arms=DEFAULT_ARMS), score)
    paths = [study, *study.rglob("*")]
    modes = {path: path.stat().st_mode for path in paths}
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    with ReadOnly(study).at_work():
        yield study
    for path, mode in modes.items():
        path.chmod(mode)


def test_a_read_only_study_is_reported_elsewhere_and_page_and_terminal_say_what_is_not_recorded(
    read_only: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to, before = tmp_path / "elsewhere", content(read_only)
    assert report.main([str(read_only), "--to", str(to)]) == 0
    assert UNRECORDED in capsys.readouterr().err.splitlines()
    assert UNRECORDED in Page((to / "report.html").read_text("utf-8")).text
    assert content(read_only) == before


def test_into_a_read_only_study_no_report_is_written_and_the_error_says_what_to_do(read_only: Path) -> None:
    with pytest.raises(AnalysisError, match=r"can be written elsewhere too, with --to DIR$"):
        write._write_into(tables.load(read_only), read_only, {"report.html": b""}, [])


def test_a_report_does_not_go_into_another_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study, other = (plant(tmp_path / name, TINY, score) for name in ("study", "other"))
    before = content(other)
    assert report.main([str(study), "--to", str(other)]) == 2
    assert re.fullmatch(r"analysis.report: --to .* holds another study; name .*\n", capsys.readouterr().err)
    assert content(other) == before


# --- in a browser


@pytest.mark.parametrize("there_is_one", [True, False, None])
def test_the_page_is_opened_in_a_browser_or_its_path_is_said(
    there_is_one: bool | None, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def opening(address: str) -> bool:
        asked.append(address)
        if there_is_one is None:
            raise webbrowser.Error("could not locate runnable browser")
        return there_is_one

    monkeypatch.setattr(webbrowser, "open", opening)
    page = tmp_path / "a b" / "report.html"
    page.parent.mkdir()
    page.write_text("page", "utf-8")
    nothing = {"warnings": [], "notes": [], "verdicts": []}
    made = write.Written(page, nothing, [], 0)
    monkeypatch.setattr(report, "report", lambda options: made)
    assert report.main(["--open"]) == 0
    assert asked == [page.as_uri()]
    assert capsys.readouterr().err == ("" if there_is_one else f"No browser could be opened here. The page is {page}\n")
    assert report.main([]) == 0
    assert len(asked) == 1
