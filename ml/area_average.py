"""Shrinking by the mean over areas: what `cv2.resize` gives with INTER_AREA, in about half its time. No torch.

Each pixel of the result is the mean of what it covers, pixels at the edge of that by their share. Where the factor is
no whole number, OpenCV averages along every row of the picture, value by value. Here columns are averaged first, a few
rows of the result at a time by one small matrix product, and OpenCV then averages along the rows that are left. The
weights are the same and sums are float32 in both: a count may differ by one where the mean lies half-way between two.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.pictures import Pixels

_COVERED_AT_ONCE = 24
"""About how many rows of the picture one product averages: with more, more of the weights are zeros and the values no
longer lie in the processor's cache; with fewer there are more products."""
_LEAST_SHARE = 1e-3  # of a pixel: OpenCV takes no notice of less


def area_average(pixels: Pixels, height: int, width: int) -> Pixels:
    """`(H, W[, 3])` uint8 or uint16 as `(height, width[, 3])` of the same type; neither side may grow."""
    old_height, old_width = pixels.shape[:2]
    are_whole = old_height % height == 0 and old_width % width == 0
    if are_whole or height == old_height:  # OpenCV is quick where whole pixels are averaged
        averaged: Pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        return averaged
    means = area_means(pixels, height, width)
    if pixels.dtype == np.uint8:
        return np.asarray(cv2.convertScaleAbs(means), np.uint8)  # none is negative: this only rounds
    return np.asarray(cv2.addWeighted(means, 1, means, 0, 0, dtype=cv2.CV_16U), np.uint16)


def area_means(values: Pixels | NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """The means that `area_average` rounds, of float32 values, too."""
    means = _averaged_columns(values, height)
    if width != values.shape[1]:
        means = np.asarray(cv2.resize(means, (width, height), interpolation=cv2.INTER_AREA), np.float32)
    return means


@dataclass(frozen=True, slots=True, eq=False)
class _Band:
    """Rows of the result, the rows of the picture that they cover, and what each of these adds to each of those."""

    rows: slice
    covered: slice
    weights: NDArray[np.float32]


def _averaged_columns(pixels: Pixels | NDArray[np.float32], height: int) -> NDArray[np.float32]:
    bands = _bands(pixels.shape[0], height)
    means = np.empty((height, *pixels.shape[1:]), np.float32)
    values = np.empty((max(band.weights.shape[1] for band in bands), *pixels.shape[1:]), np.float32)
    flat_means, flat_values = means.reshape(len(means), -1), values.reshape(len(values), -1)
    for band in bands:
        count = band.weights.shape[1]
        values[:count] = pixels[band.covered]
        np.matmul(band.weights, flat_values[:count], out=flat_means[band.rows])
    return means


@lru_cache(maxsize=8)
def _bands(old_height: int, height: int) -> tuple[_Band, ...]:
    factor = old_height / height
    at_once = min(max(int(_COVERED_AT_ONCE / factor), 4), 8)
    bands = []
    for first in range(0, height, at_once):
        rows = np.arange(first, min(first + at_once, height))[:, np.newaxis]
        starts, ends = rows * factor, np.minimum((rows + 1) * factor, old_height)
        covered = np.arange(int(starts[0, 0]), int(np.ceil(ends[-1, 0])))
        shares = np.clip(np.minimum(ends, covered + 1) - np.maximum(starts, covered), 0, None)
        shares[shares <= _LEAST_SHARE] = 0
        bands.append(
            _Band(
                slice(first, first + len(rows)),
                slice(int(covered[0]), int(covered[-1]) + 1),
                (shares / np.minimum(factor, old_height - starts)).astype(np.float32),
            )
        )
    return tuple(bands)
