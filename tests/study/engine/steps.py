"""Lockstep beside the plain loop of torch.nn, in float64 step by step."""

import torch

from study.data.dataset import Dataset
from study.engine import random_streams, reference
from study.engine.lockstep.stacks import Lockstep
from study.spec.cohorts import Cohort
from study.spec.design import Design


@torch.no_grad()
def steps_equal_torchs(design: Design, cohort: Cohort, data: Dataset, n_steps: int = 12, atol: float = 1e-12) -> None:
    """Assert that every parameter of every run is that of torch.nn with autograd, after each step."""
    team = Lockstep(design, cohort, data.train.images.dtype, torch.device("cpu"))
    references = [reference.train(design, run, data) for run in cohort.runs]
    n, batch_size = len(data.train.labels), cohort.batch_size
    orders = torch.stack([random_streams.image_order(seed, 1, n)[: n_steps * batch_size] for seed in cohort.seeds])
    rows = orders.view(len(orders), n_steps, batch_size).transpose(0, 1)
    for of_step, images in zip(rows, data.train.pixels.batches(rows), strict=True):
        team.step(images, data.train.labels[of_step])
        ours = [stack.state_dict(i) for stack in team.stacks for i in range(len(cohort.runs) // len(cohort.arms))]
        for state, training in zip(ours, references, strict=True):
            with torch.enable_grad():
                network, _ = next(training)
            for name, expected in network.state_dict().items():
                torch.testing.assert_close(state[name], expected, rtol=0, atol=atol)
