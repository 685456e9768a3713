"""What methods on a frozen pretrained network share: the network, its maps on one grid, and their place in the file."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ml.backbones import build_backbone
from ml.catalogue.settings import PyramidParameters
from ml.errors import ModelFileError
from ml.methods.base import Geometry, Method, Tensors
from ml.pyramid import Pyramid

BACKBONE_PREFIX = "backbone."


class FeatureMethod(Method):
    """A method on the maps of `extractor`, brought onto one grid by `pyramid`."""

    parameters: PyramidParameters

    def __init__(
        self,
        parameters: PyramidParameters,
        geometry: Geometry,
        input_size: tuple[int, int],
        grid_stride: int,
        neighbourhood: int = 1,
        weights: Path | None = None,
        state: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        super().__init__(parameters, geometry, input_size)
        own = None if state is None else _of_backbone(state)
        self.extractor = build_backbone(parameters.backbone, parameters.strides, weights, own)
        self.pyramid = Pyramid(self.extractor, input_size, grid_stride, neighbourhood)
        self.mean, self.std = self.extractor.mean, self.extractor.std
        self.offset_px = (self.pyramid.offset_px, self.pyramid.offset_px)

    @cached_property
    def backbone_hash(self) -> str:
        """Names the frozen network and its weights."""
        return f"{self.parameters.backbone}|{self.extractor.strides}|{self.extractor.weights_hash}"

    def backbone_tensors(self) -> Tensors:
        """The frozen network's part of `tensors`."""
        return {f"{BACKBONE_PREFIX}{key}": value for key, value in self.extractor.state().items()}

    def to(self, device: torch.device | str) -> Self:
        self.extractor.to(device)
        self.pyramid.to(device)
        return super().to(device)


def required(
    tensors: Mapping[str, NDArray[Any]], key: str, shape: tuple[int | None, ...], dtype: torch.dtype = torch.float32
) -> Tensor:
    """A copy of the tensor `key`, whose shape must agree where `shape` names a length. Raises ModelFileError."""
    if key not in tensors:
        raise ModelFileError(f"the model lacks the tensor '{key}'; train it again")
    found = tensors[key].shape
    if len(found) != len(shape) or any(want not in (None, have) for want, have in zip(shape, found, strict=True)):
        raise ModelFileError(
            f"the model's tensor '{key}' has the shape {found} where {shape} is needed; train it again"
        )
    return torch.from_numpy(np.array(tensors[key])).to(dtype)


def _of_backbone(state: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {key.removeprefix(BACKBONE_PREFIX): value for key, value in state.items() if key.startswith(BACKBONE_PREFIX)}
