"""Counts of 8 to 16 bits, grey or RGB, as colour values and back. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.errors import TrainingError
from ml.pictures import Pixels, highest_count

Values = NDArray[np.float32]
"""(height, width, 3) RGB; 0 is no light, 1 the highest count. A grey picture stands in all three channels."""

Look = tuple[np.dtype[Any], int]
"""A picture's dtype and brightest count."""


@dataclass(frozen=True, slots=True)
class ValueWindow:
    """One window for all pictures of a set: 0 to the highest count that their bit depth allows."""

    highest: float

    @classmethod
    def of(cls, looks: Sequence[Look]) -> "ValueWindow":
        """The smallest usual bit depth that holds all pictures of a set.

        Raises TrainingError where 8-bit ones are mixed with deeper ones, or there are none.
        """
        if not looks:
            raise TrainingError("There is no good picture to learn from.")
        if len({dtype for dtype, _ in looks}) > 1:
            raise TrainingError("8-bit pictures are mixed with deeper ones. Give pictures of one kind.")
        return cls(float(highest_count(max(count for _, count in looks))))

    def values(self, pixels: Pixels) -> Values:
        """Pixels (height, width) or (height, width, 3), uint8 or uint16, as colour values."""
        planes = pixels.astype(np.float32) / np.float32(self.highest)
        return planes if planes.ndim == 3 else np.repeat(planes[..., None], 3, axis=2)

    def counts(self, values: Values, like: Pixels) -> Pixels:
        """Rounded and clipped to the window, in the dtype of `like`, grey where that one is grey."""
        planes = values if like.ndim == 3 else values.mean(axis=2)
        counts: Pixels = np.rint(np.clip(planes, 0, 1) * self.highest).astype(like.dtype)
        return counts


def shrunk(values: Values, height: int, width: int) -> Values:
    """Averaged to (height, width), along an axis that grows interpolated."""
    old_height, old_width = values.shape[:2]
    smaller = cv2.resize(values, (min(width, old_width), min(height, old_height)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(smaller, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
