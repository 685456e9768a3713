"""Finds a round part by a circle on it: gradient Hough transform on a small picture, then the edge itself. No torch.

H. K. Yuen et al., "Comparative study of Hough transform methods for circle finding", Image and Vision Computing 1990,
as OpenCV has it, tells about where the circle lies. Then the strongest edge along each of many radii is measured in the
full picture to a fraction of a pixel, and a circle laid through these points by least squares, in which points that
stand off count for nothing (Tukey's biweight). A circle with too few points on it was none: noise has circles
for the Hough transform too.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.errors import PartNotFoundError
from ml.pictures import Pixels
from ml.preprocessing import RingSearch

_HOUGH_RADIUS_PX = 64.0
"""The picture is shrunk until the largest radius sought is no larger than this: every edge pixel votes per radius."""

_WIDEST_RANGE = 4.0
"""Highest by lowest radius where none is given."""

_LIKE = 0.03
"""Radii that differ by no larger share are of the same edge, seen on parts of slightly different size or distance."""

_ROOM = 0.03
"""Share by which the range of the radii measured is widened at either end."""

_CANDIDATES = 4
"""So many of the Hough transform's circles, the best first, are held against the picture."""

_RADII = 256
_ANGLES = np.linspace(0, 2 * np.pi, _RADII, endpoint=False)
_STEP_PX = 0.5
_SOBEL = 8.0
"""What OpenCV's Sobel filter makes of a slope of one count per pixel: the unit of `RingSearch.edge`."""

_NEAR_PX = 1.5
"""A point of the edge this close to the circle supports it. Edges of real parts are rough by a pixel."""

_SUPPORT = 0.5
"""Share of the radii that must have such a point. In pure noise a fifth of them do."""

_ROUNDS = 12

Grey = NDArray[np.uint8]
Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Circle:
    """Centre and radius in pixels of the picture; pixel centres lie at whole numbers, y points down."""

    x: float
    y: float
    radius: float


def find_circle(pixels: Pixels, search: RingSearch, window: tuple[float, float]) -> Circle:
    """The best supported circle of `search.radius_px` in `(H, W)` or `(H, W, 3)` RGB pixels, uint8 or uint16.

    `window` are the raw counts that are black and white. Raises PartNotFoundError saying what was sought, and
    ValueError where `search` does not tell the radius.
    """
    if search.radius_px is None:
        raise ValueError("the radius is to be measured before it is sought")
    low, high = search.radius_px
    blurred = _blurred(pixels, search, window)
    for candidate, error_px in _hough(blurred, search, low, high):
        found = _refined(blurred, search, candidate, error_px)
        # An edge a little outside the range is the sought one still: Hough has its radii in whole pixels.
        if found is not None and low - _NEAR_PX <= found.radius <= high + _NEAR_PX:
            return found
    raise PartNotFoundError(
        f"The part is not found: there is no circle of {low:.0f} to {high:.0f} px radius in the picture of "
        f"{pixels.shape[1]} x {pixels.shape[0]} px. Check that a part is in place, in focus and lit as usual."
    )


def most_striking_circle(pixels: Pixels, search: RingSearch, window: tuple[float, float]) -> Circle | None:
    """The circle with the steepest edge among those whose ring has its place in the picture, of whatever radius.

    A turned part has many circles about one centre, and the Hough transform tells one of them: the others are looked
    for around each centre that it finds. None where there is no circle at all.
    """
    blurred = _blurred(pixels, search, window)
    high = min(blurred.shape) / 2 / max(search.outer, 1.0)
    low = high / _WIDEST_RANGE
    best: Circle | None = None
    steepest = 0.0
    for candidate, error_px in _hough(blurred, search, low, high):
        centre = _refined(blurred, search, candidate, error_px) or candidate
        radius, slope = _steepest_radius(blurred, centre, low, high, error_px)
        found = _refined(blurred, search, Circle(centre.x, centre.y, radius), error_px)
        if found is not None and slope > steepest:
            best, steepest = found, slope
    return best


def usual_range(radii: Sequence[float]) -> tuple[float, float] | None:
    """Lowest and highest radius to search for, from those measured: of the most that are alike, with some room.

    None where not even half of them are alike.
    """
    logs = np.log(np.asarray(radii, np.float64))
    alike = [np.abs(logs - log) <= _LIKE for log in logs]
    most = max(alike, key=np.count_nonzero, default=np.zeros(0, np.bool_))
    if not 2 * np.count_nonzero(most) >= len(logs) > 0:
        return None
    kept = np.exp(logs[most])
    return float(kept.min()) * (1 - _ROOM), float(kept.max()) * (1 + _ROOM)


def _blurred(pixels: Pixels, search: RingSearch, window: tuple[float, float]) -> Grey:
    return np.asarray(cv2.blur(_grey(pixels, window), (search.blur_px, search.blur_px)), np.uint8)


def _grey(pixels: Pixels, window: tuple[float, float]) -> Grey:
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.ndim == 3 else pixels
    if grey.dtype == np.uint8 and window == (0.0, 255.0):
        return np.asarray(grey, np.uint8)
    low, high = window
    return np.asarray(np.clip((grey.astype(np.float32) - low) * (255 / (high - low)), 0, 255), np.uint8)


