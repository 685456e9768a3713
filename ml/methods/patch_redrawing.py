"""What methods share that redraw each patch from a short code and judge it by what comes out otherwise."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ml.catalogue.patch_redrawing import PatchRedrawingParameters
from ml.methods.base import Geometry
from ml.methods.patchwise import MEASURED_PICTURES, PatchwiseMethod, some
from ml.patch_expectation import Expectation, learn_expectation

RGB = 3
VALIDATED_PATCHES = 128
MEASURED_PATCHES = 1024
MEASURED_AT_A_TIME = 256


class PatchRedrawingMethod(PatchwiseMethod):
    """A patch's score is the sum of its terms, each in units of what good patches show.

    Departures: where `standardise` is set, those are good patches that look alike (`ml.patch_expectation`); of defects
    painted into held-out magnetic tiles that raised the image AUROC of TL-GANomaly from 0.60 to 0.70. A picture's
    score is the mean of the highest 1 % of its map (`picture_score`); the published works judge maps alone.

    statistics: `expectation`, see there.
    """

    parameters: PatchRedrawingParameters

    def __init__(
        self,
        parameters: PatchRedrawingParameters,
        geometry: Geometry,
        input_size: tuple[int, int],
        terms: int,
        weights: Path | None = None,
        state: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        """`terms`: how many the method has."""
        super().__init__(parameters, geometry, input_size, weights, state)
        self.statistics["expectation"] = Expectation.ones(terms).tensor()

    @abstractmethod
    def terms(self, patches: Tensor) -> Tensor:
        """(n, terms) of patches (n, 3, patch, patch), none negative."""

    def finish(self, parts: Sequence[Tensor], validation: Sequence[Tensor]) -> None:
        pictures = some(validation, MEASURED_PICTURES)
        # Pictures that were learnt from make up the number: minutes of training remember none of their patches.
        pictures += some(parts, MEASURED_PICTURES - len(pictures))
        patches = self.fixed_patches(pictures, MEASURED_PATCHES).to(self.device)
        terms = torch.cat([self.terms(portion) for portion in torch.split(patches, MEASURED_AT_A_TIME)])
        expectation = learn_expectation(patches, terms, self.parameters.standardise)
        self.statistics["expectation"] = expectation.tensor()
        super().finish(parts, validation)

    def patch_scores(self, patches: Tensor) -> Tensor:
        expected = Expectation.of(self.statistics["expectation"]).terms(patches)
        return (self.terms(patches) / expected).sum(1)

    @property
    def width(self) -> int:
        """Where it is 0, which is not decided yet, networks are looked at, but neither trained nor stored."""
        return max(self.parameters.width, 1)


def mean_squared_difference(made: Tensor, patches: Tensor, square_px: int) -> Tensor:
    """(n,) of patches (n, 3, patch, patch), averaged over squares before it is squared.

    1 is the published one. Grain that no short code can hold differs in each pixel; what covers a square does not.
    """
    return functional.avg_pool2d(made - patches, square_px).square().mean((1, 2, 3))
