"""What a training tells those who watch it, beside its progress. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Reconstructions:
    """Pictures of the training and what the networks make of them, uint8 (n, height, width, 3) RGB each."""

    originals: NDArray[np.uint8]
    made: NDArray[np.uint8]


class Monitor:
    """Follows a training in steps; every method may be overridden. Called from the thread that trains."""

    def losses(self, step: int, steps: int, losses: Mapping[str, float], validation: float | None) -> None:
        """After `step` of `steps`: the losses by name, and the measure on held-out good parts where it was taken."""

    def samples(self, step: int, pictures: Reconstructions) -> None:
        """A few pictures after `step`; now and then."""
