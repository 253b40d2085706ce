"""The shipped ledger: its page says what its records say, and its numbers lie where another engine's do."""

import math

import pandas as pd
import pytest

from analysis.findings.claims.ledger import Ledger
from analysis.findings.claims.verdicts import ledger
from analysis.records import tables
from study.spec.claims.rows import ROWS
from study.store.claims_folder import ClaimsFolder
from tests import ROOT

FOLDER = ROOT / "results" / "reference-claims"
T9 = 2.262
"""Half of a 95 % interval of ten seeds, over its standard error."""
EXPECTED = {
    "1a": (0.545, 0.005), "1b": (0.794, 0.005), "3a-none": (0.955, 0.019), "3a-bn": (0.980, 0.010),
    "3b-strong": (-0.4, 1.25), "3b-weak": (-4.6, 1.8), "3b-swapped": (-10.1, 3.1),
    "5a": (0.0004, 0.0014), "5b-relu": (0.127, 0.026), "5b-tanh": (-0.002, 0.011),
    "6a-relu": (-2.3, 0.65), "6b-relu": (1.84, 0.73), "6b-tanh": (30.4, 2.75), "6b-sigmoid": (33.4, 0.3),
    "6d-relu": (0.55, 0.39), "6d-tanh": (1.03, 0.26), "6d-sigmoid": (31.9, 1.3),
    "9a-relu-2": (0.06, 0.09), "9b-tanh-2": (-1.18, 0.23), "9b-sigmoid-2": (-3.52, 0.25),
    "10a": (0.0004, 0.0022 * 10**0.5), "10b": (0.0991, 0.0035), "12a": (-4.29, 1.0), "12d": (-2.5, 1.1),
    "13": (95.458, 0.08), "14": (97.231, 0.035), "15a": (1.787, 0.16), "15b": (1.575, 0.17), "15c": (0.82, 0.15),
    "15d": (-29.6, 1.45), "17b-running": (16.1, 2.3), "18-none": (0.056, 0.045), "18-bn": (0.074, 0.038),
}  # fmt: skip
"""By row, an estimate by another engine, which shares the streams alone, and half of its 95 % interval: of row
10a, for which it read 10,000 images, what it would be of the 1,000 that are read here."""


@pytest.fixture(scope="module")
def found() -> Ledger:
    claims = tables.load(FOLDER).claims
    assert claims is not None
    return ledger(claims)


def test_its_rows_and_rules_are_the_program_s_and_were_fixed_before_the_first_run() -> None:
    fixed = ClaimsFolder(FOLDER).fixed()
    assert fixed is not None
    assert {row.key: row for row in fixed.rows} == dict(ROWS)
    assert fixed.dataset == "mnist"


def test_its_table_says_what_the_program_says_of_its_records(found: Ledger) -> None:
    shipped = pd.read_csv(FOLDER / "tables" / "claims.csv").set_index("row")
    assert [*shipped.index] == [entry.row.key for entry in found.entries]
    assert [*shipped.verdict] == [entry.verdict for entry in found.entries]
    for name in ("estimate", "low", "high", "p_adjusted"):
        assert shipped[name].tolist() == pytest.approx([getattr(e, name) for e in found.entries], nan_ok=True)


def test_its_numbers_lie_where_another_engine_s_do(found: Ledger) -> None:
    """Within three standard errors of the difference of two such estimates."""
    estimates = {entry.row.key: entry.estimate for entry in found.entries}
    far = {
        key: (estimates[key], value)
        for key, (value, half) in EXPECTED.items()
        if abs(estimates[key] - value) > 3 * math.sqrt(2) * half / T9
    }
    assert not far


def test_another_engine_s_numbers_would_not_pass_for_other_rows(found: Ledger) -> None:
    estimates = {entry.row.key: entry.estimate for entry in found.entries}
    for one, other in (("6b-relu", "6b-tanh"), ("15a", "15c"), ("12a", "12b"), ("9b-tanh-2", "9b-sigmoid-2")):
        value, half = EXPECTED[one]
        assert abs(estimates[other] - value) > 3 * math.sqrt(2) * half / T9
