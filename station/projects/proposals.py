"""Outlines of the part that are proposed on a picture, and the search for it that follows. No Qt, no torch; slow on
large pictures, so called outside the GUI thread.
"""

import math
from typing import Literal

import numpy as np

from ml.area_proposal import by_circle, by_grabcut, by_threshold
from ml.inspection_area import Rectangle, Shape, mask_of
from ml.part_movement import Movement
from ml.part_pictures import template_of
from ml.part_search import PartSearch
from ml.pictures import Pixels

Proposal = Literal["threshold", "grabcut", "circle"]
Box = tuple[int, int, int, int]
"""x, y, width, height in px."""

USUAL_TURN_DEG = 15.0
"""A part that is searched may be turned by as much, unless told otherwise."""

ROOM = 0.03
"""Share of a part's longer side that is left around it when it is cut out."""
TURN_ROOM = 1.5
"""Times as far as the parts of the sample are turned, an aligning search looks for them."""
LEAST_TURN_DEG, FURTHEST_TURN_DEG = 5.0, 40.0
"""Parts that are turned further may lie any way round."""
ALIGNING_LIKENESS = 0.4
"""Low, since the likest place is taken: it only has to tell a part from none."""


def propose(kind: Proposal, pixels: Pixels, box: Rectangle | None) -> Shape:
    """The outline of the part on `pixels`; of what is in `box` for `grabcut`. Raises PictureError."""
    match kind:
        case "threshold":
            return by_threshold(pixels)
        case "circle":
            return by_circle(pixels)
        case "grabcut":
            if box is None:
                raise ValueError("GrabCut needs a box around the part")
            return by_grabcut(pixels, _whole(box, pixels))


def search_for(pixels: Pixels, box: Rectangle, before: PartSearch | None) -> PartSearch:
    """The search for what lies in `box`, with the settings of the one `before`. Raises PictureError."""
    if before is None:
        return template_of(pixels, _whole(box, pixels), angles_deg=USUAL_TURN_DEG)
    return template_of(
        pixels,
        _whole(box, pixels),
        angles_deg=before.angles_deg,
        least_likeness=before.least_likeness,
        count=before.count,
    )


def aligning_search(pixels: Pixels, movement: Movement) -> PartSearch:
    """The search for the one part on `pixels`, so that it lies in the same place on every picture.

    Raises PartNotFoundError where its outline does not stand out by itself.
    """
    outline = by_threshold(pixels)
    height, width = pixels.shape[:2]
    covered = mask_of(outline, height, width)
    rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
    room = round(ROOM * max(len(rows), len(columns)))
    left, top = max(0, int(columns[0]) - room), max(0, int(rows[0]) - room)
    right, bottom = min(width, int(columns[-1]) + 1 + room), min(height, int(rows[-1]) + 1 + room)
    turn = TURN_ROOM * (movement.turn_deg or 0.0)
    angles = 180.0 if turn > FURTHEST_TURN_DEG else max(LEAST_TURN_DEG, float(math.ceil(turn)))
    return template_of(
        pixels, (left, top, right - left, bottom - top), angles_deg=angles, least_likeness=ALIGNING_LIKENESS, count=1
    )


def _whole(box: Rectangle, pixels: Pixels) -> Box:
    """In whole pixels, within the picture."""
    height, width = pixels.shape[:2]
    left, top = max(0, math.floor(box.x)), max(0, math.floor(box.y))
    return left, top, min(width, math.ceil(box.x + box.width)) - left, min(height, math.ceil(box.y + box.height)) - top
