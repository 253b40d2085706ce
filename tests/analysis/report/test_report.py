"""The command and the page: what a reader gets, from records planted and real."""

import html.parser
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from analysis.findings.contrasts import COLUMNS
from analysis.report import __main__ as report
from analysis.report.figures.effects import effect_map
from study.spec.design import Design
from study.spec.runs import Run
from tests.analysis.planted import TUNED_GAINS, in_gains, on_a_hill, plant, plant_tuned, points

DESIGN = Design("digits", batch_sizes=(32, 64), lrs=(0.01, 0.1), seeds=tuple(range(6)), epochs=3)
FILES = ("report.html", "report.json", "tables/contrasts.csv")


def score(run: Run, epoch: int) -> float | None:
    return 0.7 + 0.05 * epoch + 0.003 * run.seed + (0.02 + 0.002 * (run.seed % 3) if run.arm == "bn" else 0)


class Page(html.parser.HTMLParser):
    """What a page asks for, its text, and the balance of its tags."""

    VOID = ("meta", "img", "br", "link", "input")
    WITHIN = ("a", "b", "small", "code", "span", "tspan")
    """What may stand within a word's line."""

    def __init__(self, text: str):
        super().__init__()
        self.sources: list[str] = []
        self.drawings: list[dict[str, str | None]] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.text = " ".join("".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.words += [] if tag in self.WITHIN else [" "]
        self.sources += [str(found[name]) for name in ("src", "href") if name in found]
        self.ids += [str(found["id"])] if "id" in found else []
        assert "style" not in found
        if tag == "svg":
            self.drawings.append(found)
        if tag not in self.VOID:
            self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.tags.pop() == tag
        self.words += [] if tag in self.WITHIN else [" "]

    def handle_data(self, data: str) -> None:
        if not self.tags or self.tags[-1] not in ("style", "script"):
            self.words.append(data)


def figures(folder: Path) -> list[Path]:
    return sorted((folder / "figures").glob("*.svg"))


def make(folder: Path, *options: str) -> Page:
    assert report.main([str(folder), *options]) == 0
    page = Page((folder / "report.html").read_text("utf-8"))
    assert page.tags == []
    assert all(source.startswith(("#", "data:text/csv;")) for source in page.sources)
    assert len(page.ids) == len(set(page.ids))
    assert all(re.search(r"\d", str(drawing["aria-label"])) for drawing in page.drawings)
    return page


def test_the_page_says_what_the_records_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = plant(tmp_path / "s", DESIGN, score)
    page = make(folder)
    said = json.loads((folder / "report.json").read_text())
    table = pd.read_csv(folder / "tables" / "contrasts.csv")
    whole = table[(table.endpoint == "last3") & table.batch_size.isna()].iloc[0]
    headline = said["verdicts"][0]["headline"]
    best, setting, not_learning, mean = (part["headline"] for part in said["verdicts"][0]["parts"])
    assert headline == best
    assert "batch normalisation raised test accuracy on scikit-learn's digits by 2.2" in best
    assert "At the tutorial's setting (batch size 32, rate 0.01), batch normalisation raised" in setting
    assert not_learning.startswith("Every run of both arms learned; 6 seeds without a failed run rule out")
    assert f"by {100 * whole.mean_diff:.2f} points" in mean
    assert f"[{100 * whole.ci_sim_low:+.2f}, {100 * whole.ci_sim_high:+.2f}], 6 seeds" in mean
    assert all(part["headline"] in page.text for part in said["verdicts"][0]["parts"])
    assert headline in capsys.readouterr().out
    for row in table.itertuples():
        assert f"[{100 * row.ci_low:+.2f}, {100 * row.ci_high:+.2f}]" in page.text
    assert len(page.drawings) > 10
    assert "All planned pairs are complete." in page.text


@pytest.mark.usefixtures("without_drawings")
def test_report_json_and_the_csv_hold_the_same_numbers(tmp_path: Path) -> None:
    folder = plant(tmp_path / "s", DESIGN, score)
    make(folder)
    said = pd.json_normalize(json.loads((folder / "report.json").read_text())["contrasts"])
    table = pd.read_csv(folder / "tables" / "contrasts.csv")
    cell = ["batch_size", "lr"]
    same = said[[*cell, *COLUMNS.values()]].set_axis([*cell, *COLUMNS], axis=1)
    key = ["endpoint", *cell]
    same, table = (frame.fillna(np.nan).sort_values(key, ignore_index=True) for frame in (same, table))
    pd.testing.assert_frame_equal(same, table, check_dtype=False, rtol=1e-15)


def test_the_same_records_give_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    folder = plant(tmp_path / "s", DESIGN, score)
    make(folder)
    before = [(folder / name).read_bytes() for name in FILES]
    environment = {**os.environ, "PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-m", "analysis.report", str(folder)]
    subprocess.run(command, check=True, env=environment, capture_output=True)
    assert [(folder / name).read_bytes() for name in FILES] == before


@pytest.mark.usefixtures("without_drawings")
def test_fallback_data_few_seeds_and_gaps_are_said_first(tmp_path: Path) -> None:
    few = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=(0, 1, 2), epochs=3)
    page = make(plant(tmp_path / "s", few, score, notice="THIS IS NOT MNIST.", lost={Run(32, 0.01, seed=2, arm="bn")}))
    answer = page.text.index("a description, not a verdict")
    for notice in (
        "THIS IS NOT MNIST.",
        "Only 2 seeds with a pair in every setting: the exact test cannot fall below p = 0.5. At"
        " least 6 are needed to reach 0.05.",
        "INCOMPLETE: 1 of 6",
    ):
        assert page.text.index(notice) < answer
    assert "batch size 32, rate 0.01, seed 2: bn has no records" in page.text


