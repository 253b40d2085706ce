"""What does a command take? Its page of help, made from the dataclass of its options.

The description is the class's docstring up to ``Examples:``; what follows stands at the end of the page. A group is a
class that declares options, titled by its docstring; an option's text is the docstring under its field.
"""

import ast
import inspect
import textwrap
from collections import defaultdict
from dataclasses import Field, fields
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import tyro

COLUMN = 24
"""Where the text of an option starts."""
EXAMPLES = "Examples:"
KINDS: dict[Any, str] = {int: "N", float: "NUMBER", str: "TEXT", Path: "PATH"}
"""The name of a value by its type."""
ALWAYS = (("-h, --help", "Show this help, then stop."), ("--version", "Show the version, then stop."))


def page(options: type, prog: str, columns: int) -> str:
    """Return the help of ``prog``, no line longer than ``columns`` but for a command."""
    description, _, examples = (inspect.getdoc(options) or "").partition(EXAMPLES)
    positional = [_metavar(field) for field in fields(options) if is_positional(options, field.name)]
    blocks = [" ".join([f"usage: {prog} [OPTION ...]", *(f"[{name}]" for name in positional)])]
    blocks += [textwrap.fill(" ".join(paragraph.split()), columns) for paragraph in description.strip().split("\n\n")]
    for title, rows in _groups(options).items():
        blocks.append("\n".join([f"{title}:", *(_row(*row, columns) for row in rows)]))
    if examples:
        blocks.append(f"{EXAMPLES}\n{textwrap.indent(textwrap.dedent(examples.strip(chr(10))), '  ').rstrip()}")
    return "\n\n".join(blocks)


def _groups(options: type) -> dict[str, list[tuple[str, str]]]:
    """Return (option, text) by the title of its group: the command's own options first, then those it shares."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    defined = {field.name: field for field in fields(options)}
    for declaring in options.__mro__[:-1]:
        own = [name for name in inspect.get_annotations(declaring) if name in defined]
        title = "Options" if declaring is options else inspect.getdoc(declaring) or ""
        texts = _texts(declaring) if own else {}
        found[title] += [(head(options, defined[name]), _text(defined[name], texts)) for name in own]
        for name in own:
            del defined[name]
    rows = {title: rows for title, rows in found.items() if rows}
    *_, last = rows
    rows[last] += ALWAYS
    return rows


def head(options: type, field: "Field[Any]") -> str:
    """Return how an option is typed, such as ``--lrs NUMBER ...``; of a switch, what changes its default."""
    hint = get_type_hints(options)[field.name]
    if is_positional(options, field.name):
        return _metavar(field)
    name = field.name.replace("_", "-")
    if hint is bool:
        return f"--no-{name}" if field.default is True else f"--{name}"
    many = get_origin(hint) is tuple
    while get_origin(hint) is tuple:  # one that may be repeated is a tuple of tuples
        hint = get_args(hint)[0]
    return f"--{name} {_kind(hint)} ..." if many else f"--{name} {_kind(hint)}"


def is_positional(options: type, name: str) -> bool:
    """Whether a value is given without the name of an option."""
    hint = get_type_hints(options, include_extras=True)[name]
    return get_origin(hint) is Annotated and tyro.conf.Positional in get_args(hint)


def _metavar(field: "Field[Any]") -> str:
    return field.name.upper()


def _kind(hint: Any) -> str:
    given = get_args(hint)[0] if get_origin(hint) is UnionType else hint
    return f"{{{','.join(get_args(given))}}}" if get_origin(given) is Literal else KINDS[given]


def _texts(declaring: type) -> dict[str, str]:
    """Return the docstrings of a class's fields, which Python itself does not keep."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(declaring))).body
    assert isinstance(tree, ast.ClassDef)
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in pairwise(tree.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }


def _text(field: "Field[Any]", texts: dict[str, str]) -> str:
    default = " ".join(map(str, field.default)) if isinstance(field.default, tuple) else field.default
    told = isinstance(default, bool) or default in (None, "") or not isinstance(default, str | int | float | Path)
    return texts.get(field.name, "") + ("" if told else f" (default: {default})")


def _row(option: str, text: str, columns: int) -> str:
    lines = textwrap.wrap(text, max(20, columns - COLUMN), break_long_words=False, break_on_hyphens=False)
    first = f"  {option}".ljust(COLUMN)
    if len(first) > COLUMN or first[-1] != " ":
        return "\n".join([first, *(" " * COLUMN + line for line in lines)])
    return "\n".join([first + (lines or [""])[0], *(" " * COLUMN + line for line in lines[1:])])
