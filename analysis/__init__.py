"""What may be concluded from records: estimates, intervals, tests and a page. Imports no torch.

The unit of replication is the seed. A difference is arm minus baseline within a pair, joined by key.
A run that diverged is an outcome and counts as chance; a pair is never dropped in silence.
"""
