"""Would another analysis say otherwise? All of them, in one figure."""

from functools import partial
from typing import Any

from analysis.findings.results import Findings
from analysis.findings.sensitivity import Specification
from analysis.report import number_format as fmt
from analysis.report.columns import (
    count_column,
    interval_column,
    interval_values,
    p_column,
    pvalue_values,
    text_column,
)
from analysis.report.document import Block, Column, Figure, Table
from analysis.report.figures.specifications import specification_curve
from analysis.report.specification_sentences import of_specifications

SHORT = {"last3": "last three epochs", "final": "last epoch"}


def blocks(of_arm: Findings) -> list[Block]:
    return [_figure(of_arm)] if of_arm.sensitivity.specifications else []


def _figure(of_arm: Findings) -> Figure:
    sensitivity = of_arm.sensitivity
    finds = [(finds, sensitivity.count(finds)) for finds in ("better", "worse", "undecided")]
    n = len(sensitivity.specifications)
    return Figure(
        name=f"specifications-{of_arm.arm}",
        headline=f"{n} analyses of the same data: {fmt.listing([f'{finds} in {k}' for finds, k in finds])}",
        subtitle=(
            f"Difference in points, {fmt.side(of_arm.arm)} minus {fmt.side(of_arm.baseline)}, by every analysis, from"
            f" the smallest to the largest; below, what each chose. {fmt.seeds(sensitivity.joint.n)}."
        ),
        draw=partial(specification_curve, sensitivity.specifications, of_arm.arm),
        alt=of_specifications(sensitivity, of_arm.arm),
        caption=(
            f"Bars: the {fmt.level(1 - sensitivity.alpha)} interval that belongs to each test, by itself; hollow: its"
            " test does not reject. Analyses share the data, so their agreement is no independent evidence: the p of"
            " all at once flips each seed's sign in all of them. Choices that leave the same differences count once."
        ),
        table=_table(of_arm),
    )


def _table(of_arm: Findings) -> Table:
    columns = [
        text_column("endpoint", "endpoint"),
        text_column("failures", "failures"),
        text_column("cells", "cells"),
        text_column("test", "test"),
        count_column("n", "n"),
        interval_column("difference, points", "difference"),
        p_column("p, by the test named", "p"),
        Column("finds", fmt.text, ("finds",), is_text=True),
    ]
    rows = [_row(specification) for specification in of_arm.sensitivity.specifications]
    return Table(f"specifications-{of_arm.arm}", "Would another analysis say otherwise?", columns, rows)


def _row(specification: Specification) -> dict[str, Any]:
    return {
        "endpoint": SHORT[specification.outcome],
        "failures": specification.failures,
        "cells": specification.cells,
        "test": specification.how,
        "n": specification.n,
        **interval_values("difference", specification.interval),
        **pvalue_values("p", specification.test),
        "finds": specification.finds,
    }
