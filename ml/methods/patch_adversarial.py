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
from ml.methods.patchwise import MEASURED_PICTURES, PatchwiseMethod, some
from ml.networks.ganomaly import Discriminator, Generator, Reconstruction
from ml.training.loop import Lesson

RGB = 3
VALIDATED_PATCHES = 256
MEASURED_PATCHES = 512
MEASURED_AT_A_TIME = 256

_LEAST_USUAL = 1e-12  # of a term, where good patches are redrawn without any difference


class PatchAdversarialMethod(PatchwiseMethod):
    """Subclasses build the generator.

    statistics: `usual` (2,), mean of the latent and residual terms of good patches.
    """

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
        super().__init__(parameters, geometry, input_size, weights, state)
        self.statistics["usual"] = torch.ones(2)

    @abstractmethod
    def build_networks(self) -> Generator:
        """A new generator, weights in channels-last layout."""

    def lesson(self, parts: Sequence[Tensor], validation: Sequence[Tensor], seed: int, steps: int) -> Lesson:
        discriminator = Discriminator(self.parameters.patch_px, RGB, self.width)
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

    def finish(self, parts: Sequence[Tensor], validation: Sequence[Tensor]) -> None:
        patches = self.fixed_patches(some(validation or parts, MEASURED_PICTURES), MEASURED_PATCHES)
        found = [self._terms(portion.to(self.device)) for portion in torch.split(patches, MEASURED_AT_A_TIME)]
        self.statistics["usual"] = torch.cat(found).mean(0).clamp(min=_LEAST_USUAL)
        super().finish(parts, validation)

    def patch_scores(self, patches: Tensor) -> Tensor:
        latent, residual = (self._terms(patches) / self.statistics["usual"]).unbind(1)
        if self.parameters.score == "both":
            return latent + residual
        return latent if self.parameters.score == "latent" else residual

    @property
    def width(self) -> int:
        """Where it is 0, which is not decided yet, networks are looked at, but neither trained nor stored."""
        return max(self.parameters.width, 1)

    def _terms(self, patches: Tensor) -> Tensor:
        """Mean squared differences of the codes and of the pixels, (n, 2)."""
        made: Reconstruction = self.networks(patches)
        latent = (made.latent - made.latent_again).square().mean(1)
        residual = (made.pictures - patches).square().mean((1, 2, 3))
        return torch.stack([latent, residual], dim=1)
