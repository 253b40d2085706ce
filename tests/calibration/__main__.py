"""Measure every planted row and print the table: ``python -m tests.calibration --studies 2000``."""

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.calibration.rows import ROWS
from tests.calibration.shares import Measured, Share

HEAD = "| planted | n | said | by | % of studies | error | studies | |\n|---|---|---|---|---|---|---|---|"


def lines(shares: list[Share]) -> Iterator[str]:
    """Yield a row of the table for each share."""
    for one in shares:
        how_often = f"{100 * one.share:.1f} | {100 * one.error:.1f} | {one.n}"
        mark = "" if one.accepted else "OUT OF BOUNDS"
        yield f"| {one.what} | {one.size} | {one.claim.says} | {one.claim.kind} | {how_often} | {mark} |"


def measure(row: Measured, repeats: int) -> list[Share]:
    return row.measure(repeats)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.calibration", description=__doc__)
    parser.add_argument("--studies", type=int, default=2000, help="studies a row (default 2000)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default one a core)")
    options = parser.parse_args()
    print(HEAD)
    accepted = True
    with ProcessPoolExecutor(options.workers) as pool:
        for shares in pool.map(measure, ROWS, [options.studies] * len(ROWS)):
            print(*lines(shares), sep="\n", flush=True)
            accepted &= all(share.accepted for share in shares)
    return 0 if accepted else 1


if __name__ == "__main__":
    sys.exit(main())
