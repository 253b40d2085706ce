"""Papers as entries of a BibTeX file."""

from collections.abc import Iterator, Sequence

from analysis.report.export.latex import escape
from analysis.report.sections.methods.references import Reference

VENUE = {"article": "journal", "inproceedings": "booktitle", "book": "publisher", "misc": "howpublished"}
"""The field of the venue by type of entry."""


def entries(papers: Sequence[Reference]) -> str:
    """Return an entry for each paper."""
    return "\n".join(map(_entry, papers))


def _entry(paper: Reference) -> str:
    fields = ",\n".join(f"  {name} = {{{value}}}" for name, value in _fields(paper))
    return f"@{paper.kind}{{{paper.key},\n{fields}\n}}\n"


def _fields(paper: Reference) -> Iterator[tuple[str, str]]:
    """Yield the fields; braces keep the letters of titles and institutions as they are."""
    yield "author", " and ".join(map(_author, paper.authors))
    yield "title", f"{{{escape(paper.title)}}}"
    yield VENUE[paper.kind], escape(paper.venue)
    if paper.volume:
        yield "volume", paper.volume
    if paper.pages:
        yield "pages", paper.pages.replace("-", "--")
    yield "year", str(paper.year)


def _author(name: str) -> str:
    """Return a name; one without a comma is an institution or a single name, ``others`` BibTeX's own word."""
    return escape(name) if "," in name or name == "others" else f"{{{escape(name)}}}"
