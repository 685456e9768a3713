"""A network trained on ImageNet as the first encoder of a generator, with a switch that really freezes it.

The published one is VGG-16 (Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", ICLR 2015, arXiv 1409.1556) cut after the activation of its convolution 5-2, which makes 512 x 2 x 2 of
32 px; a convolution over all of it gives the latent code. The catalogue's backbones are cut at the same stride.
"""

from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from ml.backbones import build_backbone
from ml.catalogue import BACKBONES
from ml.errors import WeightsError
from ml.networks.resizing import antialiased
from ml.weights import load_weights, read_weights

VGG16 = "vgg16"
STRIDE_PX = 16
"""Of the depth where every network is cut."""

LEAST_CELLS = 2
"""Along each axis of what the latent code is made of: smaller patches are enlarged until they give so many."""

_VGG16_BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512))
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


class Trunk(nn.Module):
    """Patches (n, 3, side, side) within [-1, 1] -> features (n, channels, side / 16, side / 16), at least 2 x 2.

    Always in `eval()`: batch statistics stay those of ImageNet, and a patch's features depend on no other patch, also
    while the weights are trained on. Frozen, no weight ever has a gradient; the input may have one.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        channels: int,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        is_frozen: bool,
    ) -> None:
        """network: standardised RGB (n, 3, height, width) -> a list whose last item are the features."""
        super().__init__()
        self.network = network.requires_grad_(not is_frozen)
        self.channels = channels
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)
        self.train(False)

    def forward(self, patches: Tensor) -> Tensor:
        least = LEAST_CELLS * STRIDE_PX
        if patches.shape[-1] < least:
            patches = antialiased(patches, (least, least))
        features: Tensor = self.network(((patches + 1) / 2 - self.mean) / self.std)[-1]
        return features

    def train(self, mode: bool = True) -> Self:
        return super().train(False)


class PretrainedEncoder(nn.Module):
    """Patches (n, 3, size, size) within [-1, 1] -> latent (n, latent): the trunk, and a convolution that is learnt."""

    def __init__(self, trunk: Trunk, size: int, latent: int) -> None:
        super().__init__()
        self.trunk = trunk
        cells = max(size // STRIDE_PX, LEAST_CELLS)
        self.last = nn.Conv2d(trunk.channels, latent, kernel_size=cells, bias=False)

    def forward(self, patches: Tensor) -> Tensor:
        latent: Tensor = self.last(self.trunk(patches))
        return latent.flatten(1)


def build_trunk(name: str, weights: Path | None, is_frozen: bool, is_pretrained: bool = True) -> Trunk:
    """A backbone of the catalogue or `vgg16`, with the weights of ImageNet or of the file `weights`.

    `is_pretrained=False` leaves them random where they are going to be loaded with everything else.
    Raises WeightsError where no weights are to be had or a file's do not fit.
    """
    if name == VGG16:
        return Trunk(_vgg16(weights, is_pretrained), 512, _IMAGENET_MEAN, _IMAGENET_STD, is_frozen)
    network = build_backbone(name, (STRIDE_PX,), weights, pretrained=is_pretrained)
    info = BACKBONES[name]
    return Trunk(network, info.channels[STRIDE_PX], info.mean, info.std, is_frozen)


class _Vgg16(nn.Module):
    """Configuration D of the paper as far as it is used; the layers are numbered as in torchvision's weights file."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for block in _VGG16_BLOCKS:
            if layers:
                layers.append(nn.MaxPool2d(2))
            for width in block:
                layers += [nn.Conv2d(channels, width, kernel_size=3, padding=1), nn.ReLU(inplace=True)]
                channels = width
        self.features = nn.Sequential(*layers)

    def forward(self, inputs: Tensor) -> list[Tensor]:
        return [self.features(inputs)]


def _vgg16(weights: Path | None, is_pretrained: bool) -> _Vgg16:
    network = _Vgg16()
    if not is_pretrained:
        return network
    if weights is None:
        raise WeightsError(
            "backbone vgg16 needs its weights: fetch https://download.pytorch.org/models/vgg16-397923af.pth on a "
            "machine with internet and give the file with --weights FILE. Or use efficientnet_lite0, which works "
            "offline."
        )
    load_weights(network, read_weights(weights), list(network.state_dict()), str(weights))
    return network
