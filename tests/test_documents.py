"""Does every file, option, command, column and name in the documents exist?

A span of code is read by its form: a command, an option, a file, a name with dots, else words that must occur in the
source. Tables of columns are compared with the shipped tables, drawings with the tree and its layers.
"""

import contextlib
import importlib
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from study.store.manifest import Manifest
from study.store.schemas import LABELS, names_of
from tests import ROOT, documents
from tests.test_layers import EXAMPLES, LAYERS

STUDIES = (ROOT / "results" / "reference-mnist", ROOT / "results" / "reference-mnist-tuned")
CLAIMS = ROOT / "results" / "reference-claims"
KEYS = ["study_id", "run_id", "pair_id", "arm", "seed", "batch_size", "lr"]
STARTS = ("python ", "make ", "pip ", "optuna-dashboard ")
FILE = re.compile(r"[\w.*/<>~ -]*/[\w.*/<>-]*|[\w*.-]+\.(py|md|json|parquet|csv|svg|html|toml|cff|png|journal)")
DOTTED = re.compile(r"(study|analysis)(\.\w+)+")
PLACEHOLDER = re.compile(r"\b[A-Z]{2,}\b|\.toml$")
"""What a reader replaces: a word in capitals, and the file of options."""
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
WRONG_USAGE = 2


@cache
def sources() -> str:
    """What the project is made of, beside its documents."""
    paths = [*ROOT.glob("study/**/*.[pch]*"), *ROOT.glob("analysis/**/*.py"), *ROOT.glob("tests/**/*.py")]
    kept = [path for path in paths if path.is_file() and "__pycache__" not in path.parts and path != Path(__file__)]
    named = [ROOT / name for name in ("Makefile", "pyproject.toml", ".gitignore", ".ci/run")]
    return "\n".join(path.read_text("utf-8", errors="replace") for path in [*kept, *named])


@cache
def known_words() -> frozenset[str]:
    columns = [name for study in STUDIES for path in study.glob("*.parquet") for name in pq.read_schema(path).names]
    return frozenset(re.findall(r"\w+", sources())) | {*columns}


def faults_of_span(span: str, document: str) -> list[str]:
    """What there is not of what a span of code names."""
    if span.startswith(STARTS):
        return _with_reason(span, documents.faults_of_line(span))
    if span.startswith("--"):
        return _faults_of_option(span)
    if " " not in span and FILE.fullmatch(span):
        return [] if is_file(span, document) else [f"no file {span}"]
    if DOTTED.fullmatch(span):
        return [] if is_name(span) else [f"no name {span}"]
    unknown = [word for word in re.findall(r"(?:<\w+>|[A-Za-z_])(?:\w|<\w+>)*", span) if not is_word(word)]
    return [f"{span}: nothing in the source is called {word}" for word in unknown]


def is_word(word: str) -> bool:
    """Whether the source has a word, or one of its pattern: ``<name>_low`` is any that ends so."""
    if "<" not in word:
        return word in known_words()
    pattern = re.compile(re.sub(r"<\w+>", r"\\w+", word))
    return any(pattern.fullmatch(known) for known in known_words())


def _with_reason(span: str, faults: Iterator[str]) -> list[str]:
    return [f"{span}: {fault}" for fault in faults]


def _faults_of_option(span: str) -> list[str]:
    """An option is one of a command's; with a value that stands for itself, a dry run does not call it wrong."""
    option, *values = span.split()
    values = [] if any(PLACEHOLDER.search(value) for value in values) else values
    having = [module for module in documents.commands() if option in documents.options_of(module)]
    if not having:
        return [f"no command has {option}"]
    dry = [module for module in having if values and "--dry-run" in documents.options_of(module)]
    codes = {documents.call(module, [option, *values, "--dry-run"])[0] for module in dry}
    return [f"{span} is refused"] if codes == {WRONG_USAGE} else []


