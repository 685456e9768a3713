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
_NOISE_SIDE: Final = 1024
_NOISE_GREY_LEVELS: Final = 1.5


def focused(radiance: Field) -> Field:
    return _blurred(radiance, _BLUR_OF_SIDE)


def defocused(radiance: Field) -> Field:
    return _blurred(radiance, _DEFOCUS_OF_SIDE)


def _blurred(radiance: Field, sigma_of_side: float) -> Field:
    return cv2.GaussianBlur(radiance, (0, 0), sigma_of_side * radiance.shape[0])


@lru_cache(maxsize=1)
def _tone_curve() -> NDArray[np.uint8]:
    """Shoulder and gamma: highlights on metal roll off instead of clipping."""
    linear = np.linspace(0.0, _BRIGHTEST, _STEPS)
    return np.round(255.0 * (1.0 - np.exp(-1.5 * linear)) ** (1 / 2.2)).astype(np.uint8)


@lru_cache(maxsize=1)
def _noise() -> NDArray[np.int8]:
    """A square of read and shot noise in grey levels, mostly alike in the three channels."""
    rng = np.random.default_rng(20_240_133)
    shape = (_NOISE_SIDE, _NOISE_SIDE)
    common, per_channel = rng.standard_normal((*shape, 1)), rng.standard_normal((*shape, 3))
    return np.round(_NOISE_GREY_LEVELS * (0.85 * common + 0.55 * per_channel)).astype(np.int8)


def expose(radiance: Field, exposure: float, noise_row: int, noise_column: int) -> NDArray[np.uint8]:
    """8-bit RGB of linear RGB `(height, width, 3)`."""
    height, width, _ = radiance.shape
    step = np.clip(radiance * np.float32(exposure * (_STEPS - 1) / _BRIGHTEST), 0, _STEPS - 1).astype(np.uint16)
    rows = (np.arange(height) + noise_row) % _NOISE_SIDE
    columns = (np.arange(width) + noise_column) % _NOISE_SIDE
    grey = _tone_curve()[step].astype(np.int16) + _noise()[rows][:, columns]
    return np.clip(grey, 0, 255).astype(np.uint8)
