"""``python -m study`` and ``python -m analysis``: which commands are there? Their names, and a line on each."""

import ast
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from study.cli import version
from study.cli.exits import say_error
from study.errors import quote
from study.runner.console import Console


def main(package: str, modules: Sequence[str], argv: Sequence[str] | None = None) -> int:
    """List the commands of a package; returns the exit code, 2 where a word asks for something else."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words == ["--version"]:
        Console().emit("version", version.describe())
    elif not words or {*words} <= {"-h", "--help"}:
        Console().emit("commands", "\n".join(describe(package, modules)))
    else:
        say_error(package, f"{quote(' '.join(words))} is not a command. List the commands: python -m {package}")
        return 2
    return 0


def describe(package: str, modules: Sequence[str]) -> list[str]:
    """Return a command and what it does, by lines."""
    lines = [f"Commands of {package}; each explains its options with --help:"]
    for module in modules:
        lines += [f"  python -m {module}", f"      {_what(module)}"]
    return lines


def _what(module: str) -> str:
    """Return what a command does: the first line of its docstring, behind the colon. Imports nothing of it."""
    spec = find_spec(module)
    if spec and spec.submodule_search_locations:
        spec = find_spec(f"{module}.__main__")
    assert spec
    assert spec.origin
    docstring = ast.get_docstring(ast.parse(Path(spec.origin).read_text("utf-8"))) or ""
    what = docstring.partition("\n")[0].partition(": ")[2]
    return f"{what[:1].upper()}{what[1:]}"
