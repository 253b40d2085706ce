"""How a command ends: its exit code, one sentence for every error, and no destructor of a library."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn

from study.errors import EnvironmentFault, StudyError
from study.runner.console import Console
from study.runner.outcome import INTERRUPTED, STOPS, TERMINATED, Terminated, saved
from study.spec import commands


def run_command(program: str, work: Callable[[], int], saves: str = "runs") -> int:
    """Return the exit code of ``work``; every error is one sentence of ``program`` on stderr.

    ``saves``: what a stopped command has saved.
    """
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        return work()
    except StudyError as error:
        say_error(program, error)
        return error.exit_code
    except (KeyboardInterrupt, Terminated) as stop:  # before or after the training, which reports its own stops
        return _stopped(program, stop, saves)
    except OSError as error:  # the disk, the network, permissions: the machine's doing, not the study's
        say_error(program, f"{error}; {saved(saves)}")
        return EnvironmentFault.exit_code
    finally:
        signal.signal(signal.SIGTERM, before)


def say(text: str) -> None:
    """Print a line, wrapped where there is a terminal."""
    Console().emit("said", text)


def warn(text: str) -> None:
    """Print what a reader must know beside the result, on stderr."""
    Console().emit("notice", text, sys.stderr)


def say_error(program: str, error: object) -> None:
    """Print an error of ``program`` on stderr."""
    Console().emit("error", f"{program}: {error}", sys.stderr)


def exit_now(program: str, command: Callable[[], int]) -> NoReturn:
    """Run the command, and end the process without the destructors of the libraries that it has loaded.

    Everything is committed and flushed by then, and about one process in a hundred was aborted by a
    library's thread while it was torn down ("terminate called without an active exception"). A signal after
    its last line gets a sentence as well.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = command()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    except (KeyboardInterrupt, Terminated) as stop:
        code = _stopped(program, stop)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)


def command_line(program: str, argv: Sequence[str]) -> str:
    """Return the text of the command for a manifest."""
    return commands.command(program, *argv)


def _stopped(program: str, stop: BaseException, saves: str = "runs") -> int:
    code = INTERRUPTED if isinstance(stop, KeyboardInterrupt) else TERMINATED
    say_error(program, f"{STOPS[code]}; {saved(saves)}")
    return code


def _terminate(signum: int, frame: object) -> None:
    raise Terminated
