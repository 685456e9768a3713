"""What a screen shows of a part, made off the GUI thread: the picture as 8-bit RGB, the heat map on its fixed scale,
the outlines of the defect regions."""

import math
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.calibration import Calibration
from ml.judging import hot_spot_threshold
from ml.maps import Region, ScoreMap, heat_rgba, region_outlines
from station.core.frame import Pixels
from station.core.inspection import Inspection, Outline, PartView

VIEW_SIDE_PX = 1600
"""Pictures are shrunk to this for the screen; a 4K screen shows the picture area at about this size."""
THUMBNAIL_SIDE_PX = 128
_ALMOST_HALF = 0.499  # less than this, what is rounded is as good as cut off
HEAT_SHARE = 0.6
"""Of a pixel's colour in files and reports, where the heat map is opaque."""
SAME_REGION = 0.5
"""An outline belongs to a region when their boxes share at least this much of what they cover together."""


def displayed(pixels: Pixels, window: tuple[float, float], side_px: int = VIEW_SIDE_PX) -> NDArray[np.uint8]:
    """`(h, w, 3)` uint8 RGB with the longer side at most `side_px`, in the recipe's value window."""
    pixels = _shrunk(pixels, side_px)
    counts = _in_window(pixels, *window) if pixels.dtype != np.uint8 or window != (0, 255) else pixels
    rgb = counts if counts.ndim == 3 else cv2.cvtColor(counts, cv2.COLOR_GRAY2RGB)
    return np.ascontiguousarray(rgb, dtype=np.uint8)


def _shrunk(pixels: Pixels, side_px: int) -> Pixels:
    """The mean over as many whole pixels as there are in one of the screen's; what is left, interpolated.

    For looking at, that is as good as the mean over broken pixels, which takes five times as long. Where the sides are
    no multiples of those whole pixels, less than one of the screen's pixels is left out at the right and the bottom.
    """
    height, width = pixels.shape[:2]
    factor = max(height, width) / side_px
    if factor <= 1:
        return pixels
    size = max(1, round(width / factor)), max(1, round(height / factor))
    if factor >= 2:
        whole_y, whole_x = min(int(factor), height), min(int(factor), width)
        even = pixels[: height // whole_y * whole_y, : width // whole_x * whole_x]
        pixels = cv2.resize(even, (width // whole_x, height // whole_y), interpolation=cv2.INTER_AREA)
    smaller: Pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR)
    return smaller


def _in_window(pixels: Pixels, low: float, high: float) -> NDArray[np.uint8]:
    """Shares of the window in whole 1/255, cut off, in a single pass."""
    if low > 0:  # that pass takes absolute values
        pixels = np.maximum(pixels, pixels.dtype.type(math.ceil(low)))
    scale = 255 / (high - low)
    shares: NDArray[np.uint8] = cv2.convertScaleAbs(pixels, alpha=scale, beta=-low * scale - _ALMOST_HALF)
    return shares


class PartPresenter:
    """Makes the views of one part: its growing overlay and the final one share the shrunken picture."""

    def __init__(self, pixels: Pixels, window: tuple[float, float], calibration: Calibration | None) -> None:
        self.picture = displayed(pixels, window)
        self._scale = self.picture.shape[1] / pixels.shape[1]
        self._calibration = calibration

    def view(self, score_map: ScoreMap | None, inspection: Inspection | None) -> PartView:
        """The part as judged, or still being scored (`inspection` None)."""
        heat = None
        if score_map is not None and self._calibration is not None:
            height, width = self.picture.shape[:2]
            # The scale is linear: few cells are put on it, not many pixels.
            normalised = replace(score_map, cells=self._calibration.normalise_map(score_map.cells))
            heat = heat_rgba(normalised.at_size(height, width))
        outlines: tuple[Outline, ...] = ()
        if inspection is not None and inspection.regions:
            outlines = self._outlines(score_map, inspection.regions)
        return PartView(self.picture, heat, self._scale, inspection, outlines)

    def _outlines(self, score_map: ScoreMap | None, regions: tuple[Region, ...]) -> tuple[Outline, ...]:
        """One for each region, from the map; its box where the map, stored at half precision, does not give it back."""
        boxes = np.array([(each.x, each.y, each.x + each.width, each.y + each.height) for each in regions])
        polygons: tuple[NDArray[np.int32], ...] = ()
        if score_map is not None and self._calibration is not None:
            polygons = region_outlines(score_map, self._calibration.pixel_threshold) or region_outlines(
                score_map, hot_spot_threshold(score_map, self._calibration)
            )
        if not polygons:
            return tuple(_corners(box) for box in boxes)
        found = np.array([(*polygon.min(axis=0), *(polygon.max(axis=0) + 1)) for polygon in polygons])
        outlines = []
        for box in boxes:
            shares = _overlap(box, found)
            best = int(np.argmax(shares))
            outline = self._simplified(polygons[best]) if shares[best] >= SAME_REGION else ()
            outlines.append(outline if len(outline) > 2 else _corners(box))
        return tuple(outlines)

    def _simplified(self, polygon: NDArray[np.int32]) -> Outline:
        """Through the middle of the region's outermost pixels, without corners that nobody would see."""
        kept = cv2.approxPolyDP(polygon, epsilon=0.5 / self._scale, closed=True).reshape(-1, 2)
        return tuple((x + 0.5, y + 0.5) for x, y in kept.tolist())


def _corners(box: NDArray[np.intp]) -> Outline:
    left, top, right, bottom = box.tolist()
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def _overlap(box: NDArray[np.intp], others: NDArray[np.intp]) -> NDArray[np.float64]:
    """Intersection over union, 0 to 1, of one box (left, top, right, bottom) with each of `others`, `(n, 4)`."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.prod(np.maximum(sides, 0), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    overlap: NDArray[np.float64] = shared / (np.prod(box[2:] - box[:2]) + areas - shared)
    return overlap


def overlaid(view: PartView) -> NDArray[np.uint8]:
    """Picture with its heat map and region outlines, `(h, w, 3)` uint8 RGB, for files and reports."""
    image = view.picture.copy() if view.heat is None else _blended(view.picture, view.heat)
    polygons = [np.round(np.array(outline) * view.scale).astype(np.int32) for outline in view.outlines]
    for colour, width_px in (((0, 0, 0), 6), ((235, 119, 71), 2)):
        cv2.polylines(image, polygons, True, colour, width_px, cv2.LINE_AA)
    return image


def _blended(picture: NDArray[np.uint8], heat: NDArray[np.uint8]) -> NDArray[np.uint8]:
    shares = np.multiply(heat[..., 3], np.float32(HEAT_SHARE / 255))
    colours = cv2.cvtColor(heat, cv2.COLOR_RGBA2RGB)
    return np.asarray(cv2.blendLinear(colours, picture, shares, 1 - shares), np.uint8)
