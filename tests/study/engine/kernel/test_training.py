"""The kernel's oracle is the plain torch.nn loop in float64 (reference.py), step by step from the same state."""

import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from study.data import dataset
from study.engine import random_streams, reference
from study.engine.kernel import training
from study.engine.kernel.images import NONZERO, ROWS, NonzeroPixels, Prepared, Rows, ScratchBuffer, prepare
from study.engine.kernel.layout import view
from study.engine.kernel.library import Library, load
from study.engine.kernel.library import Run as State
from study.engine.lockstep.training import Training, train, train_together
from study.spec.cohorts import Cohort
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.history import History
from study.spec.runs import Run
from study.store.study_folder import Folder
from tests.study.engine.lockstep.test_training import ARMS, Kinks, design_of
from tests.study.engine.test_grouping import ALL_LRS, ALL_SEEDS, PARTS, Bits, bits
from tests.study.values import a_third_of, cohort_of


def trained(design: Design, cohort: Cohort, digits: dataset.Dataset) -> History:
    return train_together(design, [cohort], digits, make=training.Training)[0]


# --- against the oracle


@pytest.mark.parametrize(
    ("hidden", "batch_size", "lr", "arm"),
    a_third_of([(32,), (32, 32), (32,) * 5, (33, 5, 17)], [7, 32, 100, 512], [1e-3, 1e-1], ARMS),
)
def test_every_step_equals_float64_from_the_same_state(
    hidden: tuple[int, ...], batch_size: int, lr: float, arm: str, digits: dataset.Dataset, form: Prepared
) -> None:
    """Teacher forcing over 100 steps, to the tolerances of torch's engine (test_training.py): loss, gradients,
    running averages, Adam's step."""
    design = design_of(batch_size, (lr,), (1,), hidden=hidden)
    run = Run(batch_size, lr, seed=1, arm=arm)
    network, exact = training.Network(design, run, load()), reference.Network(design, run).double()
    scratch, kinks = load().scratch(network.layout, batch_size), Kinks(exact)
    for t, rows in enumerate(batches(batch_size, 100), start=1):
        exact.load_state_dict({k: torch.from_numpy(v).double() for k, v in tensors(network).items()})
        before, m = network.state.w.copy(), network.state.m.astype(float)
        exact.zero_grad()
        inputs, labels = digits.train.images[rows].double(), digits.train.labels[rows]
        loss = torch.nn.functional.cross_entropy(exact(inputs), labels)
        torch.autograd.backward(loss)
        images = form.train.piece(rows.numpy().astype(np.int32), batch_size, ScratchBuffer())
        (own,) = load().train(network.state, images, batch_size, scratch)
        assert own == pytest.approx(loss.item(), rel=1e-5, abs=1e-6)
        if not kinks.any():
            assert_gradients_agree(network, (network.state.m - 0.9 * m) / 0.1, exact)
        assert_averages_agree(network, exact)
        assert_adam_stepped(network.state, before, lr, t)
    assert kinks.share() < 0.5


