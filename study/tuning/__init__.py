"""Equal budgets for every arm, scored on held-out images."""
