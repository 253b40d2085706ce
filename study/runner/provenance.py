"""Which program made the numbers, and when? For the manifest."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def today() -> str:
    """Return the date (UTC), such as 2026-11-30."""
    return datetime.now(UTC).date().isoformat()


def git() -> dict[str, Any]:
    """Return the commit of this program and whether files were changed since; None for both outside a checkout."""
    home = Path(__file__).resolve().parents[1]

    def ask(*arguments: str) -> str | None:
        try:
            answer = subprocess.run(["git", "-C", home, *arguments], capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return answer.stdout.strip() if answer.returncode == 0 else None

    tracked = ask("ls-files", "--error-unmatch", str(Path(__file__).resolve()))
    commit = ask("rev-parse", "HEAD") if tracked else None  # not the commit of a project that it is installed in
    changes = ask("status", "--porcelain", "--untracked-files=no", "--", str(home), str(home.parent / "analysis"))
    return {"commit": commit, "dirty": None if commit is None or changes is None else bool(changes)}
