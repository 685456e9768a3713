"""The highest level at which a region of a map is large enough: what a picture scores under an area rule. No torch."""

import cv2
import numpy as np
from numpy.typing import NDArray

_EIGHT_NEIGHBOURS = 8


def level_of_area(cells: NDArray[np.float32], least_cells: int) -> float:
    """The highest t for which {cells >= t} has a connected region (8 neighbours) of at least `least_cells` cells.

    That is the maximum of the map's area opening (Vincent, "Grayscale area openings and closings", 1993). It never
    falls where a cell rises, so a threshold on it is one on the map, and it is the plain maximum for one cell. More
    cells than the map has mean all of them. cells: float32 (rows, columns).
    """
    least = min(least_cells, cells.size)
    if least <= 1:
        return float(cells.max())
    levels = np.unique(cells)
    # At least `least` cells reach this level, and the region holds no fewer: the answer cannot lie above it.
    low, high = 0, int(np.searchsorted(levels, np.partition(cells, cells.size - least, axis=None)[cells.size - least]))
    while low < high:
        middle = (low + high + 1) // 2
        if _largest_region(cells >= levels[middle]) >= least:
            low = middle
        else:
            high = middle - 1
    return float(levels[low])


def _largest_region(mask: NDArray[np.bool_]) -> int:
    statistics = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=_EIGHT_NEIGHBOURS)[2]
    return int(statistics[1:, cv2.CC_STAT_AREA].max(initial=0))
