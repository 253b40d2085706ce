"""Contrasts and figures -> one HTML file that needs nothing beside itself: no script, no request."""

import base64
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import jinja2

from analysis import words
from analysis.contrasts import Contrast
from analysis.pairs import Study


@dataclass(frozen=True)
class Picture:
    """A figure on the page: its SVG, and the words that stand for it and below it."""

    svg: bytes
    alt: str
    caption: str

    @property
    def source(self) -> str:
        """As a data address, so that the ids of one SVG cannot meet those of another."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg).decode()


def render(study: Study, report: dict[str, Any], found: list[Contrast], pictures: dict[str, Picture]) -> str:
    """The page; ``report`` is what ``report.json`` holds, so that page and file agree by construction."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    for name in ("percent", "points", "interval", "p_value", "p_fraction", "rate", "endpoint"):
        environment.filters[name] = getattr(words, name)
    environment.filters["pretty"] = lambda value: json.dumps(value, indent=2, ensure_ascii=False)
    here = files("analysis")
    template = environment.from_string(here.joinpath("page.html.jinja").read_text("utf-8"))
    return template.render(
        study=study,
        manifest=study.manifest,
        report=report,
        contrasts=found,
        pictures=pictures,
        arm_names=words.ARM_NAMES,
        css=here.joinpath("page.css").read_text("utf-8"),
    )
