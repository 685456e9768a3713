"""The networks of one scale of SinGAN.

"SinGAN: Learning a Generative Model from a Single Natural Image", Rott Shaham, Dekel, Michaeli, ICCV 2019, arXiv
1905.01164, section 2.1 and supplementary B: five 3 x 3 convolutions each.

Departures: instance normalisation stands for the published batch normalisation, which over a batch of one picture in
training mode is the same, and stays the same in evaluation. The border is mirrored and not filled with 0, which on a
light ground would draw a frame.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

LAYERS = 5
LEAST_SIDE_PX = 2 * LAYERS + 1
"""Below it the critic has no place left to look from: its field of view is 11 x 11 pixels."""

_COLOURS = 3


class ScaleGenerator(nn.Module):
    """Adds to a picture (n, 3, height, width) within -1 to 1 what it lacks at this scale, steered by noise.

    noise: as the picture, already scaled by its amplitude. Gives the picture in the same size.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = _five_layers(channels, _COLOURS)

    def forward(self, picture: Tensor, noise: Tensor) -> Tensor:
        padded = functional.pad(picture + noise, (LAYERS,) * 4, mode="reflect")
        added: Tensor = torch.tanh(self.layers(padded))
        return picture + added


class ScaleCritic(nn.Module):
    """Pictures to how real each 11 x 11 piece of them looks, (n, 1, height - 10, width - 10); unbounded."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = _five_layers(channels, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        realness: Tensor = self.layers(pictures)
        return realness


class Scale(nn.Module):
    """One scale of the pyramid, (height, width) pixels in size. amplitude: of its noise; 1 at the coarsest scale.

    anchor: the noise (3, height, width) that, at the coarsest scale, stands for the picture itself; 0 at the others.
    """

    amplitude: Tensor
    anchor: Tensor

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.generator = ScaleGenerator(channels)
        self.critic = ScaleCritic(channels)
        self.register_buffer("amplitude", torch.ones(()))
        self.register_buffer("anchor", torch.zeros(_COLOURS, height, width))
        self.apply(_initialise)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.anchor.shape[1:]
        return height, width

    def forward(self, before: Tensor | None, noise: Tensor) -> Tensor:
        """The picture at this scale. before: the next coarser one, None at the coarsest; noise: of amplitude 1."""
        picture = torch.zeros_like(noise) if before is None else enlarged(before, self.size)
        made: Tensor = self.generator(picture, self.amplitude * noise)
        return made

    def again(self, before: Tensor | None) -> Tensor:
        """The picture that was learnt, as this scale remembers it, from how the next coarser one does."""
        picture = torch.zeros_like(self.anchor)[None] if before is None else enlarged(before, self.size)
        made: Tensor = self.generator(picture, self.anchor[None])
        return made


def enlarged(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """(1, 3, ...) at `size`, height and width."""
    return functional.interpolate(picture, size=size, mode="bicubic", align_corners=False)


def _five_layers(channels: int, last: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise([_COLOURS] + [channels] * (LAYERS - 1)):
        layers += [nn.Conv2d(before, after, kernel_size=3), nn.InstanceNorm2d(after, affine=True), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(channels, last, kernel_size=3))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.InstanceNorm2d):
        nn.init.normal_(module.weight, mean=1.0, std=0.02)
        nn.init.zeros_(module.bias)
