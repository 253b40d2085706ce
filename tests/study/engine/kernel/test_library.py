"""What the compiled library is handed is checked, and what is no number, or too small for one, is an outcome."""

import math
import platform
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from study.data import dataset
from study.engine.kernel import training
from study.engine.kernel.images import NONZERO, ROWS, NonzeroPixels, Prepared, Rows, ScratchBuffer, prepare
from study.engine.kernel.layout import Layout, aligned, view
from study.engine.kernel.library import BLOCK, Images, Library, load
from study.engine.kernel.library import Run as State
from study.spec.design import Design
from study.spec.runs import Run
from tests.study.engine.kernel.test_training import trained
from tests.study.engine.lockstep.test_training import ARMS, design_of
from tests.study.values import cohort_of


def network_of(hidden: tuple[int, ...] = (32,), batch_norm: bool = True) -> tuple[Layout, State]:
    layout = Layout((64, *hidden, 10), batch_norm)
    return layout, State(layout, 0.01)


# --- outcomes


def test_a_diverging_run_is_an_outcome_and_its_neighbour_does_not_notice(digits: dataset.Dataset) -> None:
    design = design_of(32, (1e-2, 1e20), (0,), epochs=3)
    history = trained(design, cohort_of(32, ("no_bn",), design.lrs, design.seeds), digits)
    assert history.first_bad_epoch == [None, 1]
    assert history.loss[0, 3, 1] < 0.5
    alone = trained(design, cohort_of(32, ("no_bn",), (1e-2,), design.seeds), digits)
    assert alone.loss.tobytes() == history.loss[:1].tobytes()


@pytest.mark.parametrize("poison", [math.nan, math.inf])
@pytest.mark.parametrize("arm", ARMS)
def test_numbers_that_are_none_reach_the_loss_and_answer_nothing(
    poison: float, arm: str, digits: dataset.Dataset, form: Prepared
) -> None:
    run = Run(32, 1e-2, seed=0, arm=arm)
    design = design_of(32, (1e-2,), (0,))
    network = training.Network(design, run, load())
    network.parameter("linears.2.bias")[3] = poison
    scratch = load().scratch(network.layout, BLOCK)
    (some,) = form.train.chunks(2048)
    losses, correct = load().evaluate(network.layout, load().fold(network.state), some, scratch)
    assert not network.finite()
    assert not math.isfinite(losses)
    assert not correct.any()
    found = load().train(
        network.state, form.train.piece(np.arange(64, dtype=np.int32), 32, ScratchBuffer()), 32, scratch
    )
    assert not math.isfinite(found[1])


def test_the_mode_for_denormals_is_given_back(digits: dataset.Dataset) -> None:
    torch.set_flush_denormal(False)
    try:
        design = design_of(512, (1e-2,), (0,), epochs=1)
        trained(design, cohort_of(512, ("bn",), design.lrs, design.seeds), digits)
        assert np.float32(1e-30) * np.float32(1e-10) > 0
    finally:
        torch.set_flush_denormal(True)


@pytest.fixture
def denormals() -> Iterator[None]:
    """Kept outside of the kernel, as this process otherwise does not."""
    torch.set_flush_denormal(False)
    yield
    torch.set_flush_denormal(True)


FLUSHES = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64", "aarch64", "arm64"), reason="the kernel knows no such mode here"
)
DENORMAL = np.float32(1e-40)


@FLUSHES
@pytest.mark.usefixtures("denormals")
@pytest.mark.parametrize("arm", ARMS)
def test_moments_without_a_gradient_end_at_zero(arm: str) -> None:
    """Those of a pixel that is never lit decay; below the normal numbers they are dropped."""
    layout, state = network_of(batch_norm=arm == "bn")
    unlit = view(state.m, layout.parameters["linears.0.weight"])[5]
    unlit[:] = DENORMAL
    assert (unlit * np.float32(0.9) > 0).all()
    rows = aligned(32 * 64).reshape(32, 64)
    load().train(state, Images(np.zeros(32, np.int32), rows), 32, load().scratch(layout, 32))
    assert not unlit.any()


