"""Drawings of the tutorial's ledger: estimates against what was claimed, and the experiments behind them."""
