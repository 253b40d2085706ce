"""python -m analysis.report: records -> report.html, report.json, tables/*.csv, figures/*.svg."""

import sys
import time
import webbrowser
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from analysis.errors import AnalysisError
from study.cli import arguments
from study.cli.analysis_rule import asked_rule
from study.errors import StudyError, UsageError, quote
from study.spec.analysis_rule import AskedRule

if TYPE_CHECKING:
    from analysis.report.write import Written

MACHINE = 3
"""Exit code of an error of the operating system."""
INCOMPLETE = 4
"""Exit code with --strict where planned runs have no records."""
LARGE = 5e6
"""Size of a page, in bytes, beyond which the command warns."""


@dataclass(frozen=True)
class Options:
    """Turn the records of a study into a page: report.html, with report.json and tables/ beside it."""

    study_dir: Annotated[Path | None, tyro.conf.Positional] = None
    """The folder of the study; the one under --out that was trained last, unless given."""
    margin: str | None = None
    """A difference of accuracy that would not matter, as a fraction such as 0.002 or in points such as 0.2pt; the one
    that the study fixed before its first run, unless given."""
    alpha: float | None = None
    """Significance level: tests use alpha, intervals cover 1 - alpha; the one that the study fixed before its first
    run, unless given."""
    out: Path = Path("results")
    """The folder of studies."""
    compare: tyro.conf.UseAppendAction[tuple[tuple[Path, ...], ...]] = ()
    """The folders of other studies to set beside this one; name the study itself before."""
    to: Path | None = None
    """Write the report into this folder and not into the study's, which may then be read-only."""
    export: Path | None = None
    """Write for a paper into this folder, beside the report: the answer as a table (LaTeX and Markdown), the figures as
    PDF and PNG at 3.25 and 6.75 inches, the methods with references.bib, and the sentences of the answer. It is new or
    empty, or holds an earlier export, which is replaced; nothing else is overwritten."""
    open: bool = False
    """Open the page in a browser."""
    strict: bool = False
    """Exit with 4 where planned runs have no records yet; the report is written all the same."""

    def rule(self) -> AskedRule:
        """Return what is named of level and margin; a UsageError where one cannot be."""
        return asked_rule(self.alpha, self.margin)

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


@dataclass(frozen=True)
class Timed:
    """A report and the seconds that it took."""

    written: "Written"
    importing: float
    seconds: float
    """Seconds of all but the imports."""


def report(options: Options) -> Timed:
    """Write the report of a study into its folder."""
    asked, others, began = options.rule(), options.others(), time.perf_counter()
    from analysis.report.figures.unconfigured import import_matplotlib

    import_matplotlib()
    from analysis.report.write import write_report  # heavy, and --help needs none of it

    imported = time.perf_counter()
    study = options.study_dir or newest(options.out)
    written = write_report(study, asked.alpha, asked.margin, others, options.to, options.export)
    return Timed(written, imported - began, time.perf_counter() - imported)


def newest(out: Path) -> Path:
    """Return the study under ``out`` that was trained last; archived ones, which have no parts, do not count."""
    from study.store.study_folder import newest_first

    for manifest in newest_first(out, holding="parts"):
        return manifest.parent
    raise AnalysisError(
        f"there is no study under {out}; run python -m study.run --seeds 10 first, or name a study's folder"
    )


def _lines(timed: Timed) -> Iterator[str]:
    """Yield the verdicts, the main numbers, and the page with its size and time."""
    written, contents = timed.written, timed.written.report
    yield from (f"! {notice}" for notice in (*contents["warnings"], *contents["notes"]))
    for verdict in contents["verdicts"]:
        yield verdict["headline"]
    width = max((len(name) for name, _ in written.numbers), default=0)
    yield from (f"  {name:<{width}}  {text}" for name, text in written.numbers)
    size = written.page.stat().st_size
    yield (f"{written.page} ({size / 1e6:.2f} MB, {timed.seconds:.1f} s and {timed.importing:.1f} s of imports)")
    if size > LARGE:
        yield f"! The page is larger than {LARGE / 1e6:g} MB; browsers may be slow to show it."


def _after(options: Options, page: Path) -> Iterator[str]:
    """Yield where the export lies, and open the page or say why that cannot be."""
    if options.export is not None:
        yield f"{options.export} (for a paper: table, figures, methods, references, sentences)"
    if options.open and not opened(page):
        yield f"! No browser could be opened here. The page is {page.resolve()}"


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
        timed = report(options)
        print(*_lines(timed), sep="\n")
        print(*(f"{line}\n" for line in _after(options, timed.written.page)), sep="", end="")
    except (AnalysisError, StudyError) as error:
        print(f"analysis.report: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # the disk, permissions: the machine's doing
        print(f"analysis.report: {error}", file=sys.stderr)
        return MACHINE
    except KeyboardInterrupt:
        return 130
    return INCOMPLETE if options.strict and timed.written.n_missing else 0


if __name__ == "__main__":
    sys.exit(main())
