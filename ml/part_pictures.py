"""A part on a picture: where it lies, its upright picture cut out there, and that picture's map put back. No torch."""

import math
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.errors import PictureError
from ml.maps import ScoreMap
from ml.part_search import PartSearch
from ml.pictures import Pixels, encode_png

_TEMPLATE_SIDE_PX = 192
"""Longer side of a template that is stored: parts are sought on a coarser copy of the picture than this tells apart."""

LONGEST_SIDE_PX = 32_000
"""OpenCV counts the pixels of what it turns in 16 bits."""
_AROUND_PX = 4
"""Taken along around a part for the interpolation at its edge."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a part lies: its centre in pixels of the picture, pixel centres at whole numbers, y down; how far it is
    turned against the template, clockwise as seen on the screen, -180 to 180 degrees; and its correlation with it.
    """

    x: float
    y: float
    angle_deg: float
    likeness: float


def frame_of(pose: Pose, search: PartSearch, shape: tuple[int, ...] | None = None) -> Matrix:
    """2 x 3: takes (x, y, 1) of a part's upright picture, `shape` (height, width) large, to pixels of the picture.

    By default as large as what is cut out. Pixel centres at whole numbers in both.
    """
    height, width = shape or (search.height_px, search.width_px)
    unit_x, unit_y = search.width_px / width, search.height_px / height
    cos, sin = math.cos(math.radians(pose.angle_deg)), math.sin(math.radians(pose.angle_deg))
    turn = np.array([[cos * unit_x, -sin * unit_y], [sin * unit_x, cos * unit_y]])
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    return np.column_stack([turn, np.array([pose.x, pose.y]) - turn @ middle])


