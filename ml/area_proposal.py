"""Proposals for where to look: what stands out by its grey, by its colours in a box, or as a circle. No torch.

A person looks at a proposal, takes or changes it; nothing is inspected by it unasked. All work on 8- to 16-bit
pictures, grey `(H, W)` or RGB `(H, W, 3)`, and give shapes in pixels of the picture.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.circle_search import Circle, striking_circles
from ml.errors import PartNotFoundError, PictureError
from ml.inspection_area import Annulus, Ellipse, Polygon
from ml.pictures import Pixels
from ml.preprocessing import RingSearch

_THRESHOLD_SIDE_PX, _GRABCUT_SIDE_PX = 640, 320
"""Longer side of the reduced picture; GrabCut takes a second at twice as much."""

_BLUR_SIGMA_PX = 2.0
_GRABCUT_ROUNDS = 5
_ENDS_PERCENT = 0.5, 99.5
"""Of the values: what is darker or brighter is taken for black or white, so that a glint does not flatten the rest."""

_LEAST_SHARE = 0.005
"""Of the picture: smaller blobs are dirt, not parts."""
_LEAST_SEPARATION = 0.68
"""Otsu's measure of how good a threshold is: variance between both sides by all variance. It is 2 / pi for noise."""

_MOST_CORNERS = 48
_ROUGHNESS = 0.0015
"""By so much of its length an outline may be simplified at first."""

_CONCENTRIC = 0.05
_APART = 0.8
"""Radii of a ring's two circles: the smaller is no more than this part of the larger."""

Mask = NDArray[np.uint8]


def by_threshold(pixels: Pixels) -> Polygon:
    """What is brighter, or darker, than the rest and hardly touches the picture's edge: the largest blob, filled.

    The threshold is Otsu's (IEEE Trans. SMC 9(1), 1979), on the smoothed picture. Raises PartNotFoundError where
    nothing stands out.
    """
    small = _reduced(pixels, _THRESHOLD_SIDE_PX)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY) if small.ndim == 3 else small
    smooth = cv2.GaussianBlur(grey, (0, 0), _BLUR_SIGMA_PX)
    _, bright = cv2.threshold(smooth, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    is_bright = bright > 0
    if is_bright.all() or not is_bright.any():
        raise _nothing()
    share = float(is_bright.mean())
    step = float(smooth[is_bright].mean() - smooth[~is_bright].mean())
    if share * (1 - share) * step**2 < _LEAST_SEPARATION * float(smooth.var()):
        raise _nothing()
    edge = np.concatenate([is_bright[0], is_bright[-1], is_bright[:, 0], is_bright[:, -1]])
    part = is_bright if edge.mean() < 0.5 else ~is_bright
    return _outline(part.astype(np.uint8), pixels.shape)


def by_grabcut(pixels: Pixels, box: tuple[float, float, float, float]) -> Polygon:
    """What is unlike the surroundings of `box` (x, y, width, height), inside it: the largest blob, filled.

    C. Rother, V. Kolmogorov and A. Blake, "GrabCut", SIGGRAPH 2004, on the reduced picture. The same picture and box
    give the same outline. Raises PictureError where the box leaves no surroundings or lies outside of the picture, and
    PartNotFoundError where nothing in it is unlike them.
    """
    small = _reduced(pixels, _GRABCUT_SIDE_PX)
    height, width = small.shape[:2]
    scale_y, scale_x = height / pixels.shape[0], width / pixels.shape[1]
    left, right = (min(max(round(end * scale_x), 0), width) for end in (box[0], box[0] + box[2]))
    top, bottom = (min(max(round(end * scale_y), 0), height) for end in (box[1], box[1] + box[3]))
    if right - left < 2 or bottom - top < 2:
        raise PictureError("The box holds too little of the picture. Draw it around the part.")
    labels = np.full((height, width), cv2.GC_BGD, np.uint8)
    labels[top:bottom, left:right] = cv2.GC_PR_FGD
    if not (labels == cv2.GC_BGD).any():
        raise PictureError("The box holds the whole picture. Leave some of the background around the part out of it.")
    colours = cv2.cvtColor(small, cv2.COLOR_GRAY2BGR) if small.ndim == 2 else small
    cv2.setRNGSeed(0)
    cv2.grabCut(colours, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), _GRABCUT_ROUNDS, cv2.GC_INIT_WITH_MASK)
    return _outline(np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8), pixels.shape)


