"""The strongest peer: JAX's jit(vmap(scan)), which compiles many steps of many networks into one program.

What an expert would write today: stacked parameters, Adam by hand, the images on the device, a scan over the
steps. Like torch.func's, its batch norm keeps no running averages. Needs the extra ``bench``.
"""

from functools import partial
from itertools import islice
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from study.bench.implementations import LR, N_STACKED, Implementation, Task, Turns
from study.spec.constants import NORM_EPS

N_STEPS = 20
Params = dict[str, Any]


def scanned(task: Task) -> Implementation:
    return Implementation("JAX jit(vmap(scan))", N_STACKED, N_STEPS, _scanned(task))


def _scanned(task: Task) -> Turns:
    images, labels = (jnp.asarray(tensor.numpy()) for tensor in (task.data.train.images, task.data.train.labels))
    start = {name: tensor.detach().numpy().copy() for name, tensor in task.network().named_parameters()}
    parameters = {name: jnp.stack([jnp.asarray(array)] * N_STACKED) for name, array in start.items()}
    zeros = {name: jnp.zeros_like(array) for name, array in parameters.items()}
    state = (parameters, zeros, zeros, jnp.zeros(N_STACKED))
    rates = jnp.full(N_STACKED, LR)

    steps = jax.jit(lambda state, rows: jax.vmap(lambda own, lr: _scan(own, lr, images, labels, rows))(state, rates))
    order = task.rows()
    while True:
        rows = jnp.asarray(np.stack([rows.numpy() for rows in islice(order, N_STEPS)]))
        state, losses = steps(state, rows)
        losses.block_until_ready()
        yield partial(_first_losses, losses)


def _first_losses(losses: Any) -> list[float]:
    return list(np.asarray(losses[0]).tolist())


def _scan(state: Any, lr: Any, images: Any, labels: Any, rows: Any) -> Any:
    """Train one network on the images at ``rows`` (steps, batch); return (state, losses (steps,))."""

    def step(state: Any, own: Any) -> Any:
        parameters, m, v, t = state
        loss, gradient = jax.value_and_grad(_loss)(parameters, images[own], labels[own])
        t = t + 1
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradient)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradient)
        size, root = lr / (1 - 0.9**t), jnp.sqrt(1 - 0.999**t)
        parameters = jax.tree.map(lambda w, m, v: w - size * m / (jnp.sqrt(v) / root + 1e-8), parameters, m, v)
        return (parameters, m, v, t), loss

    return jax.lax.scan(step, state, rows)


def _loss(parameters: Params, images: Any, labels: Any) -> Any:
    h, n_linears = images, sum(name.startswith("linears") for name in parameters) // 2
    for index in range(n_linears):
        h = h @ parameters[f"linears.{index}.weight"].T + parameters[f"linears.{index}.bias"]
        if f"norms.{index}.weight" in parameters:
            h = (h - h.mean(0)) / jnp.sqrt(h.var(0) + NORM_EPS)
            h = h * parameters[f"norms.{index}.weight"] + parameters[f"norms.{index}.bias"]
        if index < n_linears - 1:
            h = jax.nn.relu(h)
    return -jnp.take_along_axis(jax.nn.log_softmax(h), labels[:, None], 1).mean()
