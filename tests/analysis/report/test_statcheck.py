"""Every p, every interval and every verdict on the page is that of the records, recomputed by an oracle that shares
no line with ``analysis`` (what the R package statcheck does for papers)."""

import html.parser
import json
import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from analysis.report import __main__ as report
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.runs import Run
from tests import ROOT
from tests.analysis.planted import plant
from tests.analysis.report.oracle.expectation import expectation
from tests.analysis.report.oracle.spelling import VERDICTS, Expected, ExpectedTable, Row, pattern

REFERENCE = ROOT / "results" / "reference-mnist"
INTERVAL = re.compile(r"\[[^][]*\d[^][]*,[^][]*\d[^][]*\]")
TERM = re.compile(r'<a class="term"[^>]*>(.*?)</a>')
P_VALUE = re.compile(r"\bp\s*[=<>≤]\s*[\d.]")
VERDICT = re.compile(
    rf"\b({'|'.join(sorted([*VERDICTS, *VERDICTS.values()], key=len, reverse=True))})\b", re.IGNORECASE
)
TITLE = re.compile(r"(\d+\. )?Cell by cell")
"""Of a part: a question, no verdict."""
NO_VERDICTS_IN = ("methods", "glossary")
"""Parts that explain what a verdict is and give none."""
TEST_NAMED = re.compile(r"t test|sign-flip|exact test|Wilcoxon|McNemar|max-T", re.IGNORECASE)
N_NAMED = re.compile(r"\b\d[\d,]* seeds?\b")
NEVER = {
    "a p of zero": re.compile(r"\bp = 0\.0*(?!\d)|= 0\.000\b|^p\b.*: 0\.0*$"),
    "no number": re.compile(r"\b(nan|NaN|None|null|inf)\b"),
    "a rate of zero": re.compile(r"\brate( with BN| without BN)?:? 0\.0*(?!\d)"),
}
"""Sought in what is seen, a cell as head, colon, text."""


