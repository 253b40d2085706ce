"""How does a line reach the terminal? Wrapped between words, in colour where that is wanted, or as JSON for a program.

On a pipe a message stays one line, whatever its length, so that logs can be searched. A command stands at the end of
its line and is never broken, nor is a path.
"""

import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from tqdm import tqdm

TOKEN = re.compile(r"python -m .*|'[^'\n]*'\S*|\S+")
"""What stays whole: a command to the end of its line, a quoted path, a word."""
LABEL = re.compile(r"\S+ {2,}| *")
"""The beginning of a line under whose end further lines start: a label and its column, or an indentation."""
RED, GREEN, YELLOW = "31", "32", "33"
COLOURS = {"error": RED, "failed": RED, "notice": YELLOW, "stopped": YELLOW, "quarantine": YELLOW, "lost": YELLOW}
COLOURS |= {"done": GREEN}
"""ANSI colours by event."""
WIDTH = 80
"""Columns of a terminal that does not say how many it has."""


class Console:
    """Output of a command as text or JSON, one event a line."""

    def __init__(self, log_format: str = "text", quiet: bool = False):
        self.log_format, self.quiet = log_format, quiet
        self.said: set[str] = set()

    def emit(self, event: str, text: str, file: TextIO | None = None, **values: Any) -> None:
        """Print one event; one for stderr is printed even when quiet."""
        if self.quiet and file is None:
            return
        stream = file or sys.stdout
        if self.log_format == "json":
            write(json.dumps({"event": event, "text": text, **values}, ensure_ascii=False), stream)
        else:
            write(shown(event, text, stream), stream)

    def emit_once(self, event: str, text: str, **values: Any) -> None:
        """Print one event, unless this text was printed before."""
        if text not in self.said:
            self.said.add(text)
            self.emit(event, text, **values)


def shown(event: str, text: str, stream: TextIO) -> str:
    """Return the text as ``stream`` gets it: on a terminal wrapped and coloured, else as it is."""
    columns = width(stream)
    if columns is None:
        return text
    wrapped, colour = wrap(text, columns), COLOURS.get(event)
    return f"\x1b[{colour}m{wrapped}\x1b[0m" if colour and in_colour(stream) else wrapped


def write(text: str, stream: TextIO) -> None:
    """Print lines above the bar, if there is one."""
    try:
        tqdm.write(text, file=stream)
        stream.flush()
    except BrokenPipeError:  # the reader has left, which is no reason to stop training
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def width(stream: TextIO) -> int | None:
    """Return the columns of a terminal (COLUMNS overrides them), None of anything else."""
    if not stream.isatty():
        return None
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        size = os.terminal_size((WIDTH, 24))
    return shutil.get_terminal_size(size).columns or WIDTH


def in_colour(stream: TextIO) -> bool:
    """Whether ``stream`` is a terminal that shows colours, and nobody has asked for none (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def wrap(text: str, columns: int) -> str:
    """Return the text in lines of at most ``columns``, but for what stays whole; further lines begin under the first.

    >>> print(wrap("runs     54 planned, 36 missing", 20))
    runs     54 planned,
             36 missing
    """
    return "\n".join(line for long in text.split("\n") for line in _wrap_line(long, columns))


def _wrap_line(line: str, columns: int) -> Sequence[str]:
    if len(line) <= columns:
        return [line]
    label = LABEL.match(line)
    assert label  # it matches nothing too
    lines, hanging = [label[0]], " " * len(label[0])
    for token in TOKEN.findall(line[len(label[0]) :]):
        fresh = lines[-1] in (label[0], hanging)
        if not fresh and len(lines[-1]) + 1 + len(token) > columns:
            lines.append(hanging)
            fresh = True
        lines[-1] += token if fresh else f" {token}"
    return [one.rstrip() for one in lines]
