"""Has a run that is trained again the same bits?

Seeds 0 and 1 at the tutorial's setting, by the engine of its study, for all epochs: each run alone, and once more in
the company of the other seed, the other arm and another rate. Measure ``differing_bits``, of n: those of all losses and
counts, of which test images are correct, and of the trained weights and statistics.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from study.claims.measuring import Context, Measured
from study.engine import devices, registry
from study.engine.lockstep.training import TrainerFactory, train_together
from study.spec.claims.experiments import STUDIES
from study.spec.cohorts import Cohort
from study.spec.design import Design
from study.spec.history import History
from study.store.study_folder import Folder

STUDY = "post"
SEEDS = (0, 1)
ANOTHER_RATE = 0.003


def measure(unit: str, context: Context) -> Sequence[Measured]:
    design = STUDIES[STUDY].design(context.data, context.extent)
    (cell,), company = design.cells, replace(design, seeds=SEEDS, lrs=(*design.lrs, ANOTHER_RATE))
    cohorts = [
        Cohort.whole(company),
        *(Cohort((cell,), (arm,), (seed,)) for arm in company.arms for seed in SEEDS),
    ]
    together, *alone = train_together(company, cohorts, context.images, make=_trainer(company, context))
    rows = []
    for history, cohort in zip(alone, cohorts[1:], strict=True):
        (run,) = cohort.runs
        own, again = bits(history, 0), bits(together, cohorts[0].runs.index(run))
        rows.append(Measured("differing_bits", differing_bits(own, again), arm=run.arm, seed=run.seed, n=8 * len(own)))
    return rows


def _trainer(design: Design, context: Context) -> TrainerFactory:
    """Return what trains by the engine of the study, or by the one that it would have."""
    manifest = Folder(context.studies / STUDY).read_manifest()
    of_study = None if manifest is None else str(manifest["device"]["engine"])
    numerics, _ = registry.choose("auto", design, "cpu", tf32=False, of_study=of_study)
    devices.prepare(numerics)
    return registry.trainer_factory(numerics, context.check_cancelled)


def bits(history: History, i: int) -> bytes:
    """Return all numbers of the i-th run of a cohort, one after the other."""
    whole = (history.loss, history.n_correct, history.finite, history.test_correct)
    return b"".join(array.tobytes() for array in (*(each[i] for each in whole), *history.weights[i].values()))


def differing_bits(one: bytes, other: bytes) -> int:
    """Return in how many bits two results of one length differ.

    >>> differing_bits(bytes([0b1100, 7]), bytes([0b1010, 7]))
    2
    """
    a, b = (np.frombuffer(each, np.uint8) for each in (one, other))
    return int(np.unpackbits(a ^ b).sum())
