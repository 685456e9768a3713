"""Is this a usable picture of the part at all? Four figures that catch a covered lens, an empty fixture, no focus.

They are measured on the training pictures, stored with the model as the recipe's reference, and measured again on
every frame. No torch.
"""

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.area_average import area_average, area_means
from ml.pictures import Pixels

MEASURED_SIDE_PX = 512
LIKENESS_SIDE_PX = 64

Grey = NDArray[np.float32]

Shrinking = Literal["to_512_px", "by_whole_steps"]
"""How a picture is shrunk before it is measured. By whole steps it takes a third of the time; the figures of models
from before are of pictures whose longer side was shrunk to 512 px, and focus depends on it."""


@dataclass(frozen=True, slots=True)
class PictureQuality:
    """Brightness and contrast: mean and standard deviation of the grey picture, 0 to 1 in the value window.

    Focus: variance of the Laplacian in 1e-3, on the shrunk picture, divided by the contrast's variance, so that dimmer
    light does not read as blur (after Pech-Pacheco et al., ICPR 2000).
    Likeness: correlation, -1 to 1, with the reference thumbnail; None without a reference.
    """

    brightness: float
    contrast: float
    focus: float
    likeness: float | None


def thumbnail_of(pixels: Pixels, window: tuple[float, float]) -> NDArray[np.float32]:
    """The 64 x 64 grey thumbnail, any aspect, float32 0 to 1, of a picture `(H, W)` or `(H, W, 3)` RGB."""
    return _thumbnail(_grey(pixels, window, "to_512_px"), window)


def measure(
    pixels: Pixels,
    window: tuple[float, float],
    reference: NDArray[np.float32] | None = None,
    shrinking: Shrinking = "by_whole_steps",
) -> PictureQuality:
    """Measure a picture `(H, W)` or `(H, W, 3)` RGB, uint8 or uint16, of any size.

    shrinking: as the figures were measured that these are compared with.
    """
    grey = _grey(pixels, window, shrinking)
    span = window[1] - window[0]
    mean, variance = _moments(grey)
    contrast = math.sqrt(variance) / span
    roughness = _moments(cv2.Laplacian(grey, cv2.CV_32F))[1] / span**2
    likeness = None if reference is None else likeness_of(_thumbnail(grey, window), reference)
    return PictureQuality((mean - window[0]) / span, contrast, 1e3 * roughness / max(contrast**2, 1e-6), likeness)


def _grey(pixels: Pixels, window: tuple[float, float], shrinking: Shrinking) -> Grey:
    """Counts of the grey shrunk picture, held to the window. They are scaled once they are summed up."""
    small = _shrunk_by_steps(pixels) if shrinking == "by_whole_steps" else _shrunk_to_side(pixels)
    counts = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY) if small.ndim == 3 else small
    grey: Grey = counts.astype(np.float32)
    low, high = window
    if low > 0 or high < np.iinfo(counts.dtype).max:
        np.clip(grey, low, high, out=grey)
    return grey


def _shrunk_by_steps(pixels: Pixels) -> Pixels:
    """The means of squares of pixels; what is left over at the right and at the bottom is left out."""
    height, width = pixels.shape[:2]
    step = max(1, min(round(max(height, width) / MEASURED_SIDE_PX), height, width))
    if step == 1:
        return pixels
    rows, columns = height // step, width // step
    small: Pixels = cv2.resize(pixels[: rows * step, : columns * step], (columns, rows), interpolation=cv2.INTER_AREA)
    return small


def _shrunk_to_side(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    shrink = MEASURED_SIDE_PX / max(height, width)
    if shrink >= 1:
        return pixels
    return area_average(pixels, max(1, round(height * shrink)), max(1, round(width * shrink)))


def _moments(values: Grey) -> tuple[float, float]:
    """Mean and variance, summed in double precision by what is fastest at it."""
    mean: float = cv2.mean(values)[0]
    return mean, max(cv2.norm(values, cv2.NORM_L2) ** 2 / values.size - mean**2, 0.0)


def _thumbnail(grey: Grey, window: tuple[float, float]) -> NDArray[np.float32]:
    side = LIKENESS_SIDE_PX
    is_larger = min(grey.shape) >= side
    shrunk = area_means(grey, side, side) if is_larger else cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA)
    values: NDArray[np.float32] = (shrunk - np.float32(window[0])) * np.float32(1 / (window[1] - window[0]))
    return values


def likeness_of(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Correlation of two thumbnails, -1 to 1; 0 where one of them is of one grey all over."""
    first, second = first - first.mean(), second - second.mean()
    norm = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(np.vdot(first, second)) / norm if norm > 1e-6 else 0.0
