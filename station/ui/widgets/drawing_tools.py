"""How each drawing tool turns pressing, moving and letting go into a shape. Points are pixels of the picture.

The canvas tells a gesture where the pointer is; a gesture knows what shape that makes so far, and when it is whole.
"""

import math
from collections.abc import Callable, Mapping
from enum import StrEnum
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF
from PySide6.QtGui import QPainterPath, QPolygonF

from ml.inspection_area import Annulus, Ellipse, Polygon, Rectangle, Shape, brush_of
from station.ui.widgets.shape_path import path_of

Point = tuple[float, float]

LEAST_PX = 1.0
"""A click where a drag was meant makes no shape."""


class Tool(StrEnum):
    PAN = "pan"
    RECTANGLE = "rectangle"
    ELLIPSE = "ellipse"
    ANNULUS = "annulus"
    POLYGON = "polygon"
    BRUSH = "brush"
    PICK = "pick"


class Gesture(Protocol):
    """One shape being drawn. `is_whole`: nothing is missing any more."""

    is_whole: bool

    def press(self, point: Point) -> None: ...

    def move(self, point: Point, *, is_even: bool) -> None:
        """`is_even`: the shape is to be as high as it is wide."""

    def release(self, point: Point) -> None: ...

    def take_back(self) -> bool:
        """Forget the last point; False where the gesture knows no points."""

    def finish(self) -> None:
        """Nothing more comes: be whole, if what there is makes a shape."""

    def preview(self) -> QPainterPath: ...

    def shape(self) -> Shape | None:
        """None where what was drawn is too small to be meant, or no shape yet."""


class _Box:
    """From corner to corner."""

    def __init__(self, make: Callable[[float, float, float, float], Shape]) -> None:
        self.is_whole = False
        self._make = make
        self._corner: Point | None = None
        self._other: Point = (0.0, 0.0)

    def press(self, point: Point) -> None:
        self._corner = self._corner or point
        self._other = point

    def move(self, point: Point, *, is_even: bool) -> None:
        if self._corner is None:
            return
        across, down = point[0] - self._corner[0], point[1] - self._corner[1]
        if is_even:
            side = min(abs(across), abs(down))
            across, down = math.copysign(side, across), math.copysign(side, down)
        self._other = self._corner[0] + across, self._corner[1] + down

    def release(self, point: Point) -> None:
        self.is_whole = True

    def take_back(self) -> bool:
        return False

    def finish(self) -> None:
        self.is_whole = self._corner is not None

    def preview(self) -> QPainterPath:
        shape = self.shape()
        return QPainterPath() if shape is None else path_of(shape)

    def shape(self) -> Shape | None:
        if self._corner is None:
            return None
        left, right = sorted((round(self._corner[0]), round(self._other[0])))
        top, bottom = sorted((round(self._corner[1]), round(self._other[1])))
        if right - left < LEAST_PX or bottom - top < LEAST_PX:
            return None
        return self._make(left, top, right - left, bottom - top)


def _rectangle(left: float, top: float, width: float, height: float) -> Shape:
    return Rectangle(x=left, y=top, width=width, height=height)


def _ellipse(left: float, top: float, width: float, height: float) -> Shape:
    return Ellipse(centre_x=left + width / 2, centre_y=top + height / 2, radius_x=width / 2, radius_y=height / 2)


class _Ring:
    """Dragged from the centre outwards; then a click where its hole ends."""

    def __init__(self) -> None:
        self.is_whole = False
        self._centre: Point | None = None
        self._outer = 0.0
        self._inner: float | None = None

    def press(self, point: Point) -> None:
        if self._inner is not None:
            self.is_whole = True
        else:
            self._centre = point

    def move(self, point: Point, *, is_even: bool) -> None:
        if self._centre is None:
            return
        distance = math.dist(self._centre, point)
        if self._inner is None:
            self._outer = distance
        else:
            self._inner = min(distance, self._outer - LEAST_PX)

    def release(self, point: Point) -> None:
        if self._inner is None and self._outer > LEAST_PX:
            self._inner = self._outer / 2
        elif self._inner is None:
            self._centre = None

    def take_back(self) -> bool:
        return False

    def finish(self) -> None:
        self.is_whole = self._inner is not None

    def preview(self) -> QPainterPath:
        shape = self.shape()
        return QPainterPath() if shape is None else path_of(shape)

    def shape(self) -> Shape | None:
        if self._centre is None or self._outer <= LEAST_PX:
            return None
        x, y = self._centre
        return Annulus(
            centre_x=round(x, 1), centre_y=round(y, 1), inner=round(self._inner or 0.0, 1), outer=round(self._outer, 1)
        )


