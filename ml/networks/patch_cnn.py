"""The network that tells good patches from defective ones, by examples of both."""

import torch
from torch import Tensor, nn

from ml.networks.resizing import averaged

_GRIDS = {16: 3, 32: 4, 64: 4}
"""Side of the last maps by the patch's side."""


class PatchCnn(nn.Module):
    """Patches (n, 3, side, side) -> logits (n,), above 0 where a defect is likelier; float32 both.

    Convolutions 3 x 3 without padding, of `width`, `width`, twice and four times as many channels, each with a ReLU;
    pools of 2 after the second and the third; fully connected layers of 16 and 4 times `width` units and of one.
    Published for patches of 32 px, whose last maps are 4 x 4, with a width of 64. Departures for other sides: patches
    of 16 px pass no first pool, and of patches of 64 px the last maps, 12 x 12, are averaged to 4 x 4.

    Weights start from the normal distribution of He et al. (arXiv 1502.01852): from torch's own start seven layers
    without normalisation learn nothing for hundreds of steps.
    """

    def __init__(self, side: int, width: int) -> None:
        if side not in _GRIDS:
            raise ValueError(f"patches of {side} px; allowed: {', '.join(map(str, _GRIDS))}")
        grid = _GRIDS[side]
        super().__init__()
        self.layers = nn.Sequential(
            *_layer(3, width),
            *_layer(width, width),
            nn.Identity() if side == 16 else nn.MaxPool2d(2),
            *_layer(width, 2 * width),
            nn.MaxPool2d(2),
            *_layer(2 * width, 4 * width),
            _Averaged(grid) if side == 64 else nn.Identity(),
            nn.Flatten(),
            nn.Linear(4 * width * grid**2, 16 * width),
            nn.ReLU(),
            nn.Linear(16 * width, 4 * width),
            nn.ReLU(),
            nn.Linear(4 * width, 1),
        )
        for weights in self.layers.parameters():
            if weights.ndim == 1:  # a bias
                nn.init.zeros_(weights)
            else:
                nn.init.kaiming_normal_(weights, nonlinearity="relu")

    def forward(self, patches: Tensor) -> Tensor:
        return torch.squeeze(self.layers(patches), 1)


class _Averaged(nn.Module):
    """Maps of any size, averaged to squares of `side`."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self._size = side, side

    def forward(self, maps: Tensor) -> Tensor:
        return averaged(maps, self._size)


def _layer(channels_in: int, channels_out: int) -> tuple[nn.Conv2d, nn.ReLU]:
    return nn.Conv2d(channels_in, channels_out, 3), nn.ReLU()