def is_file(name: str, document: str) -> bool:
    """Whether a file, or one that fits its pattern, is here, in a shipped study, or written by the program."""
    if _is_example(name):
        return True
    pattern = re.sub(r"<[^>]*>", "*", name).strip("/")
    for made, shipped in (("results/mnist-tuned", STUDIES[1]), ("results/mnist", STUDIES[0])):
        if pattern == made or pattern.startswith(f"{made}/"):
            pattern = shipped.relative_to(ROOT).as_posix() + pattern.removeprefix(made)
    places = (ROOT, (ROOT / document).parent, *STUDIES, CLAIMS)
    if not pattern.startswith("~") and any(next(place.glob(pattern), None) for place in places):
        return True
    last = pattern.rpartition("*")[2] or pattern.rpartition("/")[2]
    return re.search(rf"[\"/!}}]{re.escape(last.rpartition('/')[2])}[\"/\s]", sources()) is not None


def _is_example(name: str) -> bool:
    """The file of options, or of a network, that a reader writes."""
    return name in ("study.toml", "my_net.py")


def is_name(dotted: str) -> bool:
    """Whether a module has this name, or an option: ``analysis.report --strict`` is no name."""
    module, _, name = dotted.rpartition(".")
    if (ROOT / dotted.replace(".", "/")).exists() or (ROOT / f"{dotted.replace('.', '/')}.py").exists():
        return True
    with contextlib.suppress(ImportError):
        return hasattr(importlib.import_module(module), name)
    return False


def anchors(text: str) -> set[str]:
    headings = HEADING.findall(documents.FENCE.sub("", text))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def faults_of_link(target: str, document: str) -> list[str]:
    """A link leads to a file of the repository, and to a heading in it."""
    name, _, anchor = target.partition("#")
    path = (ROOT / document).parent / name if name else ROOT / document
    if not path.exists():
        return [f"no file {target}"]
    if anchor and anchor not in anchors(path.read_text("utf-8")):
        return [f"{name} has no heading {anchor}"]
    return []


def faults_of_text(text: str, document: str) -> list[str]:
    return [
        *(fault for span in documents.spans(text) for fault in faults_of_span(span, document)),
        *(fault for target in documents.links(text) for fault in faults_of_link(target, document)),
    ]


