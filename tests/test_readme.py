"""Does every code block of the documents run, and does the README say in few words what the shipped studies found?

Python runs as it stands, in a folder whose ``results/`` holds the shipped studies. Commands that train run with
``--dry-run`` behind them; those that read a study run as they stand, on small studies of digits that have the names in
the documents. What would install, build, test or time something is checked for what it names. polars, duckdb and R need
not be here: pandas and SQLite then look up the same files, columns and values.
"""

import re
import shutil
import sqlite3
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest

from analysis import readme
from study import run, tune
from tests import ROOT, documents
from tests.documents import Code

STUDY, TUNED = Path("results/reference-mnist"), Path("results/reference-mnist-tuned")
RUN = ("README.md", "results/README.md", "CONTRIBUTING.md")
BLOCKS = [block for document in RUN for block in documents.code_blocks(document)]
LINES = [line for block in BLOCKS if block.language == "sh" for line in block.lines]
MOST_WORDS = 900
VALUE = re.compile(r"^(\S.*?)  # ([-+0-9./e]+)$", re.MULTILINE)
"""An expression and the number that a comment says it has."""


def of_language(*languages: str) -> list[Code]:
    return [block for block in BLOCKS if block.language in languages]


def run_python(code: str) -> None:
    """Run a block, then look whether its expressions have the values that their comments say."""
    names: dict[str, object] = {}
    exec(compile(code, "block", "exec"), names)
    for expression, value in VALUE.findall(code):
        assert eval(expression, names) == pytest.approx(float(Fraction(value))), expression


def by_pandas(code: str) -> dict[str, float]:
    """What a block of polars or R selects, by pandas: means of the scores in its file, by arm, under its filters."""
    (path,) = re.findall(r'read_parquet\("([^"]+)"\)', code)
    (filters,) = re.findall(r"filter\((.*)\)|subset\(records, (.*)\)", code)
    ((arm, scores),) = re.findall(r'group_by\("(\w+)"\).*pl\.col\("(\w+)"\)', code) or [
        names[::-1] for names in re.findall(r"(\w+) ~ (\w+)", code)
    ]
    at = pd.read_parquet(ROOT / path)
    for column, value in re.findall(r'(\w+) ?==? ?"?([\w.]+)', "".join(filters)):
        at = at[at[column] == (float(value) if at[column].dtype.kind in "if" else value)]
    return {str(of): part.mean() for of, part in at.groupby(arm)[scores]}


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the shipped studies under results/."""
    (tmp_path / "results").mkdir()
    for study in (STUDY, TUNED):
        (tmp_path / study).symlink_to(ROOT / study)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with small studies of digits, and the shipped ledger, under the names of the documents."""
    small = ("--dataset", "digits", "--seeds", "6", "--epochs", "2", "--hidden", "8", "--workers", "1", "--quiet")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("webbrowser.open", lambda *_, **__: True)
    assert run.main([*small, "--batch-sizes", "64", "--lrs", "0.01", "--study-id", "mnist"]) == 0
    assert tune.main([*small, "--trials", "2", "--study-id", "mnist-tuned"]) == 0
    for name in ("fashion-mnist", STUDY.name):
        shutil.copytree("results/mnist", f"results/{name}")
    shutil.copytree(ROOT / "results" / "reference-claims", "results/claims")
    return tmp_path


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder without a study, but with the options of the document's file."""
    (options,) = of_language("toml")
    (tmp_path / "study.toml").write_text(options.text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def our_command(line: str) -> str | None:
    """The module of a line that one of our commands runs, but for those that measure or update for long."""
    program, _ = documents.words_of(line)
    named = program[-1] in {"study.run", "study.tune", "study.claims", "study.ablate", "analysis.report"}
    return program[-1] if named else None


def runs_dry(line: str) -> bool:
    module = our_command(line)
    return module in {"study.run", "study.tune", "study.claims"}


def run_line(line: str) -> None:
    """Run a command of ours, a dry run where it has one; look what other lines name."""
    assert list(documents.faults_of_line(line)) == []
    module, (_, argv) = our_command(line), documents.words_of(line)
    if module:
        dry = ["--dry-run"] if runs_dry(line) and "--dry-run" not in argv else []
        code, said = documents.call(module, [*argv, *dry])
        assert code == 0, said


def test_every_block_is_of_a_language_that_a_test_runs_or_reads() -> None:
    assert {block.language for block in BLOCKS} == {"sh", "python", "sql", "r", "toml", "text"}
    assert all(not documents.code_blocks(document) for document in documents.DOCUMENTS if document not in RUN)


def block_of_python(block: Code) -> object:
    return pytest.param(block.text, id=str(block), marks=[pytest.mark.slow] if "study.train(" in block.text else [])


@pytest.mark.parametrize("code", [block_of_python(b) for b in of_language("python") if "polars" not in b.text])
def test_a_block_of_python_runs(code: str, shipped: Path) -> None:
    run_python(code)


READING = [line for line in LINES if our_command(line) and not runs_dry(line)]


@pytest.mark.parametrize("line", [line for line in LINES if line not in READING])
def test_a_line_of_shell_runs_dry_or_names_what_there_is(line: str, empty: Path) -> None:
    run_line(line)


@pytest.mark.parametrize("line", READING)
def test_a_line_that_reads_a_study_names_what_there_is(line: str) -> None:
    assert list(documents.faults_of_line(line)) == []


@pytest.mark.slow
@pytest.mark.parametrize("line", READING)
def test_a_line_that_reads_a_study_runs(line: str, trained: Path) -> None:
    run_line(line)


def test_the_file_of_options_is_read(empty: Path) -> None:
    assert "240 planned" in documents.call("study.run", ["--config", "study.toml", "--dry-run"])[1]
    (empty / "study.toml").write_text("seed = 20")
    assert documents.call("study.run", ["--config", "study.toml", "--dry-run"])[0] == 2


def mean_accuracies() -> dict[str, float]:
    """By arm, what the four ways to read the table should find."""
    records = pd.read_parquet(ROOT / STUDY / "records.parquet")
    at = records[(records.split == "test") & (records.epoch == 10) & (records.batch_size == 32) & (records.lr == 0.01)]
    return {str(arm): scores.mean() for arm, scores in at.groupby("arm").accuracy}


def by_sqlite(query: str) -> dict[str, float]:
    """A query of a parquet file, which duckdb reads by itself."""
    (path,) = re.findall(r"FROM '([^']+)'", query)
    with sqlite3.connect(":memory:") as connection:
        pd.read_parquet(ROOT / path).to_sql("table_of_it", connection)
        return dict(connection.execute(query.replace(f"'{path}'", "table_of_it")).fetchall())


@pytest.mark.parametrize("block", of_language("sql"), ids=str)
def test_a_query_finds_what_pandas_finds(block: Code) -> None:
    assert by_sqlite(block.text) == pytest.approx(mean_accuracies())
    if documents.is_here("duckdb"):
        import duckdb

        assert dict(duckdb.sql(block.text.replace("'results", f"'{ROOT}/results")).fetchall()) == pytest.approx(
            mean_accuracies()
        )


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "r" or "polars" in b.text], ids=str)
def test_polars_and_r_name_the_file_and_the_columns_that_there_are(block: Code, shipped: Path) -> None:
    if "polars" in block.text and documents.is_here("polars"):
        run_python(block.text)
    assert by_pandas(block.text) == pytest.approx(mean_accuracies())


