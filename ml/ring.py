"""The ring around a found circle: cut out as a square or laid out as a strip, and scores put back to where it lies.

No torch. Angles are clockwise in the picture, from its x axis on, since y points down.
"""

import math
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.circle_search import Circle
from ml.errors import PartNotFoundError
from ml.pictures import Pixels
from ml.preprocessing import RingSearch

_SLACK_PX = 1.0
"""A ring that ends by so much beyond the picture is taken for whole: the circle itself is known no better."""

_LONGEST_STRIP_PX = 32_000
"""cv2.remap counts the pixels of what it makes in 16 bits."""


def ring_shape(search: RingSearch, radius: float) -> tuple[float, float]:
    """Height and width in px of what is looked at around a circle of `radius` px: the square, or the strip."""
    outer = search.outer * radius
    return ((search.outer - search.inner) * radius, 2 * math.pi * outer) if search.unwrap else (2 * outer, 2 * outer)


@dataclass(frozen=True, slots=True)
class Ring:
    """Between `inner` and `outer` px around (`x`, `y`) of a picture, and the square of pixels that holds it."""

    x: float
    y: float
    inner: float
    outer: float
    left: int
    top: int
    side: int

    @classmethod
    def around(cls, circle: Circle, search: RingSearch, height: int, width: int) -> Self:
        """The ring that belongs to a circle in a picture of `height` x `width` px.

        Raises PartNotFoundError where it reaches out of the picture: what is cut off cannot be inspected.
        """
        outer = circle.radius * search.outer
        ends = circle.x - outer, circle.y - outer, width - 1 - circle.x - outer, height - 1 - circle.y - outer
        side = round(2 * outer)
        if min(ends) < -0.5 - _SLACK_PX or side > min(height, width):
            raise PartNotFoundError(
                f"The part reaches out of the picture of {width} x {height} px: its middle lies at x {circle.x:.0f}, "
                f"y {circle.y:.0f}, and {outer:.0f} px around that are to be inspected. Check how the part lies and "
                "where the camera looks, or make the ring's outer end smaller."
            )
        left, top = (
            min(max(round(middle - outer + 0.5), 0), length - side)
            for middle, length in ((circle.x, width), (circle.y, height))
        )
        return cls(circle.x, circle.y, circle.radius * search.inner, outer, left, top, side)

    @property
    def strip_height(self) -> int:
        return max(1, round(self.outer - self.inner))

    @property
    def strip_width(self) -> int:
        """As many pixels as the outer edge is long: further inside a pixel of the picture takes several of them."""
        return min(max(1, round(2 * math.pi * self.outer)), _LONGEST_STRIP_PX)

    def square(self, pixels: Pixels) -> Pixels:
        """`(side, side, ...)`: a copy, black (0) where the ring is not."""
        cut = pixels[self.top : self.top + self.side, self.left : self.left + self.side].copy()
        rows, columns = np.arange(self.side), np.arange(self.side)
        cut[~self.holds(rows + self.top, columns + self.left)] = 0
        return cut

    def strip(self, pixels: Pixels) -> Pixels:
        """`(strip_height, strip_width, ...)`: the angle to the right, the radius down, bilinear."""
        radius = self.inner + (np.arange(self.strip_height) + 0.5) * (self.outer - self.inner) / self.strip_height
        angle = (np.arange(self.strip_width) + 0.5) * 2 * np.pi / self.strip_width
        x = (self.x + np.outer(radius, np.cos(angle))).astype(np.float32)
        y = (self.y + np.outer(radius, np.sin(angle))).astype(np.float32)
        laid_out: Pixels = cv2.remap(pixels, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return laid_out

    def holds(self, y: NDArray[np.number], x: NDArray[np.number]) -> NDArray[np.bool_]:
        """`(len(y), len(x))`: which crossings of such rows and columns of the picture lie in the ring."""
        distance = np.hypot(*np.meshgrid(y - self.y, x - self.x, indexing="ij"))
        return np.asarray((distance >= self.inner) & (distance <= self.outer), np.bool_)

    def holds_cells(
        self, shape: tuple[int, ...], covered: tuple[float, float], offset: tuple[float, float]
    ) -> NDArray[np.bool_]:
        """Of which cells, sharing out `covered` (height, width) px from the square's corner on, the centre lies in it.

        `offset` is how far (y, x; px) the centres stand off. The cell nearest to the middle of the ring's width always
        counts, however coarse the cells are.
        """
        y, x = (
            start + (np.arange(count) + 0.5) * length / count - 0.5 + shift
            for start, count, length, shift in zip((self.top, self.left), shape, covered, offset, strict=True)
        )
        inside = self.holds(y, x)
        if not inside.any():
            distance = np.hypot(*np.meshgrid(y - self.y, x - self.x, indexing="ij"))
            inside[np.unravel_index(np.abs(distance - (self.inner + self.outer) / 2).argmin(), inside.shape)] = True
        return inside

    def rolled_up(
        self, cells: NDArray[np.float32], covered: tuple[float, float], offset: tuple[float, float]
    ) -> NDArray[np.float32]:
        """Cells of the strip as cells of the square, about as fine as they were: `(n, n)` float32.

        `covered` (height, width) strip pixels are shared out by the cells, whose centres stand `offset` px off.
        Bilinear, over the seam too; outside the ring the edge is repeated.
        """
        rows, columns = cells.shape
        pitch_y, pitch_x = covered[0] / rows, covered[1] / columns
        count = min(self.side, math.ceil(self.side / min(pitch_y * self._px_per_strip_row, pitch_x)))
        middle = (np.arange(count) + 0.5) * self.side / count - 0.5
        away_y, away_x = np.meshgrid(middle + self.top - self.y, middle + self.left - self.x, indexing="ij")
        radius, angle = np.hypot(away_y, away_x), np.arctan2(away_y, away_x) % (2 * np.pi)
        strip_y = (radius - self.inner) / self._px_per_strip_row
        strip_x = angle * self.strip_width / (2 * np.pi)
        cell_y = (strip_y - offset[0]) / pitch_y - 0.5
        cell_x = (strip_x - offset[1]) % self.strip_width / pitch_x - 0.5
        # One column more at either side: from the seam on the strip goes on at its other end.
        around = math.ceil(self.strip_width / pitch_x)
        closed = np.pad(cells[:, :around], ((0, 0), (1, 1)), mode="wrap")
        return np.asarray(
            cv2.remap(
                closed,
                (cell_x + 1).astype(np.float32),
                np.clip(cell_y, 0, rows - 1).astype(np.float32),
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            ),
            np.float32,
        )

    @property
    def _px_per_strip_row(self) -> float:
        return (self.outer - self.inner) / self.strip_height
