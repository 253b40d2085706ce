"""Do six studies come out of this tree as they came out of another commit, byte for byte?

    python tests/golden.py BASE [--only digits-kernel ...] [--pages] [--values] [--keep DIR]

Makes every study twice in one environment, at the commit BASE (in a git worktree) and by the tree that this file
stands in, and compares tables, networks, manifests and the statistics of the report (``tables/*.csv``). Nothing is
committed of what it finds: bytes follow the processor and the versions of the libraries. What is made at BASE is kept
in DIR and used again.

A manifest is compared without its commit, its timings and dates, the looks that reports noted in it, the rule that was
fixed before the first run and the form of the first layer that a timing chose; locks are left out, and a search's
journal is compared by its name alone. Reports are compared on their own ground: that of the head reads the very folder
that BASE trained. ``--pages`` compares the page, ``report.json`` and the figures too, for a change that is to leave
them as they are. ``--values`` compares what tables and networks hold in the place of files' bytes, manifests and
parts: for a BASE of another schema version.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors.numpy import load

ROOT = Path(__file__).resolve().parent.parent
DIGITS = ["--dataset", "digits"]

STUDIES: dict[str, list[list[str]]] = {
    "digits-kernel": [
        ["study.run", *DIGITS, "--seeds", "4", "--epochs", "4", "--batch-sizes", "1", "32", "--lrs", "0.01", "1e6",
         "--no-ablation"],
        ["study.run", *DIGITS, "--seeds", "7", "--epochs", "4", "--batch-sizes", "1", "32", "128", "--lrs", "0.01",
         "0.1", "1e6"],
        ["study.ablate"],
    ],
    "digits-torch": [
        ["study.run", *DIGITS, "--engine", "torch", "--seeds", "4", "--epochs", "3", "--hidden", "24",
         "--batch-sizes", "32", "360", "--lrs", "0.003", "0.03"],
        ["study.ablate"],
    ],
    "digits-tuned": [
        ["study.tune", *DIGITS, "--trials", "12", "--tune-seeds", "6", "--seeds", "6", "--epochs", "3"],
    ],
    "digits-tuned-torch": [
        ["study.tune", *DIGITS, "--trials", "8", "--tune-seeds", "2", "--seeds", "3", "--epochs", "2", "--engine",
         "torch", "--sampler", "tpe", "--pruner", "median", "--workers", "1"],
    ],
    "mnist-tuned": [["study.tune", "--dataset", "mnist"]],
    "mnist": [["study.run", "--dataset", "mnist"], ["study.ablate"]],
}  # fmt: skip
"""Commands by study, to each of which its place is added."""

PAGE = ("report.html", "report.json", "figures")
REPORTED = (*PAGE, "tables")
UNSTABLE = ("tuning.journal", ".last")
"""Files that hold times of day: of these only the name is compared."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", metavar="BASE")
    parser.add_argument("--only", nargs="+", choices=STUDIES, default=list(STUDIES))
    parser.add_argument("--pages", action="store_true")
    parser.add_argument("--values", action="store_true")
    parser.add_argument("--keep", type=Path, default=ROOT / "results" / "golden")
    options = parser.parse_args()
    home = options.keep.resolve()
    tree = worktree(options.base, home)
    n_different = 0
    for name in options.only:
        began = time.monotonic()
        found = compare_study(name, tree, home, pages=options.pages, values=options.values)
        n_different += len(found)
        print(f"{name}: {'equal' if not found else 'DIFFERENT'} ({time.monotonic() - began:.0f} s)", flush=True)
        for line in found:
            print(f"  {line}", flush=True)
    return bool(n_different)