@pytest.mark.parametrize(
    ("run_it", "code"),
    [
        (run_python, "import analysis\nanalysis.no_such_function()"),
        (run_python, "from analysis.stats import sign_flip\nsign_flip([0.1, 0.2, 0.3]).pvalue  # 1/64"),
        (run_line, "python -m study.run --seeds none"),
        (run_line, "python -m study.run --no-such-option"),
        (run_line, "python -m study.no_such_command"),
        (run_line, "python -m analysis.report results/nowhere"),
        (run_line, "make nothing"),
        (run_line, "make golden BASIS=HEAD"),
        (run_line, "pip install -e '.[everything]'"),
        (run_line, "python tests/golden.py HEAD --pages-too"),
        (run_line, "python -m pytest tests/test_nothing.py"),
        (run_line, "bananas"),
        (by_sqlite, f"SELECT arms FROM '{STUDY}/records.parquet'"),
        (by_pandas, f'read_parquet("{STUDY}/records.parquet").filter(part="test").group_by("arm"), pl.col("accuracy")'),
    ],
)
def test_a_broken_block_is_seen(run_it: Callable[[str], object], code: str, empty: Path) -> None:
    with pytest.raises((AssertionError, AttributeError, KeyError, sqlite3.OperationalError)):
        run_it(code)


def test_the_readme_has_at_most_900_words_of_prose_and_code_alike() -> None:
    assert len(documents.text_of("README.md").split()) <= MOST_WORDS


def test_the_readme_quotes_the_studies_in_three_lines_best_against_best_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text, quoted = Path("README.md").read_text("utf-8"), readme.quoted([STUDY, TUNED])
    assert readme.update(text, quoted) == text
    first, second, third = quoted.splitlines()
    assert first.startswith("- **Each arm at its best:**")
    assert all(str(TUNED / "report.html") in line for line in (first, second))
    assert str(STUDY / "report.html") in third


def report(folder: Path, *parts: dict[str, object]) -> Path:
    """A study's folder whose report has these parts of an answer."""
    folder.mkdir()
    (folder / "report.json").write_text(
        pd.Series({"verdicts": [{"arm": "bn", "parts": list(parts)}]}).to_json(), "utf-8"
    )
    return folder


def part(key: str, said: str, *details: str) -> dict[str, object]:
    return {"key": key, "title": f"About {key}", "headline": said, "details": details}


def test_the_mean_stands_in_for_failures_and_never_without_what_it_is_made_of(tmp_path: Path) -> None:
    study = report(tmp_path / "s", part("best", "A."), part("setting", "B.", "b."), part("mean", "C.", "c.", "d."))
    link = f"([report]({study}/report.html))"
    assert readme.quoted([study]).splitlines() == [
        f"- **About best:** A. {link}",
        f"- **About setting:** B. {link}",
        f"- **About mean:** C. c. d. {link}",
    ]


def test_what_the_readme_cannot_quote_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "README.md").write_text("no marks")
    into = ("--readme", str(tmp_path / "README.md"))
    bare = report(tmp_path / "bare", part("mean", "C."))
    for argv, said in (
        ([str(ROOT / STUDY), *into], "once each"),
        ([], "name the folder of a study, such as results/reference-mnist"),
        ([str(tmp_path), *into], f"has no report.json; python -m analysis.report {tmp_path} writes it"),
        ([str(bare), *into], "answers mean and not best; name a study that does"),
    ):
        assert readme.main(argv) == 2
        assert said in capsys.readouterr().err
    assert (tmp_path / "README.md").read_text() == "no marks"