def template_of(
    pixels: Pixels,
    box: tuple[int, int, int, int],
    *,
    angles_deg: float = 0.0,
    least_likeness: float = 0.6,
    count: int | None = None,
) -> PartSearch:
    """The search for parts that look like the one in `box` (x, y, width, height) of `pixels`, which lies upright there.

    The template is stored smaller than the box where that is large. Raises PictureError for a box that reaches out of
    the picture or is narrower than 32 px, and for one that shows a single grey.
    """
    x, y, width, height = box
    if x < 0 or y < 0 or x + width > pixels.shape[1] or y + height > pixels.shape[0]:
        raise PictureError(
            f"The box around the part ({width} x {height} px at x {x}, y {y}) reaches out of the picture of "
            f"{pixels.shape[1]} x {pixels.shape[0]} px. Draw it around a part that lies whole within the picture."
        )
    if min(width, height) < 32:
        raise PictureError(f"The box around the part is {width} x {height} px. Each side must have at least 32 px.")
    part = pixels[y : y + height, x : x + width]
    grey = np.asarray(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY) if part.ndim == 3 else part, np.float32)
    low, high = float(grey.min()), float(grey.max())
    if low == high:
        raise PictureError("The box is of one grey: there is nothing to find a part by. Draw it around a part.")
    scale = min(1.0, max(_TEMPLATE_SIDE_PX / max(width, height), 32 / min(width, height)))
    small = cv2.resize(grey, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    counts = np.round((small - low) * (255 / (high - low))).astype(np.uint8)
    return PartSearch(
        template_png=b64encode(encode_png(counts)).decode(),
        width_px=width,
        height_px=height,
        angles_deg=angles_deg,
        least_likeness=least_likeness,
        count=count,
    )


def cut_out(pixels: Pixels, pose: Pose, search: PartSearch) -> Pixels:
    """A part upright, `(search.height_px, search.width_px[, 3])`: cubic, in the captured type, the edge repeated."""
    return _cut(pixels, pose, search, cv2.INTER_CUBIC)


def cut_out_mask(mask: NDArray[np.bool_], pose: Pose, search: PartSearch) -> NDArray[np.bool_]:
    """`mask`, bool (height, width) of the picture, where `cut_out` looks: true where a pixel has a share of it."""
    return np.asarray(_cut(np.where(mask, np.uint8(255), np.uint8(0)), pose, search, cv2.INTER_LINEAR) > 0)


def _cut(pixels: Pixels, pose: Pose, search: PartSearch, interpolation: int) -> Pixels:
    # Out of the part's surroundings: OpenCV turns no picture of more than LONGEST_SIDE_PX.
    ends = _corners(pose, search)
    limits = np.array([pixels.shape[1], pixels.shape[0]])
    left, top = np.clip(np.floor(ends.min(axis=0)) - _AROUND_PX, 0, limits - 1).astype(int).tolist()
    right, bottom = np.clip(np.ceil(ends.max(axis=0)) + _AROUND_PX, (left + 1, top + 1), limits).astype(int).tolist()
    frame = frame_of(pose, search)
    frame[:, 2] -= left, top
    size, flags = (search.width_px, search.height_px), interpolation | cv2.WARP_INVERSE_MAP
    seen: Pixels = cv2.warpAffine(
        pixels[top:bottom, left:right], frame, size, flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return seen


def put_back(maps: Sequence[ScoreMap], poses: Sequence[Pose], search: PartSearch, height: int, width: int) -> ScoreMap:
    """The maps of parts' upright pictures as one of the picture of `height` x `width` px, over the box of all parts.

    Its cells are as fine as theirs. Those on no part hold the lowest value; where parts share a place, the higher value
    holds. Values are interpolated between the parts' cells, whose own values also count where they came to lie: the
    highest value of the joined map is that of the maps.
    """
    fine = [min(one.covered_height / one.cells.shape[0], one.covered_width / one.cells.shape[1]) for one in maps]
    ends = np.concatenate([_corners(pose, search) for pose in poses])
    left, top = np.clip(np.floor(ends.min(axis=0)), 0, (width - 1, height - 1)).astype(int).tolist()
    right, bottom = np.clip(np.ceil(ends.max(axis=0)), (left + 1, top + 1), (width, height)).astype(int).tolist()
    rows, columns = (math.ceil(length / max(min(fine), 1.0)) for length in (bottom - top, right - left))
    grid = _Grid(
        top, left, (bottom - top) / rows, (right - left) / columns, np.full((rows, columns), -np.inf, np.float32)
    )
    for one, pose in zip(maps, poses, strict=True):
        _add(grid, one, pose, search)
    inside = np.isfinite(grid.values)
    grid.values[~inside] = 0  # any number: what is not inside takes the lowest value
    return ScoreMap(
        grid.values,
        height,
        width,
        top=top,
        left=left,
        height=bottom - top,
        width=right - left,
        covered_height=bottom - top,
        covered_width=right - left,
        inside=inside,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """Cells of `pitch_y` x `pitch_x` px from a corner of the picture on."""

    top: int
    left: int
    pitch_y: float
    pitch_x: float
    values: NDArray[np.float32]

    def cells_at(self, places: NDArray[np.floating]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows and columns of the cells at places `(n, 2)`, x and y in px of the picture, held to the grid's edges."""
        rows, columns = self.values.shape
        row = np.clip((places[:, 1] + 0.5 - self.top) / self.pitch_y, 0, rows - 1)
        column = np.clip((places[:, 0] + 0.5 - self.left) / self.pitch_x, 0, columns - 1)
        return row.astype(np.intp), column.astype(np.intp)


def _add(grid: _Grid, own: ScoreMap, pose: Pose, search: PartSearch) -> None:
    """Raise the cells of the grid to the values of one part's map."""
    frame = frame_of(pose, search)
    rows, columns = (np.arange(each.min(), each.max() + 1) for each in grid.cells_at(_corners(pose, search) - 0.5))
    x = grid.left + (columns + 0.5) * grid.pitch_x - 0.5
    y = grid.top + (rows[:, np.newaxis] + 0.5) * grid.pitch_y - 0.5
    back: Matrix = cv2.invertAffineTransform(frame)
    own_x, own_y = (back[axis, 0] * x + back[axis, 1] * y + back[axis, 2] for axis in range(2))
    counts = np.ones(own.cells.shape, bool) if own.inside is None else own.inside
    cell_y, cell_x = own.cell_positions(own_y, own_x)
    is_inside = counts[np.rint(cell_y).astype(np.intp), np.rint(cell_x).astype(np.intp)]
    is_inside &= np.abs(own_x - (search.width_px - 1) / 2) <= search.width_px / 2
    is_inside &= np.abs(own_y - (search.height_px - 1) / 2) <= search.height_px / 2
    at = own_x.astype(np.float32), own_y.astype(np.float32)
    values = cv2.remap(own.at_picture_size(), *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    place = np.ix_(rows, columns)
    grid.values[place] = np.where(is_inside, np.maximum(grid.values[place], values), grid.values[place])

    # Padding cells lie beyond the part, and count at its edge.
    own_rows, own_columns = (
        np.clip(each, 0, length - 1)
        for each, length in zip(own.cell_centres(), (search.height_px, search.width_px), strict=True)
    )
    centre_y, centre_x = np.meshgrid(own_rows, own_columns, indexing="ij")
    centres = np.column_stack([centre_x[counts], centre_y[counts]]) @ frame[:, :2].T + frame[:, 2]
    np.maximum.at(grid.values, grid.cells_at(centres), own.cells[counts])


def _corners(pose: Pose, search: PartSearch) -> NDArray[np.float64]:
    """`(4, 2)`: of what is cut out, x and y with (0, 0) at the picture's corner."""
    frame = frame_of(pose, search)
    ends = np.array([[x, y] for x in (-0.5, search.width_px - 0.5) for y in (-0.5, search.height_px - 0.5)])
    return np.asarray(ends @ frame[:, :2].T + frame[:, 2] + 0.5, np.float64)
