"""The networks of Skip-GANomaly: a U-Net, and a discriminator whose features are compared.

"Skip-GANomaly: Skip Connected and Adversarially Trained Encoder-Decoder Anomaly Detection", Akcay, Atapour-Abarghouei
and Breckon, IJCNN 2019, arXiv 1901.08954, section 3.2; layers as in the authors' code. Pictures are float tensors
(n, channels, size, size) within [-1, 1]; sizes are those of `ml.networks.ganomaly`.

Departures: skip connections can be left out from the finest on, since through them defects are copied too; the
normalisation can be chosen; the discriminator gives the logit of "real". The last layer is the authors' 4 x 4
convolution, which writes every pixel; the 1 x 1 one with a stride of 2 that is in use elsewhere leaves three of four
at zero.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from ml.networks.ganomaly import (
    NEGATIVE_SLOPE,
    Norm,
    Verdict,
    check_size,
    doubling,
    halving,
    initialise,
    leaky_relu,
    normalisation,
)

_WIDEST = 8  # in units of the finest level's channels
PUBLISHED_LATENT = 100


class SkipGenerator(nn.Module):
    """Pictures (n, channels, size, size) -> pictures of that shape within [-1, 1].

    Halved down to one pixel and doubled again; every level but the coarsest is joined with what the way down held
    there, except the `dropped_skips` finest ones. Raises ParameterError for a size that cannot be halved so.
    """

    def __init__(self, size: int, channels: int, width: int, dropped_skips: int = 0, norm: Norm = "batch") -> None:
        super().__init__()
        levels = int(math.log2(check_size(size)))
        widths = [width * min(2**level, _WIDEST) for level in range(levels)]
        self.first = halving(channels, width)
        self.down = nn.ModuleList(_Fall(fine, coarse, norm) for fine, coarse in pairwise(widths[:-1]))
        self.coarsest = halving(widths[-2], widths[-1])
        # From the coarsest to the finest: what a level gets from below is joined with its own, where it is.
        self._joined = [level >= dropped_skips for level in range(levels - 2, -1, -1)]
        below = widths[-1]
        self.up = nn.ModuleList()
        for level, joined in zip(range(levels - 2, -1, -1), self._joined, strict=True):
            self.up.append(nn.Sequential(doubling(below, widths[level]), normalisation(norm, widths[level])))
            below = widths[level] * (2 if joined else 1)
        self.last = doubling(below, channels, bias=True)
        initialise(self)

    def forward(self, pictures: Tensor) -> Tensor:
        held = [self.first(pictures)]
        for fall in self.down:
            held.append(fall(held[-1]))
        values = self.coarsest(functional.leaky_relu(held[-1], NEGATIVE_SLOPE))
        for rise, joined in zip(self.up, self._joined, strict=True):
            values, own = rise(functional.relu(values)), held.pop()
            if joined:
                values = torch.cat((own, values), dim=1)
        return torch.tanh(self.last(functional.relu(values)))


class SkipDiscriminator(nn.Module):
    """Pictures -> logits of "real" (n,) and the features (n, latent, 1, 1) that they are read from."""

    def __init__(
        self, size: int, channels_in: int, width: int, latent: int = PUBLISHED_LATENT, norm: Norm = "batch"
    ) -> None:
        super().__init__()
        check_size(size)
        layers: list[nn.Module] = [halving(channels_in, width), leaky_relu()]
        channels = width
        for _ in range(int(math.log2(size)) - 3):
            layers += [halving(channels, 2 * channels), normalisation(norm, 2 * channels), leaky_relu()]
            channels *= 2
        self.features = nn.Sequential(*layers, nn.Conv2d(channels, latent, kernel_size=4, bias=False))
        self.classifier = nn.Conv2d(latent, 1, kernel_size=3, padding=1, bias=False)
        initialise(self)

    def forward(self, pictures: Tensor) -> Verdict:
        features = self.features(pictures)
        return Verdict(self.classifier(features).flatten(), features)


class SkipPair(nn.Module):
    """Both networks, of one width and normalisation."""

    def __init__(
        self, size: int, channels: int, width: int, latent: int, dropped_skips: int = 0, norm: Norm = "batch"
    ) -> None:
        super().__init__()
        self.generator = SkipGenerator(size, channels, width, dropped_skips, norm)
        self.discriminator = SkipDiscriminator(size, channels, width, latent, norm)


class _Fall(nn.Module):
    """One level down: LeakyReLU, a convolution to half the size, normalisation."""

    def __init__(self, fine: int, coarse: int, norm: Norm) -> None:
        super().__init__()
        self.halve = halving(fine, coarse)
        self.norm = normalisation(norm, coarse)

    def forward(self, values: Tensor) -> Tensor:
        fallen: Tensor = self.norm(self.halve(functional.leaky_relu(values, NEGATIVE_SLOPE)))
        return fallen
