"""python -m analysis: the commands that conclude."""

import sys

from study.cli import listing

COMMANDS = ("analysis.report", "analysis.readme", "analysis.picture")

if __name__ == "__main__":
    sys.exit(listing.main("analysis", COMMANDS))
