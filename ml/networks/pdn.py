"""The networks of EfficientAD (arXiv 2303.14535, appendix A, tables 6 to 8, by the unofficial implementations): the
patch description network (PDN), small and medium, and the autoencoder.

Departures. The PDN's convolutions have no padding; what they look at beyond the picture is its reflection, added by
`reflect_padded`, so that no frame of the picture stays unseen. A third pooling makes the grid of 8 px. The autoencoder
takes pictures of any size and shrinks them itself; decoder stages that are finer than the map it answers on are left
out; its dropout draws from a generator of the caller's. Convolutions start with He's initialisation: the usual one lets
the signal fade from layer to layer. A `quick` PDN normalises its batches and takes every second pixel in the first
layer instead of pooling after it.
"""

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ml.errors import ParameterError
from ml.networks.resizing import antialiased

GridStride = Literal[4, 8]
Size = Literal["small", "medium"]

_PADDING: dict[int, tuple[int, int]] = {4: (14, 15), 8: (20, 21)}
"""Pixels before and after: what the convolutions take away, shared so that cell i's field of view is centred within
half a pixel on the middle of the i-th `grid_stride` pixels."""

BOTTLENECK_CELLS = 8
DROPOUT = 0.2
_DECODER_SIZES = ((64, 1), (32, 0), (16, 1), (8, 0), (4, 1), (2, 1))
"""3, 8, 15, 32, 63 and 127 cells for 256 px."""


def patch_description_network(
    size: Size, width: int, channels: int, grid_stride: int, quick: bool = False
) -> nn.Sequential:
    """The PDN: pictures of `reflect_padded` -> (n, channels, height / grid_stride, width / grid_stride).

    width: channels of the first layer, 128 (small) or 256 (medium) as published; the later ones have twice as many.
    A cell sees 33 x 33 pixels at the grid stride 4, 49 x 49 at 8; one pixel a side less where it is `quick`.
    """
    wide = 2 * width

    def hidden(inside: int, side: int, outside: int = wide, stride: int = 1) -> list[nn.Module]:
        normalised = [nn.BatchNorm2d(outside)] if quick else []
        return [nn.Conv2d(inside, outside, side, stride), *normalised, nn.ReLU()]

    layers = hidden(3, 4, width, stride=2) if quick else [*hidden(3, 4, width), nn.AvgPool2d(2)]
    layers += [*hidden(width, 4), nn.AvgPool2d(2)]
    if size == "medium":
        layers += hidden(wide, 1)
    layers += hidden(wide, 3)
    if grid_stride == 8:
        layers.append(nn.AvgPool2d(2))
    layers.append(nn.Conv2d(wide, channels, 4))
    if size == "medium":
        layers += [nn.ReLU(), nn.Conv2d(channels, channels, 1)]
    network = nn.Sequential(*layers)
    network.apply(_start)
    return network


def _start(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d) and layer.bias is not None:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)


def reflect_padded(pictures: Tensor, grid_stride: int) -> Tensor:
    """Pictures (n, 3, height, width), sides multiples of `grid_stride`, with their reflection around them."""
    before, after = _PADDING[grid_stride]
    return functional.pad(pictures, (before, after, before, after), mode="reflect")


def padding_px(grid_stride: int) -> int:
    """How much longer a side becomes by `reflect_padded`."""
    return sum(_PADDING[grid_stride])


class Autoencoder(nn.Module):
    """Remembers the whole picture in 64 numbers: (n, 3, height, width) of any size -> (n, channels, rows, columns).

    side_px: pictures are shrunk or stretched to this square first; 256 as published, or another 8 times power of two.
    """

    def __init__(self, channels: int, grid: tuple[int, int], side_px: int) -> None:
        super().__init__()
        self.grid = grid
        self.side_px = side_px
        halvings = (side_px // BOTTLENECK_CELLS).bit_length() - 1
        if side_px != BOTTLENECK_CELLS << halvings or halvings < 2:
            raise ParameterError(f"the autoencoder's side is {side_px} px; it must be 32, 64, 128 or 256")
        widths = [3, 32, 32, *[64] * (halvings - 2)]
        encoder: list[nn.Module] = []
        for inside, outside in pairwise(widths):
            encoder += [nn.Conv2d(inside, outside, 4, stride=2, padding=1), nn.ReLU()]
        encoder.append(nn.Conv2d(widths[-1], 64, BOTTLENECK_CELLS))
        self.encoder = nn.Sequential(*encoder)
        sizes = (max(side_px // share - shorter, 1) for share, shorter in _DECODER_SIZES)
        self._sizes = [size for size in sizes if size < max(grid)]
        self.stages = nn.ModuleList(nn.Conv2d(64, 64, 4, padding=2) for _ in self._sizes)
        self.head = nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, channels, 3, padding=1))
        self.apply(_start)

    def forward(self, pictures: Tensor, random: torch.Generator | None = None) -> Tensor:
        """`random`, of the CPU: where dropout takes its numbers from; without it nothing is dropped."""
        if pictures.shape[-2:] != (self.side_px, self.side_px):
            pictures = antialiased(pictures, (self.side_px, self.side_px))
        code = self.encoder(pictures)
        for size, stage in zip(self._sizes, self.stages, strict=True):
            code = functional.interpolate(code, (size, size), mode="bilinear")
            code = functional.relu(stage(code))
            if random is not None:
                kept = torch.rand(code.shape, generator=random) >= DROPOUT
                code = code * kept.to(code.device) / (1 - DROPOUT)
        answer: Tensor = self.head(functional.interpolate(code, self.grid, mode="bilinear"))
        return answer
