"""The normalisation of an arm as a module for a network of one's own, of rows or of images."""

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from study.engine import norms
from study.errors import UsageError
from study.spec.arms import Arm, Norm
from study.spec.constants import NORM_EPS


def norm_layer(arm: Arm, width: int, ndim: int = 1) -> nn.Module:
    """Return the module by which an arm normalises ``width`` units, or as many channels of images.

    Parameters
    ----------
    arm
        What ``make`` was given, or a value of ``study.ARMS``.
    width
        Units of a layer, or channels of an image.
    ndim
        1 for features (n, width), 2 for images (n, width, height, width of the image).

    Returns
    -------
    torch.nn.Module
        ``nn.Identity()`` for an arm without normalisation. Of images, batch norm is ``nn.BatchNorm2d`` and layer norm
        is taken over all channels and pixels of an image, as ``nn.GroupNorm(1, width)`` does (Wu & He 2018).

    Raises
    ------
    UsageError
        Where the arm's normalisation has no form for images here, or draws numbers while it trains.

    >>> import study
    >>> type(norm_layer(study.ARMS["bn"], 8, ndim=2)).__name__
    'BatchNorm2d'
    >>> norm_layer(study.ARMS["no_bn"], 8)
    Identity()
    """
    if ndim not in (1, 2):
        raise UsageError(f"norm_layer of {ndim} dimensions: choose ndim=1 for features, ndim=2 for images")
    norm = arm.norm
    if norm is None:
        return nn.Identity()
    twin = norms.module_of(norm).twin(width, norm)
    if isinstance(getattr(twin, "stream", None), torch.Generator):
        raise UsageError(
            f"norm_layer has no form of the arm {arm.key}, which draws numbers of its own in every step: make it in"
            " your own file, of draws from torch's global generator, or leave the arm out: --arms bn no_bn layer"
        )
    return twin if ndim == 1 else _for_images(twin, arm, norm, width)


def _for_images(twin: nn.Module, arm: Arm, norm: Norm, width: int) -> nn.Module:
    """Return the form for images of a layer for features; it has the same parameters."""
    if norm.kind == "batch" and isinstance(twin, _BatchNorm):
        batch = nn.BatchNorm2d(width, eps=twin.eps, momentum=twin.momentum)
        batch.weight, batch.bias = twin.weight, twin.bias
        return batch
    if norm.kind in ("layer", "group"):
        size = norm.group or width
        if width % size:
            raise UsageError(f"the arm {arm.key} has groups of {size}: {width} channels are no whole number of groups")
        group = nn.GroupNorm(width // size, width, eps=NORM_EPS)
        for learnt, used in ((group.weight, norm.gamma), (group.bias, norm.beta)):
            learnt.requires_grad_(used)
        return group
    raise UsageError(
        f"norm_layer has no form of the arm {arm.key} for images; make it from arm.norm in your own file, or leave the"
        " arm out: --arms bn no_bn layer"
    )
