"""The convolutional autoencoder that Patch-GANomaly was compared with on steel sheets: GANomaly's first encoder and its
decoder ("GANomaly: Semi-Supervised Anomaly Detection via Adversarial Training", ACCV 2018, arXiv 1805.06725, section
3.1) on patches, trained by the mean absolute difference alone; a patch scores its mean squared difference.

Departures: see `ml.methods.patchwise`; the learning rate is ten times the published one and falls along a cosine, since
there are hundreds of steps instead of ten thousands.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ml.catalogue.conv_autoencoder import ConvAutoencoderParameters
from ml.methods.base import Geometry
from ml.methods.patchwise import PatchwiseMethod
from ml.networks.ganomaly import Decoder, Encoder
from ml.patch_batches import RandomPatches
from ml.training.loop import Lesson, Losses

VALIDATED_PATCHES = 256
BETAS = (0.5, 0.999)
RGB = 3


class ConvAutoencoder(PatchwiseMethod):
    """Needs no pretrained weights."""

    name = "conv_autoencoder"
    parameters: ConvAutoencoderParameters

    def __init__(
        self,
        parameters: ConvAutoencoderParameters,
        geometry: Geometry,
        input_size: tuple[int, int],
        weights: Path | None = None,
        state: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        super().__init__(parameters, geometry, input_size, weights, state)
        self.prepare_networks()

    def build_networks(self) -> nn.Module:
        # 0 is not decided yet: such a network is looked at, but neither trained nor stored.
        width = max(self.parameters.width, 1)
        encoder = Encoder(self.parameters.patch_px, RGB, width, self.parameters.latent)
        decoder = Decoder(self.parameters.patch_px, RGB, width, self.parameters.latent)
        return nn.Sequential(encoder, decoder).to(memory_format=torch.channels_last)

    def lesson(self, parts: Sequence[Tensor], validation: Sequence[Tensor], seed: int, steps: int) -> Lesson:
        random = torch.Generator().manual_seed(seed)
        validated = self.fixed_patches(validation, VALIDATED_PATCHES) if len(validation) else None
        return ReconstructionLesson(
            self.networks, self.random_patches(parts, random), validated, self.parameters, random, steps
        )

    def patch_scores(self, patches: Tensor) -> Tensor:
        difference: Tensor = self.networks(patches) - patches
        return difference.square().mean((1, 2, 3))


class ReconstructionLesson(Lesson):
    """Patches put together again, judged by the mean absolute difference; measured on the same patches each time."""

    def __init__(
        self,
        networks: nn.Module,
        patches: RandomPatches,
        validated: Tensor | None,
        parameters: ConvAutoencoderParameters,
        random: torch.Generator,
        steps: int,
    ) -> None:
        self.networks = networks
        self.random = random
        self._patches = patches
        self._validated = validated
        self._batch = parameters.batch
        self._device = next(networks.parameters()).device
        optimiser = torch.optim.Adam(networks.parameters(), lr=parameters.learning_rate, betas=BETAS)
        self.optimisers = (optimiser,)
        self.schedules = (torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=steps),)

    def step(self, number: int) -> Losses:
        patches = self._patches.draw(self._batch).to(self._device, memory_format=torch.channels_last)
        loss = functional.l1_loss(self.networks(patches), patches)
        self.optimisers[0].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimisers[0].step()
        self.schedules[0].step()
        return {"difference": loss.detach()}

    def validate(self) -> float | None:
        if self._validated is None:
            return None
        return float(functional.l1_loss(self.networks(self._validated), self._validated))
