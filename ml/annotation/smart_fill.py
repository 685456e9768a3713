"""The outline of a defect from a box drawn loosely around it: GrabCut. No torch.

Rother, Kolmogorov, Blake, "GrabCut: interactive foreground extraction using iterated graph cuts", SIGGRAPH 2004.
Departures: only the surroundings of the box are looked at, since the rest of a part says little about what lies beside
the defect, and at most LONGEST_SIDE_PX of them, so that the answer comes at once; grey levels are stretched first, as
most defects differ from the part by few counts; it begins with the colours that are more frequent inside the box than
around it, not with the whole box, of which a defect may fill little.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ml.inspection_area import Mask, Rectangle
from ml.pictures import Pixels

LONGEST_SIDE_PX: Final = 224
SURROUNDINGS: Final = 0.5
"""How far around the box is looked at, in its sides."""
LEAST_SURROUNDINGS_PX: Final = 8
LEAST_CLICK_PX: Final = 24
ROUNDS: Final = 4
SEED: Final = 0
BINS: Final = 16
"""Of each colour."""
FREQUENT_TIMES: Final = 2.0
LEAST_SHARE, LEAST_BEGINNING_PX = 0.01, 6
"""Of the box; with less nothing stands out."""
STRETCH: Final = (0.5, 99.5)
"""Percentiles that become black and white."""


def fill_box(pixels: Pixels, box: Rectangle) -> Mask:
    """bool `(height, width)`: what stands out inside the box from what surrounds it; empty where nothing does.

    `pixels`: `(height, width[, 3])`, uint8 or uint16. The same picture and box give the same answer.
    """
    height, width = pixels.shape[:2]
    filled = np.zeros((height, width), bool)
    left, top = max(0, round(box.x)), max(0, round(box.y))
    right, bottom = min(width, round(box.x + box.width)), min(height, round(box.y + box.height))
    if right - left < 2 or bottom - top < 2:
        return filled
    margin_x, margin_y = _margin(right - left), _margin(bottom - top)
    rows = slice(max(0, top - margin_y), min(height, bottom + margin_y))
    columns = slice(max(0, left - margin_x), min(width, right + margin_x))
    is_inside = np.zeros((rows.stop - rows.start, columns.stop - columns.start), bool)
    is_inside[top - rows.start : bottom - rows.start, left - columns.start : right - columns.start] = True
    if is_inside.all():  # the box is the picture: there is nothing to stand out from
        return filled
    filled[rows, columns] = _cut_out(pixels[rows, columns], is_inside)
    return filled


def fill_around(pixels: Pixels, x: float, y: float) -> Mask:
    """As `fill_box`, of the group of pixels nearest to a click, in the smallest box around the click that holds a whole
    one; boxes double from LEAST_CLICK_PX to half the picture."""
    found = np.zeros(pixels.shape[:2], bool)
    side = LEAST_CLICK_PX
    while side <= max(LEAST_CLICK_PX, min(pixels.shape[:2]) / 2):
        box = Rectangle(x=round(x - side / 2), y=round(y - side / 2), width=side, height=side)
        group = _nearest(fill_box(pixels, box), x, y)
        if group.any():
            found = group
            if not _reaches_edge(group, box):
                break
        side *= 2
    return found


def _nearest(filled: Mask, x: float, y: float) -> Mask:
    """The group of touching pixels next to a place."""
    rows, columns = np.nonzero(filled)
    if not len(rows):
        return filled
    _, labels = cv2.connectedComponents(filled.astype(np.uint8), connectivity=8)
    nearest = int(np.argmin((rows + 0.5 - y) ** 2 + (columns + 0.5 - x) ** 2))
    chosen: Mask = labels == labels[rows[nearest], columns[nearest]]
    return chosen


def _reaches_edge(mask: Mask, box: Rectangle) -> bool:
    """Whether set pixels lie on the edge of the box they were looked for in: the rest of them may lie outside."""
    rows, columns = np.nonzero(mask)
    is_row = (rows.min() <= box.y) | (rows.max() >= box.y + box.height - 1)
    is_column = (columns.min() <= box.x) | (columns.max() >= box.x + box.width - 1)
    return bool(is_row | is_column)


def _margin(side: int) -> int:
    return max(LEAST_SURROUNDINGS_PX, round(SURROUNDINGS * side))


def _cut_out(crop: Pixels, is_inside: Mask) -> Mask:
    height, width = is_inside.shape
    shrink = min(1.0, LONGEST_SIDE_PX / max(height, width))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    colours = _stretched(cv2.resize(crop, size, interpolation=cv2.INTER_AREA))
    inside = cv2.resize(is_inside.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(bool)
    stands_out = _unusual(colours, inside)
    if inside.all() or stands_out.sum() < max(LEAST_BEGINNING_PX, LEAST_SHARE * inside.sum()):
        return np.zeros((height, width), bool)
    labels = np.where(inside, cv2.GC_PR_BGD, cv2.GC_BGD).astype(np.uint8)
    labels[stands_out] = cv2.GC_PR_FGD
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(SEED)  # k-means, which begins the colour models, draws
    cv2.grabCut(colours, labels, None, *models, ROUNDS, cv2.GC_INIT_WITH_MASK)
    found = ((labels == cv2.GC_PR_FGD) | (labels == cv2.GC_FGD)).astype(np.float32)
    whole = cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR) >= 0.5
    kept: Mask = whole & is_inside
    return kept


def _unusual(colours: NDArray[np.uint8], inside: Mask) -> Mask:
    """The pixels inside whose colours are FREQUENT_TIMES as frequent there as around."""
    bins = (cv2.GaussianBlur(colours, (0, 0), 1.0) // (256 // BINS)).astype(np.intp)
    codes = (bins[..., 0] * BINS + bins[..., 1]) * BINS + bins[..., 2]
    within, around = (_frequencies(codes[part]) for part in (inside, ~inside))
    is_frequent = within > FREQUENT_TIMES * around
    found: Mask = is_frequent[codes] & inside
    return found


def _frequencies(codes: NDArray[np.intp]) -> NDArray[np.float64]:
    """`(BINS ** 3,)`, smoothed: a few thousand pixels are few for as many colours."""
    counts = np.bincount(codes, minlength=BINS**3).reshape(BINS, BINS, BINS)
    smooth: NDArray[np.float64] = gaussian_filter(counts / max(1, codes.size), 1.0)
    return smooth.ravel()


def _stretched(crop: Pixels) -> NDArray[np.uint8]:
    """`(height, width, 3)` uint8."""
    low, high = np.percentile(crop, STRETCH)
    scale = 255 / max(float(high - low), 1.0)
    grey = np.clip((crop.astype(np.float32) - low) * scale, 0, 255).astype(np.uint8)
    return grey if grey.ndim == 3 else np.repeat(grey[..., np.newaxis], 3, axis=2)
