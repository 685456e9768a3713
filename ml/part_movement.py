"""How far the parts lie from each other in their pictures, in pixels: whether they must be aligned. No torch.

Each picture is registered to the first one (`ml.registration`); what has no common shape (`ml.alignment`) is not.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from ml.alignment import Placement, Thumbnail, edge_thumbnail, measure_alignment
from ml.pictures import Pixels
from ml.registration import Matrix, Plane, Registrar

LEAST_CORRELATION = 0.5
NEARBY_SHARE = 0.03
"""Of the picture's longer side: smaller movements stay within the neighbourhood that every method looks at."""
NEARBY_TURN_DEG = 3.0
USUAL_SHARE = 0.95
"""Of the pictures that may lie no further away than what is told: the others may have been registered wrongly."""


@dataclass(frozen=True, slots=True)
class Movement:
    """`shift_px`: 95 % of the parts lie within so many pixels of their usual place, and within `turn_deg` of their
    usual angle; None where that cannot be measured."""

    placement: Placement
    pictures: int
    shift_px: float | None = None
    turn_deg: float | None = None


class MovementCheck:
    """Takes one picture after another; `result` may be asked at any time. Used by one thread at a time."""

    def __init__(self) -> None:
        self._thumbnails: list[Thumbnail] = []
        self._registrar: Registrar | None = None
        self._shape: tuple[int, ...] = ()
        self._places: list[tuple[float, float, float]] = []

    def add(self, pixels: Pixels) -> None:
        """`(H, W)` or `(H, W, 3)` RGB, uint8 or uint16."""
        self._thumbnails.append(edge_thumbnail(pixels))
        plane = _plane(pixels)
        if self._registrar is None:
            self._registrar, self._shape = Registrar(plane, LEAST_CORRELATION), plane.shape
            self._places.append((0.0, 0.0, 0.0))
        elif plane.shape == self._shape:
            found = self._registrar.register(plane)
            if found.is_found:
                self._places.append(_place(found.matrix, plane.shape))

    def result(self) -> Movement:
        alignment = measure_alignment(self._thumbnails)
        count = len(self._thumbnails)
        if alignment.placement in ("texture", "unknown"):
            return Movement(alignment.placement, count)
        if 2 * len(self._places) <= count:
            return Movement(alignment.placement, count)
        x, y, turn = np.array(self._places).T
        shift_px = float(np.quantile(np.hypot(x - np.median(x), y - np.median(y)), USUAL_SHARE))
        turn_deg = float(np.quantile(np.abs(_turned(turn - np.median(turn))), USUAL_SHARE))
        is_near = shift_px <= NEARBY_SHARE * max(self._shape) and turn_deg <= NEARBY_TURN_DEG
        return Movement("aligned" if is_near else "moved", count, shift_px, turn_deg)


def _plane(pixels: Pixels) -> Plane:
    """Grey from 0 to 1."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.ndim == 3 else pixels
    brightest = max(float(grey.max()), 1.0) if grey.dtype == np.uint16 else 255.0
    return np.asarray(grey.astype(np.float32) / np.float32(brightest), np.float32)


def _place(matrix: Matrix, shape: tuple[int, ...]) -> tuple[float, float, float]:
    """How far the middle of the picture has moved to the right and down, and the turn in degrees."""
    middle = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2, 1.0])
    x, y, weight = matrix @ middle
    turn = math.degrees(math.atan2(matrix[1, 0], matrix[0, 0]))
    return float(x / weight - middle[0]), float(y / weight - middle[1]), turn


def _turned(degrees: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The same turns, from -180 to 180."""
    return (degrees + 180) % 360 - 180
