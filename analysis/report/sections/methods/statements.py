"""What is a statement of the methods? A text, when it holds, and the papers that it cites: a value.

A text has ``{words}`` of ``Facts``, and papers as ``[@key]`` or ``[@key; @key]``. What is filled in is never read as a
citation, whatever a manifest says.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.report.sections.methods.facts import Facts
from analysis.report.sections.methods.references import REFERENCES, Reference

Condition = Callable[[Facts], Any]
CITATION = re.compile(r"\s*\[((?:@\w+(?:; )?)+)\]")


def always(facts: Facts) -> bool:
    return True


def every(*conditions: Condition) -> Condition:
    """Return the condition that all of these hold."""
    return lambda facts: all(condition(facts) for condition in conditions)


def no(condition: Condition) -> Condition:
    """Return the condition that this one does not hold."""
    return lambda facts: not condition(facts)


@dataclass(frozen=True)
class Statement:
    """One or a few sentences that hold of some studies."""

    key: str
    topic: str
    """Heading of the paragraph in which it stands."""
    text: str
    holds: Condition = always


@dataclass(frozen=True)
class Citation:
    """Papers at a place of a text."""

    references: tuple[Reference, ...]

    @property
    def plain(self) -> str:
        return f" ({'; '.join(reference.short for reference in self.references)})"


Piece = str | Citation


@dataclass(frozen=True)
class Passage:
    """A paragraph of the methods, under its heading."""

    topic: str
    pieces: tuple[Piece, ...]

    @property
    def plain(self) -> str:
        """The paragraph as text, papers in brackets."""
        return "".join(piece if isinstance(piece, str) else piece.plain for piece in self.pieces)


def passages(statements: Sequence[Statement], facts: Facts) -> list[Passage]:
    """Return the statements that hold, a paragraph a topic, in the order in which the topics come first."""
    shown = [statement for statement in statements if statement.holds(facts)]
    topics = dict.fromkeys(statement.topic for statement in shown)
    return [Passage(topic, tuple(_joined(shown, topic, facts))) for topic in topics]


def cited(shown: Sequence[Passage]) -> list[Reference]:
    """Return the papers that passages cite, in the order of REFERENCES."""
    citations = [piece for passage in shown for piece in passage.pieces if isinstance(piece, Citation)]
    keys = {reference.key for citation in citations for reference in citation.references}
    return [reference for key, reference in REFERENCES.items() if key in keys]


def _joined(shown: Sequence[Statement], topic: str, facts: Facts) -> Iterator[Piece]:
    of_topic = [statement for statement in shown if statement.topic == topic]
    for i, statement in enumerate(of_topic):
        yield from [" "][:i]
        yield from _pieces(statement.text, facts)


def _pieces(text: str, facts: Facts) -> Iterator[Piece]:
    """Yield the text with its words filled in, and its citations."""
    for i, part in enumerate(CITATION.split(text)):
        if i % 2:
            yield Citation(tuple(REFERENCES[key.strip(" @")] for key in part.split(";")))
        elif part:
            yield part.format_map(facts)
