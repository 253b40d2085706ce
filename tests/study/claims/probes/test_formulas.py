"""The tutorial's formulas: the engine in float64 against oracles that know nothing of it."""

import numpy as np
import pytest

from study.claims import oracles
from study.claims.engine_formulas import COMPUTED, inputs
from study.claims.oracles import ORACLES
from study.claims.probes.formulas import error, measure
from study.spec.claims.experiments import Extent
from tests.study.claims.probes.conftest import ContextOf

EXACT = 1e-12
OF_X_HAT = {"normalisation", "scale-and-shift", "gradient-by-z", "gradient-by-gamma"}
OF_UNBIASED = {"running-variance", "averages-of-the-last-epoch", "averages-of-all-training", "prediction"}
WITHOUT_MEAN = {"gradient-by-beta", "adam", "cross-entropy", "gradient-of-cross-entropy"}
RUNNING = {"running-mean", "running-variance", "prediction"}

PLANTED = [
    ("EPS", 2e-5, OF_X_HAT | {"prediction"}),
    ("variance", lambda z: z.var(-2, ddof=1), OF_X_HAT | OF_UNBIASED | {"batch-variance"}),
    ("unbiased", lambda z: z.var(-2), OF_UNBIASED),
    ("mean", lambda z: np.median(z, -2), {*ORACLES} - WITHOUT_MEAN),
    ("RHO", 0.9, RUNNING),
    ("BETA1", 0.8, {"adam"}),
    ("BETA2", 0.99, {"adam"}),
    ("ADAM_EPS", 1e-6, {"adam"}),
    ("RATE", 0.02, {"adam"}),
]  # fmt: skip


@pytest.mark.parametrize("name", ORACLES)
def test_the_engine_computes_the_formula(name: str) -> None:
    assert error(name, inputs()) < EXACT


@pytest.mark.parametrize(("constant", "wrong", "formulas"), PLANTED, ids=[planted[0] for planted in PLANTED])
def test_a_wrong_oracle_is_seen_in_its_formulas_alone(
    constant: str, wrong: object, formulas: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oracles, constant, wrong)
    assert {name for name in ORACLES if error(name, inputs()) > 1e-8} == formulas


@pytest.mark.parametrize("name", [name for name in ORACLES if "cross-entropy" in name])
def test_a_wrong_label_is_seen(name: str) -> None:
    of = inputs()
    wrong = of._replace(labels=(of.labels + 1) % of.logits.shape[1])
    assert np.abs(ORACLES[name](wrong) - ORACLES[name](of)).max() > 1e-3


def test_every_formula_has_both_sides_and_a_row(extent: Extent, context_of: ContextOf) -> None:
    assert COMPUTED.keys() == ORACLES.keys()
    rows = measure("all", context_of("formulas"))
    assert [(row.measure, row.condition) for row in rows] == [("error", name) for name in ORACLES]
    assert max(row.value for row in rows) < EXACT


def test_eps_is_a_tenth_of_the_smallest_variance() -> None:
    smallest = oracles.variance(inputs().batch).min()
    assert 5 < smallest / oracles.EPS < 20
