"""How a command ends: its exit code, one sentence for every error, and no destructor of a library."""

import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn

from study.errors import EnvironmentFault, StudyError
from study.runner.outcome import INTERRUPTED, STOPS, TERMINATED, Terminated


def run_command(program: str, work: Callable[[], int]) -> int:
    """Return the exit code of ``work``; every error is one sentence of ``program`` on stderr."""
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        return work()
    except StudyError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return error.exit_code
    except (KeyboardInterrupt, Terminated) as stop:  # before or after the training, which reports its own stops
        return _stopped(program, stop)
    except OSError as error:  # the disk, the network, permissions: the machine's doing, not the study's
        print(f"{program}: {error}; what was committed is safe, the same command goes on", file=sys.stderr)
        return EnvironmentFault.exit_code
    finally:
        signal.signal(signal.SIGTERM, before)


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
    return shlex.join(["python", "-m", program, *argv])


def _stopped(program: str, stop: BaseException) -> int:
    code = INTERRUPTED if isinstance(stop, KeyboardInterrupt) else TERMINATED
    print(f"{program}: {STOPS[code]}; what was committed is safe, the same command goes on", file=sys.stderr)
    return code


def _terminate(signum: int, frame: object) -> None:
    raise Terminated
