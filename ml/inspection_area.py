"""Where on a picture is looked: shapes to look at and shapes to ignore, kept with the model. No torch.

Lengths are in px of the picture, x to the right, y down; (0, 0) is the picture's corner, so that the centre of the
first pixel lies at (0.5, 0.5). A pixel belongs to a shape where its centre lies in it.
"""

import math
from functools import lru_cache
from typing import Annotated, Final, Literal, Self, assert_never

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

LARGEST_SIDE_PX: Final = 65_536
MOST_PIXELS: Final = 120_000_000
"""Of a picture that an area may be drawn on, so that a made-up file cannot fill the memory. As in `ml.pictures`, which
would bring OpenCV before the first paint."""

LEAST_SIDE_PX: Final = 32
"""Of a picture, and of what is cut out of one."""

Mask = NDArray[np.bool_]


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Rectangle(_Shape):
    kind: Literal["rectangle"] = "rectangle"
    x: float
    y: float
    width: float = Field(gt=0)
    height: float = Field(gt=0)


class Ellipse(_Shape):
    """`angle_deg` turns it clockwise, as seen on the screen."""

    kind: Literal["ellipse"] = "ellipse"
    centre_x: float
    centre_y: float
    radius_x: float = Field(gt=0)
    radius_y: float = Field(gt=0)
    angle_deg: float = 0.0


