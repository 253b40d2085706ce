"""Can a network of one's own be trained, and what is known of it? Asked once, before anything is written.

Every arm's network is made twice and sees a few images of the data's shape: what is wrong with it is said here, in one
sentence, and not by a worker an hour later.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from study.engine import random_streams
from study.engine.plain import batch_norms, loading
from study.errors import UsageError
from study.spec.arms import ARMS, DEFAULT_ARMS, Arm, in_order
from study.spec.checks import check_known
from study.spec.datasets import DATASETS, DatasetSpec
from study.spec.networks import NetworkArm, NetworkSpec
from study.store import network_files

N_IMAGES = 4
"""Random images that a network is asked about."""

Form = Callable[[Tensor], Tensor]
"""From rows (n, features) to what a network takes."""


def network(file: str | Path, dataset: str | DatasetSpec, arms: Sequence[str] = DEFAULT_ARMS) -> NetworkSpec:
    """Load a network from a function of a file, and try it: a value for ``Design(network=...)``.

    The file is run, as ``import`` would.

    Parameters
    ----------
    file
        ``"my_net.py:make"``, or a network that comes with the program: ``"cnn"``, ``"residual"``. The function takes
        any of ``arm`` (a ``study.Arm``), ``seed_stream`` (a ``torch.Generator``) and ``data`` (a
        ``study.DatasetSpec``), by these names, and returns a ``torch.nn.Module`` from images (n, channels, height,
        width) or, where it does not take these, rows (n, features) to logits (n, classes).
    dataset
        A key of ``DATASETS``, or the shape of data of your own.
    arms
        Every arm that it will be trained for.

    Returns
    -------
    NetworkSpec

    Raises
    ------
    UsageError
        Where the file, its function or the network is not what can be trained.
    """
    if isinstance(dataset, str):
        check_known("--dataset", dataset, DATASETS)
    data = DATASETS[dataset] if isinstance(dataset, str) else dataset
    path, function = network_files.locate(str(file))
    spec = NetworkSpec(f"{path.name}:{function}", network_files.sha256_of(path), path=path.resolve())
    tried = [Tried(spec, ARMS[arm], data) for arm in in_order(tuple(arms))]
    _check_differ(spec, tried)
    return NetworkSpec(spec.name, spec.sha256, tuple(one.known for one in tried), spec.path)


class Tried:
    """The network of one arm, made and asked; its construction raises a UsageError where it cannot be trained."""

    def __init__(self, spec: NetworkSpec, arm: Arm, data: DatasetSpec):
        self.spec, self.arm, self.data = spec, arm, data
        self.what = f"{spec.name} for the arm {arm.key}"
        self.module = loading.make(spec, arm, 0, data)
        learnt = self._check_parameters()
        self._check_reproducible()
        self.rows = torch.rand(N_IMAGES, data.n_features, generator=random_streams.generator(0, "probe", 0))
        self.images = self._takes_images()
        self.asked = form(data, self.images)(self.rows)
        norms = self._run(lambda: batch_norms.in_order(self.module.eval(), self.asked, self.what))
        self._check_predicts_alike()
        self.known = NetworkArm(arm.key, learnt, self._n_products(), len(norms), self.images)
        self.logits = self._check_trains()

    def _check_parameters(self) -> int:
        """Return the number of learnt numbers."""
        own = list(self.module.parameters())
        if any(isinstance(p, UninitializedParameter) for p in own):
            raise UsageError(f"{self.what} has lazy layers of no size yet; give each its size: {self._example()}")
        if not own:
            raise UsageError(f"{self.what} has no parameters, so nothing can be trained: {self._example()}")
        learnt = sum(p.numel() for p in own if p.requires_grad)
        if not learnt:
            raise UsageError(
                f"{self.what} has requires_grad=False in every parameter, so nothing trains; leave some as they are"
            )
        return learnt

    def _check_reproducible(self) -> None:
        again = loading.make(self.spec, self.arm, 0, self.data).state_dict()
        for name, tensor in self.module.state_dict().items():
            if name not in again or not torch.equal(tensor, again[name]):
                raise UsageError(
                    f"{self.what} is another when it is made again with the same seed: {name} differs. Draw from"
                    " seed_stream or by torch's own functions alone, not from random or numpy"
                )

    def _takes_images(self) -> bool:
        """Whether the network takes images of the data's shape; else it has to take rows."""
        errors = []
        for images in (True, False) if self.data.image else (False,):
            asked = form(self.data, images)(self.rows)
            try:
                with torch.no_grad(), random_streams.global_generator(0, "noise", 0):
                    answer = self.module.eval()(asked)
            except Exception as error:
                raised = loading.described(error, self.spec.path) if self.spec.path else str(error)
                errors.append(f"given {_shape(asked)} it raised {raised}")
                continue
            wrong = self._wrong(answer)
            if wrong is None:
                return images
            errors.append(f"given {_shape(asked)} it returned {wrong}")
        wanted = f"logits (images, {self.data.n_classes})"
        raise UsageError(f"{self.what} does not return {wanted}: {'; '.join(errors)}. {self._example()}")

    def _wrong(self, answer: Any) -> str | None:
        if not isinstance(answer, Tensor):
            return f"a {type(answer).__name__}"
        if answer.shape != (N_IMAGES, self.data.n_classes):
            return f"the shape {_shape(answer)}"
        return None if answer.is_floating_point() else f"the type {answer.dtype}"

    def _n_products(self) -> int:
        """Return the products of weights and features that an image takes in linear and convolutional layers: for each
        output of a layer as many as the weights that lead to it."""
        counts: list[int] = []

        def count(layer: nn.Module, inputs: Any, output: Any) -> None:
            weight = getattr(layer, "weight", None)
            if isinstance(weight, Tensor) and weight.ndim > 1 and isinstance(output, Tensor):
                counts.append(output[0].numel() * weight[0].numel())

        hooks = [layer.register_forward_hook(count) for layer in self.module.modules()]
        with torch.no_grad():
            self._run(lambda: self.module.eval()(self.asked))
        for hook in hooks:
            hook.remove()
        return max(1, sum(counts))

    def _check_predicts_alike(self) -> None:
        """Refuse a network that draws numbers when it predicts."""
        with torch.no_grad(), random_streams.global_generator(0, "noise", 0):
            first, second = (self._run(lambda: self.module.eval()(self.asked)) for _ in range(2))
        if not torch.equal(first, second) and not first.isnan().any():
            raise UsageError(
                f"{self.what} answers the same images in two ways after eval(): give functional.dropout"
                " training=self.training, or use nn.Dropout"
            )

    def _check_trains(self) -> Tensor:
        """Return the logits of a training step (images, classes); a UsageError where it cannot be made."""

        def step() -> Tensor:
            logits: Tensor = self.module.train()(self.asked)
            loss = nn.functional.cross_entropy(logits, torch.arange(N_IMAGES) % self.data.n_classes)
            torch.autograd.backward(loss)
            return logits.detach()

        with torch.enable_grad(), random_streams.global_generator(0, "noise", 0):
            logits = self._run(step)
        if all(p.grad is None for p in self.module.parameters()):
            raise UsageError(f"{self.what}: no parameter has a gradient after a step; use them in forward")
        return logits

    def _run(self, work: Callable[[], Any]) -> Any:
        assert self.spec.path is not None
        return loading.guarded(work, self.spec.path, self.what)

    def _example(self) -> str:
        flat = "nn.Flatten(), " if self.data.image else ""
        return (
            f"write def make(arm): return nn.Sequential({flat}nn.Linear({self.data.n_features}, {self.data.n_classes}))"
        )


def _check_differ(spec: NetworkSpec, tried: Sequence[Tried]) -> None:
    """Refuse arms whose networks are one and the same: their comparison would say nothing."""
    first: dict[str, Tried] = {}
    for one in tried:
        same = first.setdefault(repr(one.module), one)
        if (
            same is not one
            and same.known.n_parameters == one.known.n_parameters
            and torch.equal(same.logits, one.logits)
        ):
            raise UsageError(
                f"{spec.name} makes the same network for the arms {same.arm.key} and {one.arm.key}; have it ask what"
                f" arm it is: study.norm_layer(arm, width), or train one arm: --arms {one.arm.key}"
            )


def form(data: DatasetSpec, images: bool) -> Form:
    """Return what makes of rows (n, features) the images or rows that a network takes."""
    shape = data.image
    if not images or shape is None:
        return lambda rows: rows
    return lambda rows: rows.view(len(rows), *shape)


def _shape(tensor: Tensor) -> str:
    return f"({', '.join(map(str, tensor.shape))})"
