"""What the part "All settings" must say: three tables of the same contrasts."""

import math

import numpy as np

from tests.analysis.report.oracle.arithmetic import equivalence, hedges, hodges_lehmann, paired_t, sign_flip, wilcoxon
from tests.analysis.report.oracle.records import TIPPING, Contrast, Oracle, tipping_text
from tests.analysis.report.oracle.spelling import (
    NUMBER,
    Expected,
    Row,
    decimals,
    ends,
    estimate,
    p_text,
    percent,
)
from tests.analysis.report.oracle.trust import endpoint_name

KEYS = ("setting", "endpoint")


def say_all_cells(o: Oracle, say: Expected) -> None:
    every = [(endpoint_name(o, name), one) for name, of_endpoint in o.contrasts.items() for one in of_endpoint]
    for name, row_of in {"contrasts": _found, "contrasts-tests": _tests, "contrasts-sizes": _sizes}.items():
        keys = ({"setting": o.of.setting(one.cell), "endpoint": end, "n": str(one.n)} for end, one in every)
        say.table(name, KEYS, [key | row_of(o, one) for key, (_, one) in zip(keys, every, strict=True)])


def _found(o: Oracle, one: Contrast) -> Row:
    a, b = one.sides
    return {
        "without BN": percent(float(a.mean()) if one.n else math.nan),
        "with BN": percent(float(b.mean()) if one.n else math.nan),
        "difference": estimate(one.ci),
        "[simultaneous]": ends(one.joint),
        "verdict": one.verdict + (f" ({one.reason})" if one.reason else ""),
        TIPPING: tipping_text(one.tipping),
    }


def _tests(o: Oracle, one: Contrast) -> Row:
    d = one.d
    return {
        "p, paired t": p_text(paired_t(d)),
        "p, sign-flip": sign_flip(d).text,
        "p, Wilcoxon": wilcoxon(d).text,
        "p, adjusted (sup-t)": one.p.text,
        "p, sign-flip with Holm": p_text(one.holm),
        "p, equivalence (two one-sided t)": p_text(equivalence(d, o.margin)),
    }


def _sizes(o: Oracle, one: Contrast) -> Row:
    d = one.d
    return {
        "Hodges-Lehmann": estimate(hodges_lehmann(d, o.level)),
        "g_z": estimate(hedges(d, o.level), NUMBER),
        "P(with > without)": decimals(float(np.mean((np.sign(d) + 1) / 2)) if one.n else math.nan),
        "failed without | with": one.failures,
    }
