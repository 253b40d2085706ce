"""python -m analysis.readme: quote the headlines and the main figures of studies in the README.

The text between the two marks is replaced by the headlines of the studies' reports and their figures.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from analysis.errors import AnalysisError
from analysis.report import number_format as fmt
from study.cli import arguments
from study.cli.exits import say_error
from study.errors import StudyError

BEGIN, END = "<!-- printed by analysis.readme: begin -->", "<!-- printed by analysis.readme: end -->"


def quoted(study: Path) -> str:
    """Return the parts of a study's answer and its main figure as Markdown."""
    report = json.loads((study / "report.json").read_text("utf-8"))
    return "\n".join(
        line for verdict in report["verdicts"] for line in _verdict(verdict, f"{study.as_posix()}/figures")
    )


def _verdict(verdict: Mapping[str, Any], figures: str) -> Iterator[str]:
    yield from (f"> **{verdict['headline']}**", ">")
    rest = [part for part in verdict["parts"] if part["headline"] != verdict["headline"]]
    yield from (f"> - {part['title']}: {_said(part)}" for part in rest)
    alt = f"Test accuracy of every seed {fmt.both_sides(verdict['arm'])}, and the differences"
    yield from ("", f"![{alt}]({figures}/pairs-{verdict['arm']}.svg)")


def _said(part: Mapping[str, Any]) -> str:
    """Return a part's headline; the mean over the cells is never without what it is made of."""
    return " ".join([part["headline"], *(part["details"] if part["key"] == "mean" else [])])


def update(readme: str, text: str) -> str:
    """Return ``readme`` with ``text`` between its marks; refuse one that does not have each of them once."""
    if readme.count(BEGIN) != 1 or readme.count(END) != 1:
        raise AnalysisError(f"the README needs the lines {BEGIN!r} and {END!r} once each")
    before, rest = readme.split(BEGIN)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}"


@dataclass(frozen=True)
class Options:
    """Put the headlines of studies, whose reports are written, between the marks of the README."""

    study_dirs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """The folders of the studies, in the order in which they are quoted."""
    readme: Path = Path("README.md")
    """The README to update."""


def main(argv: Sequence[str] | None = None) -> int:
    try:
        options = arguments.read(Options, argv, "python -m analysis.readme")
        if not options.study_dirs:
            raise AnalysisError("name the folder of a study, such as results/reference-mnist")
        text = "\n\n".join(quoted(study) for study in options.study_dirs)
        options.readme.write_text(update(options.readme.read_text("utf-8"), text), "utf-8")
    except (AnalysisError, StudyError, OSError) as error:
        say_error("analysis.readme", error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