class Page(html.parser.HTMLParser):
    """What a reader sees: tables by name, and the rest as text by part. Code and downloads are quotations."""

    WITHIN = ("a", "b", "em", "i", "span", "strong", "g", "tspan")
    UNSEEN = ("style", "script", "code")

    def __init__(self, text: str):
        super().__init__()
        self.tables: dict[str, list[Row]] = {}
        self.prose: list[tuple[str, str]] = []
        self.drawn: list[tuple[str, str]] = []
        self.part, self.tags, self.words = "header", [""], ""
        self.heads: list[str] = []
        self.cells: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attrs}
        if tag in ("meta", "path", "use", "br"):
            return
        if tag == "section":
            self.part = found.get("aria-labelledby", "a part without a name").removesuffix("-details")
        if tag not in self.WITHIN:
            self._flush()
        if tag == "table":
            self.rows = self.tables.setdefault(found["id"].removeprefix("table-"), [])
            self.heads = []
        self.prose += [(self.part, found[key]) for key in ("aria-label", "alt", "title") if key in found]
        self.tags.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Paths of a drawing."""

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.WITHIN:
            self._flush()
        assert self.tags.pop() == tag
        if tag == "tr":
            if self.heads:
                self.rows.append(dict(zip(self.heads, self.cells, strict=True)))
            else:
                self.heads = [f"{head} (2)" if head in self.cells[:i] else head for i, head in enumerate(self.cells)]
            self.cells = []

    def handle_data(self, data: str) -> None:
        if not set(self.UNSEEN) & {*self.tags}:
            self.words += data

    def _flush(self) -> None:
        """What was read since the last boundary goes where it belongs."""
        text, self.words = " ".join(self.words.split()), ""
        if self.tags[-1] in ("td", "th"):
            self.cells.append(text)
        elif text:
            drawn = "svg" in self.tags and self.tags[-1] not in ("title", "desc")
            (self.drawn if drawn else self.prose).append((self.part, text))


def differences(text: str, study: Path, alpha: float = 0.05, margin: float = 0.002, *others: Path) -> list[str]:
    """What the page says that the records do not, or the other way round; a line each."""
    page, expected = Page(text), expectation(study, alpha, margin, others)
    return [*_in_tables(page, expected), *_in_words(page, expected), *_never(page)]


def _in_tables(page: Page, expected: Expected) -> Iterator[str]:
    for name in expected.tables.keys() - page.tables.keys():
        yield f"table {name}: is not on the page"
    for name, rows in page.tables.items():
        rule = expected.tables.get(name)
        if rule is None:
            claims = [(head, text) for row in rows for head, text in row.items() if _claims(head, text)]
            yield from (f"table {name}: no rule for {text!r} under {head!r}" for head, text in claims)
        else:
            yield from (f"table {name}: {difference}" for difference in _in_rows(rows, rule))


def _in_rows(rows: list[Row], rule: ExpectedTable) -> Iterator[str]:
    found = {tuple(row[key] for key in rule.keys): row for row in rows}
    if len(found) != len(rows):
        yield f"{len(rows) - len(found)} rows are there twice"
    yield from (f"the row {key} is not on the page" for key in rule.rows.keys() - found.keys())
    yield from (f"the row {key} should not be there" for key in found.keys() - rule.rows.keys())
    for key in found.keys() & rule.rows.keys():
        yield from _in_cells(key, found[key], rule.rows[key])


def _in_cells(key: tuple[str, ...], found: Row, wanted: Row) -> Iterator[str]:
    yield from (f"{key}: there is no column {head!r}" for head in wanted.keys() - found.keys())
    for head, text in found.items():
        if head not in wanted:
            if _claims(head, text):
                yield f"{key}: no rule for {text!r} under {head!r}"
            continue
        right = wanted[head](found) if callable(wanted[head]) else wanted[head]
        if not re.fullmatch(pattern(right), text):
            yield f"{key}: {text!r} under {head!r} should be {right!r}"


def _claims(head: str, text: str) -> bool:
    """Whether a cell holds a p, an interval or a verdict."""
    is_p = re.match(r"p\b", head) is not None and any(character.isdigit() for character in text)
    return is_p or bool(INTERVAL.search(text) or P_VALUE.search(text) or VERDICT.match(text))


def _in_words(page: Page, expected: Expected) -> Iterator[str]:
    """Of each text that is left which is no phrase of the oracle, and each phrase that no text has."""
    for texts, phrases in ((page.prose, expected.prose), (page.drawn, expected.drawn)):
        for part in {part for part, _ in texts} | phrases.keys():
            known = {phrase: re.compile(pattern(phrase)) for phrase in phrases.get(part, [])}
            here = [text for where, text in texts if where == part]
            yield from (f"{part}: not said: {p!r}" for p, sought in known.items() if not any(map(sought.search, here)))
            every = [known[phrase].pattern for phrase in sorted(known, key=len, reverse=True)]
            yield from (line for text in here for line in _left(part, re.sub("|".join(every) or "(?!)", " ✓ ", text)))


def _left(part: str, text: str) -> Iterator[str]:
    no_verdict = part in NO_VERDICTS_IN or TITLE.fullmatch(text)
    kinds = {"interval": INTERVAL, "p": P_VALUE} | ({} if no_verdict else {"verdict": VERDICT})
    for kind, sought in kinds.items():
        found = sought.search(text)
        if found:
            yield f"{part}: {kind} that the records do not have: {text[max(0, found.start() - 80) :][:200]!r}"


def _never(page: Page) -> Iterator[str]:
    cells = [
        (name, f"{head}: {text}") for name, rows in page.tables.items() for row in rows for head, text in row.items()
    ]
    for where, text in [*page.prose, *page.drawn, *cells]:
        yield from (f"{where}: {what}: {text[:200]!r}" for what, sought in NEVER.items() if sought.search(text))
    for where, text in page.prose:
        sentences = [one for one in re.split(r"(?<=\.)\s+(?=[A-Z])", text) if P_VALUE.search(one)]
        yield from (f"{where}: a p without its test or n: {one!r}" for one in sentences if not _named(one))


def _named(sentence: str) -> bool:
    return bool(TEST_NAMED.search(sentence) and N_NAMED.search(sentence))


OUTCOMES = {
    Cell(32, 0.001): (12, 15, 11, 14, 12, 13, 16, 12),
    Cell(32, 0.01): (1, -1, 0, 2, -2, 0, 1, -1),
    Cell(32, 0.1): (5, 7, 3, 4, 9, 2, 6, 5),
    Cell(64, 0.001): (4, 4, 4, 4, 4, 4, 4, 4),
    Cell(64, 0.01): (-6, -5, -7, -6, -9, -5, -6, -8),
    Cell(64, 0.1): (2, 3, 0, 1, 2, 2, 4, -1),
}
"""Images of 360 that batch norm gains, by seed: better, ties and zeros, with failures, constant, worse, small."""
WOBBLE = (0, 2, 5, 1, 7, 3, 4, 6)
DESIGN = Design("digits", batch_sizes=(32, 64), lrs=(0.001, 0.01, 0.1), seeds=tuple(range(8)), epochs=4)
LOST = {Run(64, 0.1, seed=7, arm="bn")}


def score(run: Run, epoch: int) -> float | None:
    """Without batch norm, at batch size 32 and rate 0.1, four seeds diverge, one stays at chance and one ends at twice
    chance, which is no failure; with it one diverges too, where the other arm has."""
    gain = OUTCOMES.get(run.cell, WOBBLE)[run.seed % 8] if run.arm == "bn" else 0
    if run.cell == Cell(32, 0.1):
        first_bad = {"bn": {3: 4}, "no_bn": {0: 2, 1: 2, 2: 3, 3: 2}}[run.arm].get(run.seed)
        if first_bad is not None and epoch >= first_bad:
            return None
        if run.arm == "no_bn" and run.seed in (4, 5):
            return (36 if run.seed == 4 else 72) / 360
    wobble = 0 if run.cell == Cell(64, 0.001) else WOBBLE[run.seed % 8]
    return (300 + 6 * epoch + wobble * (1 + epoch % 2) + gain) / 360


def other_score(run: Run, epoch: int) -> float:
    gain = 8 + run.seed * run.cell.batch_size % 7 if run.arm == "bn" else 0
    return (290 + 5 * epoch + run.seed * 7 % 5 + gain) / 360


def written(folder: Path, *options: str) -> str:
    """The page of a study, without the links that lead from its words to the glossary."""
    assert report.main([str(folder), *options]) == 0
    return TERM.sub(r"\1", (folder / "report.html").read_text("utf-8"))


@pytest.fixture(scope="module")
def planted_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plant(tmp_path_factory.mktemp("results") / "planted", DESIGN, score, lost=LOST)


@pytest.fixture(scope="module")
def page(planted_study: Path) -> str:
    return written(planted_study)


@pytest.fixture(scope="module")
def known(page: str, planted_study: Path) -> set[str]:
    """What is wrong with the page before it is altered."""
    return set(differences(page, planted_study))


def test_a_page_says_what_the_records_say_with_ties_failures_and_a_missing_pair(page: str, planted_study: Path) -> None:
    assert differences(page, planted_study) == []
    verdicts = {row["verdict"].split(" (")[0] for row in Page(page).tables["contrasts"]}
    assert {"better", "worse", "inconclusive", "description", "withheld", "counts alone"} <= verdicts


@pytest.mark.slow
def test_beside_another_study_and_at_another_level_too(tmp_path: Path) -> None:
    here = Design("digits", batch_sizes=(32, 64), lrs=(0.01, 0.1), seeds=tuple(range(8)), epochs=4)
    there = Design("digits", batch_sizes=(16, 32), lrs=(0.01, 0.1), seeds=tuple(range(2, 10)), epochs=3)
    study = plant(tmp_path / "here", here, score, lost=LOST)
    other = plant(tmp_path / "there", there, other_score)
    text = written(study, "--alpha", "0.1", "--margin", "0.02", "--compare", str(other))
    assert differences(text, study, 0.1, 0.02, other) == []
    found = Page(text).tables
    assert {"equivalent", "withheld", "counts alone"} <= {row["verdict"] for row in found["effect-bn"]}
    assert len(found["compared-bn"]) == 4


def test_differences_that_are_equal_or_cancel_are_so_though_rounding_says_otherwise(tmp_path: Path) -> None:
    """In one cell every seed gains four images; over both cells the sixth seed gains nothing."""
    gains = {0.01: (4,) * 7, 0.1: (9, 5, 7, 6, 8, -4, 5)}

    def cancelling(run: Run, epoch: int) -> float:
        gain = gains[run.cell.lr][run.seed] if run.arm == "bn" else 0
        return (300 + 7 * epoch + WOBBLE[run.seed] * epoch + gain) / 360

    study = plant(
        tmp_path / "rounded", Design("digits", ("bn", "no_bn"), (32,), (0.01, 0.1), tuple(range(7)), 3), cancelling
    )
    assert differences(written(study), study) == []


@pytest.mark.slow
def test_a_study_of_one_cell_at_99_percent_in_which_the_arms_hardly_differ(tmp_path: Path) -> None:
    gains = (30, -30, 20, -20, 10, -10, 1)

    def hardly(run: Run, epoch: int) -> float:
        return (250 + 7 * epoch + (gains[run.seed] if run.arm == "bn" else 0)) / 360

    study = plant(tmp_path / "one", Design("digits", ("bn", "no_bn"), (32,), (0.01,), tuple(range(7)), 3), hardly)
    assert differences(written(study, "--alpha", "0.01"), study, alpha=0.01) == []


def trimmed(folder: Path) -> Path:
    """The reference study with six seeds and two cells, and its ablation under three conditions."""
    shutil.copytree(REFERENCE, folder, ignore=shutil.ignore_patterns("figures", "tables", "report.*"))
    kept = {"seed": list(range(6)), "batch_size": [32], "lr": [0.01, 0.1]}
    conditions = {"shift": ["clean", "invert", "one_class"], "severity": [0, 3]}
    for path in folder.glob("*.parquet"):
        table = pq.read_table(path)
        for name, values in (kept | conditions).items():
            if name in table.column_names:
                table = table.filter(pc.is_in(table[name], pa.array(values, table[name].type)))
        pq.write_table(table, path)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    names = {"seed": "seeds", "batch_size": "batch_sizes", "lr": "lrs"}
    manifest["design"] |= {names[name]: values for name, values in kept.items()}
    del manifest["tables"]  # the digests of what was cut
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    return folder


def test_real_networks_and_every_way_to_predict_too(tmp_path: Path) -> None:
    study = trimmed(tmp_path / "some-of-mnist")
    text = written(study)
    assert differences(text, study) == []
    assert {"tutorial", "modes-clean", "modes", "calibration", "swaps", "compositions"} <= Page(text).tables.keys()


@pytest.mark.slow
def test_the_reference_study_is_right_in_every_number(tmp_path: Path) -> None:
    study = tmp_path / "reference-mnist"
    shutil.copytree(REFERENCE, study)
    assert differences(written(study), study) == []


PLACES = {
    "p": r"(?:\bp = |\bp &lt; |>&lt; |\d/\d+ = |\d/\d+ &lt; )[\d./]*\d",
    "interval": r"\[[+-]?\d[\d.]*, [+-]?\d[\d.]*\]",
    "verdict": r"(?<=[>(])(?:better|worse|equivalent|inconclusive|mixed|withheld)(?=[<,) ])"
    r"|(?<=normalisation )(?:raises|raised|lowers|lowered)(?= test)",
}


def altered(text: str, kind: str, chosen: random.Random) -> str:
    """The page with one digit of a p or of an interval's end another one, or with another verdict."""
    quoted = [span.span() for span in re.finditer(r"<(code|style|script|title)\b.*?</\1>", text, re.DOTALL)]
    found = [place for place in re.finditer(PLACES[kind], text) if not any(a < place.start() < b for a, b in quoted)]
    place = chosen.choice(found)
    if kind == "verdict":
        opposite = {"better": "worse", "raises": "lowers", "raised": "raises", "lowers": "raises", "lowered": "raised"}
        instead = opposite.get(place.group(), "better")
        return text[: place.start()] + instead + text[place.end() :]
    at = chosen.choice([i for i in range(*place.span()) if text[i].isdigit()])
    return f"{text[:at]}{(int(text[at]) + chosen.randint(1, 9)) % 10}{text[at + 1 :]}"


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 8))])
@pytest.mark.parametrize("kind", PLACES)
def test_one_wrong_digit_or_verdict_anywhere_is_reported(
    kind: str, seed: int, page: str, known: set[str], planted_study: Path
) -> None:
    wrong = altered(page, kind, random.Random(seed))
    assert wrong != page
    assert set(differences(wrong, planted_study)) - known


