"""Finds a round part by a circle on it: gradient Hough transform on a small picture, then the edge itself. No torch.

H. K. Yuen et al., "Comparative study of Hough transform methods for circle finding", Image and Vision Computing 1990:
every edge votes for the centres that lie across it. Votes are weighed by the edge's steepness; where they tell no plain
circle, OpenCV's HoughCircles, whose votes are all alike, is asked too. Then the steepest place along each of many radii
is measured in the full picture to a fraction of a pixel, and a circle laid through these points by least squares in
which points that stand off count for nothing (Tukey's biweight). A circle with too few points on it was none: noise has
circles for the Hough transform too.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

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

_EDGES_PER_VOTE = 2

_MOVES_PX = 0.25
"""A circle on a part that is put down anew each time moves by more than this."""

_EDGES_PER_CENTRE = 6
"""So many circles about one centre are looked at, those with the greatest change of grey first."""

_BANDS = 4
"""Circles of unknown radius are sought in so many ranges, or the long edges of large ones would drown the small."""

_SAME = 0.01
"""Circles whose radii differ by no larger share are one."""

_RADII = 256
_ANGLES = np.linspace(0, 2 * np.pi, _RADII, endpoint=False)
_STEP_PX = 0.5
_SOBEL = 8.0
"""What OpenCV's Sobel filter makes of a slope of one count per pixel: the unit of `RingSearch.edge`."""

_NEAR_PX = 1.5
"""A point of the edge this close to the circle supports it. Edges of real parts are rough by a pixel."""

_SUPPORT = 0.5
"""Share of the radii that must have such a point. In pure noise a fifth of them do."""

_PLAIN = 0.8
"""With this share there is nothing to be doubted, and no other circle is looked at."""

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
    best, most = None, _SUPPORT
    for candidate, error_px in _candidates(blurred, search, low, high):
        fit = _refined(blurred, search, candidate, error_px)
        # An edge a little outside the range is the sought one still: candidates have their radii in whole pixels.
        if fit.support > most and low - _NEAR_PX <= fit.circle.radius <= high + _NEAR_PX:
            best, most = fit.circle, fit.support
            if most >= _PLAIN:
                break
    if best is not None:
        return best
    raise PartNotFoundError(
        f"The part is not found: there is no circle of {low:.0f} to {high:.0f} px radius in the picture of "
        f"{pixels.shape[1]} x {pixels.shape[0]} px. Check that a part is in place, in focus and lit as usual."
    )


def striking_circles(pixels: Pixels, search: RingSearch, window: tuple[float, float]) -> list[tuple[Circle, float]]:
    """All circles whose ring has its place in the picture, of whatever radius, and how striking each one is.

    That is how steep its edge is times how much of it there is. A turned part has many circles about one centre, of
    which the Hough transform tells one: the others are looked for around each centre that it finds.
    """
    blurred = _blurred(pixels, search, window)
    high = min(blurred.shape) / 2 / max(search.outer, 1.0)
    low = high / _WIDEST_RANGE
    ends = np.geomspace(low, high, _BANDS + 1).tolist()
    candidates = [each for band in pairwise(ends) for each in _candidates(blurred, search, *band)]
    found: list[tuple[Circle, float]] = []
    for candidate, error_px in candidates:
        if not _has_place(candidate, search, blurred.shape):
            continue
        first = _refined(blurred, search, candidate, error_px)
        centre = first.circle if first.support > _SUPPORT else candidate
        for radius in _edges_around(blurred, centre, low, high, error_px):
            fit = _refined(blurred, search, Circle(centre.x, centre.y, radius), error_px)
            is_new = all(abs(fit.circle.radius / other.radius - 1) >= _SAME for other, _ in found)
            if fit.support > _SUPPORT and is_new:
                found.append((fit.circle, fit.support * fit.steepness * fit.circle.radius))
    return found


