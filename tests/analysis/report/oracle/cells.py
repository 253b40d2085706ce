"""What part 10 must say: all cells."""

import math

import numpy as np

from tests.analysis.report.oracle.arithmetic import equivalence, hedges, hodges_lehmann, paired_t, sign_flip, wilcoxon
from tests.analysis.report.oracle.records import TIPPING, Contrast, Oracle, tipping_text
from tests.analysis.report.oracle.spelling import (
    ENDPOINTS,
    NUMBER,
    Expected,
    Row,
    decimals,
    ends,
    estimate,
    p_text,
    percent,
)


def say_all_cells(o: Oracle, say: Expected) -> None:
    rows = [_contrast_row(o, ENDPOINTS[name], one) for name, every in o.contrasts.items() for one in every]
    say.table("contrasts", ("batch size", "rate", "endpoint"), rows)


def _contrast_row(o: Oracle, endpoint: str, one: Contrast) -> Row:
    d, (a, b) = one.d, one.sides
    return one.where | {
        "endpoint": endpoint,
        "n": str(one.n),
        "without BN": percent(float(a.mean()) if one.n else math.nan),
        "with BN": percent(float(b.mean()) if one.n else math.nan),
        "failed without | with": one.failures,
        "difference": estimate(one.ci),
        "[all cells at once]": ends(one.joint),
        "Hodges-Lehmann": estimate(hodges_lehmann(d, o.level)),
        "p, paired t": p_text(paired_t(d)),
        "p, sign-flip": sign_flip(d).text,
        "p, Wilcoxon": wilcoxon(d).text,
        "p, adjusted (sup-t)": one.p.text,
        "p, sign-flip with Holm": p_text(one.holm),
        "g_z": estimate(hedges(d, o.level), NUMBER),
        "P(with > without)": decimals(float(np.mean((np.sign(d) + 1) / 2)) if one.n else math.nan),
        "p, equivalence (two one-sided t)": p_text(equivalence(d, o.margin)),
        TIPPING: tipping_text(one.tipping),
        "verdict": one.verdict + (f" ({one.reason})" if one.reason else ""),
    }
