"""The convolutional autoencoder that Patch-GANomaly was compared with on steel sheets: GANomaly's first encoder and its
decoder ("GANomaly: Semi-Supervised Anomaly Detection via Adversarial Training", ACCV 2018, arXiv 1805.06725, section
3.1) on patches, trained by the mean absolute difference alone; a patch scores its mean squared difference.

Departures beside those of `ml.methods.patchwise` and `ml.methods.patch_redrawing`: the difference is averaged over
squares before it is squared (`residual_px`, 1 as published); the learning rate is ten times the published one and falls
along a cosine, since there are hundreds of steps instead of ten thousands.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ml.adversarial_lessons import as_pixels
from ml.catalogue.conv_autoencoder import ConvAutoencoderParameters
from ml.methods.base import Geometry
from ml.methods.patch_redrawing import RGB, VALIDATED_PATCHES, PatchRedrawingMethod, mean_squared_difference
from ml.networks.ganomaly import Decoder, Encoder
from ml.patch_batches import RandomPatches
from ml.training.loop import Lesson, Losses
from ml.training.monitor import Reconstructions

BETAS = (0.5, 0.999)
SHOWN = 4


class ConvAutoencoder(PatchRedrawingMethod):
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
        super().__init__(parameters, geometry, input_size, 1, weights, state)
        self.prepare_networks()

    def build_networks(self) -> nn.Module:
        encoder = Encoder(self.parameters.patch_px, RGB, self.width, self.parameters.latent)
        decoder = Decoder(self.parameters.patch_px, RGB, self.width, self.parameters.latent)
        return nn.Sequential(encoder, decoder).to(memory_format=torch.channels_last)

    def lesson(self, parts: Sequence[Tensor], validation: Sequence[Tensor], seed: int, steps: int) -> Lesson:
        return ReconstructionLesson(
            self.networks,
            self.random_patches(parts, self.parameters.batch),
            self.fixed_patches(validation, VALIDATED_PATCHES),
            self.parameters.learning_rate,
            seed,
            steps,
        )

    def terms(self, patches: Tensor) -> Tensor:
        return mean_squared_difference(self.networks(patches), patches, self.parameters.residual_px)[:, None]


class ReconstructionLesson(Lesson):
    """Patches put together again, judged by the mean absolute difference; measured on the same `held_out` each time."""

    def __init__(
        self,
        networks: nn.Module,
        batches: RandomPatches,
        held_out: Tensor,
        learning_rate: float,
        seed: int,
        steps: int,
    ) -> None:
        self.networks = networks
        self.random = torch.Generator().manual_seed(seed)
        self._batches = batches
        self._device = next(networks.parameters()).device
        self._held_out = held_out.to(self._device)
        self._shown = (held_out if len(held_out) else batches(torch.Generator().manual_seed(seed)))[:SHOWN]
        optimiser = torch.optim.Adam(networks.parameters(), lr=learning_rate, betas=BETAS)
        self.optimisers = (optimiser,)
        self.schedules = (torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=steps),)

    def step(self, number: int) -> Losses:
        patches = self._batches(self.random).to(self._device)
        loss = functional.l1_loss(self.networks(patches), patches)
        self.optimisers[0].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimisers[0].step()
        self.schedules[0].step()
        return {"difference": loss.detach()}

    def validate(self) -> float | None:
        if not len(self._held_out):
            return None
        return float(functional.l1_loss(self.networks(self._held_out), self._held_out))

    def samples(self) -> Reconstructions:
        patches = self._shown.to(self._device)
        return Reconstructions(as_pixels(patches), as_pixels(self.networks(patches)))
