"""python -m analysis.readme STUDY_DIR...: what does the README say was found? Printed by code.

The text between the two marks is replaced by three lines an arm, which quote the answers in the studies' reports: each
arm at its best, the tutorial's setting, and where an arm does not learn. Every line links the report that it quotes.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from analysis.errors import AnalysisError
from study.cli import arguments
from study.cli.exits import say_error
from study.errors import StudyError
from study.spec import commands

BEGIN, END = "<!-- printed by analysis.readme: begin -->", "<!-- printed by analysis.readme: end -->"
FIRST, LAST = 0, -1
LINES: tuple[tuple[int, tuple[str, ...]], ...] = (
    (LAST, ("best",)),
    (LAST, ("setting",)),
    (FIRST, ("not_learning", "mean")),
)
"""A line each: the study that it quotes, by its place among those named, and the part of the answer, or its substitute.
The last study named has tuned arms, which see less of where training fails than the grid of the first."""


def quoted(studies: Sequence[Path]) -> str:
    """Return the three lines on each arm as a Markdown list."""
    reports = [_report(study) for study in studies]
    return "\n".join(
        _line(studies[place], verdict, keys) for place, keys in LINES for verdict in reports[place]["verdicts"]
    )


def _report(study: Path) -> Mapping[str, Any]:
    try:
        report: Mapping[str, Any] = json.loads((study / "report.json").read_text("utf-8"))
    except FileNotFoundError:
        raise AnalysisError(f"{study} has no report.json; {commands.report_on(study)} writes it") from None
    return report


def _line(study: Path, verdict: Mapping[str, Any], keys: Sequence[str]) -> str:
    """Return the first of the parts ``keys`` that the answer has, under its title and with a link to its report."""
    parts = {part["key"]: part for part in verdict["parts"]}
    for part in (parts[key] for key in keys if key in parts):
        said = " ".join(_sentences(part))
        return f"- **{part['title']}:** {said} ([report]({(study / 'report.html').as_posix()}))"
    raise AnalysisError(
        f"{study}/report.json answers {', '.join(parts) or 'nothing'} and not {' or '.join(keys)};"
        f" name a study that does, such as results/reference-mnist"
    )


def _sentences(part: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a part says; the mean over the cells is never without what it is made of."""
    yield part["headline"]
    if part["key"] == "mean":
        yield from part["details"]


def update(readme: str, text: str) -> str:
    """Return ``readme`` with ``text`` between its marks; refuse one that does not have each of them once."""
    if readme.count(BEGIN) != 1 or readme.count(END) != 1:
        raise AnalysisError(f"the README needs the lines {BEGIN!r} and {END!r} once each")
    before, rest = readme.split(BEGIN)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}"


@dataclass(frozen=True)
class Options:
    """Put what studies found, in three lines from their reports, between the marks of the README."""

    study_dirs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """The folder of a study over a grid, then that of one with tuned arms, whose numbers come first."""
    readme: Path = Path("README.md")
    """The file with the two marks."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    try:
        options = arguments.read(Options, argv, "python -m analysis.readme")
        if not options.study_dirs:
            raise AnalysisError("name the folder of a study, such as results/reference-mnist")
        text = quoted(options.study_dirs)
        options.readme.write_text(update(options.readme.read_text("utf-8"), text), "utf-8")
    except (AnalysisError, StudyError, OSError) as error:
        say_error("analysis.readme", error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
