"""Pictures that no camera took, the same each time: what two ways of computing one model are compared on."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.artifact import PictureReference
from ml.pictures import Pixels
from ml.preprocessing import Preprocessing

Values = NDArray[np.float64]
"""RGB (height, width, 3) from 0 to 1."""


def made(height: int, width: int) -> Iterator[Values]:
    """Blank, a slope, noise, and edges."""
    yield np.zeros((height, width, 3))
    down, right = np.linspace(0, 1, height)[:, np.newaxis], np.linspace(0, 1, width)
    yield np.stack(np.broadcast_arrays(down, right, (down + right) / 2), axis=2)
    yield _noise(height, width)
    yield edges(height, width)


def edges(height: int, width: int) -> Values:
    """Rectangles of random colours, with a little noise."""
    squares = np.random.default_rng(1).random((7, 9, 3))
    sharp = cv2.resize(squares, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(0.9 * sharp + 0.1 * _noise(height, width))


def captured(values: Values, preprocessing: Preprocessing, reference: PictureReference) -> Pixels:
    """Values as counts over the value window, grey or RGB and as deep as the training's pictures."""
    low, high = preprocessing.window_low, preprocessing.window_high
    counts = np.clip(np.round(low + values * (high - low)), 0, 2**reference.bit_depth - 1)
    one = counts[..., 1] if reference.is_grey else counts
    return one.astype(np.uint8) if reference.bit_depth <= 8 else one.astype(np.uint16)


def _noise(height: int, width: int) -> Values:
    return np.random.default_rng(0).random((height, width, 3))
