"""The plain loop of torch.nn and torch.optim, one run at a time: it trains any network, also a user's own."""