@pytest.mark.parametrize("document", documents.DOCUMENTS)
def test_what_a_document_names_exists(document: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (network,) = (block.text for block in documents.code_blocks("results/README.md") if "def make(" in block.text)
    (tmp_path / "my_net.py").write_text(network)
    text = documents.text_of(document)
    assert len(documents.spans(text)) > 5
    assert faults_of_text(text, document) == []
    assert [path.name for path in tmp_path.iterdir()] == ["my_net.py"]


@pytest.mark.parametrize(
    "text",
    [
        "`--no-such-option`",
        "`--batch-sizes none`",
        "`python -m study.run --trials 3`",
        "`python -m study.runs`",
        "`make everything`",
        "`study/engine/no_such_file.py`",
        "`tables/no-such-table.csv`",
        "`study/engine/norms/<kind>.rs`",
        "`analysis.stats.no_such_test`",
        "`no_such_column`",
        "`<name>_such_column`",
        "`weights/*.pickle`",
        "`mean_diff / sd_of_nothing`",
        "[a file](results/nothing.md)",
        "[a heading](results/README.md#no-such-heading)",
    ],
)
def test_a_name_of_nothing_is_seen(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert faults_of_text(text, "README.md")


def section_of(heading: str) -> str:
    """A section of results/README.md, without its heading."""
    return documents.text_of("results/README.md").split(f"\n## {heading}\n")[1].split("\n## ")[0]


def described(heading: str, place: int = 1) -> list[str]:
    """The spans of code in a column of a section's table: names that the section describes."""
    rows = [line.split("|") for line in section_of(heading).splitlines() if line.startswith("|")]
    return [name for row in rows[2:] for name in documents.SPAN.findall(row[place])]


@pytest.mark.parametrize(
    ("heading", "path", "above"),
    [
        ("Columns of `records.parquet`", STUDIES[0] / "records.parquet", []),
        ("Columns of `runs.parquet`", STUDIES[0] / "runs.parquet", KEYS),
        ("Columns of `trials.parquet`", STUDIES[1] / "trials.parquet", []),
        ("Columns of `ablation.parquet`", STUDIES[0] / "ablation.parquet", KEYS),
        ("Columns of `tables/contrasts.csv`", STUDIES[0] / "tables" / "contrasts.csv", []),
    ],
)
def test_every_column_is_described_and_no_other(heading: str, path: Path, above: list[str]) -> None:
    columns = pq.read_schema(path).names if path.suffix == ".parquet" else list(pd.read_csv(path).columns)
    assert sorted([*above, *described(heading)]) == sorted(columns)


def test_every_column_of_the_smaller_tables_is_described() -> None:
    heading = "Columns of `swaps.parquet`, `compositions.parquet` and `statistics.parquet`"
    columns = [
        {*pq.read_schema(STUDIES[0] / table).names} for table in documents.SPAN.findall(heading.removeprefix("C"))
    ]
    assert {*described(heading, place=2)} == set.union(*columns) - {*KEYS}


def test_every_field_of_the_manifest_is_described() -> None:
    shipped = {name for study in STUDIES for name in json.loads((study / "manifest.json").read_text("utf-8"))}
    fields = {*Manifest.__annotations__}
    assert {*described("Fields of `manifest.json`")} == fields
    assert shipped <= fields


def test_every_column_of_the_labels_is_described() -> None:
    assert described("Columns of `labels.parquet`") == names_of(LABELS)


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_a_drawing_of_the_tree_names_folders_that_there_are(document: str) -> None:
    (drawing,) = (block.text for block in documents.code_blocks(document) if block.language == "text")
    assert faults_of_drawing(drawing) == []


def faults_of_drawing(drawing: str) -> list[str]:
    """Folders of a drawing that are not there: those indented lie in the last one that is not."""
    top, missing = ROOT, []
    for line in drawing.splitlines():
        for name in re.findall(r"(?:^|\s)([\w*/.]+/[\w*/.]*)", line):
            top = ROOT if not line.startswith(" ") else top
            if next(top.glob(name.strip("/")), None) is None:
                missing.append(name)
            if not line.startswith(" ") and name.endswith("/"):
                top = ROOT / name
    return missing


def arrows(drawing: str) -> Iterator[tuple[str, list[list[str]]]]:
    """The layers of a drawing, by the package before the colon."""
    for package, line in re.findall(r"^(\w+):\s+(.*<-.*)$", drawing, re.MULTILINE):
        yield package, [layer.strip().split(", ") for layer in line.split("<-")]


def test_the_readme_draws_the_layers_that_are_held() -> None:
    (drawing,) = (block.text for block in documents.code_blocks("README.md") if block.language == "text")
    drawn = dict(arrows(drawing))
    for package in ("study", "analysis"):
        held = [
            [name.removeprefix(f"{package}.") for name in layer]
            for layer in LAYERS
            if layer[0].startswith(package) and layer[0] != EXAMPLES
        ]
        assert drawn[package] == [*held[:-1], ["commands"]]


@pytest.mark.parametrize(
    ("seen", "drawing"),
    [(faults_of_drawing, "study/  trains\n  nothing/  is here"), (faults_of_drawing, "studies/ trains")],
)
def test_a_folder_of_nothing_is_seen(seen: Callable[[str], list[str]], drawing: str) -> None:
    assert seen(drawing)


def test_the_citation_and_the_package_say_the_same() -> None:
    citation = yaml.safe_load(documents.text_of("CITATION.cff"))
    project = tomllib.loads(documents.text_of("pyproject.toml"))["project"]
    known = {"cff-version", "message", "type", "title", "abstract", "authors", "version", "date-released", "license"}
    assert {*citation} <= known | {"keywords"}
    assert citation["cff-version"] == "1.2.0"
    assert citation["authors"] == project["authors"] == [{"name": "the batch-norm-study authors"}]
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    assert citation["title"].startswith(project["name"])
    assert "the batch-norm-study authors" in documents.text_of("LICENSE")
    assert re.search(
        rf"^## \[{re.escape(citation['version'])}\] - {citation['date-released']}$",
        documents.text_of("CHANGELOG.md"),
        re.MULTILINE,
    )
