"""What Patch-GANomaly and TL-GANomaly share: a generator and a discriminator on patches, and what a patch scores."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from ml.adversarial_lessons import GanomalyLesson
from ml.catalogue.patch_ganomaly import PatchAdversarialParameters
from ml.methods.base import Geometry
from ml.methods.patch_redrawing import RGB, VALIDATED_PATCHES, PatchRedrawingMethod, mean_squared_difference
from ml.networks.ganomaly import Discriminator, Generator, Reconstruction
from ml.training.loop import Lesson


class PatchAdversarialMethod(PatchRedrawingMethod):
    """Subclasses build the generator."""

    parameters: PatchAdversarialParameters
    networks: Generator

    def __init__(
        self,
        parameters: PatchAdversarialParameters,
        geometry: Geometry,
        input_size: tuple[int, int],
        weights: Path | None = None,
        state: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        super().__init__(parameters, geometry, input_size, 2 if parameters.score == "both" else 1, weights, state)

    @abstractmethod
    def build_networks(self) -> Generator:
        """A new generator, weights in channels-last layout."""

    def lesson(self, parts: Sequence[Tensor], validation: Sequence[Tensor], seed: int, steps: int) -> Lesson:
        discriminator = Discriminator(self.parameters.patch_px, RGB, self.width, norm=self.parameters.norm)
        return GanomalyLesson(
            self.networks,
            discriminator.to(memory_format=torch.channels_last),
            self.random_patches(parts, self.parameters.batch),
            self.fixed_patches(validation, VALIDATED_PATCHES),
            self.parameters,
            seed,
            steps,
            self.device,
        )

    def terms(self, patches: Tensor) -> Tensor:
        made: Reconstruction = self.networks(patches)
        latent = (made.latent - made.latent_again).square().mean(1)
        if self.parameters.score == "latent":
            return latent[:, None]
        residual = mean_squared_difference(made.pictures, patches, self.parameters.residual_px)
        return residual[:, None] if self.parameters.score == "residual" else torch.stack([latent, residual], dim=1)
