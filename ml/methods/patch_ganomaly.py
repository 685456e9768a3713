"""Patch-GANomaly: GANomaly ("GANomaly: Semi-Supervised Anomaly Detection via Adversarial Training", Akcay,
Atapour-Abarghouei, Breckon, ACCV 2018, arXiv 1805.06725) on patches of 32 px, as it was used on steel sheets.

Encoder, decoder, second encoder and discriminator learn on patches of good parts; a patch scores the mean squared
distance between its code and that of its reconstruction. The first encoder's convolutions start from the normal
distribution of He et al. (arXiv 1502.01852).

Departures beside those of `ml.methods.patchwise`, `ml.methods.patch_redrawing` and `ml.adversarial_lessons`: the score
adds the difference of the pixels, averaged over squares of 8 px (`score`, `residual_px`; the catalogue holds what that
was judged by). Rates are five times the published ones, since there are hundreds of steps
instead of ten thousands.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from ml.catalogue.patch_ganomaly import PatchGanomalyParameters
from ml.methods.base import Geometry
from ml.methods.patch_adversarial import PatchAdversarialMethod
from ml.methods.patch_redrawing import RGB
from ml.networks.ganomaly import NEGATIVE_SLOPE, Generator


class PatchGanomaly(PatchAdversarialMethod):
    """Needs no pretrained weights."""

    name = "patch_ganomaly"
    parameters: PatchGanomalyParameters

    def __init__(
        self,
        parameters: PatchGanomalyParameters,
        geometry: Geometry,
        input_size: tuple[int, int],
        weights: Path | None = None,
        state: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        super().__init__(parameters, geometry, input_size, weights, state)
        self.prepare_networks()

    def build_networks(self) -> Generator:
        generator = Generator(
            self.parameters.patch_px, RGB, self.width, self.parameters.latent, norm=self.parameters.norm
        )
        for layer in generator.encoder.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, NEGATIVE_SLOPE)
        return generator.to(memory_format=torch.channels_last)
