"""The U-Net of RIAD."""

from itertools import pairwise

import torch
from torch import Tensor, nn

SIDE_MULTIPLE_PX = 16
"""Both sides of an input are multiples of this: it is halved four times."""

_WIDTHS = (1, 2, 4, 8, 8)  # channels from the finest to the coarsest level, in units of the first's


class UNet(nn.Module):
    """Pictures (n, 3, height, width) -> pictures of that size within [-1, 1].

    "Reconstruction by inpainting for visual anomaly detection", Zavrtanik et al., Pattern Recognition 2021, section 3:
    five levels of two convolutions with batch normalisation, joined by strided 4 x 4 convolutions, and skip connections
    at every level. `width` is the number of channels at full size, 64 as published (28.8 million parameters); time
    goes with its square.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        channels = [width * factor for factor in _WIDTHS]
        self.first = nn.Sequential(_convolution(3, width), _convolution(width, width))
        self.down = nn.ModuleList(
            nn.Sequential(_halving(fine, coarse), _convolution(coarse, coarse)) for fine, coarse in pairwise(channels)
        )
        self.up = nn.ModuleList(
            _Rise(coarse, fine) for fine, coarse in zip(channels[-2::-1], channels[:0:-1], strict=True)
        )
        self.last = nn.Conv2d(width, 3, kernel_size=3, padding=1)

    def forward(self, pictures: Tensor) -> Tensor:
        levels = [self.first(pictures)]
        for halve in self.down:
            levels.append(halve(levels[-1]))
        values = levels.pop()
        for rise in self.up:
            values = rise(values, levels.pop())
        return torch.tanh(self.last(values))


class _Rise(nn.Module):
    """One level up: twice the size, joined with what the way down held at that size."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.widen = nn.Sequential(
            nn.ConvTranspose2d(coarse, fine, kernel_size=4, stride=2, padding=1, bias=False), *_normalised(fine)
        )
        self.merge = nn.Sequential(_convolution(2 * fine, fine), _convolution(fine, fine))

    def forward(self, values: Tensor, skipped: Tensor) -> Tensor:
        merged: Tensor = self.merge(torch.cat((self.widen(values), skipped), dim=1))
        return merged


def _convolution(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, kernel_size=3, padding=1, bias=False), *_normalised(after))


def _halving(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, kernel_size=4, stride=2, padding=1, bias=False), *_normalised(after))


def _normalised(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
