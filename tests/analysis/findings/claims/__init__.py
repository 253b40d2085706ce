"""The ledger's findings."""
