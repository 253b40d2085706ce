"""The tutorial's ledger: what the records say of each row, and the verdicts that follow by the fixed rules."""
