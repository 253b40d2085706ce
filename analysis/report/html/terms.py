"""Words of the glossary where they stand in the text: each carries its line, on hover and on focus, without a script.

The first of each in a section becomes a link to the glossary, described by its line there for those who hear the page.
"""

import re
from collections.abc import Mapping

from markupsafe import Markup, escape


class Terms:
    """The terms of a page by what they mean."""

    def __init__(self, meanings: Mapping[str, str]):
        self.meanings = meanings
        longest_first = sorted(meanings, key=lambda term: (-len(term), term))
        spelled = "|".join(map(re.escape, longest_first))
        self.pattern = re.compile(rf"(?<![\w'-])({spelled})(s?)(?![\w-])") if meanings else None

    def mark(self, text: str, seen: set[str]) -> Markup:
        """Return the text, escaped, with a link at each term that is not in ``seen``, which then has it."""
        if self.pattern is None:
            return escape(text)
        parts, end = [], 0
        for match in self.pattern.finditer(text):
            if match[1] not in seen:
                seen.add(match[1])
                parts += [escape(text[end : match.start()]), self._link(match[1], match[0])]
                end = match.end()
        return Markup("").join([*parts, escape(text[end:])])

    def _link(self, term: str, spelled: str) -> Markup:
        return Markup('<a class="term" href="#{0}" data-line="{1}: {2}" aria-describedby="{0}">{3}</a>').format(
            anchor(term), term, self.meanings[term], spelled
        )


def anchor(term: str) -> str:
    """Return the id of a term's line in the glossary.

    >>> anchor("p-value"), anchor("A/A test")
    ('term-p-value', 'term-a-a-test')
    """
    return "term-" + re.sub(r"[^a-z0-9]+", "-", term.lower()).strip("-")
