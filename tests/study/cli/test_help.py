"""What every command says of itself: its options in groups, in sentences, with examples that run."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module

import pytest

from analysis.__main__ import COMMANDS as CONCLUDING
from study import __main__ as of_study
from study.cli import help, listing

COMMANDS = (*of_study.COMMANDS, *CONCLUDING)
Main = Callable[[list[str]], int]


def main_of(command: str) -> Main:
    """The function that a command calls with its arguments."""
    module = import_module(command)
    return module.main if hasattr(module, "main") else import_module(f"{command}.__main__").main


def printed(command: str, option: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stop:
        main_of(command)([option])
    assert stop.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("columns", [60, 100])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_the_terminal_and_has_no_garbled_text(
    command: str, columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = printed(command, "--help", capsys)
    assert "--no-no-" not in text
    assert not re.search(r"\{None\}|``|\(default: \)|None\)", text)
    for line in text.splitlines():
        assert len(line) <= columns or " " not in line.strip() or line.startswith("  python -m "), line
        _, gap, sentence = line.strip().partition("   ")
        assert "  " not in sentence.strip() or not gap, line
    assert all(re.search(r"\.( \(default: .*\))?$", row) for row in texts(text)), texts(text)


def texts(page: str) -> list[str]:
    """The texts of the options, each in one line."""
    rows = re.split(r"\n  (?=[-A-Z{])", re.split(r"\n\nExamples:", page)[0].split("\n\n", 1)[1])[1:]
    bodies = [re.split(r"\n\n", row)[0] for row in rows]
    return [" ".join(re.split(r"\s{2,}", body, maxsplit=1)[1].split()) for body in bodies]


@pytest.mark.parametrize("command", ["study.run", "study.tune", "study.ablate", "study.claims"])
def test_help_has_groups_and_ends_with_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(command, "--help", capsys)
    titles = re.findall(r"^(\w[^:\n]*):$", text, re.MULTILINE)
    assert len(titles) >= 4
    assert titles[-1] == "Examples"
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_its_version(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert re.match(r"batch-norm-study \S+", printed(command, "--version", capsys))


def test_an_option_without_a_text_is_found() -> None:
    """The plant: the check of the texts sees one that ends without a full stop, and one that is missing."""
    with_texts = "usage: x\n\nOptions:\n  --a N                 Number of a. (default: 1)\n  --b N                 {}"
    assert all(text.endswith((".", ")")) for text in texts(with_texts.format("Second.")))
    assert not all(text.endswith((".", ")")) for text in texts(with_texts.format("Second")))


def test_a_class_of_options_names_and_groups_them() -> None:
    from study.cli.run_options import Options

    groups = help._groups(Options)
    names = [option for rows in groups.values() for option, _ in rows]
    assert groups["Data"][0][0] == "--dataset TEXT"
    assert {"--lrs NUMBER ...", "--no-ablation", "--tf32", "--engine {auto,torch,kernel,plain}", "--version"} <= {
        *names
    }
    assert len(names) == len({*names})


@pytest.mark.parametrize(("package", "commands"), [("study", of_study.COMMANDS), ("analysis", CONCLUDING)])
def test_each_package_lists_its_commands_with_a_line_each(package: str, commands: tuple[str, ...]) -> None:
    listed = subprocess.run([sys.executable, "-m", package], check=True, capture_output=True, text=True).stdout
    assert re.findall(r"python -m (\S+)\n {6}[A-Z].*\.$", listed, re.MULTILINE) == [*commands]


def test_what_is_not_a_command_is_told_where_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert listing.main("study", of_study.COMMANDS, ["run"]) == 2
    assert capsys.readouterr().err == "study: run is not a command. List the commands: python -m study\n"
    assert listing.main("study", of_study.COMMANDS, ["--version"]) == 0


@pytest.mark.parametrize("command", ["study.run", "study.tune", "study.claims"])
def test_every_example_of_the_help_is_a_command_that_runs(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.chdir(str(tmp_path))
    examples = re.findall(r"^  python -m (\S+)(.*)$", printed(command, "--help", capsys), re.MULTILINE)
    assert len(examples) >= 3
    for module, options in examples:
        assert main_of(module)([*shlex.split(options), "--dry-run"]) == 0
