"""A slice of a study: its settings with one level of some factors, with their design, records and runs alone."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from analysis.errors import AnalysisError
from analysis.records.cells import rows_in
from analysis.records.checks import check
from analysis.records.tables import StudyData
from study.errors import quote
from study.spec.checks import nearest
from study.spec.design import Design
from study.spec.factors import FACTORS, Cell, Factor, Level


def parse(words: Sequence[str]) -> dict[str, str]:
    """Return the levels, as they were typed, by factor, of words such as ``depth=2``; an AnalysisError where one is no
    such word or names a factor again.

    >>> parse(["depth=2", "activation=tanh"])
    {'depth': '2', 'activation': 'tanh'}
    """
    at: dict[str, str] = {}
    for word in words:
        key, equals, level = word.partition("=")
        if not equals or not key or not level:
            raise AnalysisError(
                f"--at {quote(word)}: give factors with a level each, such as --at depth=2 activation=tanh; the study's"
                " folder stands before --at"
            )
        if key in at:
            raise AnalysisError(
                f"--at {key}={at[key]} {quote(word)}: {key} is given twice, and a slice has one level of a factor. Give"
                " it once; the whole study compares its levels"
            )
        at[key] = level
    return at


def sliced(study: StudyData, at: Mapping[str, Any]) -> StudyData:
    """Return the slice of a study at these levels, each as its factor has it or as text; the study itself at none.

    Every statistic of a slice is of its own settings, and they and their mean are its family. An AnalysisError says
    which factors and levels the study has where it lacks one.
    """
    if not at:
        return study
    if study.design.tuned:
        raise AnalysisError(
            f"{_typed(at)}: {study.name} is a tuned study, whose arms were tuned over all levels; it has no slices."
            " Leave --at out"
        )
    given = {key: _level(study, _factor(study, key, at), at[key]) for key in at}
    levels = {factor.key: given[factor.key] for factor in study.design.factors if factor.key in given}
    design = _design(study.design, levels)
    if len(design.cells) == len(study.design.cells):
        raise AnalysisError(f"{_typed(at)}: every setting of {study.name} has it, so there is nothing to leave out")
    records, runs = (_rows(table, design.cells[0], levels) for table in (study.records, study.runs))
    if records.empty:
        raise AnalysisError(f"{_typed(at)}: no run of {study.name} there has records yet")
    check(records, runs, study.manifest["study_id"], design)
    return replace(study, design=design, records=records, runs=runs, whole=study, at=levels)


def _rows(table: pd.DataFrame, cell: Cell, levels: Mapping[str, Level]) -> pd.DataFrame:
    return rows_in(table, cell, [*levels]).reset_index(drop=True)


def _typed(at: Mapping[str, Any]) -> str:
    return f"--at {' '.join(f'{key}={quote(str(level))}' for key, level in at.items())}"


def _factor(study: StudyData, key: str, at: Mapping[str, Any]) -> Factor:
    """Return a factor of the study; an AnalysisError names those that it has."""
    known = {factor.key: factor for factor in study.design.factors}
    if key in known:
        return known[key]
    near = nearest(key, known)
    hint = f" (did you mean {near}?)" if near else ""
    why = f"{study.name} does not vary {key}" if key in FACTORS else f"{quote(key)} is no factor{hint}"
    example = next((f for f in known.values() if len(study.design.levels(f.key)) > 1), known[next(iter(known))])
    raise AnalysisError(
        f"{_typed({key: at[key]})}: {why}; choose from {', '.join(known)}, such as --at {example.key}="
        f"{example.show(study.design.levels(example.key)[0])}"
    )


def _level(study: StudyData, factor: Factor, given: Any) -> Level:
    """Return the level of the study that is meant; an AnalysisError names those that it has."""
    levels = study.design.levels(factor.key)
    for level in levels:
        if given == level or str(given) in (str(level), factor.show(level)) or _number(given) == level:
            return level
    raise AnalysisError(
        f"{_typed({factor.key: given})}: {study.name} has {factor.label} {', '.join(map(factor.show, levels))}; give"
        f" one of these, such as --at {factor.key}={factor.show(levels[0])}"
    )


def _number(given: Any) -> float:
    try:
        return float(given)
    except (TypeError, ValueError):
        return math.nan


def _design(design: Design, levels: Mapping[str, Level]) -> Design:
    """Return the design with one level of these factors."""
    fields = {FACTORS[key].field: (level,) for key, level in levels.items() if FACTORS[key].field}
    vary = {key: (levels[key],) if key in levels else of for key, of in dict(design.vary).items()}
    return replace(design, vary=tuple(vary.items()), **fields)  # type: ignore[arg-type]
