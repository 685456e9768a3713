"""The networks of GANomaly: encoder - decoder - encoder, and a discriminator.

"GANomaly: Semi-Supervised Anomaly Detection via Adversarial Training", Akcay, Atapour-Abarghouei, Breckon, ACCV 2018,
arXiv 1805.06725, section 3.1; layers as in the authors' code. Pictures are float tensors (n, channels, size, size)
within [-1, 1]. At width 64 with a latent of 100 generator and discriminator hold 3.2 and 0.7 million parameters at
32 px, 10.7 and 2.8 at 64 px, 38.4 and 11.2 at 128 px.

Departures: sizes that cannot be halved down to 4 px are refused; the normalisation can be chosen; the discriminator
gives the logit of "real", whose sigmoid belongs to the loss.
"""

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from ml.errors import ParameterError

SIZES = (16, 32, 64, 128, 256, 512)
"""Sides of a picture in pixels that halve down to 4."""

NEGATIVE_SLOPE = 0.2
"""Of every LeakyReLU. `nn.LeakyReLU(True)` has the slope 1 and makes a network linear."""

INITIAL_SPREAD = 0.02
MOST_GROUPS = 8

Norm = Literal["batch", "group", "instance"]


class Reconstruction(NamedTuple):
    """pictures (n, channels, size, size) within [-1, 1], what the first encoder says of the original and what the
    second says of the reconstruction, (n, latent) each."""

    pictures: Tensor
    latent: Tensor
    latent_again: Tensor


class Verdict(NamedTuple):
    """logits (n,), positive for "real", and the features (n, channels, rows, columns) behind them."""

    logits: Tensor
    features: Tensor


def check_size(size: int) -> int:
    """Give `size` itself. Raises ParameterError for a side in pixels that is none of SIZES."""
    if size not in SIZES:
        raise ParameterError(
            f"the network takes square inputs of {', '.join(map(str, SIZES[:-1]))} or {SIZES[-1]} px, not of {size} "
            "px: they are halved down to 4 px"
        )
    return size


def initialise(module: nn.Module, random: torch.Generator | None = None) -> None:
    """Draw all weights anew: convolutions N(0, 0.02), normalisations N(1, 0.02), biases 0; in place.

    random: on the CPU; None takes torch's own.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d | nn.GroupNorm | nn.InstanceNorm2d):
            middle = 0.0 if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) else 1.0
            drawn = torch.empty(layer.weight.shape).normal_(middle, INITIAL_SPREAD, generator=random)
            with torch.no_grad():
                layer.weight.copy_(drawn)
                if layer.bias is not None:
                    layer.bias.zero_()
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()


class Encoder(nn.Module):
    """Pictures (n, channels_in, size, size) -> latent (n, latent).

    `features` holds all but the last convolution and gives (n, width * size / 8, 4, 4). Raises ParameterError for a
    size that cannot be halved down to 4 px.
    """

    def __init__(
        self, size: int, channels_in: int, width: int, latent: int, extra_layers: int = 0, norm: Norm = "batch"
    ) -> None:
        super().__init__()
        check_size(size)
        layers: list[nn.Module] = [halving(channels_in, width), leaky_relu()]
        for _ in range(extra_layers):
            layers += [_same_size(width, width), normalisation(norm, width), leaky_relu()]
        channels = width
        for _ in range(_levels(size)):
            layers += [halving(channels, 2 * channels), normalisation(norm, 2 * channels), leaky_relu()]
            channels *= 2
        self.features = nn.Sequential(*layers)
        self.last = nn.Conv2d(channels, latent, kernel_size=4, bias=False)
        initialise(self)

    def forward(self, pictures: Tensor) -> Tensor:
        latent: Tensor = self.last(self.features(pictures))
        return latent.flatten(1)


class Decoder(nn.Module):
    """Latent (n, latent) -> pictures (n, channels_out, size, size) within [-1, 1].

    `last` is the convolution that writes the picture: 4 x 4 with a stride of 2, so that it writes every pixel. Raises
    ParameterError as the encoder does.
    """

    def __init__(
        self, size: int, channels_out: int, width: int, latent: int, extra_layers: int = 0, norm: Norm = "batch"
    ) -> None:
        super().__init__()
        check_size(size)
        channels = width * 2 ** _levels(size)
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(latent, channels, kernel_size=4, bias=False),
            normalisation(norm, channels),
            nn.ReLU(inplace=True),
        ]
        for _ in range(_levels(size)):
            layers += [doubling(channels, channels // 2), normalisation(norm, channels // 2), nn.ReLU(inplace=True)]
            channels //= 2
        for _ in range(extra_layers):
            layers += [_same_size(width, width), normalisation(norm, width), nn.ReLU(inplace=True)]
        self.features = nn.Sequential(*layers)
        self.last = doubling(width, channels_out)
        initialise(self)

    def forward(self, latent: Tensor) -> Tensor:
        return torch.tanh(self.last(self.features(latent[:, :, None, None])))


class Generator(nn.Module):
    """Encoder, decoder, and a second encoder that looks at the reconstruction.

    `encoder` may be given, as one that was trained before: pictures -> (n, latent).
    """

    def __init__(
        self,
        size: int,
        channels: int,
        width: int,
        latent: int,
        extra_layers: int = 0,
        norm: Norm = "batch",
        encoder: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder or Encoder(size, channels, width, latent, extra_layers, norm)
        self.decoder = Decoder(size, channels, width, latent, extra_layers, norm)
        self.second_encoder = Encoder(size, channels, width, latent, extra_layers, norm)

    def forward(self, pictures: Tensor) -> Reconstruction:
        latent = self.encoder(pictures)
        reconstructed = self.decoder(latent)
        return Reconstruction(reconstructed, latent, self.second_encoder(reconstructed))


class Discriminator(nn.Module):
    """The encoder with a latent of one: is a picture real? Its features are what comes before the last convolution."""

    def __init__(self, size: int, channels_in: int, width: int, extra_layers: int = 0, norm: Norm = "batch") -> None:
        super().__init__()
        encoder = Encoder(size, channels_in, width, 1, extra_layers, norm)
        self.features, self.classifier = encoder.features, encoder.last

    def forward(self, pictures: Tensor) -> Verdict:
        features = self.features(pictures)
        return Verdict(self.classifier(features).flatten(), features)


def halving(before: int, after: int) -> nn.Conv2d:
    """A convolution to half the size, without bias."""
    return nn.Conv2d(before, after, kernel_size=4, stride=2, padding=1, bias=False)


def doubling(before: int, after: int, bias: bool = False) -> nn.ConvTranspose2d:
    """A transposed convolution to twice the size."""
    return nn.ConvTranspose2d(before, after, kernel_size=4, stride=2, padding=1, bias=bias)


def leaky_relu() -> nn.LeakyReLU:
    return nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True)


def normalisation(norm: Norm, channels: int) -> nn.Module:
    """Over the batch (running statistics in `eval()`), over up to 8 groups of channels of each picture, or over each
    channel of each picture; all with a learnt scale and shift."""
    if norm == "group":
        return nn.GroupNorm(math.gcd(MOST_GROUPS, channels), channels)
    if norm == "instance":
        return nn.InstanceNorm2d(channels, affine=True)
    return nn.BatchNorm2d(channels)


def _same_size(before: int, after: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, kernel_size=3, padding=1, bias=False)


def _levels(size: int) -> int:
    """How often half of `size` is halved down to 4."""
    return int(math.log2(size)) - 3
