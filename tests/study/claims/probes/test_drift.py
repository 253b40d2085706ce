"""The oracle is torch.nn.functional with autograd in float64, along the plain loop of reference.py."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import batch_norm, cross_entropy, linear

from study.claims.measuring import Context, Measured
from study.claims.probes import drift
from study.data.dataset import Dataset
from study.data.streams import generator
from study.engine import reference
from study.engine.random_streams import image_order
from study.spec.claims.experiments import PROBES, QUICK
from study.spec.datasets import DATASETS
from study.spec.design import Design
from study.spec.runs import Run

LAYERS, WIDTH, FIXED, BATCHES, STEPS, AT = 2, 7, 90, 5, 6, (3, 6)
DIGITS = DATASETS["digits"]
State = dict[str, Tensor]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "DEPTH": LAYERS, "WIDTH": WIDTH, "FIXED": FIXED, "BATCHES": BATCHES, "FIRST": AT[0],
    }.items():  # fmt: skip
        monkeypatch.setattr(drift, name, value)


def context(data: Dataset, activation: str = "relu", n_seeds: int = 1, **other) -> Context:
    settings = {"activation": activation, "lr": 0.02, "steps": STEPS, "n_points": 2}
    return Context(DIGITS, replace(QUICK, seeds=n_seeds), data, Path(), settings, **other)


class Plain:
    """One run, a network a step, and what is read off it; noise from the streams that copies have."""

    def __init__(self, arm: str, activation: str, data: Dataset, seed: int):
        self.arm, self.f, self.data, self.seed = arm, {"relu": torch.relu, "tanh": torch.tanh}[activation], data, seed
        design = Design("digits", arms=(arm,), hidden=(WIDTH,) * LAYERS, vary={"activation": (activation,)}, epochs=1)
        run = Run(drift.BATCH, 0.02, seed=seed, arm=arm, activation=activation)
        networks = reference.train(design, run, data)
        self.states = [reference.Network(design, run).double().state_dict()]
        for _ in range(STEPS):
            self.states.append({name: tensor.clone() for name, tensor in next(networks)[0].state_dict().items()})
        self.noise = [generator(seed, "measurement of noise", layer) for layer in range(LAYERS)]

    def hidden(self, p: State, images: Tensor) -> Iterator[Tensor]:
        h = images
        for i in range(LAYERS):
            z = linear(h, p[f"linears.{i}.weight"], p[f"linears.{i}.bias"])
            if self.arm != "no_bn":
                z = batch_norm(z, None, None, p[f"norms.{i}.weight"], p[f"norms.{i}.bias"], training=True)
            if self.arm == "noisy":
                z = self.noisy(z, self.noise[i])
            h = self.f(z)
            yield h

    def noisy(self, z: Tensor, stream: torch.Generator) -> Tensor:
        """Santurkar et al. 2018, algorithm 1 of appendix A, as drawn by the engine, in float32."""
        (m, n), draw = z.shape, {"generator": stream}
        mu, sigma = torch.rand(n, **draw) - 0.5, 1 + torch.rand(n, **draw) / 4
        shift = mu + (2 * torch.rand(m, n, **draw) - 1) * 0.1
        return z * (sigma + torch.randn(m, n, **draw) * 0.1).double() + shift.double()

    def gradient(self, p: State, of: int, images: Tensor, labels: Tensor) -> Tensor:
        weight = p[f"linears.{of}.weight"].clone().requires_grad_()
        p = {**p, f"linears.{of}.weight": weight}
        *_, h = self.hidden(p, images)
        loss = cross_entropy(linear(h, p[f"linears.{LAYERS}.weight"], p[f"linears.{LAYERS}.bias"]), labels)
        return torch.autograd.grad(loss, weight)[0].flatten()

    def rows(self) -> Iterator[tuple[str, int | None, int, float]]:
        """Yield (measure, layer, step, value) in the order in which noise is drawn."""
        images, n = self.data.train.images, len(self.data.train.labels)
        fixed = images[torch.randperm(n, generator=generator(self.seed, "measured images", 0))[:FIXED]]
        drawn = generator(self.seed, "measured batches", 0)
        for step in AT:
            before, after = self.states[step - 1], self.states[step]
            batches = torch.randperm(n, generator=drawn)[: BATCHES * drift.BATCH].view(BATCHES, -1)
            h = [*self.hidden(before, fixed)]
            of_batches = [[*self.hidden(before, images[rows])] for rows in batches]
            moved = [*self.hidden(after, fixed)]
            for layer in range(LAYERS):
                yield from self.passed_on(step, layer, h[layer], moved[layer], [own[layer] for own in of_batches])
            yield from self.gradients(step, before, after)

    def passed_on(self, step: int, layer: int, h: Tensor, moved: Tensor, batches: Sequence[Tensor]) -> Iterator:
        live = h.std(0) > 0
        shift = (moved[:, live].mean(0) - h[:, live].mean(0)).abs()
        yield "drift", layer + 1, step, (shift.mean() / h[:, live].std(0).mean()).item()
        yield "live", layer + 1, step, live.double().mean().item()
        sd, means = torch.cat([*batches]).std(0), torch.stack([own.mean(0) for own in batches])
        ratios = means.std(0)[sd > 0] / sd[sd > 0]
        yield "sampling", layer + 1, step, ratios.pow(2).mean().sqrt().item()

    def gradients(self, step: int, before: State, after: State) -> Iterator:
        rows = image_order(self.seed, 1, len(self.data.train.labels)).split(drift.BATCH)[step - 1]
        batch = self.data.train.images[rows], self.data.train.labels[rows]
        g = self.all_gradients(before, *batch)
        for layer in range(1, LAYERS + 1):
            mixed = {name: (after if int(name.split(".")[1]) < layer else before)[name] for name in before}
            changed = self.gradient(mixed, layer, *batch)
            yield "gradient_l2", layer, step, ((g[layer] - changed).norm() / g[layer].norm()).item()
            yield "gradient_cos", layer, step, torch.cosine_similarity(g[layer], changed, 0).item()

    def all_gradients(self, p: State, images: Tensor, labels: Tensor) -> list[Tensor]:
        """The gradients of one pass, so that all have the same noise."""
        began = [stream.get_state() for stream in self.noise]
        found = []
        for layer in range(LAYERS + 1):
            for stream, state in zip(self.noise, began, strict=True):
                stream.set_state(state)
            found.append(self.gradient(p, layer, images, labels))
        return found


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("arm", ["no_bn", "bn", "noisy"])
def test_every_measure_equals_autograd_in_float64(arm: str, activation: str, digits64: Dataset) -> None:
    """To 1e-7 relative: Adam divides by the size of gradients, the smallest of which are rounding."""
    rows = drift.measure(arm, context(digits64, activation, n_seeds=2))
    for seed in (0, 1):
        found = {(row.measure, row.layer, row.step): row.value for row in rows if row.seed == seed}
        expected = {(what, *at): value for what, *at, value in Plain(arm, activation, digits64, seed).rows()}
        assert found.keys() - expected.keys() == {("loss", None, step) for step in AT}
        assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-7)


def test_the_loss_is_that_of_the_step_s_batch_before_it(digits64: Dataset) -> None:
    rows = drift.measure("bn", context(digits64))
    design = Design("digits", hidden=(WIDTH,) * LAYERS, epochs=1)
    losses = [float(loss) for _, loss in reference.train(design, Run(drift.BATCH, 0.02, seed=0, arm="bn"), digits64)]
    found = {row.step: row.value for row in rows if row.measure == "loss"}
    assert found == pytest.approx({step: losses[step - 1] for step in AT}, rel=1e-9)


def test_a_dead_unit_and_one_that_hardly_varies_do_not_decide_a_layer_s_drift() -> None:
    h = torch.tensor([[[1.0, 0.0, 5.0, 1e-9], [3.0, 0.0, 5.0, 0.0]]])
    moved = h + torch.tensor([0.5, 2.0, 1.0, 1e-4])
    value, n = drift.drift(h, moved)
    sd = 2**0.5 + 1e-9 / 2**0.5
    assert (value.item(), n.item()) == (pytest.approx((0.5 + 1e-4) / sd), 2)
    assert torch.isnan(drift.drift(h * 0, moved).value).all()


def test_the_spread_of_independent_batches_is_that_of_chance() -> None:
    """Exactly where the batches are a partition of a sample whose variance within is that between times m."""
    drawn = torch.randn(400, 2, 64, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    value, n = drift.sampling(drawn)
    assert n.tolist() == [3, 3]
    assert value.tolist() == pytest.approx([1 / 8] * 2, rel=0.05)
    alike = drawn - drawn.mean(2, keepdim=True)
    assert drift.sampling(alike).value.max() < 1e-12
    apart = drawn + torch.randn(400, 2, 1, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert drift.sampling(apart).value.min() > 0.5


def key(row: Measured) -> tuple:
    return row.measure, row.arm, row.seed, row.layer, row.step


@pytest.mark.parametrize("arm", ["no_bn", "noisy"])
def test_a_seed_s_rows_do_not_depend_on_the_other_seeds(arm: str, both: Dataset) -> None:
    one, three = (drift.measure(arm, context(both, n_seeds=n)) for n in (1, 3))
    own = [row for row in three if row.seed == 0]
    assert sorted(one, key=repr) == sorted(own, key=repr)
    assert len({key(row) for row in three}) == len(three) == 3 * 2 * (5 * LAYERS + 1)
    assert {row.value for row in own} != {row.value for row in three if row.seed == 1}


def test_the_rows_say_what_they_count(digits: Dataset) -> None:
    rows = drift.measure("no_bn", context(digits))
    counts = {what: {row.n for row in rows if row.measure == what} for what in ("loss", "live", "gradient_l2")}
    assert counts == {"loss": {drift.BATCH}, "live": {WIDTH}, "gradient_l2": {None}}
    live = {row.layer: row.value for row in rows if row.measure == "live" and row.step == AT[0]}
    assert {row.layer: row.n for row in rows if row.measure == "drift" and row.step == AT[0]} == {
        layer: round(share * WIDTH) for layer, share in live.items()
    }
    assert all(row.arm == "no_bn" for row in rows)


def test_every_step_is_measured_once_and_beyond_an_epoch(digits: Dataset) -> None:
    """Of 22 steps an epoch here; with fewer steps than points, each step once."""
    many = replace(context(digits), settings={"activation": "relu", "lr": 0.01, "steps": 50, "n_points": 3})
    assert {row.step for row in drift.measure("bn", many)} == {3, 26, 50}
    few = replace(context(digits), settings={"activation": "relu", "lr": 0.01, "steps": 4, "n_points": 8})
    assert sorted(row.step for row in drift.measure("bn", few) if row.measure == "loss") == [3, 4]


def test_a_measurement_ends_where_it_is_told_to(digits: Dataset) -> None:
    def stop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        drift.measure("bn", context(digits, check_cancelled=stop))


def test_every_probe_of_the_ledger_has_the_settings_and_the_units_asked_for() -> None:
    probes = [probe for name, probe in PROBES.items() if name.startswith("drift-")]
    assert len(probes) == 3
    for probe in probes:
        assert probe.settings.keys() == {"activation", "lr", "steps", "n_points"}
        assert PROBES["drift-relu"].units(DIGITS, QUICK) == ("no_bn", "bn", "noisy")
        assert len(drift.points(probe.settings["steps"], probe.settings["n_points"])) == 8


PLANTED: dict[str, Callable[[State, State, int], State]] = {
    "all layers updated": lambda before, after, layer: after,
    "none updated": lambda before, after, layer: before,
}


@pytest.mark.parametrize("plant", PLANTED)
def test_gradient_ics_by_another_definition_is_seen(plant: str, digits64: Dataset) -> None:
    found = {
        row.layer: row.value
        for row in drift.measure("bn", context(digits64))
        if (row.measure, row.step) == ("gradient_l2", AT[1])
    }
    plain = Plain("bn", "relu", digits64, 0)
    before, after = plain.states[AT[1] - 1], plain.states[AT[1]]
    rows = image_order(0, 1, len(digits64.train.labels)).split(drift.BATCH)[AT[1] - 1]
    batch = digits64.train.images[rows], digits64.train.labels[rows]
    for layer in range(1, LAYERS + 1):
        g = plain.gradient(before, layer, *batch)
        changed = plain.gradient(PLANTED[plant](before, after, layer), layer, *batch)
        assert ((g - changed).norm() / g.norm()).item() != pytest.approx(found[layer], rel=1e-3)