class _Corners:
    """A click per corner; the first one again, Enter or a double click closes it."""

    def __init__(self, near_px: float) -> None:
        self.is_whole = False
        self._near_px = near_px
        self._corners: list[Point] = []
        self._pointer: Point | None = None

    def press(self, point: Point) -> None:
        if len(self._corners) >= 3 and math.dist(point, self._corners[0]) <= self._near_px:
            self.is_whole = True
        elif not self._corners or math.dist(point, self._corners[-1]) > 0:
            self._corners.append(point)

    def move(self, point: Point, *, is_even: bool) -> None:
        self._pointer = point

    def release(self, point: Point) -> None:
        """A corner stands where it was pressed."""

    def take_back(self) -> bool:
        if self._corners:
            self._corners.pop()
        return True

    def finish(self) -> None:
        self.is_whole = len(self._corners) >= 3

    def preview(self) -> QPainterPath:
        path = QPainterPath()
        points = [*self._corners, *([self._pointer] if self._pointer and self._corners else [])]
        path.addPolygon(QPolygonF([QPointF(x, y) for x, y in points]))
        return path

    def shape(self) -> Shape | None:
        if len(self._corners) < 3:
            return None
        return Polygon(points=tuple((round(x, 1), round(y, 1)) for x, y in self._corners))


class _Stroke:
    """All that a round brush passes over."""

    def __init__(self, brush_px: int, width: int, height: int) -> None:
        self.is_whole = False
        self._brush_px = brush_px
        self._size = height, width
        self._points: list[Point] = []

    def press(self, point: Point) -> None:
        self._points.append(point)

    def move(self, point: Point, *, is_even: bool) -> None:
        if self._points and point != self._points[-1]:
            self._points.append(point)

    def release(self, point: Point) -> None:
        self.is_whole = True

    def take_back(self) -> bool:
        return False

    def finish(self) -> None:
        self.is_whole = bool(self._points)

    def preview(self) -> QPainterPath:
        path = QPainterPath()
        path.addPolygon(QPolygonF([QPointF(x, y) for x, y in self._points]))
        if len(self._points) == 1:
            path.lineTo(path.currentPosition())
        return path

    def shape(self) -> Shape | None:
        if not self._points:
            return None
        covered = np.zeros(self._size, bool)
        for start, stop in pairwise([self._points[0], *self._points]):
            _paint(covered, start, stop, self._brush_px / 2)
        return brush_of(covered) if covered.any() else None


def _paint(covered: NDArray[np.bool_], start: Point, stop: Point, radius: float) -> None:
    """Set the pixels whose centres lie within `radius` of a line, and the one that it ends in: a thin brush between
    four pixels would else leave no trace."""
    height, width = covered.shape
    left, right = _reach(start[0], stop[0], radius, width)
    top, bottom = _reach(start[1], stop[1], radius, height)
    y, x = np.mgrid[top:bottom, left:right] + 0.5
    across, down = stop[0] - start[0], stop[1] - start[1]
    squared = across * across + down * down
    along = ((x - start[0]) * across + (y - start[1]) * down) / squared if squared else np.zeros_like(x)
    along = along.clip(0, 1)
    distances = np.hypot(x - start[0] - along * across, y - start[1] - along * down)
    covered[top:bottom, left:right] |= distances <= radius
    if 0 <= stop[0] < width and 0 <= stop[1] < height:
        covered[int(stop[1]), int(stop[0])] = True


def _reach(start: float, stop: float, radius: float, length: int) -> tuple[int, int]:
    """First pixel, and the one behind the last, of an axis that a brush between two places may touch."""
    low, high = min(start, stop) - radius, max(start, stop) + radius
    return min(max(math.floor(low), 0), length), min(max(math.ceil(high), 0), length)


def gesture_of(tool: Tool, *, brush_px: int, near_px: float, width: int, height: int) -> Gesture | None:
    """A new one for a picture of `width` x `height` px; None for a tool that draws nothing. A click within `near_px` of
    a polygon's first corner closes it."""
    made: Mapping[Tool, Callable[[], Gesture]] = {
        Tool.RECTANGLE: lambda: _Box(_rectangle),
        Tool.ELLIPSE: lambda: _Box(_ellipse),
        Tool.ANNULUS: _Ring,
        Tool.POLYGON: lambda: _Corners(near_px),
        Tool.BRUSH: lambda: _Stroke(brush_px, width, height),
    }
    return made[tool]() if tool in made else None
