"""The one interface of all methods: fit on what `embed` makes of normal pictures, score what it makes of others."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import torch
from numpy.typing import NDArray
from pydantic import BaseModel
from torch import Tensor

from ml.progress import Cancelled, Progress, never, silent

Geometry = Literal["whole", "patches"]
ScoreRule = Literal["max_raw", "max_smoothed", "top1_raw"]
Tensors = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Raw scores, higher = more anomalous.

    cells: float32 (n, grid_height, grid_width). scores: float32 (n,), or None where the picture's score is to be taken
    from its map by `Method.score_rule`; the score of a picture cut into patches is the highest of its patches'.
    """

    cells: Tensor
    scores: Tensor | None = None


class Method(ABC):
    """A method with its parameters, fitted by `fit` or `load_tensors`.

    `parameters` is the catalogue's frozen model, `geometry` that of `ml.preprocessing.Preprocessing` and `input_size`
    the (height, width) of one input in pixels. In the geometry `patches` an input may show any place of the part, so
    nothing may be learnt per position (`is_position_free`).

    What the caller needs to know to prepare inputs and to place scores, constant after construction:
    mean, std: standardisation per RGB channel of values in [0, 1].
    offset_px: (down, right) shift of the cells' centres against an even grid over the input, in its pixels.
    sigma_px: Gaussian smoothing that the map is shown and judged with, in pixels of the input.
    score_rule: how a picture's score comes from its map, before (`_raw`) or after smoothing; `top1` is the mean of the
        highest 1 % of the cells.
    """

    name: ClassVar[str]
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    offset_px: tuple[float, float] = (0.0, 0.0)
    sigma_px: float = 0.0
    score_rule: ScoreRule = "max_raw"

    def __init__(self, parameters: BaseModel, geometry: Geometry, input_size: tuple[int, int]) -> None:
        self.geometry = geometry
        self.input_size = input_size
        self.parameters = parameters
        self.device = torch.device("cpu")

    @property
    def is_position_free(self) -> bool:
        """True when one model serves all positions."""
        return self.geometry == "patches"

    def embed(self, inputs: Tensor) -> Tensor:
        """Standardised inputs (n, 3, height, width) -> what `fit` and `score` take (n, C, rows, columns), both float32.

        Frozen: the same before and after `fit`, so that training may keep its results. May return inference tensors: a
        method that trains on them by gradient clones them. Identity unless a method says otherwise.
        """
        return inputs

    @abstractmethod
    def fit(
        self, parts: Sequence[Tensor], seed: int, progress: Progress = silent, cancelled: Cancelled = never
    ) -> None:
        """Learn from normal pictures only; what an earlier call learnt is forgotten.

        parts: one embedded picture per item, (n, C, rows, columns); it may be walked through more than once, and an
        item may be computed anew at each access. The same seed and parts on the same machine give the same tensors.
        Raises CancelledError soon after `cancelled()` is true, TrainingError when nothing can be learnt from `parts`.
        """

    @abstractmethod
    def score(self, embedded: Tensor) -> Scored:
        """Score embedded inputs (n, C, rows, columns); an input's score does not depend on the others in the batch."""

    @abstractmethod
    def tensors(self) -> Tensors:
        """All that inference needs, frozen networks included, as arrays in the main memory."""

    @abstractmethod
    def load_tensors(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `tensors` gave, frozen networks excepted: those are given to `ml.methods.create`.

        Others under further names are left alone. Raises ModelFileError when one is missing or has another shape.
        """

    def to(self, device: torch.device | str) -> Self:
        """Move to `device` and give the method itself: inputs are expected and scores are returned there."""
        self.device = torch.device(device)
        return self