@pytest.mark.parametrize(
    ("design", "words"),
    [
        (Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=(0,), epochs=1), "a description, not a verdict"),
        (
            Design("digits", ("no_bn",), (32,), (0.01,), (0, 1), 1),
            "Only no_bn was trained: there is nothing to compare",
        ),
        (
            Design("digits", batch_sizes=(1,), lrs=(0.01,), seeds=(0, 1), epochs=1),
            "0 seeds with a pair in every setting",
        ),
        (Design("digits", ("bn",), (1,), (0.01,), (0, 1), 1), "Only bn was trained: there is nothing to compare"),
    ],
)
def test_studies_that_prove_nothing_still_make_an_honest_page(design: Design, words: str, tmp_path: Path) -> None:
    assert words in make(plant(tmp_path / "s", design, score)).text


@pytest.mark.usefixtures("without_drawings")
def test_a_study_in_which_every_run_diverged_makes_a_page(tmp_path: Path) -> None:
    page = make(plant(tmp_path / "s", DESIGN, lambda run, epoch: None if epoch else 0.1))
    learned = "At batch size 32, rate 0.1: 0 of 6 runs without BN (0 % [0, 46]) and 0 of 6 runs with BN (0 % [0, 46])"
    assert f"{learned} learn." in page.text
    assert page.text.index("EVERY RUN FAILED") < page.text.index("The whole answer")
    assert not re.search("normalisation (raise|lower)", page.text)


@pytest.mark.slow
def test_beyond_16_seeds_no_test_is_called_exact(tmp_path: Path) -> None:
    many = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=tuple(range(18)), epochs=1)
    page = make(plant(tmp_path / "s", many, score))
    contrasts = json.loads((tmp_path / "s" / "report.json").read_text())["contrasts"]
    assert {contrast["joint"]["test"]["n_total"] for contrast in contrasts} == {100_000}
    assert "exact sign-flip" not in page.text.split("Methods")[0].lower().replace("the exact sign-flip test of 18", "")


@pytest.mark.usefixtures("without_drawings")
def test_a_study_stopped_in_the_middle_says_nothing_of_all_cells(tmp_path: Path) -> None:
    lost = {run for run in DESIGN.runs if run.cell.batch_size == 64}
    page = make(plant(tmp_path / "s", DESIGN, score, lost=lost))
    assert "INCOMPLETE: 24 of 48 planned runs" in page.text
    assert "test accuracy differs by" not in page.text
    assert "0 of 0" not in page.text


@pytest.mark.usefixtures("without_drawings")
def test_hostile_words_in_a_manifest_are_shown_as_text(tmp_path: Path) -> None:
    folder = plant(tmp_path / "s", DESIGN, score, notice='<script>alert("1")</script> & 한국어 {{ 7 * 7 }}')
    assert '<script>alert("1")</script> & 한국어 {{ 7 * 7 }}' in make(folder).text


@pytest.mark.usefixtures("without_drawings")
def test_alpha_and_margin_reach_the_intervals_and_the_words(tmp_path: Path) -> None:
    folder = plant(tmp_path / "s", DESIGN, score)
    make(folder)
    narrow = pd.read_csv(folder / "tables" / "contrasts.csv")
    page = make(folder, "--alpha", "0.04", "--margin", "0.5")
    wide = pd.read_csv(folder / "tables" / "contrasts.csv")
    assert (wide.ci_low < narrow.ci_low).all()
    assert "96 % interval [" in page.text
    assert "the 92 % interval lies within a margin of 50 points" in page.text
    assert "less than the margin of 50 points" in page.text


