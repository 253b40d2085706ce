"""The documents as tests read them: code blocks, spans of code, links; and the commands that these name."""

import contextlib
import importlib
import io
import re
import shlex
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

from tests import ROOT

DOCUMENTS = ("README.md", "results/README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")


@dataclass(frozen=True)
class Code:
    """A code block of a document."""

    document: str
    language: str
    text: str
    number: int

    def __str__(self) -> str:
        return f"{self.document}-{self.number}-{self.language}"

    @property
    def lines(self) -> list[str]:
        return [line for line in self.text.splitlines() if line.strip()]


def text_of(document: str) -> str:
    return (ROOT / document).read_text("utf-8")


def code_blocks(document: str) -> list[Code]:
    return [Code(document, *found.groups(), n) for n, found in enumerate(FENCE.finditer(text_of(document)), 1)]


def spans(text: str) -> list[str]:
    """The code in sentences and tables of a document's text."""
    return SPAN.findall(FENCE.sub("", text))


def links(text: str) -> list[str]:
    return LINK.findall(FENCE.sub("", text))


def commands() -> list[str]:
    """Every module that ``python -m`` runs, as a document names it; not the packages that list these."""
    mains = [*ROOT.glob("study/**/*.py"), *ROOT.glob("analysis/**/*.py")]
    named = [path for path in mains if '__name__ == "__main__"' in path.read_text("utf-8")]
    modules = (".".join(path.relative_to(ROOT).with_suffix("").parts) for path in named)
    return sorted(module.removesuffix(".__main__") for module in modules if module.count(".") > 1 or "__" not in module)


def call(module: str, argv: Sequence[str]) -> tuple[int, str]:
    """The exit code of a command and what it printed, in this process."""
    own = importlib.import_module(module)
    main = own.main if hasattr(own, "main") else importlib.import_module(f"{module}.__main__").main
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code = main(list(argv))
        except SystemExit as left:
            code = left.code
    return int(code or 0), said.getvalue()


@cache
def options_of(module: str) -> frozenset[str]:
    """The options in the help of a command."""
    code, said = call(module, ["--help"])
    assert code == 0, said
    return frozenset(OPTION.findall(said))


def words_of(line: str) -> tuple[list[str], list[str]]:
    """The program of a line of shell with its module or file, and its arguments; variables in front are left out."""
    words = shlex.split(line, comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    n = 1
    if words[0].removeprefix(".venv/bin/") == "python":
        words[0], n = "python", 3 if words[1] == "-m" else 2
    return words[:n], words[n:]


def faults_of_line(line: str) -> Iterator[str]:
    """What a line of shell names that there is not: programs, modules, files, options, targets, extras."""
    program, argv = words_of(line)
    match program:
        case ["python", "-m", "pytest"] | ["optuna-dashboard"]:
            yield from (f"no file {word}" for word in argv if word.endswith(".py") and not (ROOT / word).is_file())
        case ["python", "-m", module]:
            yield from _faults_of_command(module, argv)
        case ["python", file]:
            source = (ROOT / file).read_text("utf-8") if (ROOT / file).is_file() else ""
            yield from (f"{file} has no {word}" for word in argv if word.startswith("--") and f'"{word}"' not in source)
            yield from () if source else (f"no file {file}",)
        case ["make"]:
            yield from _faults_of_make(argv)
        case ["pip"]:
            yield from _faults_of_pip(argv)
        case _:
            yield f"{line}: no test knows {program[0]}"


def _faults_of_command(module: str, argv: Sequence[str]) -> Iterator[str]:
    if module not in commands():
        yield f"no command python -m {module}"
        return
    asked = [option for word in argv for option in OPTION.findall(word.partition("=")[0])]
    yield from (f"python -m {module} has no {option}" for option in asked if option not in options_of(module))


def _faults_of_make(argv: Sequence[str]) -> Iterator[str]:
    makefile = text_of("Makefile")
    targets = re.findall(r"^([a-z]+):", makefile, re.MULTILINE)
    for word in argv:
        variable = word.partition("=")[0] if "=" in word else None
        if variable and f"$({variable})" not in makefile:
            yield f"the Makefile has no variable {variable}"
        if not variable and word not in targets:
            yield f"no target make {word}"


def _faults_of_pip(argv: Sequence[str]) -> Iterator[str]:
    """pip installs this project, with extras that there are, or a package that documents name."""
    extras = tomllib.loads(text_of("pyproject.toml"))["project"]["optional-dependencies"]
    match list(argv):
        case ["install", "-e", project]:
            asked = re.fullmatch(r"\.(?:\[([\w,]+)\])?", project)
            names = (asked[1] or "").split(",") if asked else [project]
            yield from (f"no extra {name}" for name in names if name and name not in extras)
        case ["install", "optuna-dashboard"]:
            pass
        case _:
            yield f"pip {' '.join(argv)}: no test knows this"


def is_here(package: str) -> bool:
    return find_spec(package) is not None
