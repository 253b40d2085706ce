"""The table: what is planted, what is said of it, and how often that may or must happen.

Every share has its Monte-Carlo error; it is accepted within 4 of them, as one of a family of checks.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from tests.calibration import claims, worlds
from tests.calibration.claims import Study
from tests.calibration.worlds import World

ALLOWED_ERRORS = 4


@dataclass(frozen=True)
class Claim:
    """Something that is said of studies, and the share of them of which it may be said."""

    says: str
    of: Callable[[Study], float]
    at_least: float = 0.0
    at_most: float = 1.0
    control: bool = False
    """Whether it is a rule that must fail as it should."""


@dataclass(frozen=True)
class Row:
    """A world, the size of its studies, and what is said of them."""

    what: str
    world: World
    n_seeds: int
    claims: tuple[Claim, ...]

    def studies(self, repeats: int) -> Iterator[Study]:
        for i in range(repeats):
            rng = np.random.default_rng([len(self.what), self.n_seeds, i])
            yield Study(self.world, self.world.draw(rng, self.n_seeds))


@dataclass(frozen=True)
class Share:
    """How often a claim was made, in how many studies."""

    row: Row
    claim: Claim
    values: Sequence[float] = field(repr=False)

    @property
    def n(self) -> int:
        return len(self.values)

    @property
    def share(self) -> float:
        return float(np.mean(self.values))

    @property
    def error(self) -> float:
        """Standard error; where all studies agree, as if one did not."""
        return max(float(np.std(self.values)), math.sqrt((self.n - 1) / self.n**2)) / math.sqrt(self.n)

    @property
    def accepted(self) -> bool:
        room = ALLOWED_ERRORS * self.error
        return self.claim.at_least - room <= self.share <= self.claim.at_most + room


def measure(row: Row, repeats: int) -> list[Share]:
    """Return the share of every claim of a row among ``repeats`` studies, each drawn once for all claims."""
    made = np.array([[float(claim.of(study)) for claim in row.claims] for study in row.studies(repeats)])
    return [Share(row, claim, made[:, i]) for i, claim in enumerate(row.claims)]


def never(says: str, of: Callable[[Study], float]) -> Claim:
    return Claim(says, of, at_most=0.0)


def rarely(says: str, of: Callable[[Study], float]) -> Claim:
    return Claim(says, of, at_most=claims.ALPHA)


def often(says: str, of: Callable[[Study], float], at_least: float = 0.9) -> Claim:
    return Claim(says, of, at_least)


def control(says: str, of: Callable[[Study], float], at_least: float) -> Claim:
    return Claim(says, of, at_least, control=True)


T = "the t test of the mean alone says better"
UNQUALIFIED = never("the mean is better, unqualified", claims.better_unqualified)
CELLS_HOLD = rarely("a cell's interval misses its difference given that both learn", claims.cells_miss)
NO_CONTRADICTION = never("a verdict contradicts its interval", claims.contradicts)
FAMILY = (
    rarely("a member of no difference is rejected", claims.some_null_rejected),
    rarely("a member's interval misses", claims.some_interval_misses),
)
PLAIN_T = control("a t test in each cell, unadjusted, rejects one of no difference", claims.some_t_rejects, 0.2)
POWER = (
    often("a cell is better, sup-t", claims.power_in_a_cell, 0.0),
    often("the mean is better, sup-t", claims.power_of_the_mean, 0.0),
    Claim("a cell is better, step-down max-T", claims.step_down_power, control=True),
)
SIGNS = Claim('signs say "better in more than half of the pairs"', claims.sign_evidence)

ROWS = (
    Row(
        "+0.3 points, 5 % of the arm's runs collapse in one of nine cells: true mean -0.18",
        worlds.ONE_COLLAPSES, 10,
        (UNQUALIFIED, CELLS_HOLD, NO_CONTRADICTION, control(T, claims.t_says_better, 0.5),
         control("the t interval of the mean misses", claims.t_misses, 0.5)),
    ),
    Row(
        "the same in three cells: true mean -1.14",
        worlds.THREE_COLLAPSE, 10,
        (UNQUALIFIED, CELLS_HOLD, NO_CONTRADICTION, control(T, claims.t_says_better, 0.18),
         control("intervals of the cells over all pairs miss", claims.all_pairs_miss, 0.85)),
    ),
    Row(
        "the same in three cells: true mean -1.14",
        worlds.THREE_COLLAPSE, 3,
        (never("there is a verdict", claims.verdict), control(T, claims.t_says_better, 0.5)),
    ),
    Row(
        "+1 point in three cells, -1 in three",
        worlds.MIXED, 10,
        (often("mixed: better in some cells, worse in others", claims.mixed), never("equivalent", claims.equivalent),
         control("two one-sided tests of the mean alone say equivalent", claims.mean_is_negligible, 0.9)),
    ),
    Row(
        "the arm fails half of its runs in three cells, which are not recorded",
        worlds.UNRECORDED, 10,
        (never("the mean is better", claims.better), control(T, claims.t_says_better, 0.1)),
    ),
    *(
        Row(
            "the arm fails half of its runs in three cells",
            worlds.HALF_FAILS, n,
            (never("there is a verdict", claims.verdict),
             control("the t interval of the mean misses", claims.t_misses, at_least)),
        )
        for n, at_least in ((2, 0.25), (3, 0.08))
    ),
    Row(
        "mean zero: 5 % of the arm's runs collapse in two cells, all others gain",
        worlds.MEAN_ZERO, 50,
        (SIGNS, control("Gaussian evidence says that the mean differs", claims.gaussian_evidence, 0.45)),
    ),
    Row(
        "no difference: 5 % of both arms' runs collapse in every cell, lognormal noise",
        worlds.NULL_COLLAPSES, 50,
        (rarely(SIGNS.says, claims.sign_evidence),),
    ),
    *(
        Row(f"no difference, {noise}", world, 10, (*FAMILY, PLAIN_T))
        for noise, world in (("normal noise", worlds.NULL), ("lognormal noise", worlds.NULL_LOGNORMAL))
    ),
    Row(
        "no difference, cells correlated by seed",
        worlds.NULL_BY_SEED, 10,
        (*FAMILY, PLAIN_T,
         control("a bootstrap within cells misses the mean", claims.bootstrap_within_cells_misses, 0.25)),
    ),
    Row("+0.3 points in three of nine cells", worlds.EFFECT_IN_THREE, 10, (*FAMILY, PLAIN_T, *POWER)),
    *(
        Row(
            "+0.3 points in every cell", worlds.EVERYWHERE, n,
            (*POWER, control("a step-down verdict contradicts its interval", claims.step_down_contradicts, at_least)),
        )
        for n, at_least in ((6, 0.5), (10, 0.5))
    ),
    Row("+0.3 points in every cell: what the answer says", worlds.EVERYWHERE, 10, (NO_CONTRADICTION, UNQUALIFIED)),
    Row("+1.86 points in one cell, no run fails", worlds.ONE_CELL, 10, (often("better", claims.better), UNQUALIFIED)),
    Row(
        "+1.86 points in one cell, no run fails", worlds.ONE_CELL, 200,
        (often("better, unqualified", claims.better_unqualified, 0.99),),
    ),
)  # fmt: skip
