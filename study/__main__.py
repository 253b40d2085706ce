"""python -m study: the commands that train."""

import sys

from study.cli import listing

COMMANDS = ("study.run", "study.tune", "study.ablate", "study.claims", "study.bench")

if __name__ == "__main__":
    sys.exit(listing.main("study", COMMANDS))