def usual_range(pictures: Sequence[Sequence[tuple[Circle, float]]]) -> tuple[float, float] | None:
    """Lowest and highest radius, with some room, of the most striking circle that at least half of the pictures have.

    `pictures` are what `striking_circles` found in each. One that moves from picture to picture comes before one that
    does not. None where there is no such circle.
    """
    circles = [circle for found in pictures for circle, _ in found]
    centres = np.array([(circle.x, circle.y) for circle in circles])
    logs = np.log([circle.radius for circle in circles])
    strengths = np.array([strength for found in pictures for _, strength in found])
    owners = np.array([picture for picture, found in enumerate(pictures) for _ in found])
    best: NDArray[np.float64] | None = None
    most = False, 0.0
    for log in logs:
        alike = np.abs(logs - log) <= _LIKE
        if 2 * len(np.unique(owners[alike])) < len(pictures):
            continue
        # What lies at the very same place in all pictures is most likely the fixture's.
        moves = bool(np.median(np.abs(centres[alike] - np.median(centres[alike], axis=0))) > _MOVES_PX)
        striking = sum(strengths[alike & (owners == owner)].max() for owner in np.unique(owners[alike]))
        if (moves, float(striking)) > most:
            best, most = np.exp(logs[alike]), (moves, float(striking))
    return None if best is None else (float(best.min()) * (1 - _ROOM), float(best.max()) * (1 + _ROOM))


def _blurred(pixels: Pixels, search: RingSearch, window: tuple[float, float]) -> Grey:
    return np.asarray(cv2.blur(_grey(pixels, window), (search.blur_px, search.blur_px)), np.uint8)


def _grey(pixels: Pixels, window: tuple[float, float]) -> Grey:
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.ndim == 3 else pixels
    if grey.dtype == np.uint8 and window == (0.0, 255.0):
        return np.asarray(grey, np.uint8)
    low, high = window
    return np.asarray(np.clip((grey.astype(np.float32) - low) * (255 / (high - low)), 0, 255), np.uint8)


