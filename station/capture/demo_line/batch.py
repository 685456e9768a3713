"""Batches of the demo line: the alloy that its parts are turned from, and the light under which they are seen."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from station.capture.demo_line.lighting import Field

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Batch:
    """What all parts of a batch share. Both colours are linear RGB factors: `alloy` of the metal, `light` of all that
    the lamps show; (1, 1, 1) is the steel and the light of the first batch.
    """

    alloy: Colour = (1.0, 1.0, 1.0)
    light: Colour = (1.0, 1.0, 1.0)

    def tinted(self, metal: Field) -> Field:
        """Linear RGB `(..., 3)` of steel as this batch's alloy shows it."""
        return _times(metal, self.alloy)

    def lit(self, scene: Field) -> Field:
        """Linear RGB `(..., 3)` under the first batch's light as this batch's shows it."""
        return _times(scene, self.light)


BATCHES: Final = {
    1: Batch(),
    2: Batch(alloy=(1.0, 0.86, 0.62), light=(0.92, 0.84, 0.74)),
}
"""By number: 1 is steel; 2 is a bronze-coloured alloy, and its lamps have aged: warmer and dimmer by a sixth."""


def _times(colours: Field, factors: Colour) -> Field:
    if factors == (1.0, 1.0, 1.0):
        return colours
    return np.asarray(colours * np.asarray(factors, np.float32), np.float32)
