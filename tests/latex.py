"""LaTeX for tests: what is wrong with a fragment as one can see, and what pdflatex and BibTeX say of it."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAMS = ("pdflatex", "bibtex", "kpsewhich")
REQUIRED = "STUDY_LATEX"
"""Set to "required" where a missing LaTeX is a fault: .ci/run does."""
ENVIRONMENT = {"max_print_line": "10000", "openout_any": "p", "shell_escape": "f"}
PAPER = r"""\documentclass{article}
\usepackage{booktabs}
\begin{document}
\section{Methods}
\input{methods.tex}
%s
\bibliographystyle{plain}
\bibliography{references}
\end{document}
"""


def missing() -> str | None:
    """What there is not of what these tests need; None where all is there."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"there is no {absent[0]}; apt-get install texlive-latex-base texlive-latex-recommended"
    found = subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True, check=False).stdout
    return None if found else "there is no booktabs.sty; apt-get install texlive-latex-recommended"


def need() -> None:
    """Skip where LaTeX may be missing, fail where it may not."""
    reason = missing()
    if reason is not None:
        give: Callable[[str], None] = pytest.fail if os.environ.get(REQUIRED) == "required" else pytest.skip
        give(f"no LaTeX: {reason}")


def typeset(folder: Path) -> str:
    """Make paper.pdf of the fragments in ``folder``, with its references; return what the programs said last."""
    table = r"\input{table.tex}" if (folder / "table.tex").exists() else ""
    (folder / "paper.tex").write_text(PAPER % table, "ascii")
    latex = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"]
    commands = [latex, ["bibtex", "paper"], latex, latex]
    done = [_run(command, folder) for command in commands]
    return done[1] + done[-1]


def _run(command: list[str], folder: Path) -> str:
    environment = os.environ | ENVIRONMENT
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False, timeout=120)
    said = done.stdout.decode("latin-1")
    assert done.returncode == 0, said[-3000:]
    return said


# --- without LaTeX


def faults(tex: str) -> list[str]:
    """What is wrong with a fragment: characters beyond ASCII, braces, specials that are not escaped."""
    found = [] if tex.isascii() else ["a character beyond ASCII"]
    plain = re.sub(r"\\[^A-Za-z]", "", tex)  # escaped characters, and ends of rows
    if not _is_balanced(plain):
        found.append("braces do not match")
    text = re.sub(r"\$[^$]*\$", "", plain)
    found += [f"{character} is not escaped" for character in "%#$^_" if character in text]
    outside = re.sub(r"\\begin\{tabular\}.*?\\end\{tabular\}", "", text, flags=re.DOTALL)
    return found + (["& is not escaped"] if "&" in outside else [])


def _is_balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return False
    return depth == 0


def faults_of_references(tex: str, bib: str) -> list[str]:
    """Keys that are cited and have no entry, and entries that nothing cites."""
    cited = {key for keys in re.findall(r"\\cite\{([^}]*)\}", tex) for key in keys.split(",")}
    entries = re.findall(r"^@\w+\{(\w+),$", bib, re.MULTILINE)
    return [
        *(f"{key} has no entry" for key in sorted(cited - {*entries})),
        *(f"{key} is not cited" for key in sorted({*entries} - cited)),
        *(f"{key} stands twice" for key in sorted({key for key in entries if entries.count(key) > 1})),
    ]