def _candidates(blurred: Grey, search: RingSearch, low: float, high: float) -> Iterator[tuple[Circle, float]]:
    """Circles of about such a radius and how far they may be off, in pixels of the full picture."""
    shrink = min(1.0, _HOUGH_RADIUS_PX / high)
    height, width = (max(1, round(length * shrink)) for length in blurred.shape)
    small = np.asarray(cv2.resize(blurred, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    scale_y, scale_x = blurred.shape[0] / height, blurred.shape[1] / width
    error_px = (search.resolution + 1.0) * scale_x
    for votes in (_weighed, _counted):  # the second is not called where the first has told a plain circle
        for x, y, radius in votes(small, search, low / scale_x, high / scale_x):
            yield Circle((x + 0.5) * scale_x - 0.5, (y + 0.5) * scale_y - 0.5, radius * scale_x), error_px


def _counted(small: Grey, search: RingSearch, low: float, high: float) -> Iterator[tuple[float, float, float]]:
    """Circles of OpenCV's gradient Hough transform, in which all edge pixels' votes are alike."""
    found = cv2.HoughCircles(
        small,
        cv2.HOUGH_GRADIENT,
        dp=search.resolution,
        minDist=max(2.0, low / 4),
        param1=search.edge,
        param2=search.votes,
        minRadius=max(1, math.floor(low)),
        maxRadius=max(2, math.ceil(high)),
    )
    yield from [] if found is None else found.reshape(-1, 3)[:_CANDIDATES].tolist()


def _weighed(small: Grey, search: RingSearch, low: float, high: float) -> Iterator[tuple[float, float, float]]:
    """Circles by votes that weigh as much as their edge is steep, for edges to the dark and to the light apart.

    On a rough surface (a turned face, evened contrast) votes that are all alike tell no centre. Beyond twice
    `search.edge` they are: the circle sought need not have the steepest edge.
    """
    slope_x, slope_y = (np.asarray(cv2.Sobel(small, cv2.CV_32F, *order), np.float64) for order in ((1, 0), (0, 1)))
    steepness = np.hypot(slope_x, slope_y)
    y, x = np.nonzero(steepness >= search.edge / 2)
    weight = np.minimum(steepness[y, x], 2 * search.edge)
    step_x, step_y = slope_x[y, x] / steepness[y, x], slope_y[y, x] / steepness[y, x]
    radii = np.linspace(low, high, math.ceil((high - low) / 2) + 1)  # the votes are blurred by as much
    for sign in (-1, 1):
        votes = np.zeros(small.size)
        for radius in sign * radii:
            row, column = np.rint(y + radius * step_y).astype(np.intp), np.rint(x + radius * step_x).astype(np.intp)
            is_inside = (row >= 0) & (row < small.shape[0]) & (column >= 0) & (column < small.shape[1])
            places = row[is_inside] * small.shape[1] + column[is_inside]
            votes += np.bincount(places, weight[is_inside], minlength=small.size)
        smooth = cv2.GaussianBlur(votes.reshape(small.shape), (0, 0), search.resolution)
        centre_y, centre_x = np.unravel_index(int(smooth.argmax()), small.shape)
        about = Circle(float(centre_x), float(centre_y), (low + high) / 2)
        for radius in _edges_around(small, about, low, high, 1.0)[:_EDGES_PER_VOTE]:
            yield about.x, about.y, radius


def _has_place(circle: Circle, search: RingSearch, shape: tuple[int, ...]) -> bool:
    """Whether the circle's ring lies in a picture of this shape, but for the little that the circle may be off."""
    reach = circle.radius * max(search.outer, 1.0) * 0.97
    return all(reach <= middle <= length - reach for middle, length in zip((circle.y, circle.x), shape, strict=True))


def _edges_around(blurred: Grey, about: Circle, low: float, high: float, error_px: float) -> list[float]:
    """Radii between `low` and `high` at which the grey changes most, by the median over all angles, the first most.

    That is the change over as many pixels as the centre may be off, or the edge would be lost between the angles.
    """
    step = max(error_px / 2, 1.0)
    radius = np.arange(max(low - 2 * step, 1.0), high + 2 * step, step)
    values = _along_radii(blurred, about, radius)
    change = np.abs(np.median(values[:, 2:] - values[:, :-2], axis=0))
    is_peak = (change >= np.pad(change, (1, 0))[:-1]) & (change >= np.pad(change, (0, 1))[1:])
    peaks = np.flatnonzero(is_peak)
    peaks = peaks[np.argsort(-change[peaks])][:_EDGES_PER_CENTRE]
    return [float(radius[peak + 1]) for peak in peaks]


@dataclass(frozen=True, slots=True)
class _Fit:
    """A circle laid through an edge, the share of the radii that have it, and how steep it is: the median in counts
    per px."""

    circle: Circle
    support: float
    steepness: float


def _refined(blurred: Grey, search: RingSearch, about: Circle, error_px: float) -> _Fit:
    """The circle through the edge near `about`, which may be `error_px` off."""
    reach = min(2 * error_px + _STEP_PX, about.radius / 2)
    points, slopes = _edge_points(blurred, about, reach)
    is_edge = slopes >= search.edge / 2 / _SOBEL
    if np.count_nonzero(is_edge) <= _SUPPORT * _RADII:
        return _Fit(about, 0.0, 0.0)
    circle, distance = _fitted(points[is_edge], about)
    is_near = distance <= _NEAR_PX
    steepness = float(np.median(slopes[is_edge][is_near])) if is_near.any() else 0.0
    return _Fit(circle, np.count_nonzero(is_near) / _RADII, steepness)


def _edge_points(blurred: Grey, about: Circle, reach: float) -> tuple[Points, NDArray[np.float64]]:
    """`(radii, 2)` x and y of the steepest place along each radius, and how many counts per px it rises there: none
    where it is steepest at an end.

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
    return points, np.where(is_inside, peak, 0.0)


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