@FLUSHES
@pytest.mark.usefixtures("denormals")
def test_a_weight_that_folding_makes_denormal_is_zero() -> None:
    layout, state = network_of()
    view(state.running, layout.statistics["norms.0.var"])[:] = 1
    view(state.w, layout.parameters["norms.0.weight"])[:] = 1e-20
    view(state.w, layout.parameters["linears.0.weight"])[:] = 1e-20
    assert np.float32(1e-20) * np.float32(1e-20) > 0
    assert not view(load().fold(state), layout.parameters["linears.0.weight"]).any()


@FLUSHES
@pytest.mark.usefixtures("denormals")
def test_a_denormal_weight_answers_nothing() -> None:
    layout, state = network_of(batch_norm=False)
    view(state.w, layout.parameters["linears.0.weight"])[0, 0] = DENORMAL
    view(state.w, layout.parameters["linears.1.weight"])[0, 3] = 1e30
    rows = aligned(64).reshape(1, 64)
    rows[0, 0] = 1e10
    assert rows[0, 0] * DENORMAL * np.float32(1e30) > 0.9
    found, _ = load().evaluate(layout, state.w, Images(np.array([3], np.int32), rows), load().scratch(layout, BLOCK))
    assert found == pytest.approx(math.log(10), abs=1e-6)


# --- what is handed over


def test_every_array_s_length_kind_and_place_is_checked(digits: dataset.Dataset) -> None:
    library, (layout, state) = load(), network_of()
    rows, labels = aligned(64 * 64).reshape(64, 64), np.zeros(64, np.int32)
    scratch, images = library.scratch(layout, 32), Images(labels, rows)
    library.train(state, images, 32, scratch)
    wrong: dict[str, Callable[[], object]] = {
        r"of \d+ where \d+ are needed": lambda: library.train(state, images, 32, scratch[:-1]),
        "not aligned": lambda: library.train(state, images, 32, np.zeros(len(scratch) + 1, np.float32)[1:]),
        "incomplete batch": lambda: library.train(state, images, 60, scratch),
        "needs two images": lambda: library.train(state, images, 1, scratch),
        "float64": lambda: library.train(state, Images(labels, rows.astype(float)), 32, scratch),  # type: ignore[arg-type]
        "with gaps": lambda: library.train(state, Images(labels, np.asfortranarray(rows)), 32, scratch),
        "of 32 where|of 2048 where": lambda: library.train(state, Images(labels, rows[:32]), 32, scratch),
        "labels": lambda: library.train(state, Images(labels + 10, rows), 32, scratch),
        "int64": lambda: library.train(state, Images(labels.astype(np.int64), rows), 32, scratch),  # type: ignore[arg-type]
        "no network": lambda: library.scratch(Layout((64,), False), 32),
    }
    for message, call in wrong.items():
        with pytest.raises(ValueError, match=message):
            call()


