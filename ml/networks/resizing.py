"""Pictures resized by torch or, where a network is being written as an ONNX graph, by one matrix per axis.

At the opset of our graphs ONNX knows neither interpolation against aliasing nor averages over cells that share out a
picture to fractions of a pixel. Both are linear along each axis, and the sizes are known: so two matrices do the same,
within rounding.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional
from torch.onnx import is_in_onnx_export

Size = tuple[int, int]
"""Rows and columns."""


def antialiased(pictures: Tensor, size: Size) -> Tensor:
    """Pictures (n, C, height, width), bilinear; where they shrink, each pixel is averaged from all that it covers."""
    return _resized(pictures, size, lambda some, to: functional.interpolate(some, to, mode="bilinear", antialias=True))


def averaged(pictures: Tensor, size: Size) -> Tensor:
    """`torch.nn.functional.adaptive_avg_pool2d`."""
    sides = [int(side) for side in pictures.shape[-2:]]
    if is_in_onnx_export() and not any(before % after for before, after in zip(sides, size, strict=True)):
        return functional.avg_pool2d(pictures, [before // after for before, after in zip(sides, size, strict=True)])
    return _resized(pictures, size, functional.adaptive_avg_pool2d)


def _resized(pictures: Tensor, size: Size, resize: Callable[[Tensor, Size], Tensor]) -> Tensor:
    if not is_in_onnx_export():
        return resize(pictures, size)
    vertical, horizontal = (
        # By way of numpy: what is traced of the making of a matrix has no result, and is not exported.
        torch.from_numpy(resize(torch.eye(before)[None, None], (after, before))[0, 0].numpy().copy())
        for before, after in zip((int(side) for side in pictures.shape[-2:]), size, strict=True)
    )
    return vertical @ (pictures @ horizontal.T)
