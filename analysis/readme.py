"""python -m analysis.readme STUDY_DIR [README]: what the README quotes of a study, printed by code.

The text between the two marks is replaced by the headline of the study's report and its figure.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis import AnalysisError

BEGIN, END = "<!-- printed by analysis.readme: begin -->", "<!-- printed by analysis.readme: end -->"


def quoted(study: Path) -> str:
    """The answer of a study, what would change it and the main figure, as Markdown."""
    report = json.loads((study / "report.json").read_text("utf-8"))
    lines = []
    for verdict in report["verdicts"]:
        lines += [f"> **{verdict['headline']}**", ">", f"> {verdict['tests']} {verdict['by_cell']}"]
        lines += [">", "> What would change it:", ">", *(f"> - {line}" for line in verdict["what_would_change_it"])]
        figure = f"{study.as_posix()}/figures/pairs-{verdict['arm']}.svg"
        lines += [
            "",
            f"![Test accuracy of every seed without and with batch normalisation, and the differences]({figure})",
        ]
    return "\n".join(lines)


def update(readme: str, text: str) -> str:
    """``readme`` with ``text`` between its marks; an AnalysisError where they are not there once each."""
    if readme.count(BEGIN) != 1 or readme.count(END) != 1:
        raise AnalysisError(f"the README needs the lines {BEGIN!r} and {END!r} once each")
    before, rest = readme.split(BEGIN)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}"


def main(argv: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else list(argv)
    if not 1 <= len(arguments) <= 2:
        print("usage: python -m analysis.readme STUDY_DIR [README]", file=sys.stderr)
        return 2
    readme = Path(arguments[1] if len(arguments) == 2 else "README.md")
    try:
        readme.write_text(update(readme.read_text("utf-8"), quoted(Path(arguments[0]))), "utf-8")
    except (AnalysisError, OSError) as error:
        print(f"analysis.readme: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
