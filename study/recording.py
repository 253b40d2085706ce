"""An epoch's steps on a GPU: recorded once as a CUDA graph, then replayed without the host.

A step of small networks is some fifty kernels of a few microseconds, which Python cannot launch as fast as
they run. So many steps are captured in one graph. What changes from replay to replay lies on the device:
the order of the images, and the position in it.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from study.lockstep import Lockstep
from study.data import Split

MOST_UNROLLED = 64  # steps a graph


class Steps:
    """The steps of an epoch, which take their images from a static order (S, n) at a static position."""

    def __init__(self, lockstep: Lockstep, split: Split):
        self.lockstep, self.split = lockstep, split
        self.batch_size = lockstep.cohort.batch_size
        self.n_steps = len(split.labels) // self.batch_size
        device = split.labels.device
        n_seats, n_images = len(lockstep.seats.seeds), self.n_steps * self.batch_size
        self.order = torch.zeros(n_seats, n_images, dtype=torch.int64, device=device)
        self.columns = torch.arange(self.batch_size, device=device)
        self.position = torch.zeros((), dtype=torch.int64, device=device)