class Annulus(_Shape):
    """What lies from `inner` to `outer` px around a centre."""

    kind: Literal["annulus"] = "annulus"
    centre_x: float
    centre_y: float
    inner: float = Field(ge=0)
    outer: float = Field(gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.inner < self.outer:
            raise ValueError("a ring's inner radius must be below its outer one")
        return self


class Polygon(_Shape):
    """Closed from the last corner (x, y) to the first. Where it crosses itself, what it goes round twice is outside."""

    kind: Literal["polygon"] = "polygon"
    points: tuple[tuple[float, float], ...] = Field(min_length=3)


class Brush(_Shape):
    """Any set of pixels inside the box that begins at (x, y): lengths of runs in rows from left to right, one after
    the other from the top, off and on in turn and beginning with off."""

    kind: Literal["brush"] = "brush"
    x: int = Field(ge=0)
    y: int = Field(ge=0)
    width: int = Field(gt=0, le=LARGEST_SIDE_PX)
    height: int = Field(gt=0, le=LARGEST_SIDE_PX)
    runs: tuple[Annotated[int, Field(ge=0)], ...]

    @model_validator(mode="after")
    def _fills_its_box(self) -> Self:
        if sum(self.runs) != self.width * self.height:
            raise ValueError(
                f"the runs of a brush stroke cover {sum(self.runs)} px, its box has {self.width} x {self.height}"
            )
        return self


Shape = Annotated[Rectangle | Ellipse | Annulus | Polygon | Brush, Field(discriminator="kind")]


class InspectionArea(_Shape):
    """Drawn on a picture of `width_px` x `height_px`. Looked at is what any shape of `look` covers (everything where
    there is none), without what any shape of `ignore` covers. Every shape reaches a pixel, and something is looked at.
    """

    width_px: int = Field(ge=LEAST_SIDE_PX, le=LARGEST_SIDE_PX)
    height_px: int = Field(ge=LEAST_SIDE_PX, le=LARGEST_SIDE_PX)
    look: tuple[Shape, ...] = ()
    ignore: tuple[Shape, ...] = ()

    @model_validator(mode="after")
    def _leaves_something(self) -> Self:
        if self.width_px * self.height_px > MOST_PIXELS:
            size = f"{self.width_px} x {self.height_px} px"
            raise ValueError(f"a picture of {size} has more than {MOST_PIXELS // 1_000_000} megapixels")
        for shape in (*self.look, *self.ignore):
            if not mask_of(shape, self.height_px, self.width_px).any():
                raise ValueError(
                    f"the {NAMES[shape.kind]} covers no pixel of the picture of {self.width_px} x {self.height_px} px"
                )
        if not mask_of_area(self).any():
            raise ValueError("the area leaves nothing to look at: what is looked at is ignored as a whole")
        return self

    @property
    def box(self) -> tuple[int, int, int, int]:
        """x, y, width and height of what holds all that is looked at; no side is shorter than LEAST_SIDE_PX."""
        return _box_of_area(self)

    def mask(self) -> Mask:
        """bool `(height_px, width_px)`: true where it is looked."""
        size = self.height_px, self.width_px
        looked = np.zeros(size, bool) if self.look else np.ones(size, bool)
        for shape in self.look:
            looked |= mask_of(shape, *size)
        for shape in self.ignore:
            looked &= ~mask_of(shape, *size)
        return looked


NAMES: Final = {
    "rectangle": "rectangle",
    "ellipse": "ellipse",
    "annulus": "ring",
    "polygon": "polygon",
    "brush": "brush stroke",
}
"""Of the kinds of shapes, for people."""


@lru_cache(maxsize=4)
def mask_of_area(area: InspectionArea) -> Mask:
    """`area.mask()`, read-only, kept for the next picture."""
    mask = area.mask()
    mask.setflags(write=False)
    return mask


@lru_cache(maxsize=4)
def _box_of_area(area: InspectionArea) -> tuple[int, int, int, int]:
    looked = mask_of_area(area)
    (x, width), (y, height) = (
        _stretch(np.flatnonzero(looked.any(axis=axis)), length)
        for axis, length in ((0, area.width_px), (1, area.height_px))
    )
    return x, y, width, height


def mask_of(shape: Shape, height: int, width: int) -> Mask:
    """bool `(height, width)`: the pixels of a picture of that size whose centres lie in the shape.

    The shape may reach out of the picture. Not OpenCV's drawing functions, which also colour the pixels that an outline
    touches, so that two polygons side by side would overlap.
    """
    mask = np.zeros((height, width), bool)
    match shape:
        case Rectangle():
            mask[_between(shape.y, shape.y + shape.height, height), _between(shape.x, shape.x + shape.width, width)] = (
                True
            )
        case Ellipse():
            radii = shape.radius_x, shape.radius_y
            _draw_round(mask, (shape.centre_x, shape.centre_y), radii, shape.angle_deg)
        case Annulus():
            centre = shape.centre_x, shape.centre_y
            _draw_round(mask, centre, (shape.outer, shape.outer), 0.0, least=(shape.inner / shape.outer) ** 2)
        case Polygon():
            _draw_polygon(mask, shape)
        case Brush():
            part = mask[shape.y : shape.y + shape.height, shape.x : shape.x + shape.width]
            part[:] = _decoded(shape)[: part.shape[0], : part.shape[1]]
        case _:
            assert_never(shape)
    return mask


def brush_of(mask: Mask) -> Brush:
    """The set pixels of a mask `(height, width)`, in the smallest box. Raises ValueError where there is none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        raise ValueError("a brush stroke must cover a pixel")
    y, x = int(rows[0]), int(columns[0])
    box = mask[y : int(rows[-1]) + 1, x : int(columns[-1]) + 1]
    pixels = box.ravel()
    ends = np.flatnonzero(np.diff(pixels)) + 1
    runs = np.diff(np.concatenate(([0], ends, [pixels.size])))
    starts_off = () if not pixels[0] else (0,)
    return Brush(x=x, y=y, width=box.shape[1], height=box.shape[0], runs=(*starts_off, *runs.tolist()))


def _stretch(taken: NDArray[np.intp], length: int) -> tuple[int, int]:
    """Start and length of what holds the taken places of an axis, at its narrowest LEAST_SIDE_PX about its middle."""
    first, count = int(taken[0]), int(taken[-1] - taken[0]) + 1
    widened = max(count, LEAST_SIDE_PX)
    return min(max(first - (widened - count) // 2, 0), length - widened), widened


def _between(start: float, stop: float, length: int) -> slice:
    """The pixels of an axis whose centres lie from `start` to below `stop`."""
    first, last = (min(max(math.ceil(end - 0.5), 0), length) for end in (start, stop))
    return slice(first, last)


def _draw_round(
    mask: Mask, centre: tuple[float, float], radii: tuple[float, float], angle_deg: float, *, least: float = 0.0
) -> None:
    """Set where an ellipse's quadratic form, 0 at its centre and 1 on its edge, is at least `least` and at most 1."""
    cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    reach_x, reach_y = math.hypot(radii[0] * cos, radii[1] * sin), math.hypot(radii[0] * sin, radii[1] * cos)
    # one pixel more, for centres that lie exactly on the edge
    rows = _between(centre[1] - reach_y, centre[1] + reach_y + 1, mask.shape[0])
    columns = _between(centre[0] - reach_x, centre[0] + reach_x + 1, mask.shape[1])
    y = np.arange(rows.start, rows.stop)[:, np.newaxis] + 0.5 - centre[1]
    x = np.arange(columns.start, columns.stop) + 0.5 - centre[0]
    form = ((x * cos + y * sin) / radii[0]) ** 2 + ((y * cos - x * sin) / radii[1]) ** 2
    mask[rows, columns] = (form >= least) & (form <= 1)


def _draw_polygon(mask: Mask, polygon: Polygon) -> None:
    """Even-odd rule: along a row of pixel centres, each edge that is crossed turns inside to outside and back."""
    height, width = mask.shape
    corners = np.array(polygon.points)
    crossings = np.zeros((height, width + 1), bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        crossed = _between(min(y0, y1), max(y0, y1), height)
        rows = np.arange(crossed.start, crossed.stop)
        if len(rows):
            x = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
            crossings[rows, np.clip(np.ceil(x - 0.5), 0, width).astype(np.intp)] ^= True
    mask[:] = np.logical_xor.accumulate(crossings, axis=1)[:, :width]


def _decoded(brush: Brush) -> Mask:
    values = np.arange(len(brush.runs)) % 2 == 1
    return np.repeat(values, brush.runs).reshape(brush.height, brush.width)
