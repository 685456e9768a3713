"""Pictures painted in where they were hidden: each pixel from its surroundings alone.

Passes are the first axis: what one pass hides, all others show.
"""

import torch
from torch import Tensor, nn


def disjoint_masks(height: int, width: int, cell_px: int, sets: int, random: torch.Generator) -> Tensor:
    """Which pixels each of `sets` passes hides: bool (sets, height, width), every pixel true in exactly one of them.

    The picture is cut into squares of `cell_px` pixels a side, which are dealt out at random in equal numbers.
    """
    rows, columns = -(-height // cell_px), -(-width // cell_px)
    dealt = torch.randperm(rows * columns, generator=random).remainder(sets).reshape(rows, columns)
    of_pixel = dealt.repeat_interleave(cell_px, 0).repeat_interleave(cell_px, 1)[:height, :width]
    return of_pixel == torch.arange(sets)[:, None, None]


def paint_in(network: nn.Module, pictures: Tensor, hidden: Tensor) -> Tensor:
    """What `network` makes of the hidden pixels, put together from all passes: (n, channels, height, width).

    pictures: (n, channels, height, width), where 0 is what a hidden pixel is set to. hidden: bool
    (passes, n or 1, 1, height, width) as `disjoint_masks` deals them. No value depends on its own pixel's.
    """
    passes = pictures.masked_fill(hidden, 0).flatten(0, 1)
    painted = network(passes.contiguous(memory_format=torch.channels_last)).unflatten(0, (len(hidden), -1))
    return (painted * hidden).sum(0)  # type: ignore[no-any-return]
