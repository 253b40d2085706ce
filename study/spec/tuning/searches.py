"""Independent repetitions of a tuning, numbered from 1: which seeds does each search have?

Search s has the seeds of search 1, each so much further: no two searches share a seed.
"""

from collections.abc import Sequence

from study.errors import UsageError

TRIAL_SEEDS_APART = 1_000
"""From a trial's seed in one search to its seed in the next."""
FINAL_SEEDS_APART = 1_000_000
"""From a fresh seed, of what a search chose, to that of the next search."""
MAX_SEARCHES = 1_000


def final_seeds(seeds: Sequence[int], n_searches: int) -> tuple[int, ...]:
    """Return the fresh seeds of all searches, from those of search 1.

    Raises UsageError where those of two searches could not be told apart.

    >>> final_seeds((0, 1), 2)
    (0, 1, 1000000, 1000001)
    """
    if n_searches > 1 and max(seeds) - min(seeds) >= FINAL_SEEDS_APART:
        raise UsageError(
            f"--searches {n_searches}: the seeds {min(seeds)} to {max(seeds)} of one search reach those of the next,"
            f" which are {FINAL_SEEDS_APART} further; give seeds that lie closer together"
        )
    return tuple(seed + FINAL_SEEDS_APART * search for search in range(n_searches) for seed in sorted(seeds))


def search_of(seed: int, lowest: int) -> int:
    """Return the search of a fresh seed in a study of several, whose lowest seed is ``lowest``.

    >>> search_of(1000001, lowest=0)
    2
    """
    return 1 + (seed - lowest) // FINAL_SEEDS_APART
