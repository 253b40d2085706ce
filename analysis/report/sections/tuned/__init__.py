"""The section on tuned against tuned: the pairs, the trials and what the budget buys; every table behind them."""