def batches(batch_size: int, n: int) -> list[torch.Tensor]:
    epochs = math.ceil(n / (1437 // batch_size))
    orders = [random_streams.image_order(1, epoch, 1437) for epoch in range(1, epochs + 1)]
    return [rows for order in orders for rows in torch.split(order[: 1437 // batch_size * batch_size], batch_size)][:n]


def tensors(network: training.Network) -> dict[str, NDArray[np.float32]]:
    """What torch.nn has a name for."""
    counters = {f"norms.{i}.num_batches_tracked": np.zeros((), np.float32) for i in range(len(network.layout.widths))}
    known = {name: tensor for name, tensor in network.tensors().items() if "cumulative" not in name}
    norms = {name.split(".")[1] for name in known if name.startswith("norms")}
    return known | {name: value for name, value in counters.items() if name.split(".")[1] in norms}


def assert_gradients_agree(network: training.Network, gradient: NDArray[np.float64], exact: reference.Network) -> None:
    """``gradient`` is what moved Adam's first moment; what pads a tensor has none."""
    theirs = {
        name: parameter.grad.numpy() for name, parameter in exact.named_parameters() if parameter.grad is not None
    }
    largest = max(np.abs(found).max() for found in theirs.values())
    assert theirs.keys() == network.layout.parameters.keys()
    rest = gradient.copy()
    for name, place in network.layout.parameters.items():
        assert np.abs(view(gradient, place).T - theirs[name]).max() <= 1e-5 * max(largest, 0.1), name
        view(rest, place)[:] = 0
    assert not rest.any()


def assert_averages_agree(network: training.Network, exact: reference.Network) -> None:
    for index, norm in enumerate(exact.norms):
        own, spread = network.tensors(), norm.running_var.max().item()
        for what, scale in (("running_mean", math.sqrt(spread)), ("running_var", spread)):
            theirs = getattr(norm, what).numpy()
            assert np.abs(own[f"norms.{index}.{what}"] - theirs).max() <= 1e-5 * scale


def assert_adam_stepped(state: State, before: NDArray[np.float32], lr: float, t: int) -> None:
    m, v = state.m.astype(float), state.v.astype(float)
    step = m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    ulp = 2**-23 * np.abs(before).max()
    assert np.abs(before.astype(float) - state.w - lr * step).max() <= 1e-5 * lr + ulp


def test_the_untrained_network_and_what_it_answers_are_torch_s(digits: dataset.Dataset, form: Prepared) -> None:
    design = design_of(64, (1e-2,), (0, 1), epochs=1, hidden=(33, 7))
    cohort = cohort_of(64, ARMS, design.lrs, design.seeds)
    theirs, ours = Training(design, cohort, digits), training.Training(design, cohort, digits)
    assert ours.history().loss == pytest.approx(theirs.history().loss, rel=1e-6)
    assert (ours.history().n_correct == theirs.history().n_correct).all()
    assert (ours.history().test_correct == theirs.history().test_correct).all()


def test_records_of_the_engines_differ_by_rounding_until_a_run_forks(digits: dataset.Dataset) -> None:
    """A unit on the kink of its ReLU parts two correct loops for good, as it parts torch's float32 from its float64:
    the losses of most runs agree to 1e-4 after 60 steps, those of all to a tenth."""
    design = design_of(64, (1e-3,), tuple(range(8)), epochs=3)
    cohort = cohort_of(64, ARMS, design.lrs, design.seeds)
    ours, theirs = trained(design, cohort, digits), train(design, cohort, digits)
    errors = np.abs(ours.loss / theirs.loss - 1).max(axis=(1, 2))
    assert statistics.median(errors) <= 1e-3
    assert errors.max() <= 0.1
    assert ours.n_steps == theirs.n_steps
    for own, other in zip(ours.weights, theirs.weights, strict=True):
        assert {name: value.shape for name, value in own.items()} == {name: v.shape for name, v in other.items()}


def test_running_and_cumulative_statistics_are_torch_s(digits: dataset.Dataset) -> None:
    """After two epochs of two steps, when nothing has forked yet."""
    design = design_of(512, (1e-3,), (0, 1), epochs=2)
    cohort = cohort_of(512, ("bn",), design.lrs, design.seeds)
    ours, theirs = trained(design, cohort, digits), train(design, cohort, digits)
    for own, other in zip(ours.weights, theirs.weights, strict=True):
        for name in own:
            if name.endswith(("mean", "var")):
                assert own[name] == pytest.approx(other[name], rel=2e-2, abs=2e-2), name


# --- bits


def kernel_bits(design: Design, cohort: Cohort, digits: dataset.Dataset) -> Bits:
    return bits([cohort], [trained(design, cohort, digits)])


@pytest.mark.parametrize("hidden", [(32, 32), (33, 5, 17), (1,)])
@pytest.mark.parametrize("batch_size", [7, 32, 512])
def test_a_part_of_the_grid_has_the_bits_of_the_whole(
    hidden: tuple[int, ...], batch_size: int, digits: dataset.Dataset
) -> None:
    design = Design("digits", batch_sizes=(batch_size,), lrs=ALL_LRS, seeds=ALL_SEEDS, epochs=2, hidden=hidden)
    together = kernel_bits(design, cohort_of(batch_size, ARMS, design.lrs, design.seeds), digits)
    for part in PARTS:
        assert kernel_bits(design, cohort_of(batch_size, *part), digits).items() <= together.items()


@pytest.mark.parametrize(("name", "value"), [("PIECE", 100), ("WORK", 1e5), ("PIECE", 10**6)])
def test_how_much_is_done_at_once_changes_no_bit(
    name: str, value: float, digits: dataset.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    design = design_of(32, (1e-2,), (0, 3), epochs=2)
    cohort = cohort_of(32, ARMS, design.lrs, design.seeds)
    before = kernel_bits(design, cohort, digits)
    monkeypatch.setattr(training, name, value)
    assert kernel_bits(design, cohort, digits) == before


@pytest.mark.parametrize("batch_size", [2, 100, 300, 1437])
def test_lit_pixels_and_whole_rows_have_the_same_bits(
    batch_size: int, digits: dataset.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    design = design_of(batch_size, (1e-2,), (0,), epochs=2, hidden=(40, 9))
    cohort = cohort_of(batch_size, ARMS, design.lrs, design.seeds)
    found = []
    for form in (ROWS, NONZERO):
        prepared = prepare(load(), digits, design.widths, form)
        monkeypatch.setattr(training, "prepared", lambda *_, prepared=prepared: prepared)
        found.append(kernel_bits(design, cohort, digits))
    assert found[0] == found[1]


def test_the_form_that_is_faster_is_taken_and_both_times_are_told(
    digits: dataset.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a clock that stands still while the one form trains."""
    for fast in (ROWS, NONZERO):
        now, train = [0.0], Library.train

        def timed(self, run, images, batch, scratch, fast=fast, now=now, train=train):
            now[0] += 0.001 if (images.rows is not None) == (fast == ROWS) else 0.002
            return train(self, run, images, batch, scratch)

        with monkeypatch.context() as patch:
            patch.setattr(Library, "train", timed)
            patch.setattr(time, "perf_counter", lambda now=now: now[0])
            prepared = prepare(load(), digits, (64, 32, 10))
        assert prepared.form == fast
        assert isinstance(prepared.train, Rows if fast == ROWS else NonzeroPixels)
        slow = NONZERO if fast == ROWS else ROWS
        assert prepared.microseconds[slow] == pytest.approx(2 * prepared.microseconds[fast])


def test_the_form_is_in_the_manifest(study_run: Callable[..., int], tmp_path: Path) -> None:
    assert study_run("--seeds", "1", "--engine", "kernel", "--no-ablation") == 0
    manifest = Folder(tmp_path / "s").read_manifest()
    assert manifest
    told = manifest["device"]["first_layer"]
    assert told["form"] == min(told["microseconds_of_an_image"], key=told["microseconds_of_an_image"].get)
    assert study_run("--seeds", "1", "--engine", "torch", "--no-ablation", "--study-id", "t") == 0
    manifest = Folder(tmp_path / "t").read_manifest()
    assert manifest
    assert "first_layer" not in manifest["device"]


@pytest.mark.parametrize("batch_size", [2, 32, 60_000])
@pytest.mark.parametrize("hidden", [(32, 32), (256, 256), (4096, 4096)])
def test_a_call_is_short_or_a_single_step(hidden: tuple[int, ...], batch_size: int) -> None:
    """Signals wait for it: WORK takes a fraction of a second. An epoch is parted evenly."""
    design = Design("mnist", batch_sizes=(batch_size,), hidden=hidden)
    n_steps = training.steps_at_once(design, Cell(batch_size, 0.01), 60_000)
    assert n_steps == 1 or n_steps * batch_size * design.n_parameters("bn") <= training.WORK
    n_pieces = -(-(60_000 // batch_size) // n_steps)
    assert 0 <= n_pieces * n_steps - 60_000 // batch_size < n_pieces


# --- MNIST


@pytest.mark.parametrize("batch_size", [32, 512])
def test_mnist_s_lit_pixels_have_the_bits_of_whole_rows_and_torch_s_losses(batch_size: int, mnist_dir: Path) -> None:
    mnist = dataset.load("mnist", mnist_dir)
    some = dataset.Dataset("mnist", dataset.Split(mnist.train.images[:4096], mnist.train.labels[:4096]), mnist.test, {})
    design = Design("mnist", batch_sizes=(batch_size,), lrs=(1e-3,), seeds=(0,), epochs=1)
    cohort = cohort_of(batch_size, ARMS, design.lrs, design.seeds)
    ours, theirs = trained(design, cohort, some), train(design, cohort, some)
    assert isinstance(training.prepared(design, some).train, NonzeroPixels)
    assert ours.loss == pytest.approx(theirs.loss, rel=0.02)
    rows = prepare(load(), some, design.widths, ROWS)
    assert isinstance(rows.train, Rows)
    again = training.Training(design, cohort, some)
    again.images = rows
    again.epoch(1)
    again.evaluate()
    assert again.history().loss.tobytes() == ours.loss.tobytes()


@pytest.mark.slow
def test_all_of_mnist_in_one_batch_has_torch_s_losses_in_either_form(mnist_dir: Path) -> None:
    mnist = dataset.load("mnist", mnist_dir)
    design = Design("mnist", batch_sizes=(60_000,), lrs=(1e-3,), seeds=(0,), epochs=3)
    cohort = cohort_of(60_000, ARMS, design.lrs, design.seeds)
    theirs = train(design, cohort, mnist)
    for form in (NONZERO, ROWS):
        again = training.Training(design, cohort, mnist)
        again.images = prepare(load(), mnist, design.widths, form)
        for epoch in (1, 2, 3):
            again.epoch(epoch)
            again.evaluate()
        assert again.history().n_steps == 3
        assert again.history().loss == pytest.approx(theirs.loss, rel=1e-4)