def test_a_plan_is_checked_too(digits: dataset.Dataset) -> None:
    library, (layout, state) = load(), network_of()
    entries = library.entries(digits.train.images.numpy(), np.arange(17, dtype=np.float32) / 16)
    n_groups = 64 // library.group
    order, ever, values = np.arange(64, dtype=np.int32), np.ones(n_groups, np.uint8), aligned(256)
    buffer = np.zeros(64 * n_groups, np.uint64)
    whole = library.plan(entries, order, 32, ever, values, buffer)
    scratch, labels = library.scratch(layout, 32), np.zeros(64, np.int32)
    checked = Images(labels, plan=whole)
    library.train(state, checked, 32, scratch)
    wide = library.plan(
        replace(entries, n_groups=n_groups + 1), order, 32, np.ones(n_groups + 1, np.uint8), values, buffer.copy()
    )
    wrong: dict[str, Callable[[], object]] = {
        r"of 10 where \d+ are needed": lambda: library.plan(entries, order, 32, ever, values, buffer[:10]),
        "another order": lambda: library.plan(entries, order - 1, 32, ever, values, buffer),
        rf"of {n_groups - 1} where {n_groups} are needed": lambda: library.plan(
            entries, order, 32, ever[1:], values, buffer
        ),
        r"of 10 where \d+": lambda: library.train(
            state, Images(labels, plan=replace(whole, entries=whole.entries[:10])), 32, scratch
        ),
        "of 255 where 256": lambda: library.train(
            state, Images(labels, plan=replace(whole, values=values[:-1])), 32, scratch
        ),
        "a plan of other": lambda: library.train(state, Images(labels, plan=wide), 32, scratch),
        "other images": lambda: library.train(state, Images(labels, plan=whole), 16, scratch),
        "for batches of 32": lambda: library.train(state, Images(labels, plan=whole), 64, library.scratch(layout, 64)),
        "a plan of another library": lambda: library.train(
            state, Images(labels, plan=replace(whole, group=8)), 32, scratch
        ),
        "entries of another": lambda: library.plan(replace(entries, group=8), order, 32, ever, values, buffer),
        "labels": lambda: library.train(state, replace(checked, labels=labels + 10), 32, scratch),
        "values without": lambda: library.entries(digits.train.images.numpy(), np.zeros(1, np.float32)),
    }
    for message, call in wrong.items():
        with pytest.raises(ValueError, match=message):
            call()


def test_a_plan_holds_every_lit_pixel_once_group_by_group(digits: dataset.Dataset) -> None:
    """Read back, it is the images in their order; the visits are of all groups ever nonzero, by their entries."""
    prepared = prepare(load(), digits, (64, 32, 10), NONZERO).train
    assert isinstance(prepared, NonzeroPixels)
    order = np.arange(1000, 400, -1, dtype=np.int32)
    plan = prepared.piece(order, 300, ScratchBuffer()).plan
    assert plan is not None
    found, begin = np.zeros((600, 64), np.float32), 0
    first_images = [0, 256, 300, 556]
    for first, starts, visits in zip(first_images, plan.starts, plan.visits, strict=True):
        own = plan.entries[begin : begin + starts[-1]]
        begin += int(starts[-1])
        groups = np.repeat(np.arange(64 // plan.group), np.diff(starts))
        for p in range(plan.group):
            pixel = plan.group * groups + p
            found[first + (own >> 32).astype(int), pixel] = plan.values[(own >> 8 * p & 255).astype(int)]
        counts = np.diff(starts)[visits]
        assert (np.diff(counts.astype(int)) >= 0).all()
        assert sorted(visits) == np.flatnonzero(prepared.ever_nonzero).tolist()
    assert (found == digits.train.images.numpy()[order]).all()


def test_images_with_more_values_than_codes_are_whole_rows(digits: dataset.Dataset) -> None:
    noisy = digits.train.images * torch.linspace(0.5, 1, 64)
    many = dataset.Dataset("digits", dataset.Split(noisy, digits.train.labels), digits.test, {})
    found = prepare(load(), many, (64, 32, 10))
    assert isinstance(found.train, Rows)
    assert [*found.microseconds] == [found.form] == [ROWS]


def test_only_float32_images_of_the_design_s_size_are_taken(digits: dataset.Dataset, digits64: dataset.Dataset) -> None:
    design = design_of(64, (1e-2,), (0,), epochs=1)
    cohort = cohort_of(64, ("bn",), design.lrs, design.seeds)
    with pytest.raises(ValueError, match="these images are float64"):
        training.Training(design, cohort, digits64)
    with pytest.raises(ValueError, match="images of 64 pixels for networks of 784"):
        training.Training(Design("mnist"), cohort, digits)


def test_the_library_says_how_wide_its_vectors_are() -> None:
    assert isinstance(load(), Library)
    assert load().lanes in (4, 8, 16)
