"""Finds the parts on a picture by a template: normalised correlation, turned and shifted, coarse to fine. No torch.

The correlation coefficient of template and picture (J. P. Lewis, "Fast Template Matching", Vision Interface 1995) does
not see gain and offset. It is computed everywhere and for every angle on a picture shrunk so far that the template is
some twenty pixels wide; what comes out high is climbed up to its peak on two finer copies, and placed between pixels
and angles by parabolas. Not the template is turned but the picture, so that no template has corners that show nothing.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.errors import PartNotFoundError, PictureError
from ml.part_pictures import LONGEST_SIDE_PX, Matrix, Pose, cut_out, frame_of
from ml.part_search import MOST_PARTS, PartSearch
from ml.pictures import Pixels

_SIDES_PX = 24.0, 56.0, 128.0
"""Side of the template, if it were square, on the copies of the picture that are searched one after the other."""

_SHORTEST_PX = 8.0
"""So many pixels of the shorter side of a long template are left on any copy."""

_COARSE_CORNER_PX = 2.0
"""By so much the template's corners move from one angle to the next in the coarse search; in the fine one by 1 px."""

_PROMISING = 0.6
"""A place of the coarse search is looked at closely from this share of the likeness that makes a part: between the
angles, and where fine structure is lost, the correlation is lower."""

_MOST_CANDIDATES = 150
_SAME_PART = 0.35
"""Two places that share more than this of a part's area are one part."""

_PLAIN = 1e-3
"""Where the picture varies by less than this share of its variance, there is nothing to correlate with."""

_MARGIN_PX = 2
_MOST_CLIMBS = 12

_OUTSIDE, _OUTSIDE_AT_FIRST = 0.05, 0.15
"""Share of what is cut out around a part that may lie outside of the picture: corners of a part that is turned. A place
of the coarse search is not known so well."""

Plane = NDArray[np.float32]
_Box = tuple[tuple[float, float], tuple[float, float], float]
"""Centre, width and height, and angle in degrees, as OpenCV wants them."""


@dataclass(frozen=True, slots=True, eq=False)
class _Copy:
    """A copy of the picture at `scale`, and the template about as large as the part is on it."""

    plane: Plane
    scale: tuple[float, float]
    template: Plane

    @property
    def reach_px(self) -> float:
        """From the template's middle to its corner."""
        return math.hypot(*self.template.shape) / 2