def _hough(blurred: Grey, search: RingSearch, low: float, high: float) -> list[tuple[Circle, float]]:
    """Candidates and how far they may be off, best first, in pixels of the full picture."""
    shrink = min(1.0, _HOUGH_RADIUS_PX / high)
    height, width = (max(1, round(length * shrink)) for length in blurred.shape)
    small = cv2.resize(blurred, (width, height), interpolation=cv2.INTER_AREA)
    scale_y, scale_x = blurred.shape[0] / height, blurred.shape[1] / width
    found = cv2.HoughCircles(
        small,
        cv2.HOUGH_GRADIENT,
        dp=search.resolution,
        minDist=max(2.0, low * shrink / 4),
        param1=search.edge,
        param2=search.votes,
        minRadius=max(1, math.floor(low / scale_x)),
        maxRadius=max(2, math.ceil(high / scale_x)),
    )
    if found is None:
        return []
    error_px = (search.resolution + 1.0) * scale_x
    return [
        (Circle((x + 0.5) * scale_x - 0.5, (y + 0.5) * scale_y - 0.5, radius * scale_x), error_px)
        for x, y, radius in found.reshape(-1, 3)[:_CANDIDATES].tolist()
    ]


def _steepest_radius(blurred: Grey, about: Circle, low: float, high: float, error_px: float) -> tuple[float, float]:
    """Radius between `low` and `high` at which the grey changes most, and by how much: the median over all angles.

    Over as many pixels as the centre may be off, or the edge would be lost between the angles.
    """
    step = max(error_px / 2, 1.0)
    radius = np.arange(max(low - 2 * step, 1.0), high + 2 * step, step)
    values = _along_radii(blurred, about, radius)
    slope = np.abs(np.median(values[:, 2:] - values[:, :-2], axis=0))
    steepest = int(slope.argmax())
    return float(radius[steepest + 1]), float(slope[steepest])


def _refined(blurred: Grey, search: RingSearch, about: Circle, error_px: float) -> Circle | None:
    """The circle through the edge near `about`, which may be `error_px` off; None where there is no such edge."""
    reach = min(2 * error_px + _STEP_PX, about.radius / 2)
    points, is_edge = _edge_points(blurred, about, reach, search.edge / 2 / _SOBEL)
    if np.count_nonzero(is_edge) < _SUPPORT * _RADII:
        return None
    circle, distance = _fitted(points[is_edge], about)
    if np.count_nonzero(distance <= _NEAR_PX) < _SUPPORT * _RADII:
        return None
    return circle


def _edge_points(blurred: Grey, about: Circle, reach: float, slope: float) -> tuple[Points, NDArray[np.bool_]]:
    """`(radii, 2)` x and y of the steepest place along each radius, and where that is at least `slope` counts per px.

    Whether the circle is darker or lighter inside is taken from all radii together: an edge the other way round beside
    it, as of a chamfer, is another circle.
    """
    radius = np.arange(about.radius - reach - _STEP_PX, about.radius + reach + 2 * _STEP_PX, _STEP_PX)
    values = _along_radii(blurred, about, radius)
    slopes = (values[:, 2:] - values[:, :-2]) / (2 * _STEP_PX)
    if np.sum(np.maximum(slopes, 0).max(axis=1)) < np.sum(np.maximum(-slopes, 0).max(axis=1)):
        slopes = -slopes
    steepest = slopes.argmax(axis=1)
    row = np.arange(_RADII)
    peak = slopes[row, steepest]
    before, after = slopes[row, np.maximum(steepest - 1, 0)], slopes[row, np.minimum(steepest + 1, slopes.shape[1] - 1)]
    bend = 2 * peak - before - after
    # The vertex of the parabola through the three steepest slopes.
    shift = np.divide(after - before, 2 * bend, out=np.zeros(_RADII), where=bend > 1e-9)
    at = radius[steepest + 1] + _STEP_PX * np.clip(shift, -1, 1)
    is_inside = (steepest > 0) & (steepest < slopes.shape[1] - 1)
    points = np.column_stack([about.x + np.cos(_ANGLES) * at, about.y + np.sin(_ANGLES) * at])
    return points, (peak >= slope) & is_inside


def _along_radii(blurred: Grey, about: Circle, radius: NDArray[np.float64]) -> NDArray[np.float64]:
    """`(angles, radii)` interpolated grey values around a centre; beyond the picture its edge."""
    x = (about.x + np.outer(np.cos(_ANGLES), radius)).astype(np.float32)
    y = (about.y + np.outer(np.sin(_ANGLES), radius)).astype(np.float32)
    return np.asarray(cv2.remap(blurred, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float64)


def _fitted(points: Points, about: Circle) -> tuple[Circle, NDArray[np.float64]]:
    """Robust least squares of the distances to the circle, by Gauss and Newton; and every point's distance."""
    x, y, radius = about.x, about.y, about.radius
    for _ in range(_ROUNDS):
        away = points - (x, y)
        length = np.maximum(np.hypot(away[:, 0], away[:, 1]), 1e-9)
        residual = length - radius
        # A first guess may be off as a whole: then the spread is taken about the median and not about zero.
        scale = max(1.4826 * float(np.median(np.abs(residual - np.median(residual)))), 0.1)
        weight = np.clip(1 - (np.abs(residual - np.median(residual)) / (4.685 * scale)) ** 2, 0, 1)
        columns = np.column_stack([away / length[:, np.newaxis], np.ones(len(points))])
        step, *_ = np.linalg.lstsq(columns * weight[:, np.newaxis], residual * weight, rcond=None)
        x, y, radius = x + float(step[0]), y + float(step[1]), radius + float(step[2])
        if np.abs(step).max() < 1e-3:
            break
    away = points - (x, y)
    return Circle(x, y, radius), np.abs(np.hypot(away[:, 0], away[:, 1]) - radius)
