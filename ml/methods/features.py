"""What methods on a frozen network share: the network, its maps on one grid, and their place in the file."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ml.backbones import build_backbone
from ml.catalogue.backbones import SELF_TRAINED
from ml.catalogue.settings import PyramidParameters
from ml.errors import ModelFileError, ParameterError
from ml.methods.base import Geometry, Method, Tensors
from ml.progress import Cancelled, Progress, never, silent
from ml.pyramid import Pyramid
from ml.self_trained import LEAST_SIDE_PX, new_lesson, train_network
from ml.training.loop import seconds_per_step

BACKBONE_PREFIX = "backbone."


class FeatureMethod(Method):
    """A method on the maps of `extractor`, brought onto one grid by `pyramid`.

    Without weights from elsewhere the backbone `self_trained` is trained by `learn_embedding`. The pictures that the
    threshold comes from must be new to it too, so such a method holds them out instead of fitting several times.
    """

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
        self.learns_embedding = parameters.backbone == SELF_TRAINED and weights is None and own is None
        if self.learns_embedding:
            self.held_out = "hold-out"
            _refuse_small(input_size)
        self.extractor = build_backbone(
            parameters.backbone, parameters.strides, weights, own, pretrained=not self.learns_embedding
        )
        self._grid = grid_stride, neighbourhood
        self.pyramid = Pyramid(self.extractor, input_size, *self._grid)
        self.mean, self.std = self.extractor.mean, self.extractor.std
        self.offset_px = (self.pyramid.offset_px, self.pyramid.offset_px)

    def leave_out(self, margin_px: int) -> None:
        super().leave_out(margin_px)
        self.pyramid = Pyramid(self.extractor, self.input_size, *self._grid, margin_px)

    def learn_embedding(
        self, inputs: Sequence[Tensor], seed: int, progress: Progress = silent, cancelled: Cancelled = never
    ) -> None:
        steps = self.parameters.self_training_steps
        train_network(self.extractor.network, inputs, seed, steps, progress, cancelled, self.watch)
        vars(self).pop("backbone_hash", None)  # the weights are others now

    def embedding_seconds(self) -> float:
        if not self.learns_embedding:
            return 0.0
        steps = self.parameters.self_training_steps
        blank = [torch.zeros(1, 3, LEAST_SIDE_PX, LEAST_SIDE_PX)]
        return seconds_per_step(lambda: new_lesson(self.device, blank, 0, steps)) * steps

    @cached_property
    def backbone_hash(self) -> str:
        """Names the frozen network and its weights, and the margin that no cells are made of."""
        named = f"{self.parameters.backbone}|{self.extractor.strides}|{self.extractor.weights_hash}"
        return f"{named}|within {self.margin_px}" if self.margin_px else named

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


def _refuse_small(input_size: tuple[int, int]) -> None:
    if min(input_size) < LEAST_SIDE_PX:
        raise ParameterError(
            f"backbone={SELF_TRAINED} learns from inputs of at least {LEAST_SIDE_PX}x{LEAST_SIDE_PX} px, not "
            f"{input_size[1]}x{input_size[0]}: choose a larger size or patch, or another backbone"
        )
