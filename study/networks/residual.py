"""A residual perceptron: features to 32 units, two blocks that add to what they are given, then a linear layer.

Each block is h + W2 f(norm(W1 h)), with the arm's norm before the nonlinearity f or after it: the form of He et al.
2016 ("Identity mappings") with one norm a block. ``--network residual`` trains it on any data.
"""

from torch import Tensor, nn

from study import Arm, DatasetSpec, norm_layer

WIDTH, BLOCKS = 32, 2


class Block(nn.Module):
    """What a block adds to its input h (n, width)."""

    def __init__(self, arm: Arm):
        super().__init__()
        self.first = nn.Linear(WIDTH, WIDTH, bias=arm.norm is None or arm.norm.bias)
        self.norm, self.relu = norm_layer(arm, WIDTH), nn.ReLU()
        self.after = arm.norm is not None and arm.norm.placement == "after"
        self.dropout, self.second = nn.Dropout(arm.dropout), nn.Linear(WIDTH, WIDTH)

    def forward(self, h: Tensor) -> Tensor:
        z = self.first(h)
        f = self.norm(self.relu(z)) if self.after else self.relu(self.norm(z))
        return h + self.second(self.dropout(f))


def make(arm: Arm, data: DatasetSpec) -> nn.Module:
    """Return the network of an arm, for rows of the data's features."""
    blocks = [Block(arm) for _ in range(BLOCKS)]
    return nn.Sequential(nn.Linear(data.n_features, WIDTH), *blocks, nn.ReLU(), nn.Linear(WIDTH, data.n_classes))
