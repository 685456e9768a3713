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


def _gradients(picture: NDArray[Any]) -> NDArray[np.float64]:
    """Of both directions in one row, with mean 0."""
    plane = picture.astype(np.float64)
    plane = plane if plane.ndim == 2 else plane.mean(axis=2)
    gradients = np.stack([cv2.Sobel(plane, cv2.CV_64F, 1, 0), cv2.Sobel(plane, cv2.CV_64F, 0, 1)])
    centred: NDArray[np.float64] = gradients - gradients.mean(axis=(1, 2), keepdims=True)
    return centred.ravel()
