"""What can go wrong, by exit code: an error is one sentence for the user, never a traceback."""

from typing import Any


class StudyError(Exception):
    """An error that stops the command with ``exit_code``; its text quotes the input, the rule and a valid choice."""

    exit_code = 1


class UsageError(StudyError):
    """An error of the command, which asks for something that cannot be: a wrong value, a changed design."""

    exit_code = 2


class EnvironmentFault(StudyError):
    """An error of the machine, which cannot do it now: no data, no space, no CUDA, another process at work."""

    exit_code = 3


def truncate(text: str, most: int = 80) -> str:
    """Return the text cut to ``most`` characters, for a sentence that quotes what may be long."""
    return text if len(text) <= most else f"{text[:most]}..."


def quote(text: str) -> str:
    """Return the text for a sentence that quotes it: as it is where a terminal shows it so, else escaped."""
    return truncate(text) if text and text.isprintable() else repr(truncate(text))


def describe_value(value: Any) -> str:
    """Return a value of a file for a sentence that quotes it: neither long nor deep, whatever it is."""
    if isinstance(value, str):
        return repr(truncate(value))
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int):
        return str(value) if abs(value) < 10**30 else f"a number of {value.bit_length()} bits"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "a list"
    return "an object" if isinstance(value, dict) else f"a {type(value).__name__}"
