"""The tutorial, claim by claim: the ledger, and the figures of the experiments that settle it."""