@pytest.mark.parametrize(
    ("addition", "words"),
    [
        ('<table id="table-new"><tr><th>p</th></tr><tr><td>0.03</td></tr></table>', "no rule for '0.03'"),
        ('<table id="table-new"><tr><th>said</th></tr><tr><td>inconclusive</td></tr></table>', "no rule for"),
        ("<p>The difference is +1.5 [+1.2, +1.8] points.</p>", "interval that the records do not have"),
        ("<p>It is worse, by the paired t test (10 seeds: p = 0.03).</p>", "verdict that the records do not have"),
        ("<p>The difference is real: p = 0.002.</p>", "a p without its test or n"),
        ("<p>By the t test, 10 seeds: p = 0.000.</p>", "a p of zero"),
        ("<p>The mean is nan at rate 0.00.</p>", "no number"),
        ("<p>The mean is at rate 0.00.</p>", "a rate of zero"),
    ],
)
def test_a_claim_without_a_rule_is_reported(addition: str, words: str, page: str, planted_study: Path) -> None:
    found = differences(page.replace('<h2 id="map">', f'{addition}<h2 id="map">'), planted_study)
    assert any(words in line for line in found)


def test_a_row_or_a_sentence_that_is_gone_is_reported(page: str, planted_study: Path) -> None:
    row = re.search(r'<tr><th scope="row"[^>]* data-order="32">32</th>.*?</tr>', page)
    assert row
    assert any("is not on the page" in line for line in differences(page.replace(row.group(), "", 1), planted_study))
    silent = page.replace("The difference vanishes if", "The difference holds if")
    assert any("not said" in line for line in differences(silent, planted_study))
