"""From captured pixels to network input and back: the one preprocessing of training and inspection. No torch.

The geometry `whole` resizes the picture in the dtype in which it was captured, averaging where it shrinks and
interpolating where it grows; `patches` cuts at native resolution. Before that the region of interest is cut out, what
its area ignores blackened, its contrast evened out (CLAHE), and the ring around a found circle taken of it, where the
preprocessing says so. Afterwards counts are windowed, clipped and standardised in float32. Channels are RGB; a grey
picture stands in all three.
"""

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.area_average import area_average
from ml.area_mask import blackened, cells_looked_at, cells_of_area
from ml.circle_search import Circle, find_circle
from ml.contrast import equalised
from ml.errors import PartNotFoundError
from ml.inspection_area import Mask, mask_of_area
from ml.maps import ScoreMap
from ml.patches import OverlapAdd, PatchGrid
from ml.pictures import Pixels
from ml.preprocessing import Preprocessing, RingSearch
from ml.ring import Ring

Room = Callable[[tuple[int, ...]], NDArray[np.float32]]
"""Gives an array of a shape, whose values are arbitrary."""


def room(shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.empty(shape, np.float32)


class Joiner(Protocol):
    """Collects score cells per network input and gives them back as a map of the picture."""

    def add(self, start: int, cells: NDArray[np.float32]) -> None:
        """Cells `(n, rows, columns)` float32 of the inputs from `start` on."""
        ...

    def score_map(self) -> ScoreMap:
        """The map so far; what no input has covered yet holds the lowest value. Raises ValueError before any `add`."""
        ...


class PreparedPicture:
    """One picture as network inputs, made when asked for: a picture of 100 megapixels is copied as a whole for CLAHE
    alone.

    `picture_height` and `picture_width` are the picture's; `top`, `left`, `height` and `width` what is looked at of it.
    `circle` is where the part was found, in pixels of the region of interest; None without a search.
    """

    def __init__(
        self, pixels: Pixels, preprocessing: Preprocessing, circle: Circle | None = None, *, outward: bool = False
    ) -> None:
        if preprocessing.parts is not None:
            raise ValueError("each part is prepared as a picture of its own")
        self.preprocessing = preprocessing
        self.picture_height, self.picture_width = int(pixels.shape[0]), int(pixels.shape[1])
        self._crop = preprocessing.crop(self.picture_height, self.picture_width)
        self.left, self.top, self.width, self.height = self._crop
        self._region = self._cropped(pixels)
        self._looked_at = None if preprocessing.area is None else self._cropped(mask_of_area(preprocessing.area))
        self._window = preprocessing.window_low, preprocessing.window_high
        self.circle: Circle | None = None
        self._ring: Ring | None = None
        self._ring_looked_at: Mask | None = None
        self._known_inside: Mask | None = None
        # Height and width of what the inputs are made of: what is looked at, or the strip that it is laid out as.
        self._laid_out = self.height, self.width
        if preprocessing.ring is not None:
            self._find_ring(preprocessing.ring, circle)
        size = preprocessing.input_height, preprocessing.input_width
        self._grid: PatchGrid | None = None
        if preprocessing.stride is not None:
            self._grid = PatchGrid.plan(*self._laid_out, *size, preprocessing.stride, preprocessing.margin)
        self._is_outward = outward
        # (count - low) / (high - low), then (. - mean) / std, as one multiplication and one addition.
        self._scale = 1 / (np.array(preprocessing.std) * (preprocessing.window_high - preprocessing.window_low))
        self._shift = -np.array(preprocessing.mean) / preprocessing.std - self._scale * preprocessing.window_low

    def _find_ring(self, search: RingSearch, circle: Circle | None) -> None:
        """Look at the ring around `circle`, or the one that is found in all of the region, ignored or not."""
        self.circle = circle or find_circle(self._equalised(self._region), search, self._window)
        ring = Ring.around(self.circle, search, self.height, self.width)
        self._ring = ring
        self._laid_out = (ring.strip_height, ring.strip_width) if search.unwrap else (ring.side, ring.side)
        if self._looked_at is not None:
            square = ring.top + np.arange(ring.side), ring.left + np.arange(ring.side)
            self._ring_looked_at = ring.holds(*square) & self._looked_at[np.ix_(*square)]
            if not self._ring_looked_at.any():
                raise PartNotFoundError(
                    f"The part lies at x {self.circle.x:.0f}, y {self.circle.y:.0f}, where the inspection area ignores "
                    "it as a whole. Check how the part lies, or draw the area again."
                )
        self.top, self.left, self.height, self.width = self.top + ring.top, self.left + ring.left, ring.side, ring.side

    def _cropped(self, values: NDArray[Any]) -> NDArray[Any]:
        left, top, width, height = self._crop
        return values[top : top + height, left : left + width]

    def _equalised(self, region: Pixels) -> Pixels:
        clahe = self.preprocessing.clahe
        return region if clahe is None else equalised(region, clahe, self._window)

    def _without_ignored(self, region: Pixels) -> Pixels:
        return region if self._looked_at is None else blackened(region, self._looked_at, self._window[0])

    @cached_property
    def _evened(self) -> Pixels:
        """Black before the contrast is evened out, or what is ignored would reach its surroundings that way."""
        evened = self._equalised(self._without_ignored(self._region))
        return evened if self.preprocessing.clahe is None else self._without_ignored(evened)

    @cached_property
    def seen(self) -> Pixels:
        """What the inputs are made of, in counts."""
        return self._cut(self._evened)

    def _cut(self, region: Pixels) -> Pixels:
        if self._ring is None:
            return region
        return self._ring.strip(region) if self._is_unwrapped else self._ring.square(region)

    @property
    def _is_unwrapped(self) -> bool:
        return self.preprocessing.ring is not None and self.preprocessing.ring.unwrap

    @property
    def count(self) -> int:
        """How many network inputs the picture makes: 1, or the number of patches that show any of what is looked at."""
        return len(self._order)

    @cached_property
    def _order(self) -> NDArray[np.intp]:
        """The places in the grid of the inputs: row by row, or from the middle of what is looked at outward."""
        if self._grid is None:
            return np.zeros(1, np.intp)
        order = np.arange(self._grid.count) if self._looked_at is None else self._grid.showing(self._laid_out_mask)
        if self._is_outward:
            counting = self._grid.within_margins
            rows, columns = np.divmod(order, self._grid.columns)
            y = rows * counting.stride + (counting.patch_height - self._laid_out[0]) / 2
            x = columns * counting.stride + (counting.patch_width - self._laid_out[1]) / 2
            order = order[np.argsort(np.hypot(y, x), kind="stable")]
        return order

    @property
    def _laid_out_mask(self) -> Mask:
        """What is looked at of what the inputs are made of."""
        assert self._looked_at is not None
        if self._ring is None:
            return self._looked_at
        return np.asarray(self._cut(self._looked_at.astype(np.uint8) * 255) > 0)

    @property
    def px_per_input_px(self) -> float:
        """How many picture pixels one input pixel stands for: the geometric mean of both axes."""
        return math.sqrt(math.prod(self._px_per_input_px))

    @property
    def _px_per_input_px(self) -> tuple[float, float]:
        if self._grid is not None:
            return 1.0, 1.0
        height, width = self._laid_out
        return height / self.preprocessing.input_height, width / self.preprocessing.input_width

    def inputs(self, start: int, stop: int, room: Room = room) -> NDArray[np.float32]:
        """Network inputs `start` to `stop - 1`: float32 `(n, 3, input_height, input_width)`, contiguous, RGB.

        They are written into `room`, for memory of a special kind.
        """
        if not 0 <= start < stop <= self.count:
            raise ValueError(f"inputs {start} to {stop} of {self.count}")
        size = self.preprocessing.input_height, self.preprocessing.input_width
        batch = room((stop - start, 3, *size))
        pieces = (
            iter([_resized(self.seen, *size)])
            if self._grid is None
            else self._grid.cut(self.seen, self._order[start:stop])
        )
        for piece, values in zip(pieces, batch, strict=True):
            self._standardise(piece, values)
        return batch

    def masks(self, mask: NDArray[np.bool_], start: int, stop: int) -> Mask:
        """Where `mask`, bool `(picture_height, picture_width)`, is true in the inputs `start` to `stop - 1`.

        bool `(n, input_height, input_width)`: true where any marked pixel lies in the area of an input's pixel, so that
        a crack of one pixel is not lost in a smaller input. Raises ValueError for a mask of another size.
        """
        if mask.shape != (self.picture_height, self.picture_width):
            raise ValueError(f"a mask {mask.shape} of a picture ({self.picture_height}, {self.picture_width})")
        marked = self._cropped(mask) if self._looked_at is None else self._cropped(mask) & self._looked_at
        seen = self._cut(np.where(marked, np.uint8(255), np.uint8(0))) > 0
        size = self.preprocessing.input_height, self.preprocessing.input_width
        pieces = [_any_in_area(seen, *size)] if self._grid is None else self._grid.cut(seen, self._order[start:stop])
        return np.stack(list(pieces))

    def _standardise(self, piece: Pixels, values: NDArray[np.float32]) -> None:
        planes = [piece] * 3 if piece.ndim == 2 else cv2.split(piece)
        if piece.dtype == np.uint8:
            for plane, standardised, out in zip(planes, self._standardised_counts, values, strict=True):
                cv2.LUT(plane, standardised, dst=out)
        else:
            for channel, plane in enumerate(planes):
                self._standardise_channel(channel, plane, values[channel])

    def _standardise_channel(self, channel: int, counts: NDArray[Any], out: NDArray[np.float32]) -> None:
        scale, shift = self._scale[channel], self._shift[channel]
        np.multiply(counts, np.float32(scale), out=out)
        out += np.float32(shift)
        low, high = (np.float32(end * scale + shift) for end in self._window)
        np.clip(out, low, high, out=out)

    @cached_property
    def _standardised_counts(self) -> NDArray[np.float32]:
        """What each of 256 counts becomes in each channel: looked up, that is one pass instead of three."""
        values = np.empty((3, 256), np.float32)
        for channel in range(3):
            self._standardise_channel(channel, np.arange(256), values[channel])
        return values

    def joiner(self, offset_px: tuple[float, float] = (0.0, 0.0)) -> Joiner:
        """What takes the inputs' scores; `offset_px` is how far (y, x; input pixels) the cells' centres stand off."""
        scale_y, scale_x = self._px_per_input_px
        offset = offset_px[0] * scale_y, offset_px[1] * scale_x
        return _WholeJoiner(self, offset) if self._grid is None else _PatchJoiner(self, offset, self._grid, self._order)

    @property
    def laid_out_height(self) -> int:
        """Height of what the inputs share out: of what is looked at, or of the strip that its ring makes."""
        return self._laid_out[0]

    @property
    def laid_out_width(self) -> int:
        return self._laid_out[1]

    def map_of(self, cells: NDArray[np.float32], covered: tuple[float, float], offset: tuple[float, float]) -> ScoreMap:
        """Cells over `covered` (height, width) pixels of what the inputs share out, as a map of the whole picture."""
        if self._ring is not None and self._is_unwrapped:
            cells, covered, offset = self._ring.rolled_up(cells, covered, offset), (self.height, self.width), (0.0, 0.0)
        return ScoreMap(
            cells,
            self.picture_height,
            self.picture_width,
            top=self.top,
            left=self.left,
            height=self.height,
            width=self.width,
            covered_height=covered[0],
            covered_width=covered[1],
            offset_y=offset[0],
            offset_x=offset[1],
            inside=self._inside(cells.shape, covered, offset),
        )

    def _inside(
        self, shape: tuple[int, ...], covered: tuple[float, float], offset: tuple[float, float]
    ) -> NDArray[np.bool_] | None:
        """Which cells of the map are looked at; None: all. The same for every map of the picture."""
        area = self.preprocessing.area
        if self._ring is None:
            return None if area is None else cells_of_area(area, self._crop, shape, covered, offset)
        if self._known_inside is None or self._known_inside.shape != shape:
            self._known_inside = (
                self._ring.holds_cells(shape, covered, offset)
                if self._ring_looked_at is None
                else cells_looked_at(self._ring_looked_at, shape, covered, offset)
            )
        return self._known_inside


def prepare(
    pixels: Pixels, preprocessing: Preprocessing, circle: Circle | None = None, *, outward: bool = False
) -> PreparedPicture:
    """Ready `(height, width)` or `(height, width, 3)` RGB pixels, uint8 or uint16, for a network.

    `circle` saves the search where it was found before (`PreparedPicture.circle`) and is ignored where none is asked
    for. `outward`: patches from the middle on, where defects are looked for first, instead of row by row.
    Raises PictureError where the region of interest reaches out of the picture or the area was drawn on one of another
    size, and PartNotFoundError where the part is not found in it or not whole.
    """
    return PreparedPicture(pixels, preprocessing, circle, outward=outward)


class _WholeJoiner:
    def __init__(self, prepared: PreparedPicture, offset: tuple[float, float]) -> None:
        self._prepared = prepared
        self._offset = offset
        self._cells: NDArray[np.float32] | None = None

    def add(self, start: int, cells: NDArray[np.float32]) -> None:
        if start != 0 or len(cells) != 1:
            raise ValueError("a whole picture makes one input")
        self._cells = cells[0]

    def score_map(self) -> ScoreMap:
        if self._cells is None:
            raise ValueError("no scores have been added yet")
        return self._prepared.map_of(
            self._cells, (self._prepared.laid_out_height, self._prepared.laid_out_width), self._offset
        )


class _PatchJoiner:
    def __init__(
        self, prepared: PreparedPicture, offset: tuple[float, float], grid: PatchGrid, order: NDArray[np.intp]
    ) -> None:
        self._prepared = prepared
        self._offset = offset
        self._grid = grid
        self._order = order
        self._sum: OverlapAdd | None = None

    def add(self, start: int, cells: NDArray[np.float32]) -> None:
        counting = self._without_margins(cells)
        if self._sum is None:
            self._sum = OverlapAdd(self._grid.within_margins, *counting.shape[1:])
        self._sum.add(self._order[start : start + len(cells)], counting)

    def _without_margins(self, cells: NDArray[np.float32]) -> NDArray[np.float32]:
        if not self._grid.margin:
            return cells
        _, rows, columns = cells.shape
        above, beside = (
            self._grid.margin * count / length
            for count, length in ((rows, self._grid.patch_height), (columns, self._grid.patch_width))
        )
        if not (above.is_integer() and beside.is_integer()):
            raise ValueError("a margin must be a whole number of cells")
        return cells[:, int(above) : rows - int(above), int(beside) : columns - int(beside)]

    def score_map(self) -> ScoreMap:
        if self._sum is None:
            raise ValueError("no scores have been added yet")
        values = self._sum.values()
        unit_y, unit_x = self._sum.unit_px
        covered = values.shape[0] * unit_y, values.shape[1] * unit_x
        return self._prepared.map_of(values, covered, self._offset)


def _resized(pixels: Pixels, height: int, width: int) -> Pixels:
    """Averaged along an axis that shrinks, interpolated along one that grows; OpenCV does both at once only badly."""
    smaller = min(height, pixels.shape[0]), min(width, pixels.shape[1])
    if smaller != pixels.shape[:2]:
        pixels = area_average(pixels, *smaller)
    if smaller != (height, width):
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
    return pixels


def _any_in_area(mask: NDArray[np.bool_], height: int, width: int) -> NDArray[np.bool_]:
    """The mask at another size: true where a pixel's area holds, or lies in, a true one."""
    smaller = min(width, mask.shape[1]), min(height, mask.shape[0])
    shares = cv2.resize(mask.astype(np.float32), smaller, interpolation=cv2.INTER_AREA)
    resized = cv2.resize((shares > 0).astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(resized > 0)
