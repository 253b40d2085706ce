"""python -m analysis.picture STUDY_DIR [--to FILE.png]: take a picture of the first screen of a report.

Chromium opens the page without a window, in light colours, and what it shows in 1200 x 900 pixels becomes a PNG. The
same page in the same Chromium with the same fonts gives the same bytes.
"""

import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from analysis.errors import AnalysisError
from study.cli import arguments
from study.cli.exits import say_error
from study.errors import StudyError
from study.spec import commands

WIDTH, HEIGHT = 1200, 900
"""Size of the picture in pixels."""
MOST = 300_000
"""Bytes of a picture that is kept in a repository."""
SECONDS = 60
"""How long Chromium may take."""
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
"""The browser's programs, of which the first on the PATH is used."""
ALIKE = (
    *("--headless", "--hide-scrollbars", f"--window-size={WIDTH},{HEIGHT}", "--force-device-scale-factor=1"),
    *("--force-color-profile=srgb", "--disable-lcd-text", "--disable-gpu", "--blink-settings=preferredColorScheme=1"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
"""Options under which every machine draws alike, in light colours, and asks for nothing from a network."""


def browser() -> str:
    """Return the path of Chromium; an AnalysisError says how to get one."""
    for found in filter(None, map(shutil.which, NAMES)):
        return found
    raise AnalysisError(
        f"there is no Chromium on the PATH ({', '.join(NAMES)}); install one, such as by apt-get install chromium"
    )


def take(page: Path) -> bytes:
    """Return the first screen of a page as PNG."""
    program = browser()
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        own = [f"--user-data-dir={folder}/profile", f"--screenshot={shot}", page.resolve().as_uri()]
        command = [program, *ALIKE, *as_root, *own]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            raise AnalysisError(f"{program} took no picture of {page} in {SECONDS} s; try again") from None
        if not shot.is_file():
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise AnalysisError(f"{program} took no picture of {page} (exit code {done.returncode}): {last}")
        return shot.read_bytes()


def checked(picture: bytes) -> bytes:
    """Return a picture of the right size in pixels and bytes; an AnalysisError for any other."""
    size = struct.unpack(">II", picture[16:24]) if picture.startswith(b"\x89PNG\r\n\x1a\n") else None
    if size != (WIDTH, HEIGHT):
        raise AnalysisError(f"the picture is {size or 'no PNG'}, not {WIDTH} x {HEIGHT} pixels; update Chromium")
    if len(picture) > MOST:
        raise AnalysisError(
            f"the picture has {len(picture):,} bytes, at most {MOST:,} are kept: the first screen draws too much"
        )
    return picture


@dataclass(frozen=True)
class Options:
    """Take a picture of the first screen of a study's report, as the README shows it. Needs Chromium."""

    study_dir: Annotated[Path, tyro.conf.Positional]
    """The folder of the study, whose report is written."""
    to: Path = Path("results/page.png")
    """The PNG to write."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    try:
        options = arguments.read(Options, argv, "python -m analysis.picture")
        page = options.study_dir / "report.html"
        if not page.is_file():
            study = options.study_dir
            raise AnalysisError(f"{study} has no report.html; {commands.report_on(study)} writes it")
        options.to.write_bytes(checked(take(page)))
    except (AnalysisError, StudyError, OSError) as error:
        say_error("analysis.picture", error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
