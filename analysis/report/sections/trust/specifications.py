"""Would another analysis say otherwise? All of them, in one figure."""

from functools import partial
from typing import Any

from analysis.findings.results import Findings
from analysis.findings.secondary.sensitivity import Specification
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.columns import (
    count_column,
    interval_column,
    interval_values,
    p_column,
    pvalue_values,
)
from analysis.report.document import Block, Column, Figure, Paragraph, Table
from analysis.report.figures.specifications import specification_curve
from analysis.report.sentences import specifications as say
from analysis.report.sentences import study_words


def evidence(study: StudyData, of_arm: Findings) -> list[Block]:
    return [_figure(study, of_arm)] if of_arm.sensitivity.specifications else []


def details(of_arm: Findings) -> list[Block]:
    if not of_arm.sensitivity.specifications:
        return []
    return [
        Paragraph(
            "The analyses combine every endpoint, treatment of failures, choice of settings and test. Combinations with"
            f" the same differences count once. {say.joint(of_arm.sensitivity)} It flips each seed's sign in all of"
            " them at once."
        )
    ]


def _figure(study: StudyData, of_arm: Findings) -> Figure:
    sensitivity = of_arm.sensitivity
    n, level = len(sensitivity.specifications), fmt.level(1 - sensitivity.alpha)
    hollow = f" Hollow: undecided at a significance level of {fmt.level(sensitivity.alpha)}."
    return Figure(
        name=f"specifications-{of_arm.arm}",
        headline=say.headline(sensitivity, of_arm.arm),
        subtitle=(
            f"Difference in points, {fmt.side(of_arm.arm)} minus {fmt.side(of_arm.baseline)}, in {n} analyses from the"
            f" smallest to the largest; below, what each chose; {fmt.seeds(sensitivity.joint.n)}."
        ),
        draw=partial(specification_curve, sensitivity.specifications, study.design.epochs),
        alt=say.of_specifications(sensitivity, of_arm.arm),
        caption=(
            f"Bars: the {level} interval of each test alone.{hollow if sensitivity.count('undecided') else ''} These"
            " analyses share the data, so their agreement is not independent evidence."
        ),
        table=_table(study, of_arm),
    )


def _table(study: StudyData, of_arm: Findings) -> Table:
    words = say.in_words(study.design.epochs)
    is_one = len(study.design.cells) == 1

    def what(endpoint: str, cells: str) -> str:
        return endpoint if is_one else f"{words[cells]}, {endpoint}"

    columns = [
        Column("accuracy" if is_one else "settings, accuracy", what, ("endpoint", "cells"), is_text=True),
        Column("failures", words.__getitem__, ("failures",), is_text=True),
        Column("test", words.__getitem__, ("test",), is_text=True),
        count_column("n", "n"),
        interval_column("difference, points", "difference"),
        p_column("p, from that test", "p"),
        Column("finds", fmt.text, ("finds",), is_text=True),
    ]
    rows = [_row(specification, study) for specification in of_arm.sensitivity.specifications]
    return Table(f"specifications-{of_arm.arm}", "Every analysis of the same data", columns, rows)


def _row(specification: Specification, study: StudyData) -> dict[str, Any]:
    return {
        "endpoint": study_words.endpoints(study.design.epochs)[specification.outcome],
        "failures": specification.failures,
        "cells": specification.cells,
        "test": specification.how,
        "n": specification.n,
        **interval_values("difference", specification.interval),
        **pvalue_values("p", specification.test),
        "finds": specification.finds,
    }
