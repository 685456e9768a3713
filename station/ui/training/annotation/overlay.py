"""Regions as colours over their picture: filled thinly, so that the defect stays in sight, with a full edge."""

from collections.abc import Mapping
from math import ceil
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.annotation.annotation import AnnotatedRegion, Annotation, pixels_of
from ml.inspection_area import Mask

Rgb = tuple[int, int, int]

FILL, CHOSEN_FILL, EDGE, HALO = 90, 140, 255, 160
"""Opacities of 255."""
EDGE_SHARE: Final = 1 / 400
"""Width of an edge, of the picture's longer side: it is seen in a whole picture."""


def overlay_of(
    annotation: Annotation, colours: Mapping[str, Rgb], chosen: int | None = None, shrink: float = 1.0
) -> NDArray[np.uint8]:
    """`(height, width, 4)` uint8 RGBA, not premultiplied, `shrink` times the picture's size as the screen shows it.
    `colours` has every kind; region `chosen` comes out."""
    height, width = (max(1, round(side * shrink)) for side in (annotation.height_px, annotation.width_px))
    overlay = np.zeros((height, width, 4), np.uint8)
    edge_px = max(1, round(EDGE_SHARE * max(height, width)))
    for number, region in enumerate(annotation.regions):
        is_chosen = number == chosen
        rows, columns, pixels = _shrunk(region, height, width, shrink)
        edge = _edge(pixels, edge_px * (2 if is_chosen else 1))
        part = overlay[rows, columns]
        part[pixels] = (*colours[region.kind], CHOSEN_FILL if is_chosen else FILL)
        part[edge] = (*colours[region.kind], EDGE)
        if is_chosen:
            part[edge & ~_edge(pixels, edge_px)] = (0, 0, 0, HALO)
    return overlay


def _shrunk(region: AnnotatedRegion, height: int, width: int, shrink: float) -> tuple[slice, slice, Mask]:
    """Where a region lies in a shrunken picture, and its pixels there: every one that it touches, so that a hair of a
    scratch is still seen."""
    box, pixels = region.area, pixels_of(region)
    if shrink == 1:
        return slice(box.y, box.y + box.height), slice(box.x, box.x + box.width), pixels
    top, left = min(int(box.y * shrink), height - 1), min(int(box.x * shrink), width - 1)
    bottom = min(max(top + 1, ceil((box.y + box.height) * shrink)), height)
    right = min(max(left + 1, ceil((box.x + box.width) * shrink)), width)
    shares = cv2.resize(pixels.astype(np.float32), (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    return slice(top, bottom), slice(left, right), shares > 0


def _edge(pixels: Mask, width_px: int) -> Mask:
    framed = np.pad(pixels, width_px).astype(np.uint8)
    side = 2 * width_px + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    inner = cv2.erode(framed, kernel)[width_px:-width_px, width_px:-width_px].astype(bool)
    edge: Mask = pixels & ~inner
    return edge
