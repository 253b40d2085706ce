"""What is said of planted worlds is as often wrong as it says: 400 studies a row, within 4 Monte-Carlo errors.

``make calibrate`` measures 2,000 a row and prints the table.
"""

import numpy as np
import pytest

from tests.calibration.rows import ROWS, Row
from tests.calibration.shares import Claim, Measured, Share


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.what}, n = {row.size}")
def test_each_claim_is_made_as_often_as_it_may_be(row: Measured) -> None:
    out = [share for share in row.measure(400) if not share.accepted]
    assert not out, [(one.claim.says, one.share, one.error) for one in out]


@pytest.mark.parametrize(
    "row", [row for row in ROWS if isinstance(row, Row)], ids=lambda row: f"{row.what}, {row.size}"
)
def test_a_study_of_each_row_can_be_drawn_and_claimed_of(row: Measured) -> None:
    assert {share.n for share in row.measure(1)} == {1}


def test_a_share_out_of_its_bounds_by_more_than_four_errors_is_not_accepted() -> None:
    claim = Claim("said", float, at_most=0.05)
    for made, accepted in ((20, True), (37, True), (60, False)):
        values = np.repeat([1.0, 0.0], [made, 400 - made])
        assert Share("planted", 10, claim, values).accepted == accepted