@pytest.mark.parametrize("options", [["--alpha", "0"], ["--alpha", "nan"], ["--margin", "-1"], ["no/such/folder"]])
def test_a_wrong_command_exits_2_in_one_sentence(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main(options) == 2
    error = capsys.readouterr().err
    assert re.match(r"analysis.report: .+\n$", error)
    assert "Traceback" not in error


@pytest.mark.usefixtures("without_drawings")
def test_strict_exits_4_where_planned_runs_have_no_records(tmp_path: Path) -> None:
    design = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=(0, 1, 2), epochs=3)
    whole = plant(tmp_path / "whole", design, score)
    gaps = plant(tmp_path / "gaps", design, score, lost={Run(32, 0.01, seed=2, arm="bn")})
    assert report.main([str(whole), "--strict"]) == 0
    assert report.main([str(gaps)]) == 0
    assert report.main([str(gaps), "--strict"]) == 4
    assert (gaps / "report.html").exists()


def test_the_terminal_says_verdict_numbers_path_size_and_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = plant(tmp_path / "s", DESIGN, score)
    monkeypatch.setattr(report, "LARGE", 1e5)
    assert report.main([str(folder)]) == 0
    streams = capsys.readouterr()
    told = streams.out.splitlines()
    assert told[0] == f"Making the report of {folder}."
    assert told[1] == json.loads((folder / "report.json").read_text())["verdicts"][0]["headline"]
    assert [line.split("  ")[0] for line in told[2:6]] == [
        "each arm at its best", "at the tutorial's setting", "the mean over the settings", "runs that did not learn",
    ]  # fmt: skip
    assert re.fullmatch(rf"{folder}/report.html \(0.\d\d MB, made in \d+ s\)", told[6])
    assert streams.err.splitlines()[-1] == "The page is larger than 0.1 MB; browsers may be slow to show it."


@pytest.mark.usefixtures("without_drawings")
def test_of_a_tuned_study_page_terminal_json_and_csv_say_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = plant_tuned(tmp_path / "s", in_gains, on_a_hill, points(50))
    page = make(folder)
    told = capsys.readouterr()
    said = json.loads((folder / "report.json").read_text())
    (verdict,), (of_arm,) = said["verdicts"], said["tuned"]
    assert verdict["headline"] in told.out
    assert all(line in page.text for line in (verdict["headline"], *verdict["parts"][0]["details"]))
    assert re.search(r"^each arm at its best +\+1.9 \[\+\S+, \+\S+\] points, 8 seeds", told.out, re.MULTILINE)
    tables = {name: pd.read_csv(folder / "tables" / f"{name}-bn.csv") for name in ("tuned", "trials", "importance")}
    assert of_arm["after"]["interval"]["estimate"] == pytest.approx(np.mean(TUNED_GAINS) / 360)
    assert tables["tuned"].difference[0] == of_arm["after"]["interval"]["estimate"]
    assert tables["trials"].score.tolist() == [trial["score"] for trial in of_arm["trials"]]
    assert tables["importance"].lr.tolist() == [importance["lr"] for importance in of_arm["importances"]]
    assert {"first-pairs", "tuned-pairs-bn", "trials-bn", "budget-bn"} <= {figure.stem for figure in figures(folder)}
    assert "study.optimise(..., searches=6)" in page.text


def test_trials_that_cannot_be_exit_2_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = plant_tuned(tmp_path / "s", in_gains, on_a_hill, points(2))
    (folder / "trials.parquet").unlink()
    assert report.main([str(folder)]) == 2
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == (f"Making the report of {folder}.\n", 1)
    assert told.err.startswith("analysis.report: ")
    assert "its study.tune command makes them" in told.err


def test_without_a_name_the_study_made_last_is_reported_and_never_a_shipped_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.main(["--out", str(tmp_path)]) == 2
    assert f"python -m study.run --out {tmp_path} --seeds 10\n" in capsys.readouterr().err
    old, new, shipped = (plant(tmp_path / name, DESIGN, score) for name in ("old", "new", "shipped"))
    shutil.rmtree(shipped / "parts")
    for age, folder in enumerate((shipped, new, old)):
        os.utime(folder / "manifest.json", (2e9 - age, 2e9 - age))
    assert report.newest(tmp_path) == new


def test_drawing_gives_matplotlib_its_style_back(small_study: Path, tmp_path: Path) -> None:
    from analysis.findings import contrasts
    from analysis.records import tables

    before = dict(mpl.rcParams)
    found = contrasts.compute_contrasts(tables.load(small_study), 0.05, 0.002)
    effect_map(contrasts.by_cell(found, "bn"))
    assert dict(mpl.rcParams) == before


def test_help_imports_no_seaborn_and_no_torch() -> None:
    script = (
        "import sys\nfrom analysis.report import __main__ as report\n"
        "try: report.main(['--help'])\nexcept SystemExit: pass\n"
        "assert not {'torch', 'seaborn', 'scipy', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
