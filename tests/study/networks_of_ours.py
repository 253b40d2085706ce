"""Networks as a user writes them, for tests: the right ones and the wrong ones, each a file of its own."""

from pathlib import Path

HEAD = """
import torch
from torch import nn
from torch.nn import functional
from study import norm_layer
"""

CNN = (
    HEAD
    + """
def make(arm):
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), norm_layer(arm, 4, ndim=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3), norm_layer(arm, 6, ndim=2), nn.ReLU(), nn.Flatten(), nn.Linear(24, 10),
    )
"""
)
"""Of images of 8x8 pixels, with BatchNorm2d in two places."""

MLP = (
    HEAD
    + """
from collections import OrderedDict

def make(arm):
    linears = [nn.Linear(64, 20), nn.Linear(20, 12), nn.Linear(12, 10)]
    norms = [norm_layer(arm, 20), norm_layer(arm, 12)] if arm.norm else []
    return MLP(linears, norms)

class MLP(nn.Module):
    def __init__(self, linears, norms):
        super().__init__()
        self.linears, self.norms = nn.ModuleList(linears), nn.ModuleList(norms)

    def forward(self, h):
        for i, linear in enumerate(self.linears[:-1]):
            h = linear(h)
            h = self.norms[i](h) if self.norms else h
            h = torch.relu(h)
        return self.linears[-1](h)
"""
)
"""The multilayer perceptron 64-20-12-10, under the names that the program's own has."""

FLAT = "nn.Sequential(nn.Flatten(), nn.Linear(64, 10))"


def write(folder: Path, text: str, name: str = "my_net.py") -> str:
    """Write a file of a network; return it as ``--network`` names it."""
    path = folder / name
    path.write_text(text)
    return f"{path}:make"


def made(body: str, head: str = HEAD) -> str:
    """Return a file whose function has this body."""
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    return f"{head}\ndef make(arm):\n{lines}\n"
