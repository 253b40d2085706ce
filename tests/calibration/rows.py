"""The table: what is planted, what is said of it, and how often that may or must happen."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.calibration import claims, worlds
from tests.calibration.claims import Study
from tests.calibration.shares import Claim, Measured, Share
from tests.calibration.tuned import Tuned
from tests.calibration.worlds import World


@dataclass(frozen=True)
class Row:
    """A world, the seeds of its studies, and what is said of them."""

    what: str
    world: World
    size: int
    claims: tuple[Claim, ...]

    def study(self, i: int) -> Study:
        rng = np.random.default_rng([zlib.crc32(self.what.encode()), self.size, i])
        return Study(self.world, self.world.draw(rng, self.size))

    def measure(self, repeats: int) -> list[Share]:
        """Return the share of every claim among ``repeats`` studies, each drawn once for all claims."""
        made = []
        for i in range(repeats):
            study = self.study(i)
            made.append([float(claim.of(study)) for claim in self.claims])
        return [
            Share(self.what, self.size, claim, values)
            for claim, values in zip(self.claims, np.array(made).T, strict=True)
        ]


Of = Callable[[Study], float]


def never(says: str, of: Of) -> Claim:
    return Claim(says, of, at_most=0.0)


def rarely(says: str, of: Of) -> Claim:
    return Claim(says, of, at_most=claims.ALPHA)


def control(says: str, of: Of, at_least: float) -> Claim:
    return Claim(says, of, at_least, kind="control")


def other_rule(says: str, of: Of) -> Claim:
    return Claim(says, of, kind="other rule")


UNQUALIFIED = never("the mean is better, unqualified", claims.better_unqualified)
CELLS_HOLD = rarely("an interval misses, of a cell's difference given that both learn", claims.cells_miss)
NO_CONTRADICTION = never("a verdict contradicts its interval", claims.contradicts)
MEAN_MISSES = Claim("the interval of the mean misses", claims.mean_misses)
NO_VERDICT = never("there is a verdict", claims.verdict)
OF_UNSEEN = (UNQUALIFIED, CELLS_HOLD, NO_CONTRADICTION, MEAN_MISSES)
T, T_MISSES = "the t test of the mean alone says better", "the t interval of the mean misses"
FAMILY = (
    rarely("a member of no difference is rejected", claims.some_null_rejected),
    rarely("an interval misses, of all cells and the mean", claims.some_interval_misses),
    other_rule("step-down max-T rejects a cell of no difference", claims.step_down_rejects_null),
    control("a t test in each cell, unadjusted, rejects one of no difference", claims.some_t_rejects, 0.2),
)
POWER = (
    Claim("a cell is better", claims.power_in_a_cell),
    other_rule("a cell is better by step-down max-T", claims.step_down_power),
    Claim("the mean is better", claims.power_of_the_mean),
    other_rule("the mean is better by a t test of its own", claims.t_rejects),
)
SIGNS = 'signs say "better in more than half of the pairs"'

UNSEEN = (
    Row(
        "+0.3 points; 5 % of the arm's runs collapse in one of nine cells: true mean -0.18",
        worlds.ONE_COLLAPSES, 10,
        (*OF_UNSEEN, control(T, claims.t_says_better, 0.5), control(T_MISSES, claims.t_misses, 0.5)),
    ),
    Row(
        "the same in three cells: true mean -1.14",
        worlds.THREE_COLLAPSE, 10,
        (*OF_UNSEEN, control(T, claims.t_says_better, 0.18),
         control("an interval misses, of the cells over all pairs", claims.all_pairs_miss, 0.85)),
    ),
    Row(
        "the same in three cells: true mean -1.14",
        worlds.THREE_COLLAPSE, 3,
        (NO_VERDICT, control(T, claims.t_says_better, 0.5)),
    ),
)  # fmt: skip
GATED = (
    Row(
        "+1 point in three cells, -1 in three",
        worlds.MIXED, 10,
        (Claim("mixed: better in some cells, worse in others", claims.mixed, at_least=0.9),
         never("equivalent", claims.equivalent), NO_CONTRADICTION,
         control("two one-sided tests of the mean alone say equivalent", claims.mean_is_negligible, 0.9)),
    ),
    Row("+0.3 points in every cell: what the answer says", worlds.EVERYWHERE, 10, (NO_CONTRADICTION, UNQUALIFIED)),
)  # fmt: skip
FAILING = (
    Row(
        "the arm fails in half of its runs in three cells, which are not recorded",
        worlds.UNRECORDED, 10,
        (never("the mean is better", claims.better), control(T, claims.t_says_better, 0.1)),
    ),
    *(
        Row(
            "the arm fails in half of its runs in three cells",
            worlds.HALF_FAILS, n, (NO_VERDICT, control(T_MISSES, claims.t_misses, at_least)),
        )
        for n, at_least in ((2, 0.25), (3, 0.08))
    ),
)  # fmt: skip
SEQUENTIAL = (
    Row(
        "mean zero: 5 % of the arm's runs collapse in two cells, the others gain; a look after each of 6 to 50 seeds",
        worlds.MEAN_ZERO, 50,
        (Claim(f"{SIGNS}, which is true", claims.sign_evidence),
         control("Gaussian evidence says that the mean differs", claims.gaussian_evidence, 0.45)),
    ),
    Row(
        "no difference: 5 % of both arms' runs collapse, lognormal noise; a look after each of 6 to 50 seeds",
        worlds.NULL_COLLAPSES, 50,
        (rarely(SIGNS, claims.sign_evidence),),
    ),
)  # fmt: skip
SIZES = (
    Row("no difference, normal noise", worlds.NULL, 10, FAMILY),
    Row("no difference, lognormal noise", worlds.NULL_LOGNORMAL, 10, FAMILY),
    Row(
        "no difference, cells correlated by seed",
        worlds.NULL_BY_SEED, 10,
        (*FAMILY, control("a bootstrap within cells misses the mean", claims.bootstrap_within_cells_misses, 0.25)),
    ),
    Row("+0.3 points in three of nine cells", worlds.EFFECT_IN_THREE, 10, (*FAMILY, *POWER)),
    *(
        Row(
            "+0.3 points in every cell",
            worlds.EVERYWHERE, n,
            (*POWER, control("a step-down verdict contradicts its interval", claims.step_down_contradicts, at_least)),
        )
        for n, at_least in ((6, 0.5), (10, 0.7))
    ),
)  # fmt: skip
CLEAN = (
    Row(
        "+1.86 points in one cell, no run fails",
        worlds.ONE_CELL, 10,
        (Claim("the mean is better", claims.better, at_least=0.99), UNQUALIFIED),
    ),
    Row(
        "+1.86 points in one cell, no run fails",
        worlds.ONE_CELL, 200,
        (Claim("the mean is better, unqualified", claims.better_unqualified, at_least=0.99),),
    ),
)  # fmt: skip

ROWS: tuple[Measured, ...] = (*UNSEEN, *GATED, *FAILING, *SEQUENTIAL, Tuned(), *SIZES, *CLEAN)
