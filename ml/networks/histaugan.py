"""The networks of HistAuGAN, which are those of MDMM / DRIT++.

"Structure-Preserving Multi-Domain Stain Color Augmentation using Style-Transfer with Disentangled Representations",
Wagner et al., MICCAI 2021, arXiv 2107.12357; "DRIT++: Diverse Image-to-Image Translation via Disentangled
Representations", Lee et al., IJCV 2020, arXiv 1905.01270, section 3 and its multi-domain form in section 3.3.

Departures, all for crops smaller than the published 216 px: the image discriminators have as many of their six halving
layers as leave 2 x 2 places; domains are told from the mean over all places, by the content discriminator too, whose
layers are 3 x 3 instead of 7 x 7. What multiplies the channels ends at 16 instead of 32 times the width.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

ATTRIBUTES = 8
"""Numbers that say how a picture looks, z_a."""

_DISCRIMINATOR_LAYERS = 6
_WIDEST = 16  # times the width, of the discriminators


class ContentEncoder(nn.Module):
    """What is shown: pictures (n, 3, height, width) within -1 to 1, sides divisible by 4, to (n, 4 width, h/4, w/4)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, kernel_size=7, padding=3, padding_mode="reflect"),
            nn.LeakyReLU(0.01),
            *_halving(width, 2 * width),
            *_halving(2 * width, 4 * width),
            *(ResidualBlock(4 * width) for _ in range(4)),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        content: Tensor = self.layers(pictures)
        return content


class AttributeEncoder(nn.Module):
    """How it looks: pictures and their one-hot domains (n, domains) to mean and log-variance of z_a, (n, 8) each."""

    def __init__(self, width: int, domains: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3 + domains, width, kernel_size=4, stride=2, padding=1),
            _PoolingBlock(width, 2 * width),
            _PoolingBlock(2 * width, 4 * width),
            _PoolingBlock(4 * width, 4 * width),
            nn.LeakyReLU(0.2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.mean = nn.Linear(4 * width, ATTRIBUTES)
        self.log_variance = nn.Linear(4 * width, ATTRIBUTES)

    def forward(self, pictures: Tensor, domains: Tensor) -> tuple[Tensor, Tensor]:
        features = self.layers(_with_code(pictures, domains))
        return self.mean(features), self.log_variance(features)


class Generator(nn.Module):
    """Content, attributes (n, 8) and one-hot domains to pictures within -1 to 1."""

    def __init__(self, width: int, domains: int) -> None:
        super().__init__()
        joined = 4 * width + ATTRIBUTES + domains
        self.share = ResidualBlock(4 * width)
        self.look = nn.Sequential(*(ResidualBlock(joined) for _ in range(3)))
        self.rise = _doubling(joined + ATTRIBUTES, joined // 2)
        self.rise_again = _doubling(joined // 2 + ATTRIBUTES, joined // 4)
        self.last = nn.Conv2d(joined // 4 + ATTRIBUTES, 3, kernel_size=1)

    def forward(self, content: Tensor, attributes: Tensor, domains: Tensor) -> Tensor:
        values = self.look(_with_code(self.share(content), torch.cat((attributes, domains), dim=1)))
        for layer in (self.rise, self.rise_again, self.last):
            values = layer(_with_code(values, attributes))
        return torch.tanh(values)


class ImageDiscriminator(nn.Module):
    """Pictures to logits of being real, (n, 1, rows, columns), and of the domain, (n, domains)."""

    def __init__(self, width: int, domains: int, crop_px: int) -> None:
        super().__init__()
        count = min(_DISCRIMINATOR_LAYERS, crop_px.bit_length() - 2)
        channels = [3, *(width * min(2**level, _WIDEST) for level in range(count))]
        layers: list[nn.Module] = []
        for before, after in pairwise(channels):
            layers += [nn.Conv2d(before, after, kernel_size=3, stride=2, padding=1), nn.LeakyReLU(0.01)]
        self.layers = nn.Sequential(*layers)
        self.real = nn.Conv2d(channels[-1], 1, kernel_size=1)
        self.domain = nn.Linear(channels[-1], domains)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        features = self.layers(pictures)
        return self.real(features), self.domain(features.mean((2, 3)))


class ContentDiscriminator(nn.Module):
    """Content to logits of the domain that it came from, (n, domains)."""

    def __init__(self, width: int, domains: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [nn.Conv2d(4 * width, 4 * width, kernel_size=3, stride=2, padding=1)]
            layers += [nn.InstanceNorm2d(4 * width), nn.LeakyReLU(0.01)]
        self.layers = nn.Sequential(*layers)
        self.domain = nn.Linear(4 * width, domains)

    def forward(self, content: Tensor) -> Tensor:
        logits: Tensor = self.domain(self.layers(content).mean((2, 3)))
        return logits


class HistauganNetworks(nn.Module):
    """All networks of one training. judges: one for pictures with attributes of others, one for drawn attributes."""

    def __init__(self, width: int, domains: int, crop_px: int) -> None:
        super().__init__()
        self.content = ContentEncoder(width)
        self.attributes = AttributeEncoder(width, domains)
        self.generator = Generator(width, domains)
        self.judge_of_swapped = ImageDiscriminator(width, domains, crop_px)
        self.judge_of_drawn = ImageDiscriminator(width, domains, crop_px)
        self.judge_of_content = ContentDiscriminator(width, domains)
        self.apply(_initialise)

    @property
    def makers(self) -> Sequence[nn.Module]:
        """What learns to make pictures; the others learn to judge them."""
        return self.content, self.attributes, self.generator


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with instance normalisation around a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, kernel_size=3, padding=1, padding_mode="reflect"),
            nn.InstanceNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, kernel_size=3, padding=1, padding_mode="reflect"),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, values: Tensor) -> Tensor:
        changed: Tensor = values + self.layers(values)
        return changed


class _PoolingBlock(nn.Module):
    """A residual block that halves both sides by averaging."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.Conv2d(before, before, kernel_size=3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(before, after, kernel_size=3, padding=1),
            nn.AvgPool2d(2),
        )
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(before, after, kernel_size=1))

    def forward(self, values: Tensor) -> Tensor:
        halved: Tensor = self.layers(values) + self.shortcut(values)
        return halved


def _halving(before: int, after: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(before, after, kernel_size=3, stride=2, padding=1, padding_mode="reflect")
    return convolution, nn.InstanceNorm2d(after), nn.ReLU()


def _doubling(before: int, after: int) -> nn.Sequential:
    convolution = nn.ConvTranspose2d(before, after, kernel_size=3, stride=2, padding=1, output_padding=1)
    return nn.Sequential(convolution, nn.GroupNorm(1, after), nn.ReLU())


def _with_code(values: Tensor, code: Tensor) -> Tensor:
    """`code` (n, numbers) at each place, beside the channels of `values`."""
    spread = code[:, :, None, None].expand(-1, -1, *values.shape[2:])
    return torch.cat((values, spread), dim=1)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
