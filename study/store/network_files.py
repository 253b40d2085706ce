"""The file of a network: named on a command line, read, known by its digest, and kept beside the study that trains it.

A study's folder has a copy, ``network/my_net.py``, to read and to name again. It is code, and whoever made the folder
may have written it: nothing here runs it, and no command does unless the user names it, as in
``--network results/mine/network/my_net.py:make``. Imports no torch.
"""

import hashlib
from pathlib import Path

from study.errors import UsageError, quote
from study.spec.commands import command, shown_path
from study.spec.design import Design
from study.spec.networks import FOLDER, MAKE, MAX_NAME, SHIPPED, NetworkSpec
from study.store.atomic import make_subfolder, write_atomically
from study.store.untrusted_parquet import InvalidFile, file_bytes

MAX_BYTES = 2**22
"""Bytes of a file that are read."""


def locate(option: str) -> tuple[Path, str]:
    """Return the file of ``--network`` and the name of its function; a UsageError where there is no such file.

    >>> locate("cnn")[0].name, locate("cnn")[1]
    ('cnn.py', 'make')
    """
    if option in SHIPPED:
        return Path(__file__).parents[1] / "networks" / f"{option}.py", MAKE
    file, _, function = option.rpartition(":")
    if not file.endswith(".py"):  # FILE.py alone, or C:/FILE.py
        file, function = option, MAKE
    if not file.endswith(".py") or not function.isidentifier():
        raise UsageError(
            f"--network {quote(option)}: choose {', '.join(SHIPPED)}, or a file of your own and its function, such as"
            " --network my_net.py:make"
        )
    path = Path(file)
    if not path.is_file():
        raise UsageError(
            f"--network {quote(option)}: there is no file {shown_path(path)}; name yours, such as my_net.py:make, or"
            f" choose {' or '.join(SHIPPED)}"
        )
    if len(path.name) + len(function) >= MAX_NAME or not path.name.isprintable():
        raise UsageError(f"--network {quote(option)}: give a file and function of fewer than {MAX_NAME} characters")
    return path, function


def read(path: Path, sha256: str | None = None) -> bytes:
    """Return the bytes of a network's file; a UsageError where it cannot be read, or has another digest."""
    try:
        content = file_bytes(path.resolve(), MAX_BYTES)
    except (OSError, InvalidFile) as error:
        raise UsageError(f"--network {shown_path(path)} cannot be read: {error}; name a Python file") from None
    found = hashlib.sha256(content).hexdigest()
    if sha256 not in (None, found):
        raise UsageError(
            f"{shown_path(path)} has the sha256 {found[:12]}, and the study's network is of {str(sha256)[:12]}: the"
            " file was changed. Restore it, or train the new one under another --study-id."
        )
    return content


def sha256_of(path: Path) -> str:
    """Return the digest of a network's file."""
    return hashlib.sha256(read(path)).hexdigest()


def keep(study: Path, network: NetworkSpec) -> None:
    """Copy the file of a network into the folder of a study that is about to train it; a UsageError where the file is
    another by now."""
    assert network.path is not None, "a network that trains was loaded from its file"
    content = read(network.path, network.sha256)
    copy = make_subfolder(study, FOLDER) / network.path.name
    if not copy.is_file() or copy.read_bytes() != content:
        write_atomically(copy, content)


def named_again(study: Path, design: Design, option: str | None) -> Design:
    """Return the design of a study with the place of its network's file: ``option`` is what the user names by
    ``--network``, None leaves the networks that come with the program.

    A UsageError where the network's file is not among these: a copy in the folder is not run unasked.
    """
    network = design.network
    if network is None:
        if option is not None:
            raise UsageError(
                f"--network {quote(option)}: {shown_path(study)} has the multilayer perceptron; leave --network out"
            )
        return design
    for one in SHIPPED if option is None else (option,):
        path, function = locate(one)
        if (function, sha256_of(path)) == (network.function, network.sha256):
            return design.with_network(network.at(path.resolve()))
    if option is not None:
        raise UsageError(
            f"--network {quote(option)} is another network than that of {shown_path(study)}, {network.words};"
            f" name the file of that digest: {_command(study, network)}"
        )
    raise UsageError(
        f"{shown_path(study)} was trained with the network {network.words}, which is code. Read it, then name the file"
        f" to have it run: {_command(study, network)}"
    )


def _command(study: Path, network: NetworkSpec) -> str:
    """Return the command that names the copy in a study's folder, by what lies there and not by what its manifest
    says."""
    copies = sorted(path for path in (study / FOLDER).glob("*.py") if path.is_file())
    path = str(copies[0]) if len(copies) == 1 else "FILE.py"
    return command("study.ablate", str(study), "--network", f"{path}:{network.function}")