def find_parts(pixels: Pixels, search: PartSearch) -> tuple[Pose, ...]:
    """The parts on `(H, W)` or `(H, W, 3)` RGB pixels, uint8 or uint16, in rows from the top, from left to right.

    No more than `search.count`, then the likest ones; fewer, or none, where no more are found. What reaches out of the
    picture is no part. Raises PictureError for a picture that is very long, and the parts very small.
    """
    copies = _copies(pixels, search)
    if max(copies[-1].plane.shape) > LONGEST_SIDE_PX:
        raise PictureError(
            f"The picture of {pixels.shape[1]} x {pixels.shape[0]} px is too long to be searched for parts of "
            f"{search.width_px} x {search.height_px} px. Cut it up."
        )
    least = search.least_likeness
    found: list[Pose] = []
    for candidate in _promising(copies[0], search, pixels.shape):
        pose = candidate
        for copy in copies[1:]:
            pose = _climbed(copy, search, pose)
            if pose.likeness < _PROMISING * least:
                break
        else:
            if pose.likeness >= least and _is_whole(pose, search, pixels.shape, _OUTSIDE):
                found.append(pose)
    best = _apart(found, search)[: search.count or MOST_PARTS]
    return tuple(sorted(best, key=lambda pose: (pose.y // search.height_px, pose.x)))


def all_parts(pixels: Pixels, search: PartSearch) -> tuple[Pose, ...]:
    """As `find_parts`. Raises PartNotFoundError where none is found, or fewer than are to lie on each picture."""
    found = find_parts(pixels, search)
    if len(found) >= (search.count or 1):
        return found
    how_many = f"{len(found)} of {search.count} parts are found" if found else "No part is found"
    raise PartNotFoundError(
        f"{how_many} on the picture of {pixels.shape[1]} x {pixels.shape[0]} px: nothing {'else ' if found else ''}on "
        f"it is as like the template as a part must be ({search.least_likeness:.2f}). Check that all parts lie whole "
        "within the picture, in focus and lit as usual."
    )


def upright_parts(pixels: Pixels, search: PartSearch | None) -> list[Pixels]:
    """The picture of each part, cut out upright; without a search the picture itself. Raises as `all_parts`."""
    return [pixels] if search is None else [cut_out(pixels, pose, search) for pose in all_parts(pixels, search)]


def _copies(pixels: Pixels, search: PartSearch) -> list[_Copy]:
    """From coarse to fine; fewer than _SIDES_PX for a part that is small itself."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.ndim == 3 else pixels
    template = search.template.astype(np.float32)
    side, shorter = math.sqrt(search.width_px * search.height_px), min(search.width_px, search.height_px)
    finest = template.shape[1] / search.width_px
    wanted = [min(finest, max(each / side, _SHORTEST_PX / shorter)) for each in _SIDES_PX]
    scales = [scale for scale, finer in pairwise([*wanted, math.inf]) if scale < finer]
    copies = []
    for scale in reversed(scales):
        size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
        template_size = max(1, round(search.width_px * scale)), max(1, round(search.height_px * scale))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32, copy=False)
        copies.append(
            _Copy(
                grey,
                (size[0] / pixels.shape[1], size[1] / pixels.shape[0]),
                cv2.resize(template, template_size, interpolation=cv2.INTER_AREA),
            )
        )
    return copies[::-1]


def _promising(copy: _Copy, search: PartSearch, shape: tuple[int, ...]) -> list[Pose]:
    """Places where the coarse correlation peaks, the highest first, apart from each other."""
    peaks: list[Pose] = []
    for angle in _angles(search.angles_deg, math.degrees(_COARSE_CORNER_PX / copy.reach_px)):
        peaks.extend(_peaks(copy, search, angle, shape))
    peaks.sort(key=lambda pose: -pose.likeness)
    return _apart(peaks[:_MOST_CANDIDATES], search)


def _angles(most: float, step: float) -> Iterator[float]:
    steps = math.ceil(most / step)
    for number in range(-steps, steps + 1):
        if not (most == 180 and number == -steps):  # the same as 180
            yield number * most / steps if steps else 0.0


def _peaks(copy: _Copy, search: PartSearch, angle: float, shape: tuple[int, ...]) -> Iterator[Pose]:
    """Local maxima of the correlation all over the picture at one angle."""
    upright = frame_of(Pose(0.0, 0.0, angle, 0.0), search, copy.template.shape)
    height, width = shape[:2]
    corners = np.array([[x, y] for x in (0, width - 1) for y in (0, height - 1)], np.float64)
    back: Matrix = cv2.invertAffineTransform(upright)
    placed = corners @ back[:, :2].T + back[:, 2]
    low = np.floor(placed.min(axis=0)) - 1
    size = np.ceil(placed.max(axis=0)) + 2 - low
    if size[0] < copy.template.shape[1] or size[1] < copy.template.shape[0]:
        return
    upright[:, 2] += upright[:, :2] @ low  # the canvas begins where the turned picture does
    canvas = _seen(copy, upright, (int(size[1]), int(size[0])))
    likeness = _correlation(canvas, copy.template)
    floor = _PROMISING * search.least_likeness
    is_peak = (likeness >= floor) & (likeness >= cv2.dilate(likeness, np.ones((3, 3), np.uint8)))
    rows, columns = np.nonzero(is_peak)
    best = np.argsort(-likeness[rows, columns], kind="stable")[:_MOST_CANDIDATES]
    middle = (copy.template.shape[1] - 1) / 2, (copy.template.shape[0] - 1) / 2
    for row, column in zip(rows[best].tolist(), columns[best].tolist(), strict=True):
        x, y = upright @ np.array([column + middle[0], row + middle[1], 1.0])
        pose = Pose(float(x), float(y), angle, float(likeness[row, column]))
        if _is_whole(pose, search, shape, _OUTSIDE_AT_FIRST):
            yield pose


def _seen(copy: _Copy, frame: Matrix, shape: tuple[int, int]) -> Plane:
    """What lies in a frame, given as the matrix that takes it to the picture, as `shape` (height, width) pixels."""
    matrix = frame * np.array(copy.scale)[:, np.newaxis]
    matrix[:, 2] += 0.5 * np.array(copy.scale) - 0.5  # pixel centres stand half a pixel inside: shrinking moves them
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    seen: Plane = cv2.warpAffine(copy.plane, matrix, shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return seen


def _correlation(canvas: Plane, template: Plane) -> Plane:
    """-1 to 1 for every place of the template on the canvas; 0 where the canvas is plain."""
    likeness: Plane = cv2.matchTemplate(canvas, template, cv2.TM_CCOEFF_NORMED)
    centred = canvas - canvas.mean()
    size, place = template.shape[::-1], tuple(slice(length) for length in likeness.shape)
    mean = cv2.boxFilter(centred, cv2.CV_32F, size, anchor=(0, 0))[place]
    variance = cv2.sqrBoxFilter(centred, cv2.CV_32F, size, anchor=(0, 0))[place] - mean**2
    return np.where(variance > _PLAIN * centred.var(), np.nan_to_num(likeness), np.float32(0))


def _climbed(copy: _Copy, search: PartSearch, start: Pose) -> Pose:
    """The peak of the correlation next to `start`, between pixels and angles."""
    step = math.degrees(1 / copy.reach_px) if search.angles_deg > 0 else 0.0
    unit = search.width_px / copy.template.shape[1], search.height_px / copy.template.shape[0]
    pose = start
    for _ in range(_MOST_CLIMBS):
        turns = [pose.angle_deg + turn for turn in ((-step, 0.0, step) if step else (0.0,))]
        likeness = np.stack([_around(copy, search, pose, angle) for angle in turns])
        turned, row, column = np.unravel_index(int(likeness.argmax()), likeness.shape)
        down, right = int(row) - _MARGIN_PX, int(column) - _MARGIN_PX
        is_peak = int(turned) == len(turns) // 2 and max(abs(down), abs(right)) < _MARGIN_PX
        before, after = likeness[turned, row], likeness[turned, :, column]
        shift_x = right + (_vertex(before, int(column)) if is_peak else 0.0)
        shift_y = down + (_vertex(after, int(row)) if is_peak else 0.0)
        angle = turns[int(turned)]
        if is_peak and step:
            angle += step * _vertex(likeness.max(axis=(1, 2)), int(turned))
        pose = _moved(pose, (shift_x * unit[0], shift_y * unit[1]), turns[int(turned)], angle, float(likeness.max()))
        if is_peak:
            break
    most = search.angles_deg
    within = pose.angle_deg if most == 180 else min(max(pose.angle_deg, -most), most)
    return Pose(pose.x, pose.y, (within + 180) % 360 - 180, min(pose.likeness, 1.0))


def _around(copy: _Copy, search: PartSearch, pose: Pose, angle: float) -> Plane:
    """Correlation at places up to _MARGIN_PX pixels of the copy away from `pose`."""
    height, width = copy.template.shape
    frame = frame_of(Pose(pose.x, pose.y, angle, 0.0), search, (height, width))
    frame[:, 2] -= frame[:, :2].sum(axis=1) * _MARGIN_PX
    canvas = _seen(copy, frame, (height + 2 * _MARGIN_PX, width + 2 * _MARGIN_PX))
    return _correlation(canvas, copy.template)


def _moved(pose: Pose, shift: tuple[float, float], seen_at: float, angle: float, likeness: float) -> Pose:
    """`shift` (right, down; px) is meant along the sides of the part as it was seen, at `seen_at` degrees."""
    cos, sin = math.cos(math.radians(seen_at)), math.sin(math.radians(seen_at))
    return Pose(pose.x + cos * shift[0] - sin * shift[1], pose.y + sin * shift[0] + cos * shift[1], angle, likeness)


def _vertex(values: NDArray[np.floating], at: int) -> float:
    """How far beside its highest place the parabola through it and its neighbours peaks, -0.5 to 0.5."""
    if not 0 < at < len(values) - 1:
        return 0.0
    left, middle, right = (float(value) for value in values[at - 1 : at + 2])
    bend = left - 2 * middle + right
    return 0.0 if bend >= 0 else min(max(0.5 * (left - right) / bend, -0.5), 0.5)


def _apart(poses: Sequence[Pose], search: PartSearch) -> list[Pose]:
    """The likest of those that share a place, the likest first."""
    kept: list[Pose] = []
    for pose in sorted(poses, key=lambda pose: -pose.likeness):
        if all(_shared(pose, other, search) <= _SAME_PART for other in kept):
            kept.append(pose)
    return kept


def _shared(one: Pose, other: Pose, search: PartSearch) -> float:
    """Share of a part's area that two places have in common."""
    size = float(search.width_px), float(search.height_px)
    return _common(_box(one, search), _box(other, search)) / (size[0] * size[1])


def _is_whole(pose: Pose, search: PartSearch, shape: tuple[int, ...], most_outside: float) -> bool:
    height, width = shape[:2]
    picture = ((width - 1) / 2, (height - 1) / 2), (float(width), float(height)), 0.0
    return _common(_box(pose, search), picture) >= (1 - most_outside) * search.width_px * search.height_px


def _box(pose: Pose, search: PartSearch) -> _Box:
    return (pose.x, pose.y), (float(search.width_px), float(search.height_px)), pose.angle_deg


def _common(one: _Box, other: _Box) -> float:
    """The area that two turned rectangles share, in px."""
    if math.dist(one[0], other[0]) >= (math.hypot(*one[1]) + math.hypot(*other[1])) / 2:
        return 0.0
    _, points = cv2.rotatedRectangleIntersection(one, other)
    return 0.0 if points is None else float(cv2.contourArea(cv2.convexHull(points)))
