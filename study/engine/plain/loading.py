"""A network from a function of a file: its digest checked, the file run, its function called as it wants to be.

What is loaded is run, so only a file that the user has named, or that comes with the program, may get here. Whatever
such a file raises becomes one sentence with its line. ``probing`` looks at what the function returns.
"""

import inspect
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from study.engine import random_streams
from study.errors import UsageError, truncate
from study.spec.arms import Arm
from study.spec.commands import shown_path
from study.spec.datasets import DatasetSpec
from study.spec.networks import NetworkSpec
from study.store import network_files

ARGUMENTS = ("arm", "seed_stream", "data")
"""What a function that makes a network may ask for, by the names of its parameters."""
ASK = "write def make(arm): ... there, or name another: --network my_net.py:other"

_drawing = threading.Lock()  # torch's global generator is one of the process


def make(spec: NetworkSpec, arm: Arm, seed: int, data: DatasetSpec, cause: str = "init") -> nn.Module:
    """Return a new network of an arm, as it begins with a seed: its function is called with the arm, a generator at the
    start of the stream (seed, "init", 0) and the shape of the data, or with what it takes of these.

    torch's global generator, from which torch.nn's modules draw, starts at (seed, "modules", 0). Arms whose modules are
    made in one order and shape thus begin with the same weights; where first weights are unpaired, ``cause`` is such as
    "init/bn" and the streams are (seed, "init/bn", 0) and (seed, "modules/bn", 0).
    """
    path = spec.path
    if path is None:
        raise UsageError(f"the file of the network {spec.words} is not named here; load it by study.network(FILE, ...)")
    function = _function(path, spec.sha256, spec.function)
    stream = random_streams.generator(seed, cause, 0)
    given: dict[str, Any] = {"arm": arm, "seed_stream": stream, "data": data}
    wanted = {name: given[name] for name in parameters(function, spec.name)}
    with _drawing, random_streams.global_generator(seed, cause.replace("init", "modules", 1), 0):
        network = guarded(lambda: function(**wanted), path, f"{spec.name} for the arm {arm.key}")
    if not isinstance(network, nn.Module):
        raise UsageError(
            f"{spec.name} returns {_kind(network)} for the arm {arm.key}; a torch.nn.Module belongs there: end it with"
            " return nn.Sequential(...)"
        )
    return network


def parameters(function: Callable[..., Any], name: str) -> Sequence[str]:
    """Return which of ARGUMENTS a function takes; a UsageError where it needs something else."""
    taken = inspect.signature(function).parameters.values()
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    known = [p.name for p in taken if p.name in ARGUMENTS and p.kind in by_name]
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [
        p.name for p in taken if p.name not in known and p.default is inspect.Parameter.empty and p.kind not in variadic
    ]
    if needed:
        raise UsageError(
            f"{name} needs {', '.join(needed)}; it is called with {', '.join(ARGUMENTS)}, or with what it takes of"
            f" these: write def {name.rpartition(':')[2]}({', '.join(ARGUMENTS)}):"
        )
    return known


@cache
def _function(path: Path, sha256: str, name: str) -> Callable[..., Any]:
    """Return a function of a file with this digest; the file is run once in a process."""
    content = network_files.read(path, sha256)
    module = ModuleType(f"network_{sha256[:16]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where dataclasses of the file look for their names
    guarded(lambda: exec(compile(content, str(path), "exec"), vars(module)), path, f"--network {shown_path(path)}")
    function = getattr(module, name, None)
    if not callable(function):
        has = [key for key, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
        others = f"; it has {', '.join(has[:10])}" if has else ""
        raise UsageError(f"{shown_path(path)} has no function {name!r}{others}: {ASK}")
    return function


def guarded(work: Callable[[], Any], path: Path, what: str) -> Any:
    """Return what ``work`` returns; what a file's code raises becomes a UsageError with its line."""
    try:
        return work()
    except UsageError:  # of ours, such as norm_layer's
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(f"{what} raised {described(error, path)}; correct the file and repeat the command") from None


def described(error: BaseException, path: Path) -> str:
    """Return an error of a file's code: its kind, the beginning of its text and its last line in the file."""
    text = " ".join(str(error).split())
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    line = error.lineno if isinstance(error, SyntaxError) else next(reversed(lines), None)
    where = f" (line {line} of {path.name})" if line else ""
    return f"{type(error).__name__}: {truncate(text, 300)}{where}"


def _kind(value: Any) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}, not an object of it,"
    return "None" if value is None else f"a {type(value).__name__}"
