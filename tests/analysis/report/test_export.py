"""The export for a paper: LaTeX takes it, and its numbers and sentences are those of report.json."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analysis.report.export import latex
from study.spec.arms import ARMS
from study.spec.factors import FACTORS
from tests import latex as tex
from tests.analysis.report.exported import SPECIALS, Make, every_study

# --- LaTeX


@every_study
def test_latex_and_bibtex_take_the_fragments_without_a_word(name: str, exported: Make, tmp_path: Path) -> None:
    tex.need()
    said = tex.typeset(exported(name).write(tmp_path))
    assert (tmp_path / "paper.pdf").read_bytes().startswith(b"%PDF")
    assert not re.findall(r"Warning[^\n]*|Overfull[^\n]*|undefined[^\n]*", said)


@every_study
def test_the_fragments_look_like_latex_and_every_paper_is_cited_and_listed(name: str, exported: Make) -> None:
    texts = exported(name).texts
    for fragment in ("table.tex", "methods.tex", "references.bib"):
        assert tex.faults(texts.get(fragment, "")) == [], fragment
    assert tex.faults_of_references(texts["methods.tex"], texts["references.bib"]) == []
    rows = re.findall(r"^.* \\\\$", texts.get("table.tex", ""), re.MULTILINE)
    assert len({len(re.findall(r"(?<!\\)&", row)) for row in rows}) == (name != "of one arm")


def test_what_is_wrong_with_a_fragment_is_seen(exported: Make) -> None:
    texts = exported("with a hostile name").texts
    methods_tex, bib = texts["methods.tex"], texts["references.bib"]
    for planted, fault in (
        ("50 % of", "% is not escaped"), ("a_b", "_ is not escaped"), ("a & b", "& is not escaped"),
        ("#1", "# is not escaped"), ("x^2", "^ is not escaped"), ("$5", "$ is not escaped"),
        ("{", "braces do not match"), ("한", "a character beyond ASCII"),
    ):  # fmt: skip
        assert fault in tex.faults(methods_tex + planted)
    assert tex.faults_of_references(methods_tex + r"\cite{nobody2000}", bib) == ["nobody2000 has no entry"]
    assert tex.faults_of_references(methods_tex, bib + "@book{nobody2000,\n}") == ["nobody2000 is not cited"]
    assert tex.faults_of_references(methods_tex, bib + bib) != []


def test_latex_refuses_what_the_eye_refuses(tmp_path: Path, exported: Make) -> None:
    tex.need()
    exported("of one arm").write(tmp_path)
    (tmp_path / "methods.tex").write_text("a_b")
    with pytest.raises(AssertionError, match="Missing"):
        tex.typeset(tmp_path)


def test_a_hostile_name_is_text_in_the_caption_and_a_plain_key(exported: Make) -> None:
    table = exported("with a hostile name").texts["table.tex"]
    shown = r"50~\%\_\&\#\$ \{x\} \textbackslash{}y \textasciitilde{}\textasciicircum{}"
    assert f"(study {shown} $<$a$|$b$>$ [c] {{\\`{{}}}}q{{\\`{{}}}} -- M{{\\o}}ller {{\\'{{e}}}} U+D55C)" in table
    assert re.search(r"\\label\{tab:[A-Za-z0-9-]+\}", table)
    markdown = exported("with a hostile name").texts["table.md"]
    assert re.sub(r"\\(.)", r"\1", markdown).startswith(f"Test accuracy on scikit-learn's digits (study {SPECIALS})")


@pytest.mark.parametrize("text", ["a\n\\input{x}", "\x00\x07", "x\u2028y", "\u202eabc", "é" * 50])
def test_no_text_of_a_manifest_is_a_command(text: str) -> None:
    assert tex.faults(latex.escape(text)) == []
    assert "\n" not in latex.escape(text)
    assert r"\input" not in latex.escape(text)


# --- numbers


def rows_of(markdown: str) -> list[list[str]]:
    lines = [line for line in markdown.splitlines() if line.startswith("|")][2:]
    return [[re.sub(r"\\(.)", r"\1", cell) for cell in re.split(r" (?<!\\)\| ", line[2:-2])] for line in lines]


def expected(said: dict[str, Any], arm: str) -> Iterator[dict[str, Any]]:
    """The numbers of the table, from report.json: the parts, then the settings that are none of them."""
    answer = said["answers"][arm]
    parts = [answer[key] for key in ("best", "setting", "mean") if answer[key] is not None]
    for part in parts:
        interval = part["difference"]
        yield {**part, "n": part["n"], "ends": [interval[end] for end in ("estimate", "low", "high")]}
    told = [answer["setting"]["cells"][arm]] if answer["setting"] else []
    for contrast in said["contrasts"]:
        cell = [contrast[key] for key in FACTORS if key in contrast]
        if (contrast["arm"], contrast["endpoint"]) == (arm, "last3") and cell[0] is not None and cell not in told:
            shown = contrast["ci"] if contrast["joint"] is None else contrast["joint"]["ci"]
            ends = [contrast["mean_diff"], shown["low"], shown["high"]]
            yield {**contrast, "n": contrast["n_pairs"], "ends": ends}


@every_study
def test_the_values_of_the_table_are_those_of_report_json(name: str, exported: Make) -> None:
    one = exported(name)
    said = json.loads(json.dumps(one.report))
    arms = one.study.treatments
    wanted = {arm: [*expected(said, arm)] for arm in arms}
    rows = rows_of(one.texts["table.md"]) if arms else []
    assert len(rows) == sum(map(len, wanted.values()))
    of_arm = {arm: [row for row in rows if len(arms) == 1 or row[1] == ARMS[arm].short] for arm in arms}
    for arm in arms:
        for row, of in zip(of_arm[arm], wanted[arm], strict=True):
            assert_row_says(row[-6:], of)
    tex_rows = re.findall(r"^(.*) \\\\$", one.texts.get("table.tex", ""), re.MULTILINE)[1:]
    assert [numbers(line) for line in tex_rows] == [numbers(" | ".join(row)) for row in rows]


def assert_row_says(cells: list[str], of: dict[str, Any]) -> None:
    n, baseline, arm, difference, failed, verdict = cells
    assert n.split(" ")[0] == f"{of['n']:,}"
    for shown, value in ((baseline, of["mean_baseline"]), (arm, of["mean_arm"])):
        assert shown == ("–" if value is None else f"{100 * value:.2f}")
    assert_says(difference, of["ends"])
    assert failed == f"{of['n_failed_baseline']} | {of['n_failed_arm']} of {of['n_runs']}"
    assert verdict.rstrip("*") == {"description": "no verdict"}.get(of["verdict"], of["verdict"])
    tipping = of["tipping"]
    assert verdict.endswith("*") == (tipping is not None and tipping["qualified"])


def assert_says(text: str, ends: list[float | None]) -> None:
    """An estimate in points with its interval: rounded, and no end that is not shown is known."""
    found = numbers(text)
    known = [end for end in ends if end is not None]
    assert len(found) in (len(known), 1 if known else 0)
    for shown, value in zip(found, known, strict=False):
        assert float(shown) == pytest.approx(100 * value, abs=0.5 * 10.0 ** -len(shown.partition(".")[2]) + 1e-9)


def numbers(text: str) -> list[str]:
    return re.findall(r"[+-]?\d+(?:\.\d+)?", text.replace("$-$", "-").replace("$|$", "|").replace(",", ", "))


@every_study
def test_the_sentences_are_the_headlines_of_report_json(name: str, exported: Make) -> None:
    one = exported(name)
    headlines = [part["headline"] for verdict in one.report["verdicts"] for part in verdict["parts"]]
    assert one.texts["sentence.txt"].splitlines() == (headlines or one.report["warnings"])
