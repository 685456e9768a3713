"""TL-GANomaly: Patch-GANomaly with a network trained on ImageNet as its first encoder, as it was used on steel sheets.

GANomaly: Akcay, Atapour-Abarghouei, Breckon, ACCV 2018, arXiv 1805.06725; the encoder: see
`ml.networks.pretrained_encoder`. Decoder, second encoder and discriminator are Patch-GANomaly's.

Departures beside those of `ml.methods.patch_ganomaly`: the default network is EfficientNet-Lite0, whose weights need no
download, and it is frozen (published: VGG-16, trained on; `backbone`, `frozen`). Its weights are never drawn anew, and
its batch statistics stay those of ImageNet either way. The default score is the latent distance alone, as published: a
decoder of few channels redraws pixels too badly for the residual to say more.
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from ml.catalogue.tl_ganomaly import TlGanomalyParameters
from ml.methods.base import Geometry
from ml.methods.patch_adversarial import PatchAdversarialMethod
from ml.methods.patch_redrawing import RGB
from ml.networks.ganomaly import Generator
from ml.networks.pretrained_encoder import PretrainedEncoder, build_trunk


class TlGanomaly(PatchAdversarialMethod):
    """The pretrained network is part of the model file, trained on or not."""

    name = "tl_ganomaly"
    parameters: TlGanomalyParameters

    def __init__(
        self,
        parameters: TlGanomalyParameters,
        geometry: Geometry,
        input_size: tuple[int, int],
        weights: Path | None = None,
        state: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        super().__init__(parameters, geometry, input_size, weights, state)
        self._trunk = build_trunk(parameters.backbone, weights, parameters.frozen, is_pretrained=state is None)
        self.prepare_networks()

    def build_networks(self) -> Generator:
        # A copy: each training starts from the pretrained weights, also where an earlier one went on from them.
        encoder = PretrainedEncoder(copy.deepcopy(self._trunk), self.parameters.patch_px, self.parameters.latent)
        size, latent = self.parameters.patch_px, self.parameters.latent
        generator = Generator(size, RGB, self.width, latent, norm=self.parameters.norm, encoder=encoder)
        return generator.to(memory_format=torch.channels_last)
