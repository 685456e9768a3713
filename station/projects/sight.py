"""What a project's choices make of one picture: what is shown while they are made. No Qt, no torch; slow on large
pictures, so called outside the GUI thread.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ml.circle_search import Circle, find_circle, striking_circles, usual_range
from ml.contrast import equalised
from ml.errors import PartNotFoundError
from ml.inspection_area import InspectionArea, mask_of_area
from ml.part_finder import find_parts
from ml.part_pictures import Pose, cut_out, frame_of
from ml.pictures import Pixels, highest_count, read_picture
from ml.preprocessing import RingSearch
from ml.ring import Ring
from station.core.presentation import VIEW_SIDE_PX, displayed
from station.projects.project import Looks, ProjectPicture

DARKENED = (0, 0, 0, 150)
HATCH = (255, 255, 255, 90)
HATCHES = 48
"""So many lines cross the longer side of a picture."""

Rgb = NDArray[np.uint8]
Rgba = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Pixels for the screen, `(h, w, 3)`; one pixel of the picture is `scale` of them. `width`, `height` are the
    picture's."""

    rgb: Rgb
    scale: float
    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class SeenPart:
    """`outline`: its four corners (x, y) in px of the picture, (0, 0) the picture's corner; `pixels`: the part cut out
    upright, `shown` for the screen."""

    outline: tuple[tuple[float, float], ...]
    likeness: float
    pixels: Pixels
    shown: Shown


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """One picture as `looks` says it is looked at: as it was taken, and what was found in it. `problem` says what was
    not."""

    picture: ProjectPicture
    looks: Looks
    pixels: Pixels
    window: tuple[float, float]
    whole: Shown
    parts: tuple[SeenPart, ...] = ()
    circle: Circle | None = None
    problem: str = ""


def see(picture: ProjectPicture, looks: Looks) -> Sight:
    """Read `picture` and look for what `looks` asks for. Raises PictureError where it cannot be read."""
    pixels = read_picture(picture.file).pixels
    window = _window(pixels)
    evened = _evened(pixels, looks, window)
    sight = Sight(picture, looks, pixels, window, shown(evened, window))
    if looks.parts is not None:
        parts = tuple(_seen_part(pixels, pose, looks, window) for pose in find_parts(pixels, looks.parts))
        return replace(sight, parts=parts, problem=_missing(len(parts), looks.parts.count))
    if looks.ring is not None and looks.ring.radius_px is not None:
        try:
            circle = find_circle(evened, looks.ring, window)
            Ring.around(circle, looks.ring, *evened.shape[:2])
        except PartNotFoundError as error:
            return replace(sight, problem=str(error))
        return replace(sight, circle=circle)
    return sight


def shown(pixels: Pixels, window: tuple[float, float]) -> Shown:
    """`pixels` for the screen."""
    rgb = displayed(pixels, window)
    return Shown(rgb, rgb.shape[1] / pixels.shape[1], pixels.shape[1], pixels.shape[0])


def measured_radius(pictures: Sequence[ProjectPicture], looks: Looks, ring: RingSearch) -> tuple[float, float]:
    """Lowest and highest radius of the circle that most of `pictures` share. Raises PartNotFoundError."""
    circles = []
    for picture in pictures:
        pixels = read_picture(picture.file).pixels
        window = _window(pixels)
        circles.append(striking_circles(_evened(pixels, looks, window), ring, window))
    found = usual_range(circles)
    if found is None:
        raise PartNotFoundError(
            f"No circle is found that most of {len(pictures)} pictures have in common. Type its radius in pixels."
        )
    return found


@lru_cache(maxsize=2)
def overlay_of(area: InspectionArea, side_px: int = VIEW_SIDE_PX) -> Rgba:
    """`(h, w, 4)` RGBA to lay upon a picture: dark where it is not looked, hatched too where it is told to be ignored.

    No larger than `side_px`; read-only.
    """
    looked_at = _shrunk(mask_of_area(area), side_px)
    ignored = _shrunk(~area.model_copy(update={"look": ()}).mask(), side_px)
    overlay = np.zeros((*looked_at.shape, 4), np.uint8)
    overlay[~looked_at] = DARKENED
    height, width = looked_at.shape[:2]
    period = max(6, max(height, width) // HATCHES)
    is_line = np.arange(height + width - 1) % period < max(2, period // 6)
    hatched = sliding_window_view(is_line, width)  # each row begins a pixel further on than the one above
    overlay[ignored & hatched] = HATCH
    overlay.setflags(write=False)
    return overlay


def ring_overlay(circle: Circle, ring: RingSearch, like: Shown) -> Rgba:
    """As `overlay_of`, for the ring around a found circle."""
    height, width = like.rgb.shape[:2]
    # Centres of pixels lie at whole numbers for a circle.
    down, right = (np.arange(length) + 0.5 for length in (height, width))
    distance = np.hypot.outer(down / like.scale - 0.5 - circle.y, right / like.scale - 0.5 - circle.x)
    overlay = np.zeros((height, width, 4), np.uint8)
    overlay[(distance < ring.inner * circle.radius) | (distance > ring.outer * circle.radius)] = DARKENED
    return overlay


def _missing(found: int, count: int | None) -> str:
    if found >= (count or 1):
        return ""
    return f"{found} of {count} parts are found on this picture." if found else "No part is found on this picture."


def _seen_part(pixels: Pixels, pose: Pose, looks: Looks, window: tuple[float, float]) -> SeenPart:
    if looks.parts is None:
        raise ValueError("nothing was searched")
    frame = frame_of(pose, looks.parts)
    right, bottom = looks.parts.width_px - 0.5, looks.parts.height_px - 0.5
    corners = np.array([(-0.5, -0.5), (right, -0.5), (right, bottom), (-0.5, bottom)])
    # Centres of pixels lie at whole numbers for a pose.
    outline = corners @ frame[:, :2].T + frame[:, 2] + 0.5
    cut = cut_out(pixels, pose, looks.parts)
    evened = shown(_evened(cut, looks, window), window)
    return SeenPart(tuple((float(x), float(y)) for x, y in outline), pose.likeness, cut, evened)


def _window(pixels: Pixels) -> tuple[float, float]:
    """As training does by itself: the full range of the bits that are used."""
    return 0.0, float(255 if pixels.dtype == np.uint8 else highest_count(int(pixels.max())))


def _evened(pixels: Pixels, looks: Looks, window: tuple[float, float]) -> Pixels:
    return pixels if looks.clahe is None else equalised(pixels, looks.clahe, window)


def _shrunk(mask: NDArray[np.bool_], side_px: int) -> NDArray[np.bool_]:
    height, width = mask.shape
    shrink = min(1.0, side_px / max(height, width))
    if shrink == 1:
        return mask
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    return np.asarray(cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0)
