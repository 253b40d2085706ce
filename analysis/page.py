"""Contrasts and figures -> one HTML file that needs nothing beside itself: no script, no request."""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import jinja2

from analysis import words
from analysis.findings import Results
from analysis.pictures import Picture
from analysis.sections import mode_sections, sections
from analysis.tables import ENDPOINTS, Study


def render(study: Study, report: Mapping[str, Any], found: Results, pictures: Mapping[str, Picture]) -> str:
    """The page, from what ``report.json`` holds (``report``) and the results that it was made of."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    for name in ("percent", "points", "interval", "p_value", "p_fraction", "rate", "level", "endpoint", "decimals"):
        environment.filters[name] = getattr(words, name)
    environment.filters["pretty"] = lambda value: json.dumps(value, indent=2, ensure_ascii=False)
    here = files("analysis")
    template = environment.from_string(here.joinpath("page.html.jinja").read_text("utf-8"))
    return template.render(
        study=study,
        manifest=study.manifest,
        report=report,
        contrasts=found.contrasts,
        sections=[
            *([] if found.modes is None else mode_sections(found.modes, report["ledger"])),
            *(section for of_arm in found.of_arms.values() for section in sections(of_arm)),
        ],
        endpoints=list(ENDPOINTS),
        pictures=pictures,
        arm_names=words.ARM_NAMES,
        css=here.joinpath("page.css").read_text("utf-8"),
    )
