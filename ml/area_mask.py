"""What an inspection area does to a picture and to the cells of its map. No torch."""

from functools import lru_cache

import cv2
import numpy as np

from ml.inspection_area import InspectionArea, Mask, mask_of_area
from ml.pictures import Pixels


def blackened(pixels: Pixels, looked_at: Mask, window_low: float) -> Pixels:
    """A copy of `(H, W[, 3])` pixels with the value window's low end where `looked_at`, `(H, W)`, is false."""
    black = int(np.clip(window_low, 0, np.iinfo(pixels.dtype).max))
    filled = np.full(pixels.shape, black, pixels.dtype)
    kept: Pixels = cv2.copyTo(pixels, looked_at.view(np.uint8), filled)
    return kept


def cells_looked_at(
    looked_at: Mask, shape: tuple[int, ...], covered: tuple[float, float], offset: tuple[float, float]
) -> Mask:
    """bool `shape` (rows, columns): the cells that hold any pixel that is looked at.

    The cells share out `covered` (height, width) px from the corner of `looked_at` on, their centres `offset` px off;
    the first and the last ones reach to its edges.
    """
    cells = looked_at
    for axis in range(2):
        pixels = looked_at.shape[axis]
        cell_of = np.floor((np.arange(pixels) + 0.5 - offset[axis]) * shape[axis] / covered[axis])
        starts = np.searchsorted(cell_of, np.arange(shape[axis]))
        starts[0] = 0
        # The last pixel twice: for cells of the padding behind it. Cells finer than a pixel take the one next to them.
        padding = [(0, int(each == axis)) for each in range(2)]
        cells = np.logical_or.reduceat(np.pad(cells, padding, mode="edge"), starts, axis=axis)
    return np.asarray(cells, np.bool_)


@lru_cache(maxsize=8)
def cells_of_area(
    area: InspectionArea,
    crop: tuple[int, int, int, int],
    shape: tuple[int, ...],
    covered: tuple[float, float],
    offset: tuple[float, float],
) -> Mask:
    """`cells_looked_at` of what lies in `crop` (x, y, width, height) of the area: the same for every picture."""
    left, top, width, height = crop
    return cells_looked_at(mask_of_area(area)[top : top + height, left : left + width], shape, covered, offset)
