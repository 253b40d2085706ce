"""A page in a real browser, for tests: Chromium by playwright, what the page asked and said, and looks at it."""

import functools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:  # at home the module is collected without it
    from playwright.sync_api import Browser, JSHandle, Page

HERE = Path(__file__).parent
NEEDED = ("playwright", "axe_playwright_python", "pypdf")
NAMES = ("chromium", "chromium-browser", "google-chrome")
REQUIRED = "STUDY_BROWSER"
"""Set to "required" where a missing browser is a fault: .ci/run does."""
QUIET = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
Scheme = Literal["light", "dark"]


def missing() -> str | None:
    """What there is not of what these tests need; None where all is there."""
    packages = [name for name in NEEDED if find_spec(name) is None]
    if packages:
        return f"{', '.join(packages)} cannot be imported; pip install -e '.[test]'"
    return None if executable() else "there is no Chromium; apt-get install chromium, or playwright install chromium"


def executable() -> str | None:
    """Chromium on the path, else playwright's own."""
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is not None:
        return found
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).is_file() else None


def give_up(reason: str) -> None:
    """Skip where a browser may be missing, fail where it may not."""
    give: Callable[[str], None] = pytest.fail if os.environ.get(REQUIRED) == "required" else pytest.skip
    give(f"no browser: {reason}")


@contextmanager
def started() -> Iterator["Browser"]:
    from playwright.sync_api import sync_playwright

    path = executable()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """A page that is open, with every request and every message since before it was loaded."""

    page: "Page"
    requests: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("dialog", self._dialog)

    def _dialog(self, dialog: Any) -> None:
        self.messages.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def unfold(self) -> "Visit":
        self.page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        return self

    def cut(self, rows: int) -> "Visit":
        """Leave the first ``rows`` of every table: its other rows are alike."""
        tables = "for (const body of document.querySelectorAll('tbody'))"
        self.page.evaluate(f"{tables} for (const row of [...body.rows].slice({rows})) row.remove()")
        return self

    @functools.cached_property
    def _looks(self) -> "JSHandle":
        return self.page.evaluate_handle((HERE / "browser.js").read_text("utf-8"))

    def look(self, name: str, *arguments: Any) -> Any:
        """What the function ``name`` of browser.js sees."""
        return self._looks.evaluate("(looks, [name, given]) => looks[name](...given)", [name, list(arguments)])

    def axe(self) -> list[str]:
        """What axe's rules, all that are on by default, find wrong."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page).response["violations"]
        return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]