def by_circle(pixels: Pixels) -> Ellipse:
    """The most striking circle of the picture, filled. Raises PartNotFoundError where there is none."""
    (best, *_) = _circles(pixels)
    return Ellipse(centre_x=best.x + 0.5, centre_y=best.y + 0.5, radius_x=best.radius, radius_y=best.radius)


def by_ring(pixels: Pixels) -> Annulus:
    """Between the most striking circle and the next one about the same centre.

    Raises PartNotFoundError where there are no two such circles.
    """
    best, *others = _circles(pixels)
    for other in others:
        inner, outer = sorted((best, other), key=lambda circle: circle.radius)
        is_one_centre = math.hypot(best.x - other.x, best.y - other.y) <= _CONCENTRIC * outer.radius
        if is_one_centre and inner.radius <= _APART * outer.radius:
            return Annulus(centre_x=outer.x + 0.5, centre_y=outer.y + 0.5, inner=inner.radius, outer=outer.radius)
    raise PartNotFoundError("There are no two circles about one centre on this picture. Draw the ring by hand.")


def _circles(pixels: Pixels) -> Sequence[Circle]:
    """The most striking one first."""
    found = striking_circles(pixels, RingSearch(inner=0, outer=1), _ends(pixels))
    if not found:
        raise PartNotFoundError("There is no plain circle on this picture. Draw the area by hand.")
    return [circle for circle, _ in sorted(found, key=lambda one: -one[1])]


def _ends(pixels: Pixels) -> tuple[float, float]:
    low, high = np.percentile(pixels[::4, ::4], _ENDS_PERCENT)
    return float(low), float(max(high, low + 1))


def _reduced(pixels: Pixels, side_px: int) -> NDArray[np.uint8]:
    """Shrunk to `side_px` on its longer side, and its values spread over 8 bits."""
    height, width = pixels.shape[:2]
    shrink = min(1.0, side_px / max(height, width))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    low, high = _ends(pixels)
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(np.clip(np.round((small - low) * (255 / (high - low))), 0, 255), np.uint8)


def _outline(part: Mask, shape: tuple[int, ...]) -> Polygon:
    """The largest blob of a reduced mask on the picture of `shape`."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    cleaned = cv2.morphologyEx(cv2.morphologyEx(part, cv2.MORPH_OPEN, kernel), cv2.MORPH_CLOSE, kernel)
    # Four times as large, an outline through pixel centres keeps within an eighth of a pixel of the blob's edge.
    enlarged = cv2.resize(cleaned, None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours(enlarged, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = max(contours, key=cv2.contourArea, default=None)
    if largest is None or cv2.contourArea(largest) < _LEAST_SHARE * enlarged.size:
        raise _nothing()
    unit = np.array([shape[1] / enlarged.shape[1], shape[0] / enlarged.shape[0]])
    return Polygon(points=tuple((float(x), float(y)) for x, y in (_simplified(largest) + 0.5) * unit))


def _simplified(contour: NDArray[np.int32]) -> NDArray[np.float64]:
    """`(corners, 2)`: as close to the contour as MOST_CORNERS corners can be about."""
    tolerance = _ROUGHNESS * cv2.arcLength(contour, closed=True)
    corners = cv2.approxPolyDP(contour, tolerance, closed=True)
    while len(corners) > _MOST_CORNERS:
        tolerance *= 1.4
        corners = cv2.approxPolyDP(contour, tolerance, closed=True)
    return np.asarray(corners if len(corners) >= 3 else contour, np.float64).reshape(-1, 2)


def _nothing() -> PartNotFoundError:
    return PartNotFoundError(
        "Nothing on this picture stands out from the rest. Draw a box around the part, or the area by hand."
    )
