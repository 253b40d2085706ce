"""What can go wrong, by exit code: an error is one sentence for the user, never a traceback."""


class StudyError(Exception):
    """Stops the command with ``exit_code``; its text quotes the input, the rule and a valid choice."""

    exit_code = 1


class UsageError(StudyError):
    """The command asks for something that cannot be: a wrong value, a changed design."""

    exit_code = 2


class EnvironmentFault(StudyError):
    """The machine cannot do it now: no data, no space, no CUDA, another process at work."""

    exit_code = 3
