"""Lens and sensor of the demo line: from linear radiance to the eight bits that a camera delivers."""

from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from station.capture.demo_line.lighting import Field

_BLUR_OF_SIDE: Final = 0.00085
"""Sigma of a well focused lens as a part of the picture's side: 0.65 px at 768."""
_DEFOCUS_OF_SIDE: Final = 0.0125
_STEPS: Final = 4096
_BRIGHTEST: Final = 4.0
NOISE_SHIFTS: Final = 256
"""How far the noise may be shifted from picture to picture."""
_NOISE_GREY_LEVELS: Final = 1.5


def focused(radiance: Field, size_px: int) -> Field:
    """As a well focused lens shows it; `size_px` is the side of the whole picture."""
    return _blurred(radiance, _BLUR_OF_SIDE * size_px)


def defocused(radiance: Field, size_px: int) -> Field:
    """As a lens shows it that somebody has turned."""
    return _blurred(radiance, _DEFOCUS_OF_SIDE * size_px)


def _blurred(radiance: Field, sigma_px: float) -> Field:
    blurred: Field = cv2.GaussianBlur(radiance, (0, 0), sigma_px)
    return blurred


@lru_cache(maxsize=1)
def _tone_curve() -> NDArray[np.uint8]:
    """Shoulder and gamma: highlights on metal roll off instead of clipping."""
    linear = np.linspace(0.0, _BRIGHTEST, _STEPS)
    return np.round(255.0 * (1.0 - np.exp(-1.5 * linear)) ** (1 / 2.2)).astype(np.uint8)


@lru_cache(maxsize=8)
def _noise(size_px: int) -> NDArray[np.int8]:
    """Read and shot noise in grey levels, mostly alike in the three channels; larger than a picture by the shift."""
    rng = np.random.default_rng(20_240_133)
    shape = (size_px + NOISE_SHIFTS, size_px + NOISE_SHIFTS)
    common, per_channel = (rng.standard_normal((*shape, channels), np.float32) for channels in (1, 3))
    return np.round(_NOISE_GREY_LEVELS * (0.85 * common + 0.55 * per_channel)).astype(np.int8)


def exposed(radiance: Field, exposure: float) -> NDArray[np.uint8]:
    """8-bit RGB of linear RGB `(..., 3)`, free of noise."""
    step = np.minimum(radiance * np.float32(exposure * (_STEPS - 1) / _BRIGHTEST), np.float32(_STEPS - 1))
    pixels: NDArray[np.uint8] = np.take(_tone_curve(), step.astype(np.uint16))
    return pixels


def with_noise(pixels: NDArray[np.uint8], row: int, column: int) -> NDArray[np.uint8]:
    """A sensor's noise added to a square picture; `row` and `column`, below NOISE_SHIFTS, choose which noise."""
    size_px = pixels.shape[0]
    noise = _noise(size_px)[row : row + size_px, column : column + size_px]
    noisy: NDArray[np.uint8] = cv2.add(pixels, noise, dtype=cv2.CV_8U)
    return noisy
