"""The README's picture of the page: its size and colours, the same bytes again, and what is said where it cannot be."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib import image

from analysis import picture
from tests import browser


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A folder with a page that is blue in light colours, black in dark ones, and as long as the screen."""
    reason = browser.missing()
    if reason:
        browser.give_up(reason)
    (tmp_path / "report.html").write_text(
        "<!doctype html><style>body { background: #0173b2 }"
        " @media (prefers-color-scheme: dark) { body { background: black } }</style>"
        "<p style='margin-top: 899px'>The last line in sight"
    )
    return tmp_path


def test_the_picture_is_the_first_screen_in_light_colours(study: Path) -> None:
    assert picture.main([str(study), "--to", str(study / "page.png")]) == 0
    pixels = image.imread(study / "page.png")
    assert pixels.shape[:2] == (900, 1200)
    assert np.unique((pixels[:890, :, :3] * 255).round().reshape(-1, 3), axis=0).tolist() == [[1, 115, 178]]


@pytest.mark.slow
def test_a_picture_has_the_same_bytes_again(study: Path) -> None:
    assert picture.take(study / "report.html") == picture.take(study / "report.html")


def test_a_picture_that_cannot_be_is_said_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert picture.main([str(tmp_path)]) == 2
    assert f"python -m analysis.report {tmp_path} writes it" in capsys.readouterr().err
    (tmp_path / "report.html").write_text("<!doctype html>")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert picture.main([str(tmp_path)]) == 2
    assert "apt-get install chromium" in capsys.readouterr().err
    fake = tmp_path / "chromium"
    fake.write_text("#!/bin/sh\necho no display >&2\nexit 7\n")
    fake.chmod(0o755)
    assert picture.main([str(tmp_path), "--to", str(tmp_path / "page.png")]) == 2
    assert "(exit code 7): no display" in capsys.readouterr().err
    assert not (tmp_path / "page.png").exists()


@pytest.mark.parametrize(
    ("size", "more", "message"),
    [((1200, 899), 0, r"\(1200, 899\), not 1200 x 900"), ((1200, 900), 300_000, "at most 300,000 are kept")],
)
def test_a_picture_of_another_size_is_refused(size: tuple[int, int], more: int, message: str) -> None:
    header = b"\x89PNG\r\n\x1a\n" + bytes(8) + b"".join(side.to_bytes(4, "big") for side in size)
    with pytest.raises(picture.AnalysisError, match=message):
        picture.checked(header + bytes(more))
