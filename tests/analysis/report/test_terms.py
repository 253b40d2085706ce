"""Words of the glossary carry their line, once a section, and nothing else of the text changes."""

import re

from analysis.report.html.terms import Terms, anchor

TERMS = Terms({"pair": "two runs that <differ> in one thing", "p": "a probability", "sup-t": "a band"})


def plain(marked: str) -> str:
    return re.sub("<[^>]+>", "", marked)


def test_the_first_of_each_term_is_a_link_to_its_line_and_says_it() -> None:
    seen: set[str] = set()
    marked = TERMS.mark("Every pair, all pairs: p = 0.03 & sup-t.", seen)
    assert plain(marked) == "Every pair, all pairs: p = 0.03 &amp; sup-t."
    assert re.findall('href="#([^"]+)"', marked) == ["term-pair", "term-p", "term-sup-t"]
    assert 'data-line="pair: two runs that &lt;differ&gt; in one thing"' in marked
    assert 'aria-describedby="term-pair"' in marked
    assert "<a" not in TERMS.mark("Another pair, by sup-t: p = 0.04.", seen)


def test_no_part_of_a_word_is_a_term() -> None:
    assert "<a" not in TERMS.mark("Repair the pairing; step-p up-p.", set())


def test_a_text_is_escaped_whether_it_has_terms_or_not() -> None:
    for text in ("<script>", "a pair <script>"):
        assert "<script>" not in TERMS.mark(text, set())
    assert "<script>" not in Terms({}).mark("<script>", set())


def test_two_terms_have_two_anchors() -> None:
    from analysis.report.sections.glossary import TERMS as GLOSSARY

    assert len({anchor(term) for term in GLOSSARY}) == len(GLOSSARY)
