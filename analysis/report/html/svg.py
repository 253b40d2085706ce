"""A figure's SVG as it stands inside the page: one for a light and a dark background, under a strict policy.

Black becomes the text colour of the page and the palette its variables, each with the colour that holds where the
drawing is taken out of the page; style attributes, which the page's policy forbids, become presentation attributes; ids
get the drawing's name, so that those of one cannot meet another's.
"""

import re
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from analysis.report.figures.style import BLUE, GREEN, GREY, PALETTE, PURPLE, VERMILLION

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
SCALE = 16 / 9
"""Pixels of the page to a point of the figure, where there is room."""
NAMES = {
    BLUE: "blue",
    VERMILLION: "vermillion",
    GREEN: "green",
    PURPLE: "purple",
    PALETTE[5]: "brown",
    PALETTE[9]: "sky",
    GREY: "grey",
}
COLOURS = {"#000000": "currentColor", "black": "currentColor"}
COLOURS |= {colour: f"var(--{name}, {colour})" for colour, name in NAMES.items()}
BACKGROUND = "#ffffff"


@dataclass(frozen=True)
class Words:
    """What a drawing says to those who cannot see it, and to those who find it without its page."""

    alt: str
    title: str
    description: str


def inline(svg: bytes, name: str, words: Words, kind: str) -> str:
    """Return the SVG element for the file ``svg`` of matplotlib; ``name`` is unique on the page, ``kind`` the name of
    the width that it was drawn for."""
    root = ET.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if _tag(child) in ("metadata", "style"):
                parent.remove(child)
    used = {id_ for element in root.iter() for value in element.attrib.values() for id_ in _references(value)}
    for element in root.iter():
        _present(element)
        _rename(element, name, used)
        element.tag = _tag(element)
    _drop_background(root)
    _size(root)
    root.attrib.pop("version", None)
    root.attrib |= {"role": "img", "aria-label": words.alt, "class": f"drawing {kind}", "fill": "currentColor"}
    for tag, text in (("desc", words.description), ("title", words.title)):
        element = ET.Element(tag)
        element.text = text
        root.insert(0, element)
    return ET.tostring(root, encoding="unicode", short_empty_elements=True)


def _tag(element: ET.Element) -> str:
    return element.tag.removeprefix(f"{{{SVG}}}")


def _references(value: str) -> list[str]:
    return [whole or inner for whole, inner in re.findall(r"^#([\w-]+)$|url\(#([\w-]+)\)", value)]


def _present(element: ET.Element) -> None:
    """Turn properties of the style attribute into attributes, colours into those of the page, and shorten numbers."""
    style = element.attrib.pop("style", "")
    for declaration in filter(None, map(str.strip, style.split(";"))):
        key, _, value = declaration.partition(":")
        element.attrib |= _font(value.strip()) if key == "font" else {key.strip(): value.strip()}
    element.attrib.pop("font-family", None)
    for key in ("fill", "stroke"):
        if key in element.attrib:
            element.set(key, COLOURS.get(element.attrib[key], element.attrib[key]))
    for key in ("d", "x", "y", "transform", "points", "width", "height"):
        if key in element.attrib:
            element.set(key, _short(element.attrib[key]))


def _font(value: str) -> dict[str, str]:
    """Return ``font: bold 12px 'sans-serif'`` as attributes, less the family, which is the page's."""
    size = re.search(r"([\d.]+)px", value)
    weight = re.search(r"\b(bold|[1-9]00)\b", value.split("px")[0])
    attributes = {"font-size": size.group(1)} if size else {}
    return attributes | ({"font-weight": weight.group(1)} if weight else {})


def _short(numbers: str) -> str:
    """Return path numbers rounded to hundredths of a point, which are enough."""
    rounded = re.sub(r"-?\d+\.\d+", lambda match: f"{float(match.group()):.2f}".rstrip("0").rstrip("."), numbers)
    return " ".join(rounded.split())


def _rename(element: ET.Element, name: str, used: set[str]) -> None:
    own = element.attrib.pop("id", None)
    if own in used:
        element.set("id", f"{name}-{own}")
    target = element.attrib.pop(f"{{{XLINK}}}href", None)
    if target:
        element.set("href", target if target.startswith("data:") else f"#{name}-{target[1:]}")
    for key, value in element.attrib.items():
        if value.startswith("url(#"):
            element.set(key, f"url(#{name}-{value[5:]}")


def _drop_background(root: ET.Element) -> None:
    """Remove the white backgrounds of figure and axes: the page has its own."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == "path" and child.get("fill") == BACKGROUND and "stroke" not in child.attrib:
                parent.remove(child)


def _size(root: ET.Element) -> None:
    *_, width, height = map(float, root.attrib["viewBox"].split())
    root.attrib |= {"width": f"{SCALE * width:.0f}", "height": f"{SCALE * height:.0f}"}
