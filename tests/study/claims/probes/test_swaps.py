"""Two of seven companions replaced: the batch's mean moves as chance has it, by draws of each seed's own."""

from math import sqrt

import pytest
import torch

from study.claims.probes import swaps
from study.spec.claims.experiments import PROBES, Extent
from tests.study.claims.probes.conftest import DIGITS, ContextOf


def test_the_mean_moves_as_chance_has_it_and_classes_flip(extent: Extent, context_of: ContextOf) -> None:
    rows = [row for unit in PROBES["swaps"].units(DIGITS, extent) for row in swaps.measure(unit, context_of("swaps"))]
    assert {(row.measure, row.seed, row.n) for row in rows} == {
        (measure, seed, DIGITS.n_test) for measure in ("mean_ratio", "flips") for seed in (0, 1)
    }
    for row in rows:
        low, high = (0.93, 1.07) if row.measure == "mean_ratio" else (0.01, 0.5)
        assert low < row.value < high


@pytest.mark.parametrize("k", [0, 7])
def test_others_replaced_move_it_by_their_number(
    k: int, context_of: ContextOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: no companion replaced, and all of them, while the law is that of two."""
    monkeypatch.setattr(swaps, "SWAPPED", k)
    found = {row.measure: row.value for row in swaps.measure("0", context_of("swaps"))}
    assert found["mean_ratio"] == pytest.approx(sqrt(k / 2), rel=0.07)
    assert (found["flips"] > 0) == (k > 0)


def test_seeds_draw_their_own_and_the_same_again() -> None:
    pairs = [swaps.drawn(seed, 10_000) for seed in (0, 0, 1)]
    assert pairs[0].shape == (2, 4_000, 8)
    assert torch.equal(pairs[0], pairs[1])
    assert not torch.equal(pairs[0], pairs[2])


def test_batches_are_of_the_whole_test_set() -> None:
    old, new = swaps.drawn(0, 10_000)
    assert len({*old[:, 0].tolist()}) == 4_000
    assert torch.equal(old[:, 0], new[:, 0])
    assert len({*torch.cat([old, new]).flatten().tolist()}) > 9_700
    both = torch.cat([old, new], 1).sort(1).values
    assert {int((row[1:] == row[:-1]).sum()) for row in both[:50]} == {8 - 2}
