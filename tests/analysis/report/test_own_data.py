"""A table of one's own to the page: two classes with names, 85 in 100 of the one. And what the page calls its rows."""

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.report.document import Column, Figure, Paragraph, Section, Table
from analysis.report.wording import for_data
from analysis.report.write import write_report
from study import ablate, run
from study.spec.datasets import DATASETS
from tests.study.data.tables import save, table

WORDS = re.compile(r"\b([Ii]mages?|pixels?|digits?|five classes)\b")


def text_of(page: str) -> str:
    """What is read on a page, without its drawings."""
    bare = re.sub(r"<style.*?</style>|<script.*?</script>", " ", page, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", " ", bare))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A study of a table, whose networks were evaluated in every way that a table can be."""
    out = tmp_path_factory.mktemp("own")
    path = save(out / "credit risk.npz", table(160, 40))
    options = ["--batch-sizes", "16", "--lrs", "0.01", "--seeds", "6", "--epochs", "3", "--quiet"]
    assert run.main(["--dataset", str(path), "--out", str(out), *options]) == 0
    assert ablate.main([str(out / "credit_risk"), "--data-dir", str(out), "--quiet"]) == 0
    return out / "credit_risk"


def test_the_page_of_a_table_speaks_of_examples_and_of_unequal_classes(
    folder: Path, tmp_path: Path, without_drawings: None
) -> None:
    written = write_report(folder, to=tmp_path)
    page = text_of(written.page.read_text("utf-8"))
    assert not sorted({match[0] for match in WORDS.finditer(page)})
    for said in (
        "test accuracy on credit_risk", "guessing scores 85.0 %", "always answering “paid” scores 85.0 %",
        "160 examples to train on and 40 to test on, of 3 features in 2 classes", "nats per example",
        "a file of our own (sha256 ", "long tail", "[Brodersen et al. 2010]" if "[Brodersen" in page else "Brodersen",
    ):  # fmt: skip
        assert said in page, said
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    (one,) = report["balanced_accuracy"]
    assert f"{100 * one['of_arm']:.1f} % with BN" in report["notes"][0]
    assert (tmp_path / "tables" / "balanced-accuracy.csv").exists()


def test_the_page_of_images_is_what_it_was(small_study: Path, tmp_path: Path, without_drawings: None) -> None:
    """Nothing is said in other words, and nothing of unequal classes."""
    write_report(small_study, to=tmp_path)
    page = text_of((tmp_path / "report.html").read_text("utf-8"))
    assert "1,437 images to train on and 360 to test on, of 64 pixels in 10 classes" in page
    assert not re.search("[Bb]alanced accuracy|guessing scores", page)
    assert "balanced_accuracy" not in json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert not (tmp_path / "tables" / "balanced-accuracy.csv").exists()


def test_what_is_said_of_images_is_said_of_examples_and_names_stay() -> None:
    column = Column("images", lambda n: f"{n} images", ("n_images",))
    section = Section(
        "images", "Test images", [Paragraph("An image's pixels"), Table("images", "Images", [column], [])]
    )
    said = for_data(section, DATASETS["sklearn:wine"])
    assert (said.name, said.title) == ("images", "Test examples")
    paragraph, shown = said.blocks
    assert paragraph == Paragraph("An example's features")
    assert (shown.name, shown.caption, shown.columns[0].head) == ("images", "Examples", "examples")
    assert (shown.columns[0].show(3), shown.columns[0].keys) == ("3 examples", ("n_images",))
    assert for_data(section, DATASETS["digits"]) is section
    assert for_data({"images": "images", "name": "images"}, DATASETS["sklearn:wine"]) == {
        "images": "examples",
        "name": "images",
    }


def test_what_is_drawn_says_it_too() -> None:
    from matplotlib.figure import Figure as Drawing

    def draw(medium: object = None) -> Drawing:
        drawing = Drawing()
        drawing.subplots().set_xlabel("images in the test batch")
        return drawing

    figure = Figure("f", "Images", "", draw, "", "", None)
    said = for_data(figure, DATASETS["sklearn:wine"])
    assert said.headline == "Examples"
    assert said.draw().axes[0].get_xlabel() == "examples in the test batch"
    assert figure.draw().axes[0].get_xlabel() == "images in the test batch"


def test_half_of_the_classes_is_called_so_where_they_are_not_ten() -> None:
    assert for_data("five classes", DATASETS["sklearn:wine"]) == "half of the classes"
    assert for_data("five classes", DATASETS["cifar10"]) == "five classes"
