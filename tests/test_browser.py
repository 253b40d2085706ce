"""The page in a real browser: what it asks for, whether all can read it, and what its buttons do."""

import functools
import io
import json
import re
import statistics
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from analysis.report import __main__ as report
from tests import browser
from tests.browser import Visit
from tests.browser_studies import DEFAULT, HOSTILE, PLAIN, STUDIES, TUNED
from tests.study.values import slow

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDE, NARROW = 1200, 360
"""Pixels."""
BUILT = ("figures", "tables", "ids", "references", "headings")
"""The looks of browser.js at how a page is built."""
LETTERS = ("small", "cutOff", "collisions")

HOSTILE_NAME = "with a hostile name"
EVERY_STUDY = [pytest.param(name, marks=() if name in (PLAIN, DEFAULT) else pytest.mark.slow) for name in STUDIES]

both_schemes = pytest.mark.parametrize("scheme", ["light", "dark"])


@pytest.fixture(scope="module")
def chromium() -> Iterator["Browser"]:
    reason = browser.missing()
    if reason is not None:
        browser.give_up(reason)
    with browser.started() as found:
        yield found


@pytest.fixture(scope="module")
def page_of(chromium: "Browser", tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The report of one of ``STUDIES``, made once."""

    @functools.cache
    def made(name: str) -> Path:
        folder = STUDIES[name](tmp_path_factory.mktemp("studies") / "s")
        return report.report(report.Options(study_dir=folder)).page

    return made


@pytest.fixture
def visit(chromium: "Browser", page_of: Callable[[str], Path]) -> Iterator[Callable[..., Visit]]:
    """Open the report of a study, or a file, as a reader of certain habits has it."""

    def opened(which: str | Path, width: int = WIDE, scheme: browser.Scheme = "light", **options: Any) -> Visit:
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **options)
        found = Visit(context.new_page())
        found.page.goto((which if isinstance(which, Path) else page_of(which)).as_uri())
        return found

    yield opened
    for context in chromium.contexts:
        context.close()


# --- it asks for nothing


@pytest.mark.parametrize("name", EVERY_STUDY)
def test_a_page_is_one_request_and_says_nothing_to_the_console(
    name: str, visit: Callable[..., Visit], page_of: Callable[[str], Path]
) -> None:
    opened = visit(name, scheme="dark" if name == DEFAULT else "light").unfold()
    opened.page.mouse.wheel(0, 5000)
    assert opened.requests == [page_of(name).as_uri()]
    assert opened.messages == []


def test_without_javascript_every_part_figure_and_table_is_shown(visit: Callable[..., Visit]) -> None:
    kinds = ("section", "figure svg", "summary", "table", "tbody tr")
    scripted, plain = visit(DEFAULT).unfold(), visit(DEFAULT, java_script_enabled=False)
    plain.page.locator("figure summary").first.click()
    assert plain.page.locator("figure table").first.is_visible()
    plain.unfold()
    counts = [plain.look("inSight", kind) for kind in kinds]
    assert counts == [scripted.look("inSight", kind) for kind in kinds]
    assert min(counts) > 10
    assert [one.look("inSight", "button") > 0 for one in (plain, scripted)] == [False, True]


INTRUDERS = """<script>document.body.dataset.script = "ran"</script>
<style>#intruder { font-size: 50px }</style><p id="intruder" style="color: rgb(255, 0, 0)">I should not be red</p>
<img src="data:," onerror="document.body.dataset.handler = 'ran'">
<img src="http://away.test/image"><link rel="stylesheet" href="http://away.test/sheet">
<script src="http://away.test/code"></script><iframe src="http://away.test/frame"></iframe>"""
"""What a page that was tampered with, or that shows words of strangers unescaped, could hold."""


def intruded(opened: Visit) -> set[str]:
    """Which of the intruders got through."""
    return set(
        opened.page.evaluate(
            """() => {
                const { color, fontSize } = getComputedStyle(document.querySelector("#intruder"));
                const { script, handler } = document.body.dataset;
                const found = { script, handler, attribute: color === "rgb(255, 0, 0)", style: fontSize === "50px" };
                return Object.keys(found).filter((name) => found[name]);
            }"""
        )
    )


@pytest.mark.parametrize("policy", [True, False])
def test_the_policy_and_nothing_else_keeps_intruders_out(
    policy: bool, visit: Callable[..., Visit], page_of: Callable[[str], Path], tmp_path: Path
) -> None:
    text = page_of(PLAIN).read_text("utf-8").replace("</main>", f"</main>{INTRUDERS}")
    (tmp_path / "page.html").write_text(text if policy else text.replace("Content-Security-Policy", "none"), "utf-8")
    opened, left = visit(tmp_path / "page.html"), []
    opened.page.context.route("http://**/*", lambda route: (left.append(route.request.url[17:]), route.abort()))
    opened.page.reload()
    found = intruded(opened) | set(left)
    everything = {"script", "handler", "attribute", "style", "image", "sheet", "code", "frame"}
    assert found == (set() if policy else everything)
    assert any("Content Security Policy" in message for message in opened.messages) is policy


# --- all can read it


as_axe_looks = pytest.mark.parametrize(
    ("scheme", "width"), [("light", WIDE), pytest.param("dark", NARROW, marks=pytest.mark.slow)]
)


@as_axe_looks
def test_axe_finds_nothing_wrong(scheme: browser.Scheme, width: int, visit: Callable[..., Visit]) -> None:
    assert visit(DEFAULT, width, scheme).unfold().cut(2).axe() == []


@pytest.mark.slow
@as_axe_looks
def test_axe_finds_nothing_wrong_in_any_row(scheme: browser.Scheme, width: int, visit: Callable[..., Visit]) -> None:
    assert visit(DEFAULT, width, scheme).unfold().axe() == []


@pytest.mark.parametrize("name", [study for study in EVERY_STUDY if study.values != (DEFAULT,)])
def test_axe_finds_nothing_wrong_with_an_odd_study(name: str, visit: Callable[..., Visit]) -> None:
    assert visit(name).unfold().cut(2).axe() == []


@pytest.mark.parametrize("name", EVERY_STUDY)
def test_a_page_can_be_read_by_ear_and_by_eye(name: str, visit: Callable[..., Visit]) -> None:
    opened = visit(name).unfold()
    assert opened.page.locator("table").count() > 0
    for look in (*BUILT, *LETTERS):
        assert opened.look(look) == []


def test_tab_goes_through_the_page_in_its_order_and_is_always_seen(visit: Callable[..., Visit]) -> None:
    opened = visit(PLAIN).unfold()
    for _ in range(opened.look("watch")):
        opened.page.keyboard.press("Tab")
    assert opened.look("walked") == []


def test_the_first_stop_leads_to_the_answer(visit: Callable[..., Visit]) -> None:
    page = visit(PLAIN).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.wait_for_url("**#answer")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.first') !== null")


@pytest.mark.parametrize("name", EVERY_STUDY)
def test_a_narrow_page_scrolls_sideways_only_in_the_regions_of_wide_things(
    name: str, visit: Callable[..., Visit]
) -> None:
    opened = visit(name, NARROW).unfold()
    assert opened.page.evaluate("document.scrollingElement.scrollWidth") <= NARROW
    assert opened.look("sideways", NARROW) == []
    assert opened.look("small") == []


# --- its first screen, its layers

CARDS = tuple(f".card >> nth={i}" for i in range(4))


@pytest.mark.parametrize(
    ("width", "height", "shown"),
    [
        (WIDE, 900, ("h1", *CARDS, ".plots svg >> nth=0", ".plots svg >> nth=1", ".sure p >> nth=1")),
        (390, 844, ("h1", *CARDS[:2], ".plots svg >> nth=0")),
    ],
)
def test_the_finding_its_cards_and_its_figures_are_on_the_first_screen(
    width: int, height: int, shown: tuple[str, ...], visit: Callable[..., Visit]
) -> None:
    page = visit(DEFAULT, width).page
    for what in shown:
        box = page.locator(what).bounding_box()
        assert box, what
        assert box["y"] + box["height"] <= height, what
    assert len(page.inner_text("h1").split()) <= 15


def test_the_contents_stay_in_sight_beside_the_text(visit: Callable[..., Visit]) -> None:
    page = visit(DEFAULT).page
    page.evaluate("document.querySelector('#appendix').scrollIntoView()")
    box = page.locator("nav a").first.bounding_box()
    assert box
    assert 0 <= box["y"] < 900


@pytest.mark.parametrize("scripted", [True, False])
def test_a_term_says_what_it_means_on_hover_and_on_focus(scripted: bool, visit: Callable[..., Visit]) -> None:
    page = visit(PLAIN, java_script_enabled=scripted).page
    term = page.locator("a.term").first
    term.hover()
    page.wait_for_timeout(50)
    shots = [page.screenshot(clip={"x": 0, "y": 700, "width": 900, "height": 200})]
    page.mouse.move(0, 0)
    shots.append(page.screenshot(clip={"x": 0, "y": 700, "width": 900, "height": 200}))
    assert shots[0] != shots[1], "the line is seen while the pointer is there"
    anchor = (term.get_attribute("aria-describedby") or "").removeprefix("#")
    line = term.get_attribute("data-line") or ""
    assert line.endswith(page.locator(f"#{anchor}").text_content() or "nothing")
    if scripted:
        term.focus()
        content = page.evaluate("getComputedStyle(document.activeElement, '::after').content")
        assert line[:30] in content


def test_a_link_into_a_folded_part_unfolds_it(visit: Callable[..., Visit]) -> None:
    page = visit(PLAIN).page
    assert not page.locator("#glossary-details ~ dl, .fold dl").first.is_visible()
    page.locator("nav a[href='#glossary-details']").click()
    assert page.locator("#term-pair").is_visible()


def test_the_first_column_of_a_wide_table_stays(visit: Callable[..., Visit]) -> None:
    page = visit(PLAIN, NARROW).unfold().page
    table = page.locator("#table-contrasts")
    region = page.locator(".scroll", has=table)
    region.evaluate("(region) => region.scrollLeft = 300")
    assert region.evaluate("(region) => region.scrollLeft") > 100
    left = region.bounding_box()
    head = table.locator("tbody th").first.bounding_box()
    assert left
    assert head
    assert abs(head["x"] - left["x"]) < 1
    assert "gradient" in region.evaluate("(region) => getComputedStyle(region).backgroundImage")


def test_all_columns_that_say_whose_row_it_is_stay(visit: Callable[..., Visit]) -> None:
    page = visit(PLAIN, 800).unfold().page
    table = page.locator("#table-failures-bn")
    region = page.locator(".scroll", has=table)
    cells = [table.locator("tbody tr").last.locator("th, td").nth(i) for i in range(3)]
    before = [cell.bounding_box() for cell in cells]
    region.evaluate("(region) => region.scrollLeft = 300")
    after = [cell.bounding_box() for cell in cells]
    moved = [a["x"] - b["x"] for a, b in zip(before, after, strict=True) if a and b]
    assert [abs(distance) < 1 for distance in moved] == [True, True, False]


# --- what a reader takes away


def test_the_sentence_the_rows_and_the_citation_are_copied(
    visit: Callable[..., Visit], page_of: Callable[[str], Path]
) -> None:
    page = visit(PLAIN, permissions=["clipboard-read", "clipboard-write"]).page
    said = {one["key"]: one for one in json.loads((page_of(PLAIN).parent / "report.json").read_text())["take_aways"]}
    assert list(said) == ["sentence", "latex", "citation"]
    for key, one in said.items():
        page.locator(f"[data-copy=take-{key}]").click()
        page.locator("[role=status]", has_text="Copied.").wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == one["text"]


def test_a_figure_is_saved_with_its_colours_its_title_and_its_marks(visit: Callable[..., Visit]) -> None:
    page = visit(PLAIN, scheme="dark").page
    figure = page.locator("#figure-first-pairs")
    with page.expect_download() as found:
        figure.locator("[data-save=svg]").click()
    text = found.value.path().read_text("utf-8")
    assert found.value.suggested_filename == "first-pairs.svg"
    assert "var(--" not in text
    assert "#0173b2" in text
    root = ET.fromstring(text)
    assert root[0].text == figure.locator("h2").inner_text()
    assert "interval" in (root[1].text or "")
    with page.expect_download() as found:
        figure.locator("[data-save=png]").click()
    png = found.value.path().read_bytes()
    assert png.startswith(b"\x89PNG")
    assert int.from_bytes(png[16:20], "big") == pytest.approx(3.25 * 300, abs=40)  # pixels across


def test_without_a_script_no_button_is_shown_and_the_texts_can_be_selected(visit: Callable[..., Visit]) -> None:
    page = visit(PLAIN, java_script_enabled=False).page
    assert page.locator("button:visible").count() == 0
    page.locator(".take summary").click()
    assert page.locator("#take-sentence").is_visible()


# --- its colours


@both_schemes
@pytest.mark.parametrize("forced", ["none", "active"])
@pytest.mark.parametrize("name", [DEFAULT, slow(TUNED)])
def test_words_stand_out_from_their_ground(
    name: str, scheme: browser.Scheme, forced: str, visit: Callable[..., Visit]
) -> None:
    opened = visit(name, scheme=scheme, forced_colors=forced).unfold().cut(5)
    assert opened.look("pale", 4.5, False) == []


def test_words_on_coloured_cells_stand_out(visit: Callable[..., Visit]) -> None:
    assert visit(DEFAULT).look("pale", 4.5, True) == []


def test_a_figure_is_drawn_in_the_ink_of_the_page_which_is_light_or_dark(visit: Callable[..., Visit]) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        for name in (TUNED, DEFAULT):
            opened = visit(name, scheme=scheme)
            assert opened.look("inks") == []
        grounds.append(opened.page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(255, 255, 255)", "rgb(13, 17, 23)"]


# --- its buttons


def orders(page: "Page", table: str, column: int) -> list[str]:
    """By what the rows of a table that are no totals are sorted, from the top."""
    return page.eval_on_selector_all(
        f"#table-{table} tbody:last-of-type tr", "(rows, i) => rows.map((row) => row.cells[i].dataset.order)", column
    )


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_a_heading_s_button_sorts_up_and_then_down(key: str, visit: Callable[..., Visit]) -> None:
    page = visit(PLAIN).unfold().page
    headings = page.locator("#table-contrasts thead th")
    texts = headings.all_inner_texts()
    column = next(i for i, text in enumerate(texts) if text.startswith("difference"))
    totals = page.locator("#table-contrasts tbody.totals").inner_text()
    headings.nth(column).locator("button").focus()
    for state, reverse in (("ascending", False), ("descending", True), ("ascending", False)):
        page.keyboard.press(key)
        assert headings.nth(column).get_attribute("aria-sort") == state
        found = [float(order) for order in orders(page, "contrasts", column)]
        assert found == sorted(found, reverse=reverse)
        assert len(set(found)) > 2
    assert page.locator("#table-contrasts tbody").first.inner_text() == totals


def test_rows_without_a_number_stay_last(visit: Callable[..., Visit]) -> None:
    page = visit(PLAIN).unfold().page
    before = orders(page, "pairs-bn", 0)
    assert before[0] == ""
    page.locator("#table-pairs-bn thead button").first.focus()
    for _ in range(2):
        page.keyboard.press("Enter")
        found = orders(page, "pairs-bn", 0)
        assert found[-before.count("") :] == [""] * before.count("")
        assert sorted(found) == sorted(before)


@pytest.mark.parametrize("name", [slow("in which all runs failed"), PLAIN, slow(TUNED), DEFAULT])
def test_every_column_of_every_table_sorts(name: str, visit: Callable[..., Visit]) -> None:
    assert visit(name).unfold().look("sorts") == []


# --- in time, and on paper


def test_the_default_page_can_be_used_within_a_second(visit: Callable[..., Visit]) -> None:
    """Parsed, scripted and laid out."""
    times = [visit(DEFAULT).page.evaluate("performance.getEntriesByType('navigation')[0].toJSON()") for _ in range(3)]
    assert statistics.median(time["domContentLoadedEventEnd"] for time in times) < 1000
    assert statistics.median(time["loadEventEnd"] for time in times) < 1000


def sheets(page: "Page") -> Iterator[tuple[float, str]]:
    """Width, in points, and words of every sheet of A4."""
    import pypdf

    for sheet in pypdf.PdfReader(io.BytesIO(page.pdf(format="A4"))).pages:
        yield float(sheet.mediabox.width), " ".join(unicodedata.normalize("NFKC", sheet.extract_text()).split())


@pytest.mark.parametrize("name", [PLAIN, pytest.param(DEFAULT, marks=pytest.mark.slow)])
def test_all_words_are_on_paper_those_that_are_folded_too_and_the_finding_is_on_the_first_sheet(
    name: str, visit: Callable[..., Visit], page_of: Callable[[str], Path]
) -> None:
    page = visit(name).page
    printed = list(sheets(page))
    said = json.loads((page_of(name).parent / "report.json").read_text("utf-8"))
    assert said["title"] in printed[0][1]
    assert len(printed) > 3
    assert all(590 < width < 596 for width, _ in printed)
    unfolded = visit(name).unfold().page
    unfolded.emulate_media(media="print")
    seen = re.findall(r"\w+", unicodedata.normalize("NFKC", unfolded.inner_text("body")))
    paper = " ".join(text for _, text in printed)
    unbroken = paper.replace(" ", "")  # a digest may go over two lines
    assert [word for word in seen if word not in paper and word not in unbroken] == []


@both_schemes
def test_paper_is_white(scheme: browser.Scheme, visit: Callable[..., Visit]) -> None:
    page = visit(PLAIN, scheme=scheme).page
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_a_table_over_many_sheets_has_its_headings_on_each(visit: Callable[..., Visit]) -> None:
    page = visit(PLAIN).page
    page.evaluate(
        """() => {
            const table = document.querySelector("#table-contrasts"), body = table.tBodies[1];
            for (let i = 0; i < 4; i++) body.append(...[...body.rows].map((row) => row.cloneNode(true)));
            document.body.replaceChildren(table);
        }"""
    )
    printed = [text for _, text in sheets(page)]
    assert len(printed) > 2
    assert all("verdict" in text for text in printed)


# --- hostile words, and no browser


def test_a_hostile_name_is_shown_as_text(visit: Callable[..., Visit]) -> None:
    page = visit("with a hostile name").page
    assert page.locator("script").count() == 1
    assert page.title().startswith(HOSTILE)
    assert HOSTILE in page.inner_text(".about")
    assert page.locator("dd", has_text=HOSTILE).count() >= 3


@pytest.mark.parametrize(("set_to", "outcome"), [("", pytest.skip.Exception), ("required", pytest.fail.Exception)])
def test_a_missing_browser_skips_at_home_and_fails_where_it_is_required(
    set_to: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(browser.REQUIRED, set_to)
    with pytest.raises(outcome, match="no browser: because"):
        browser.give_up("because")
