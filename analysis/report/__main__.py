"""python -m analysis.report: make the report of a study, and what a paper takes from it."""

import sys
import time
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from analysis.errors import AnalysisError
from study.cli import arguments
from study.cli.analysis_rule import asked_rule
from study.cli.exits import say, say_error, warn
from study.cli.option_groups import StudiesFolder
from study.errors import StudyError, UsageError, quote
from study.spec.analysis_rule import AskedRule
from study.spec.commands import shown_path, train_under

if TYPE_CHECKING:
    from analysis.report.write import Written

MACHINE = 3
"""Exit code of an error of the operating system."""
INCOMPLETE = 4
"""Exit code with --strict where planned runs have no records."""
LARGE = 5e6
"""Size of a page, in bytes, beyond which the command warns."""


@dataclass(frozen=True)
class Judgement:
    """Judgement"""

    margin: str | None = None
    """Largest difference in accuracy that does not matter, as a fraction (0.002) or in points (0.2pt). Default: the one
    that the study fixed before its first run."""
    alpha: float | None = None
    """Significance level: tests use alpha, intervals cover 1 - alpha. Default: the one that the study fixed before its
    first run."""
    baseline: str | None = None
    """Arm that every other one is compared with. Default: the study's; the page says where it is another."""


@dataclass(frozen=True)
class Output:
    """Output"""

    to: Path | None = None
    """Write the report into this folder instead of the study's, which may then be read-only."""
    export: Path | None = None
    """Write for a paper into this folder, beside the report: the answer as a table (LaTeX and Markdown), the figures as
    PDF and PNG at 3.25 and 6.75 inches, the methods with references.bib, and the sentences of the answer. The folder is
    new or empty, or holds an earlier export, which is replaced."""
    open: bool = False
    """Open the page in a browser."""


@dataclass(frozen=True)
class Options(StudiesFolder, Output, Judgement):
    """Turn the records of a study into a page: report.html, with report.json, tables/ and figures/ beside it.

    Examples:
      # the study that was trained last
      python -m analysis.report
      # two studies beside another
      python -m analysis.report results/mnist --compare results/digits results/wide
      # one level of a factor alone, of a study that varies it
      python -m analysis.report results/smooth --at activation=tanh
      # table, figures and methods for a paper
      python -m analysis.report results/mnist --export paper
    """

    study_dir: Annotated[Path | None, tyro.conf.Positional] = None
    """Folder of the study. Default: the study under --out that was trained last."""
    compare: tyro.conf.UseAppendAction[tuple[tuple[Path, ...], ...]] = ()
    """Folders of other studies to set beside this one; name the study itself before."""
    at: tuple[str, ...] = ()
    """Report the slice of the study at these levels alone, one a factor, such as depth=2 activation=tanh: all
    statistics are the slice's. The report stands in the study's folder, in report-depth=2_activation=tanh."""
    strict: bool = False
    """Exit with 4 if planned runs have no records yet; the report is written all the same."""

    def rule(self) -> AskedRule:
        """Return what is named of level and margin; a UsageError where one cannot be."""
        return asked_rule(self.alpha, self.margin)

    def slice(self) -> dict[str, str]:
        """Return the levels of the slice; an AnalysisError where one is not named as levels are."""
        if self.at and self.compare:
            raise AnalysisError("--at and --compare: whole studies are compared; give one of the two")
        from analysis.records.slices import parse  # heavy, and --help needs none of it

        return parse(self.at)

    def others(self) -> list[Path]:
        """Return the folders to compare with; a UsageError where none is named, or one may be the study's own."""
        named = [folder for folders in self.compare for folder in folders]
        if not all(self.compare):
            raise UsageError("--compare names no study; give the folder of one, such as --compare results/NAME")
        if self.study_dir is None and len(named) > 1:
            words = " ".join(quote(str(folder)) for folder in named)
            raise UsageError(
                f"--compare {words}: the study whose report is made comes first; give python -m analysis.report STUDY"
                " --compare OTHER OTHER"
            )
        return named


def report(options: Options) -> "Written":
    """Write the report of a study into its folder."""
    asked, others, at = options.rule(), options.others(), options.slice()
    study = options.study_dir or newest(options.out)
    say(f"Making the report of {shown_path(study)}.")
    from analysis.report.figures.unconfigured import import_matplotlib

    import_matplotlib()
    from analysis.report.write import write_report  # heavy, and --help needs none of it

    return write_report(study, asked.alpha, asked.margin, others, options.to, options.export, options.baseline, at)


def newest(out: Path) -> Path:
    """Return the study under ``out`` that was trained last; archived ones, which have no parts, do not count."""
    from study.store.study_folder import newest_first

    for manifest in newest_first(out, holding="parts"):
        return manifest.parent
    raise AnalysisError(
        f"there is no study under {out}. Name a study's folder, or train one first: {train_under(out)} --seeds 10"
    )


def _say(options: Options, written: "Written", seconds: float) -> None:
    """Print the warnings, the answer with its numbers, and where the files are."""
    contents = written.report
    for notice in (*contents["warnings"], *contents["notes"]):
        warn(notice)
    for verdict in contents["verdicts"]:
        say(verdict["headline"])
    width = max((len(name) for name, _ in written.numbers), default=0)
    for name, text in written.numbers:
        say(f"{name:<{width}}  {text}")
    size = written.page.stat().st_size
    say(f"{shown_path(written.page)} ({size / 1e6:.2f} MB, made in {seconds:.0f} s)")
    if size > LARGE:
        warn(f"The page is larger than {LARGE / 1e6:g} MB; browsers may be slow to show it.")
    if options.export is not None:
        say(f"{shown_path(options.export)} (for a paper: table, figures, methods, references, sentences)")
    if options.open and not opened(written.page):
        warn(f"No browser could be opened here. The page is {written.page.resolve()}")


def opened(page: Path) -> bool:
    """Open the page in the user's browser; return whether there is one."""
    try:
        return webbrowser.open(page.resolve().as_uri())
    except webbrowser.Error:
        return False


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; every error is one sentence on stderr."""
    try:
        options = arguments.read(Options, argv, "python -m analysis.report")
        began = time.perf_counter()
        written = report(options)
        _say(options, written, time.perf_counter() - began)
    except (AnalysisError, StudyError) as error:
        say_error("analysis.report", error)
        return 2
    except OSError as error:  # the disk, permissions: the machine's doing
        say_error("analysis.report", error)
        return MACHINE
    except KeyboardInterrupt:
        return 130
    return INCOMPLETE if options.strict and written.n_missing else 0


if __name__ == "__main__":
    sys.exit(main())
