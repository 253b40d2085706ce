"""Every planted row, measured and printed as a table: ``python -m tests.calibration --studies 2000``."""

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.calibration.rows import ROWS, Share, measure

HEAD = "| planted | seeds | said | kind | % of studies | error | studies |  |\n|---|---|---|---|---|---|---|---|"


def lines(shares: list[Share]) -> Iterator[str]:
    """Yield a row of the table for each share."""
    for one in shares:
        kind = "control" if one.claim.control else "claim"
        how_often = f"{100 * one.share:.1f} | {100 * one.error:.1f} | {one.n}"
        mark = "" if one.accepted else "OUT OF BOUNDS"
        yield f"| {one.row.what} | {one.row.n_seeds} | {one.claim.says} | {kind} | {how_often} | {mark} |"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.calibration", description=__doc__)
    parser.add_argument("--studies", type=int, default=2000, help="studies a row (default 2000)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default one a core)")
    options = parser.parse_args()
    print(HEAD)
    accepted = True
    with ProcessPoolExecutor(options.workers) as pool:
        for shares in pool.map(partial(measure, repeats=options.studies), ROWS):
            print(*lines(shares), sep="\n", flush=True)
            accepted &= all(share.accepted for share in shares)
    return 0 if accepted else 1


if __name__ == "__main__":
    sys.exit(main())
