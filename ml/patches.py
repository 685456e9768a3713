"""Cut a picture of any size into overlapping patches, and put what was computed per patch together again.

Weighted overlap-add: value = sum(weight * score) / sum(weight) over the patches that cover a place, with a
raised-cosine window (a patch knows most about its middle) or a box. It is done on a lattice as coarse as the scores
are, so memory does not grow with the picture's pixels.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self

import cv2
import numpy as np
from numpy.typing import NDArray

Window = Literal["raised_cosine", "box"]


CELL_REACH_PX = 16
"""How far beside a patch its outermost cells may answer for: half of the deepest stride, see
`ml.backbones.measure_offsets`."""


@dataclass(frozen=True)
class PatchGrid:
    """Where the patches lie: row by row, every `stride` px, the first one in the corner, the last ones past the end.

    Per axis there are ceil((length - patch) / stride) + 1 patches. What lies past the picture's end is its reflection
    (the edge pixel is not repeated), over and over where the picture is smaller than that.

    With a `margin` the outermost so many pixels of each patch only show what is around it: the first patch begins that
    far outside of the picture, in its reflection, and what counts of the patches covers the picture.
    """

    height: int
    width: int
    patch_height: int
    patch_width: int
    stride: int
    rows: int
    columns: int
    margin: int = 0

    @classmethod
    def plan(cls, height: int, width: int, patch_height: int, patch_width: int, stride: int, margin: int = 0) -> Self:
        """The grid for a picture of `height` x `width`. Raises ValueError where pixels would be left out."""
        if min(height, width, patch_height - 2 * margin, patch_width - 2 * margin, stride) < 1:
            raise ValueError("picture, patch and stride must have at least one pixel")
        if stride > min(patch_height, patch_width) - 2 * margin:
            raise ValueError(
                f"a stride of {stride} px leaves gaps between patches of {patch_height} x {patch_width} px"
            )
        rows, columns = (
            math.ceil(max(length + 2 * margin - patch, 0) / stride) + 1
            for length, patch in ((height, patch_height), (width, patch_width))
        )
        return cls(height, width, patch_height, patch_width, stride, rows, columns, margin)

    @property
    def within_margins(self) -> "PatchGrid":
        """What of the patches counts, as a grid without margins."""
        if not self.margin:
            return self
        height, width = self.patch_height - 2 * self.margin, self.patch_width - 2 * self.margin
        return PatchGrid.plan(self.height, self.width, height, width, self.stride)

    @property
    def count(self) -> int:
        return self.rows * self.columns

    @property
    def covered_height(self) -> int:
        """Rows from the first patch's top to the last one's bottom: `height` and what is padded below it."""
        return (self.rows - 1) * self.stride + self.patch_height

    @property
    def covered_width(self) -> int:
        return (self.columns - 1) * self.stride + self.patch_width

    def corner(self, index: int) -> tuple[int, int]:
        """Top row and left column of patch `index`, counted from `margin` px before the picture on."""
        row, column = divmod(index, self.columns)
        return row * self.stride, column * self.stride

    def showing(self, mask: NDArray[np.bool_]) -> NDArray[np.intp]:
        """The patches, row by row, whose cells answer for any true pixel of `mask` (height, width), margins apart."""
        counting = self.within_margins
        high, wide = counting.patch_height + CELL_REACH_PX, counting.patch_width + CELL_REACH_PX
        corners = enumerate(map(counting.corner, range(counting.count)))
        # Looked at patch by patch: sums over a picture of 100 megapixels would be another 400 MB.
        return np.array(
            [
                index
                for index, (top, left) in corners
                if mask[max(top - CELL_REACH_PX, 0) : top + high, max(left - CELL_REACH_PX, 0) : left + wide].any()
            ],
            np.intp,
        )

    @cached_property
    def _source_rows(self) -> NDArray[np.intp]:
        return self._reflected(self.height, self.covered_height)

    @cached_property
    def _source_columns(self) -> NDArray[np.intp]:
        return self._reflected(self.width, self.covered_width)

    def _reflected(self, length: int, covered: int) -> NDArray[np.intp]:
        """The pixels of the picture that so many covered ones show."""
        after = max(0, covered - length - self.margin)
        return np.pad(np.arange(length), (self.margin, after), mode="reflect")

    def cut(self, pixels: NDArray[Any], patches: Sequence[int] | NDArray[np.intp]) -> Iterator[NDArray[Any]]:
        """These patches of `(height, width, ...)` pixels: views, or copies where they are padded."""
        for index in patches:
            top, left = self.corner(int(index))
            bottom, right = top + self.patch_height, left + self.patch_width
            if self._is_inside(top, bottom, self.height) and self._is_inside(left, right, self.width):
                shift = self.margin
                yield pixels[top - shift : bottom - shift, left - shift : right - shift]
            else:
                # Row by row, then along the rows: several times as fast as both at once.
                rows, columns = self._source_rows[top:bottom], self._source_columns[left:right]
                first, last = columns.min(), columns.max()
                yield np.take(pixels[rows, first : last + 1], columns - first, axis=1)

    def _is_inside(self, first: int, end: int, length: int) -> bool:
        return first >= self.margin and end - self.margin <= length


class OverlapAdd:
    """Gathers the score cells of the patches of one picture, in any order and any portions."""

    def __init__(self, grid: PatchGrid, cell_rows: int, cell_columns: int, window: Window = "raised_cosine") -> None:
        """`cell_rows` x `cell_columns`: the cells that share out each patch evenly."""
        self._grid = grid
        # Places of the lattice per stride and per patch: all patches fall on it, and no cell gets less than one place.
        self._step_y, self._size_y = _places(grid.patch_height, grid.stride, cell_rows)
        self._step_x, self._size_x = _places(grid.patch_width, grid.stride, cell_columns)
        self._weight = np.outer(_window(self._size_y, window), _window(self._size_x, window))
        shape = (
            (grid.rows - 1) * self._step_y + self._size_y,
            (grid.columns - 1) * self._step_x + self._size_x,
        )
        # float64: a hundred patches over one place must not add up their rounding
        self._sums = np.zeros(shape)
        self._weights = np.zeros(shape)

    @property
    def unit_px(self) -> tuple[float, float]:
        """Height and width of one place of the lattice in pixels."""
        return self._grid.patch_height / self._size_y, self._grid.patch_width / self._size_x

    def add(self, patches: Sequence[int] | NDArray[np.intp], cells: NDArray[np.float32]) -> None:
        """Add the cells `(n, cell_rows, cell_columns)` of n `patches`, told by their places in the grid."""
        # Nearest keeps the value of every cell; a peak that only one cell saw would sink with interpolation.
        size = self._size_x, self._size_y
        fits = cells.shape[1:] == self._weight.shape
        for index, patch in zip(patches, cells, strict=True):
            row, column = divmod(int(index), self._grid.columns)
            top, left = row * self._step_y, column * self._step_x
            place = slice(top, top + self._size_y), slice(left, left + self._size_x)
            scores = patch if fits else cv2.resize(patch, size, interpolation=cv2.INTER_NEAREST_EXACT)
            self._sums[place] += scores * self._weight
            self._weights[place] += self._weight

    def values(self) -> NDArray[np.float32]:
        """The lattice so far, float32, as far as the picture reaches; places not yet covered hold the lowest value.

        Raises ValueError before the first patch.
        """
        unit_y, unit_x = self.unit_px
        # What lies wholly in the padding shows the picture a second time: no place of the part.
        inside = slice(math.ceil(self._grid.height / unit_y)), slice(math.ceil(self._grid.width / unit_x))
        weights = self._weights[inside]
        is_covered = weights > 0
        if not is_covered.any():
            raise ValueError("no patch has been added yet")
        values = np.full(weights.shape, np.inf, np.float32)
        np.divide(self._sums[inside], weights, out=values, where=is_covered, casting="same_kind")
        np.copyto(values, values.min(), where=~is_covered)  # in place: with an odd stride the lattice has every pixel
        return values


def overlap_matrix(length: int, patch: int, stride: int, cells: int) -> tuple[NDArray[np.float32], float]:
    """`OverlapAdd` along one axis: a matrix (places, patches * cells), whose rows have the sum 1, and a place's pixels.

    The lattice of a whole picture is this matrix of its rows, times the cells of its patches put beside each other,
    times that of its columns transposed: the windows are products too.
    """
    step, size = _places(patch, stride, cells)
    patches = math.ceil(max(length - patch, 0) / stride) + 1
    weights = np.zeros(((patches - 1) * step + size, patches * cells))
    places = np.arange(size)
    cell_of = np.floor((places + 0.5) * cells / size).astype(np.intp)
    for index in range(patches):
        weights[index * step + places, index * cells + cell_of] += _window(size, "raised_cosine")
    inside = weights[: math.ceil(length * size / patch)]
    return np.asarray(inside / inside.sum(axis=1, keepdims=True), np.float32), patch / size


def _places(patch: int, stride: int, cells: int) -> tuple[int, int]:
    """Lattice places per stride and per patch: the coarsest lattice that divides both and is no coarser than a cell."""
    common = math.gcd(patch, stride)
    per_common = math.ceil(common * cells / patch)
    return stride // common * per_common, patch // common * per_common


def _window(size: int, window: Window) -> NDArray[np.float64]:
    if window == "box":
        return np.ones(size)
    # Sampled at the places' middles, so that no weight is zero: a place that one patch alone covers keeps its value.
    weights: NDArray[np.float64] = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2
    return weights
