"""What the tutorial's ledger needs beyond a grid study: run, measured and committed; ``python -m study.claims``."""
