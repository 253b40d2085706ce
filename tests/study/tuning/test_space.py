"""What may be tuned: how a range is read and refused, and the points that are spread over it."""

import math
import signal
from contextlib import suppress

import numpy as np
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from scipy.stats import qmc

from study.cli.exits import guarded
from study.errors import UsageError
from study.runner.outcome import Terminated
from study.spec.factors import Cell
from study.tuning.space import DEFAULT, LARGEST_BATCH, Space, point

WIDE = Space((1e-4, 1.0), (16, 1024))


@pytest.mark.parametrize(
    ("text", "lr", "batch_size"),
    [
        (DEFAULT, (1e-4, 1.0), (16, 1024)),
        ("lr=0.01:0.1", (0.01, 0.1), (16, 1024)),
        ("batch_size=2:32768", (1e-4, 1.0), (2, LARGEST_BATCH)),
        (" batch_size = 64 : 256 , lr = .5 : 2. ", (0.5, 2.0), (64, 256)),
        ("lr=0.1,batch_size=32:64", (0.1, 0.1), (32, 64)),
        ("batch_size=32", (1e-4, 1.0), (32, 32)),
    ],
)
def test_a_range_is_read_and_what_is_not_named_is_as_by_default(
    text: str, lr: tuple[float, float], batch_size: tuple[int, int]
) -> None:
    assert Space.parse(text) == Space(lr, batch_size)


@pytest.mark.parametrize("text", [DEFAULT, "lr=1e-30:1e30,batch_size=2:4", "lr=0.1,batch_size=2:4"])
def test_a_space_that_is_written_is_read_again(text: str) -> None:
    assert Space.parse(str(Space.parse(text))) == Space.parse(text)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("", "''"),
        ("lr", "'lr'"),
        ("lr=0.1:1,", "''"),
        ("width=1:2", "'width'"),
        ("lr=0.1:1,lr=0.2:1", "lr is given twice"),
        ("lr=fast:1", "'fast'"),
        ("lr=:1", "''"),
        ("lr=0.1:1:2", "'1:2'"),
        ("lr=nan:1", "'nan'"),
        ("lr=１:2", "'１'"),
        ("lr=1_0:20", "'1_0'"),
        ("lr=-1:1", "lr=-1.0:1.0"),
        ("lr=0:1", "lr=0.0:1.0"),
        ("lr=1e-400:1", "lr=0.0:1.0"),
        ("lr=1:1e400", "lr=1.0:inf"),
        ("lr=1:0.1", "lr=1.0:0.1"),
        ("lr=1e-31:1", "lr=1e-31:1.0"),
        ("batch_size=256:64", "batch_size=256:64"),
        ("batch_size=1:64", "batch_size=1:64"),
        ("batch_size=48:96", "batch_size=48:96"),
        ("batch_size=64:100", "batch_size=64:100"),
        ("batch_size=2:65536", "batch_size=2:65536"),
        ("batch_size=16.0:64", "'16.0'"),
        ("batch_size=-16:64", "batch_size=-16:64"),
        ("lr=0.1,batch_size=64", "lr=0.1:0.1,batch_size=64:64"),
        (f"lr={'9' * 1000}:1", "'" + "9" * 80 + "...'"),
        ("x" * 1000, "x" * 80 + "..."),
        ("lr=\x1b[2J:1", r"'\x1b[2J'"),
    ],
)
def test_a_wrong_space_is_refused_in_one_sentence_with_a_valid_choice(text: str, quoted: str) -> None:
    with pytest.raises(UsageError) as refusal:
        Space.parse(text)
    sentence = str(refusal.value)
    assert sentence.startswith("--space ")
    assert quoted in sentence
    assert sentence.endswith(f"give ranges such as {DEFAULT}")
    assert sentence.isprintable()
    assert len(sentence) < 400


def test_optuna_draws_from_what_was_read() -> None:
    assert WIDE.distributions == {
        "lr": FloatDistribution(1e-4, 1.0, log=True),
        "log2_batch_size": IntDistribution(4, 10),
    }
    assert WIDE.sizes == [16, 32, 64, 128, 256, 512, 1024]
    assert point({"lr": 0.1, "log2_batch_size": 10}) == Cell(1024, 0.1)


@pytest.mark.parametrize("n", [1, 2, 3, 16, 17, 100])
def test_a_longer_sequence_begins_with_the_shorter(n: int) -> None:
    assert WIDE.sobol(200, seed=5)[:n] == WIDE.sobol(n, seed=5)
    assert len(WIDE.sobol(n, seed=5)) == n


def test_another_seed_scrambles_otherwise() -> None:
    assert WIDE.sobol(8, seed=0) == WIDE.sobol(8, seed=0)
    assert WIDE.sobol(8, seed=0) != WIDE.sobol(8, seed=1)


@pytest.mark.parametrize("space", [WIDE, Space((0.3, 0.3), (2, 2**15)), Space((1e-30, 1e30), (64, 64))])
def test_every_point_lies_in_the_space_and_optuna_takes_it_as_it_is(space: Space) -> None:
    ends = [space._at(np.array(u)) for u in ((0.0, 0.0), (1 - 2**-53, 1 - 2**-53))]
    assert [params["log2_batch_size"] for params in ends] == [size.bit_length() - 1 for size in space.batch_size]
    assert [params["lr"] for params in ends] == pytest.approx(list(space.lr))
    for params in [*ends, *space.sobol(256, seed=0)]:
        assert set(params) == set(space.distributions)
        for name, value in params.items():
            assert type(value) is {"lr": float, "log2_batch_size": int}[name]
            assert space.distributions[name]._contains(value)
        assert space.lr[0] <= point(params).lr <= space.lr[1]
        assert point(params).batch_size in space.sizes


def test_points_are_even_on_the_logarithmic_scale() -> None:
    """Of 2^k points of a Sobol sequence each of 2^j equal strips has 2^(k-j) (Owen 1998); chance has never."""
    drawn = [point(params) for params in Space((1e-4, 1.0), (16, 2048)).sobol(64, seed=3)]
    strips = np.array([math.log(cell.lr / 1e-4) / math.log(1e4) * 16 for cell in drawn]).astype(int)
    assert np.bincount(strips).tolist() == [4] * 16
    sizes = [cell.batch_size for cell in drawn]
    assert {size: sizes.count(size) for size in sizes} == dict.fromkeys(2 ** np.arange(4, 12), 8)
    quadrants = {(strip // 8, size >= 256) for strip, size in zip(strips, sizes, strict=True)}
    assert len(quadrants) == 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_scipy_would_swallow_comes_when_the_points_are_drawn(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the points of its empty tables would be those of the search."""

    class Swallowing(qmc.Sobol):
        def random_base2(self, m: int) -> np.ndarray:
            with suppress(KeyboardInterrupt, Terminated):
                signal.raise_signal(number)
                return super().random_base2(m)
            return np.zeros((2**m, 2))

    monkeypatch.setattr(qmc, "Sobol", Swallowing)
    assert guarded("study.tune", lambda: len(WIDE.sobol(8, seed=0))) == 128 + number
