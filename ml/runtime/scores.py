"""What a runtime makes of network inputs. No torch."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class CellScores:
    """Raw scores of n inputs, higher = more anomalous, see `ml.methods.base.Scored`.

    cells: float32 (n, grid_height, grid_width). scores: float32 (n,), or None where a picture's score is to be taken
    from its map.
    """

    cells: NDArray[np.float32]
    scores: NDArray[np.float32] | None = None


class Runtime(Protocol):
    """Computes one model, in one thread."""

    @property
    def title(self) -> str:
        """Library, version and device or threads, for people."""
        ...

    def score(self, inputs: NDArray[np.float32]) -> CellScores:
        """Standardised inputs (n, 3, height, width) -> their scores, which do not depend on n.

        Raises OutOfMemory where the device cannot hold n inputs at once.
        """
        ...
