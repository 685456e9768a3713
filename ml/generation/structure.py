"""How far a generated picture keeps the structure of the one that it was made from. No torch."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def gradient_correlation(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Pearson's correlation of both pictures' brightness gradients (Sobel, both directions), -1 to 1.

    first, second: (height, width) or (height, width, 3) of one shape, any scale of values. A change of brightness or
    contrast of the whole picture does not lower it; moved, blurred and new edges do. 1 where neither picture has
    gradients, 0 where only one has.
    """
    ours, theirs = _gradients(first), _gradients(second)
    strengths = float(np.dot(ours, ours)), float(np.dot(theirs, theirs))
    if not all(strengths):
        return float(strengths[0] == strengths[1])
    return float(np.clip(np.dot(ours, theirs) / np.sqrt(strengths[0] * strengths[1]), -1, 1))


def _gradients(picture: NDArray[Any]) -> NDArray[np.float32]:
    """Of both directions in one row, with mean 0."""
    plane = picture.astype(np.float32)
    if plane.ndim == 3:
        plane = cv2.transform(plane, np.full((1, 3), 1 / 3, np.float32))
    directions = [cv2.Sobel(plane, cv2.CV_32F, *direction) for direction in ((1, 0), (0, 1))]
    return np.concatenate([(each - cv2.mean(each)[0]).ravel() for each in directions], dtype=np.float32)