def worktree(commit: str, home: Path) -> Path:
    """A checkout of ``commit``, made once."""
    tree = home / "tree"
    if not tree.exists():
        home.mkdir(parents=True, exist_ok=True)
        git("worktree", "add", "--detach", str(tree), commit)
    at = subprocess.run(["git", "-C", tree, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
    wanted = subprocess.run(["git", "rev-parse", f"{commit}^{{commit}}"], capture_output=True, text=True, cwd=ROOT)
    assert at == wanted.stdout, f"{tree} is at {at.strip()}; remove it, or name another folder with --keep"
    return tree


def git(*words: str) -> None:
    subprocess.run(["git", "-C", ROOT, *words], check=True)


def compare_study(name: str, tree: Path, home: Path, pages: bool, values: bool = False) -> list[str]:
    """The differences, a line each."""
    base, trained, read = (home / part / "results" / name for part in ("base", "trained", "read"))
    if not (home / "base" / f"{name}.done").exists():
        shutil.rmtree(base, ignore_errors=True)
        train(name, base, tree)
        report(base, tree)
        (home / "base" / f"{name}.done").touch()
    shutil.rmtree(trained, ignore_errors=True)
    train(name, trained, ROOT)
    found = value_differences(base, trained) if values else differences(base, trained, without=REPORTED)
    shutil.rmtree(read, ignore_errors=True)
    shutil.copytree(base, read, ignore=shutil.ignore_patterns(*REPORTED))
    report(read, ROOT)
    return found + differences(base, read, without=() if pages else PAGE)


def train(name: str, study: Path, tree: Path) -> None:
    for module, *options in STUDIES[name]:
        place = [str(study)] if module == "study.ablate" else ["--out", str(study.parent), "--study-id", name]
        command(tree, study, module, *options, *place, ok=(0,))


def report(study: Path, tree: Path) -> None:
    command(tree, study, "analysis.report", str(study), ok=(0,))


def command(tree: Path, study: Path, module: str, *options: str, ok: tuple[int, ...]) -> None:
    """Run a command of ``tree`` in the folder above ``results``, whose path stands in no file then."""
    above = study.parent.parent
    above.mkdir(parents=True, exist_ok=True)
    local = [option.replace(str(above) + "/", "") if option != str(above) else "." for option in options]
    environment = os.environ | {"PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        [sys.executable, "-m", module, *local], cwd=above, env=environment, capture_output=True, text=True
    )
    if done.returncode not in ok:
        raise SystemExit(f"{tree}: {module} {' '.join(local)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")


def differences(one: Path, other: Path, without: tuple[str, ...] = ()) -> list[str]:
    """Files that only one folder has, or that differ."""
    mine, theirs = files(one, without), files(other, without)
    lines = [f"{name}: only in {one if name in mine else other}" for name in sorted({*mine} ^ {*theirs})]
    for name in sorted({*mine} & {*theirs}):
        if Path(name).name not in UNSTABLE and content(one / name) != content(other / name):
            lines.append(f"{name}: differs ({one / name} {other / name})")
    return lines


def value_differences(one: Path, other: Path) -> list[str]:
    """Tables of the first folder whose values differ in the other, and networks; whatever their types and files."""
    wrong = []
    for path in sorted(one.glob("*.parquet")):
        mine, theirs = (pd.read_parquet(folder / path.name) for folder in (one, other))
        try:
            pd.testing.assert_frame_equal(mine, theirs, check_dtype=False, check_exact=True)
        except AssertionError as error:
            wrong.append(f"{path.name}: {' '.join(str(error).split())[:200]}")
    if tensors(one) != tensors(other):
        wrong.append("networks differ")
    return wrong


def tensors(study: Path) -> dict[str, bytes]:
    """The tensors of all networks by run and name; in schema version 1 the name of a file is the run's."""
    found = {}
    for path in study.glob("weights/*.safetensors"):
        for name, tensor in load(path.read_bytes()).items():
            found[name if "/" in name else f"{path.stem}/{name}"] = tensor.tobytes()
    return found


def files(folder: Path, without: tuple[str, ...]) -> set[str]:
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in paths if path.parts[0] not in without and not path.name.startswith(".lock")}


def content(path: Path) -> Any:
    return stable(json.loads(path.read_text("utf-8"))) if path.name == "manifest.json" else path.read_bytes()


def stable(manifest: dict[str, Any]) -> dict[str, Any]:
    """A manifest without what follows from the moment, the machine's load and the commit."""
    sessions = [manifest, *manifest.get("earlier", [])]
    for session in sessions:
        session.pop("git", None)
        session.pop("timings", None)
        session.pop("date", None)
        session.get("device", {}).pop("first_layer", None)
    manifest.pop("looks", None)
    manifest.pop("analysis_rule", None)
    return manifest


if __name__ == "__main__":
    sys.exit(main())
