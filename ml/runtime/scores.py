"""What a runtime is, what it makes of network inputs, and how that is read. No torch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

RuntimeName = Literal["auto", "onnx", "torch"]
ScoreRule = Literal["max_raw", "max_smoothed", "top1_raw"]


class Reading(Protocol):
    """How cells are read: a fitted method, or what the model file says of its graph. See `ml.methods.base.Method`."""

    @property
    def offset_px(self) -> tuple[float, float]: ...

    @property
    def sigma_px(self) -> float: ...

    @property
    def score_rule(self) -> ScoreRule: ...


@dataclass(frozen=True, slots=True, eq=False)
class CellScores:
    """Raw scores of n inputs, higher = more anomalous, see `ml.methods.base.Scored`.

    cells: float32 (n, grid_height, grid_width). scores: float32 (n,), or None where a picture's score is to be taken
    from its map.
    """

    cells: NDArray[np.float32]
    scores: NDArray[np.float32] | None = None


class Runtime(Protocol):
    """Computes one model, in one thread.

    name: `torch` or `onnx`. device: `cpu`, `cuda` or `mps`. first_batch: inputs that fit into its memory at once.
    """

    @property
    def name(self) -> str: ...

    @property
    def device(self) -> str: ...

    @property
    def first_batch(self) -> int: ...

    @property
    def threads(self) -> int:
        """Of the CPU, that it computes with."""
        ...

    @property
    def title(self) -> str:
        """Library, version and device or threads, for people."""
        ...

    def score(self, inputs: NDArray[np.float32]) -> CellScores:
        """Standardised inputs (n, 3, height, width) -> their scores, which do not depend on n.

        Raises OutOfMemoryError where the device cannot hold n inputs at once.
        """
        ...

    def release(self) -> None:
        """Give back memory that is kept for reuse, after an OutOfMemoryError."""
        ...

    def settle(self, work: Callable[[], object]) -> None:
        """Choose the number of threads that does `work`, which calls `score`, fastest here and now."""
        ...
