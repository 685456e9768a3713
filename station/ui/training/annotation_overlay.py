"""Regions as colours over their picture: filled thinly, so that the defect stays in sight, with a full edge."""

from collections.abc import Mapping
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.annotation.annotation import Annotation, pixels_of

Rgb = tuple[int, int, int]

FILL, CHOSEN_FILL, EDGE, HALO = 90, 140, 255, 160
"""Opacities of 255."""
EDGE_SHARE: Final = 1 / 400
"""Width of an edge, of the picture's longer side: it is seen in a whole picture."""


def overlay_of(annotation: Annotation, colours: Mapping[str, Rgb], chosen: int | None = None) -> NDArray[np.uint8]:
    """`(height, width, 4)` uint8 RGBA, not premultiplied. `colours` has every kind; region `chosen` comes out."""
    overlay = np.zeros((annotation.height_px, annotation.width_px, 4), np.uint8)
    edge_px = max(1, round(EDGE_SHARE * max(annotation.height_px, annotation.width_px)))
    for number, region in enumerate(annotation.regions):
        box, is_chosen = region.area, number == chosen
        pixels = pixels_of(region)
        edge = _edge(pixels, edge_px * (2 if is_chosen else 1))
        part = overlay[box.y : box.y + box.height, box.x : box.x + box.width]
        part[pixels] = (*colours[region.kind], CHOSEN_FILL if is_chosen else FILL)
        part[edge] = (*colours[region.kind], EDGE)
        if is_chosen:
            part[edge & ~_edge(pixels, edge_px)] = (0, 0, 0, HALO)
    return overlay


def _edge(pixels: NDArray[np.bool_], width_px: int) -> NDArray[np.bool_]:
    framed = np.pad(pixels, width_px).astype(np.uint8)
    side = 2 * width_px + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    inner = cv2.erode(framed, kernel)[width_px:-width_px, width_px:-width_px].astype(bool)
    edge: NDArray[np.bool_] = pixels & ~inner
    return edge
