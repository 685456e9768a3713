"""Is this a usable picture of the part at all? Four figures that catch a covered lens, an empty fixture, no focus.

They are measured on the training pictures, stored with the model as the recipe's reference, and measured again on
every frame. No torch.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

MEASURED_SIDE_PX = 512
LIKENESS_SIDE_PX = 64


@dataclass(frozen=True, slots=True)
class PictureQuality:
    """Brightness and contrast: mean and standard deviation of the grey picture, 0 to 1 in the value window.

    Focus: variance of the Laplacian in 1e-3, on the picture shrunk to 512 px on its longer side, divided by the
    contrast's variance, so that dimmer light does not read as blur (after Pech-Pacheco et al., ICPR 2000).
    Likeness: correlation, -1 to 1, with the reference thumbnail; None without a reference.
    """

    brightness: float
    contrast: float
    focus: float
    likeness: float | None


def _grey(pixels: NDArray[np.uint8] | NDArray[np.uint16], window: tuple[float, float]) -> NDArray[np.float32]:
    height, width = pixels.shape[:2]
    shrink = min(1.0, MEASURED_SIDE_PX / max(height, width))
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) if shrink < 1 else pixels
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY) if small.ndim == 3 else small
    low, high = window
    values: NDArray[np.float32] = np.clip((grey.astype(np.float32) - low) / (high - low), 0, 1)
    return values


def reference_thumbnail(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shrink to 64 x 64, any aspect: what `likeness` compares."""
    shrunk: NDArray[np.float32] = cv2.resize(grey, (LIKENESS_SIDE_PX, LIKENESS_SIDE_PX), interpolation=cv2.INTER_AREA)
    return shrunk


def thumbnail_of(pixels: NDArray[np.uint8] | NDArray[np.uint16], window: tuple[float, float]) -> NDArray[np.float32]:
    """The 64 x 64 grey thumbnail, float32 0 to 1, of a picture `(H, W)` or `(H, W, 3)` RGB."""
    return reference_thumbnail(_grey(pixels, window))


def measure(
    pixels: NDArray[np.uint8] | NDArray[np.uint16],
    window: tuple[float, float],
    reference: NDArray[np.float32] | None = None,
) -> PictureQuality:
    """Measure a picture `(H, W)` or `(H, W, 3)` RGB, uint8 or uint16, of any size."""
    grey = _grey(pixels, window)
    contrast = float(grey.std())
    laplacian = cv2.Laplacian(grey, cv2.CV_32F)
    focus = 1e3 * float(laplacian.var()) / max(contrast**2, 1e-6)
    likeness = None if reference is None else likeness_of(reference_thumbnail(grey), reference)
    return PictureQuality(float(grey.mean()), contrast, focus, likeness)


def likeness_of(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Correlation of two thumbnails, -1 to 1; 0 where one of them is of one grey all over."""
    first, second = first - first.mean(), second - second.mean()
    norm = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float((first * second).sum()) / norm if norm > 1e-6 else 0.0
