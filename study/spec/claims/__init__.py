"""The tutorial's claims, what settles each, and the rules of their verdicts, as values: fixed before the first run."""
