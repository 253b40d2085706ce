"""What reaches a terminal, a pipe and a program: wrapped between words, one line a message, one event a line."""

import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.runner.console import TOKEN, Console, shown, wrap
from study.spec.commands import command

WORDS = st.lists(st.text("abc-/.,", min_size=1, max_size=12), min_size=1, max_size=30)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def of_twenty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


@given(WORDS, st.integers(10, 60))
def test_no_word_is_broken_and_no_line_is_too_long_but_for_a_long_word(words: list[str], columns: int) -> None:
    lines = wrap(" ".join(words), columns).split("\n")
    assert [word for line in lines for word in line.split()] == words
    assert all(len(line) <= columns or " " not in line for line in lines)


@given(WORDS, st.integers(10, 60))
def test_a_wrapped_line_begins_under_its_label(words: list[str], columns: int) -> None:
    first, *rest = wrap(f"runs     {' '.join(words)}", columns).split("\n")
    assert first.startswith("runs     ")
    assert all(re.match(r" {9}\S", line) for line in rest)


@pytest.mark.parametrize("quoted", ["'my results/a b/c'", command("analysis.report", "my results/a b/c d e")])
def test_a_quoted_path_and_a_command_stay_whole(quoted: str) -> None:
    text = wrap(f"The study of a long name is complete: {quoted}", 20)
    assert text.split("\n")[-1] == quoted
    assert TOKEN.findall(f"is in {quoted}")[-1] == quoted


def test_wrapping_that_breaks_words_is_found() -> None:
    """The plant: the standard library's default breaks a path that is too long."""
    import textwrap

    path = "results/a-very-long-name-of-a-study"
    assert wrap(path, 20) == path
    assert textwrap.fill(path, 20) != path


def test_a_pipe_gets_one_line_a_message_and_no_colour() -> None:
    message = "another process is at work on results/mnist, which is a long story"
    assert shown("error", message, io.StringIO()) == message
    assert "\n" in shown("error", message, Terminal())


@pytest.mark.parametrize(("variable", "value", "coloured"), [
    ("NO_COLOR", "1", False), ("NO_COLOR", "", True), ("TERM", "dumb", False), ("TERM", "xterm", True),
])  # fmt: skip
def test_colour_is_for_terminals_that_want_it(
    variable: str, value: str, coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    assert (shown("error", "no", Terminal()) == "\x1b[31mno\x1b[0m") == coloured
    assert shown("plan", "no", Terminal()) == "no"


def test_json_is_one_line_even_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    Console("json").emit("plan", "data     MNIST: 60,000 training images\nfolder   results/mnist", terminal, runs=3)
    (line,) = terminal.getvalue().splitlines()
    assert json.loads(line)["runs"] == 3
