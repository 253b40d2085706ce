"""Hyperparameter search with equal budgets for every arm, scored on held-out images."""
