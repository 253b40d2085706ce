"""How did a command's work end, and what ends it early?"""

from dataclasses import dataclass

SOME_FAILED = 1
OUT_OF_TIME, INTERRUPTED, TERMINATED = 75, 130, 143
STOPS = {OUT_OF_TIME: "--max-time has passed", INTERRUPTED: "interrupted", TERMINATED: "terminated"}
"""Early ends by exit code."""


def saved(what: str = "runs") -> str:
    """Return what a stopped command says of its work."""
    return f"finished {what} are saved; repeat the command to continue"


class OutOfTime(BaseException):
    """The deadline has passed; like KeyboardInterrupt, no error."""


class Terminated(BaseException):
    """SIGTERM; like KeyboardInterrupt, no error."""


@dataclass(frozen=True)
class Outcome:
    """Failures, and the reason of an early end."""

    failures: int = 0
    """Cohorts that failed for good."""
    stopped: int | None = None
    """The exit code of an early end."""

    @property
    def exit_code(self) -> int:
        return self.stopped if self.stopped is not None else SOME_FAILED if self.failures else 0
