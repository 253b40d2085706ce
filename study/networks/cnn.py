"""A small convolutional network: two convolutions of 3x3 with stride 2, of 8 and 16 channels, then a linear layer.

``--network cnn`` trains it on images of any size. Copy this file to begin one of your own: it stands alone, and imports
nothing but installed packages.
"""

from torch import nn

from study import Arm, DatasetSpec, norm_layer

CHANNELS = (8, 16)


def make(arm: Arm, data: DatasetSpec) -> nn.Module:
    """Return the network of an arm, for images of the data's shape."""
    if data.image is None:
        raise ValueError(f"{data.name} is a table; a convolution needs images")
    n_in, height, width = data.image
    layers: list[nn.Module] = []
    for n_out in CHANNELS:
        layers += [nn.Conv2d(n_in, n_out, 3, stride=2, padding=1, bias=arm.norm is None or arm.norm.bias)]
        layers += normalised(arm, n_out)
        n_in, height, width = n_out, -(-height // 2), -(-width // 2)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(n_in * height * width, data.n_classes))


def normalised(arm: Arm, width: int) -> list[nn.Module]:
    """Return what stands behind a convolution: the arm's norm before or after the nonlinearity, then its dropout."""
    norm, relu = norm_layer(arm, width, ndim=2), nn.ReLU()
    after = arm.norm is not None and arm.norm.placement == "after"
    return [*((relu, norm) if after else (norm, relu)), nn.Dropout(arm.dropout)]
