"""python -m analysis.report: records -> report.html, report.json, tables/contrasts.csv."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from analysis import AnalysisError


@dataclass(frozen=True)
class Options:
    """Turn the records of a study into a page: report.html, with report.json and tables/ beside it."""

    study_dir: Annotated[Path | None, tyro.conf.Positional] = None
    """The folder of the study; the one under --out that was trained last, unless given."""
    margin: float = 0.002
    """A difference of accuracy (a fraction) that would not matter: 0.002 is 0.2 points."""
    alpha: float = 0.05
    """Of the intervals (1 - alpha) and of every test."""
    out: Path = Path("results")
    """The folder of studies."""

    def check(self) -> "Options":
        if not 0 < self.alpha < 0.5:
            raise AnalysisError(f"--alpha {self.alpha}: give a number between 0 and 0.5, such as 0.05")
        if not 0 <= self.margin < 1:
            raise AnalysisError(f"--margin {self.margin}: give a fraction from 0 to below 1, such as 0.002")
        return self


def report(options: Options) -> Path:
    """Write the report of a study and print what it says; returns the page's path."""
    from analysis import (  # heavy, and --help needs none of it
        contents,
        contrasts,
        findings,
        modes,
        page,
        pictures,
        tables,
    )

    study = tables.load(options.study_dir or newest(options.out))
    found = findings.results(study, options.alpha, options.margin)
    said = contents.contents(study, found)
    drawn = pictures.pictures(study, found)
    files = {f"figures/{name}.svg": picture.svg for name, picture in drawn.items()}
    files["tables/contrasts.csv"] = contrasts.to_csv(found.contrasts).encode()
    if found.modes is not None:
        files["tables/modes.csv"] = modes.to_csv(found.modes.results).encode()
    files["report.json"] = json.dumps(said, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    files["report.html"] = page.render(study, said, found, drawn).encode()
    _write(study.path, files)
    tables.record_looks(study, said["looks"])
    _print(said, study.path / "report.html")
    return study.path / "report.html"


def newest(out: Path) -> Path:
    """The study under ``out`` that was trained last; shipped ones, which have no parts, do not count."""
    made_here = [path.parent for path in out.glob("*/manifest.json") if (path.parent / "parts").is_dir()]
    if not made_here:
        raise AnalysisError(
            f"there is no study under {out}; run python -m study.run --seeds 10 first, or name a study's folder"
        )
    return max(made_here, key=lambda path: (path / "manifest.json").stat().st_mtime)


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Each file under its name or not at all."""
    try:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            temporary = path.with_name(f".{path.name}.new")
            temporary.write_bytes(content)
            temporary.replace(path)
    except OSError as error:
        raise AnalysisError(f"{error.filename} cannot be written: {error.strerror}") from None


def _print(content: dict[str, Any], page: Path) -> None:
    for notice in content["notices"]:
        print(f"! {notice}")
    for verdict in content["verdicts"]:
        for key in ("headline", "tests", "by_cell", "failures"):
            print(verdict[key])
    print(f"{page} ({page.stat().st_size / 1e6:.2f} MB)")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; every error is one sentence on stderr."""
    try:
        options = tyro.cli(Options, args=argv, prog="python -m analysis.report").check()
        report(options)
    except AnalysisError as error:
        print(f"analysis.report: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
