"""Score maps: where in the picture which score lies, what counts as one region, and how it is coloured. No torch.

Positions are in pixels of the captured picture, pixel centres at whole numbers, rows before columns.
"""

import math
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, replace
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from ml.errors import PictureError

HEAT_RANGE = (0.0, 2.0)
"""Normalised scores at the two ends of the heat map's scale and of its legend: the same for every picture."""

_ROWS_AT_ONCE = 32  # keeps what lies between two steps in the processor's cache, and its memory small


@dataclass(frozen=True, slots=True, eq=False)
class ScoreMap:
    """Raw scores on a grid of cells over a rectangle of the picture; higher is more anomalous.

    `cells` is float32 `(rows, columns)`, finite, and read-only from here on. The scored rectangle starts at `top`,
    `left` and is `height` x `width`; the cells share out `covered_height` x `covered_width`: as much, or more where
    the rectangle was padded at its end. The centre of cell `(i, j)` lies at row
    `top + (i + 0.5) * covered_height / rows - 0.5 + offset_y`, and likewise in x.
    `inside`, bool like `cells`, tells the cells that are looked at (None: all); the others hold the lowest value of
    these, whatever they were given.
    Raises ValueError where the parts do not fit each other.
    """

    cells: NDArray[np.float32]
    picture_height: int
    picture_width: int
    _: KW_ONLY
    top: int = 0
    left: int = 0
    height: int
    width: int
    covered_height: float
    covered_width: float
    offset_y: float = 0.0
    offset_x: float = 0.0
    inside: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if self.cells.ndim != 2 or self.cells.size == 0 or self.cells.dtype != np.float32:
            raise ValueError(f"cells must be float32 (rows, columns), not {self.cells.dtype} {self.cells.shape}")
        if not np.isfinite(self.cells).all():
            raise ValueError("cells must be finite: a score that is not a number would hide a defect")
        if self.top < 0 or self.height < 1 or self.top + self.height > self.picture_height:
            raise ValueError("the scored rectangle reaches above or below the picture")
        if self.left < 0 or self.width < 1 or self.left + self.width > self.picture_width:
            raise ValueError("the scored rectangle reaches beyond the picture's sides")
        if self.covered_height < self.height or self.covered_width < self.width:
            raise ValueError("the cells must cover the whole scored rectangle")
        if self.inside is not None:
            if self.inside.shape != self.cells.shape or not self.inside.any():
                raise ValueError("some of the cells, told one by one, must be looked at")
            cells = np.where(self.inside, self.cells, self.cells[self.inside].min())
            object.__setattr__(self, "cells", cells)
            self.inside.setflags(write=False)
        self.cells.setflags(write=False)

    @classmethod
    def over(cls, cells: NDArray[np.float32], height: int, width: int) -> Self:
        """Cells that share out a whole picture evenly."""
        return cls(cells, height, width, height=height, width=width, covered_height=height, covered_width=width)

    def within(self, picture_height: int, picture_width: int, top: int, left: int) -> Self:
        """The same scores, the scored picture now being the part of a larger one that starts at `top`, `left`."""
        return replace(
            self, picture_height=picture_height, picture_width=picture_width, top=self.top + top, left=self.left + left
        )

    @property
    def scored(self) -> NDArray[np.float32]:
        """The raw scores of all cells that are looked at, in no shape."""
        values: NDArray[np.float32] = self.cells.ravel() if self.inside is None else self.cells[self.inside]
        return values

    @property
    def maximum(self) -> float:
        """The highest raw score of any cell."""
        return float(self.cells.max())

    def smoothed(self, sigma_px: float) -> Self:
        """Gaussian of `sigma_px` picture pixels over the cells, cut at 4 sigma, reflected at the border.

        Cells that are not looked at have no weight: a defect at the edge of what is looked at does not fade.
        """
        rows, columns = self.cells.shape
        sigma_y = sigma_px * rows / self.covered_height
        sigma_x = sigma_px * columns / self.covered_width
        size = tuple(2 * int(4 * sigma + 0.5) + 1 for sigma in (sigma_x, sigma_y))
        if size == (1, 1):
            return self
        # OpenCV takes a sigma of zero for "choose one": the floor only ever meets a kernel of one element.
        sigmas = {"sigmaX": max(sigma_x, 1e-6), "sigmaY": max(sigma_y, 1e-6)}
        if self.inside is None:
            return replace(self, cells=cv2.GaussianBlur(self.cells, size, borderType=cv2.BORDER_REFLECT, **sigmas))
        lowest = self.cells.min()
        weights = cv2.GaussianBlur(self.inside.astype(np.float32), size, borderType=cv2.BORDER_REFLECT, **sigmas)
        # The cells that are not looked at hold the lowest value: above it they are 0, and add nothing.
        smooth = cv2.GaussianBlur(self.cells - lowest, size, borderType=cv2.BORDER_REFLECT, **sigmas)
        return replace(self, cells=smooth / np.where(self.inside, weights, 1) + lowest)

    def at_picture_size(self) -> NDArray[np.float32]:
        """`(picture_height, picture_width)`: bilinear between cell centres, the edge repeated, outside the lowest."""
        return self._sampled(self.picture_height, self.picture_width)

    def at_size(self, height: int, width: int) -> NDArray[np.float32]:
        """The map of the whole picture at another size, e.g. the display's.

        Where one of its pixels covers several cells it takes the highest of them: shrinking hides no defect.
        """
        pitch_y, pitch_x = self._cell_pitch_px
        cells_y, cells_x = self.picture_height / height / pitch_y, self.picture_width / width / pitch_x
        return self._thinned(max(int(cells_y), 1), max(int(cells_x), 1))._sampled(height, width)

    def to_bytes(self) -> bytes:
        """For storing: safetensors with the cells as float16 fractions of their own range, exact to 1/4096 of it."""
        low, high = float(self.cells.min()), float(self.cells.max())
        fractions = (self.cells.astype(np.float64) - low) / ((high - low) or 1.0)
        geometry = [float(getattr(self, name)) for name in _GEOMETRY]
        return bytes(
            save_tensors(
                {
                    "cells": fractions.astype(np.float16),
                    "range": np.array([low, high]),
                    "geometry": np.array(geometry),
                }
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises PictureError when it is damaged."""
        try:
            tensors = load_tensors(data)
            low, high = tensors["range"]
            cells = (low + tensors["cells"].astype(np.float64) * (high - low)).astype(np.float32)
            geometry = dict(zip(_GEOMETRY, tensors["geometry"].tolist(), strict=True))
            whole = {name: int(value) for name, value in geometry.items() if name in _WHOLE_NUMBERS}
            return cls(cells=cells, **(geometry | whole))
        except (SafetensorError, KeyError, ValueError, TypeError, OverflowError) as error:
            raise PictureError(
                f"The stored score map is damaged ({error}). Inspect the part again to get a new one."
            ) from error

    def cell_positions(
        self, y: NDArray[np.number], x: NDArray[np.number]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where picture rows `y` and columns `x` fall among the cells' centres, held to the first and the last one."""
        rows, columns = self.cells.shape
        pitch_y, pitch_x = self._cell_pitch_px
        cell_y = (y - self.top + 0.5 - self.offset_y) / pitch_y - 0.5
        cell_x = (x - self.left + 0.5 - self.offset_x) / pitch_x - 0.5
        return np.clip(cell_y, 0, rows - 1), np.clip(cell_x, 0, columns - 1)

    def cell_centres(self) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Picture rows and columns of the cells' centres; those of padding lie beyond the scored rectangle."""
        (rows, columns), (pitch_y, pitch_x) = self.cells.shape, self._cell_pitch_px
        y = self.top + (np.arange(rows) + 0.5) * pitch_y - 0.5 + self.offset_y
        x = self.left + (np.arange(columns) + 0.5) * pitch_x - 0.5 + self.offset_x
        return y, x

    @property
    def _cell_pitch_px(self) -> tuple[float, float]:
        rows, columns = self.cells.shape
        return self.covered_height / rows, self.covered_width / columns

    def _thinned(self, step_y: int, step_x: int) -> Self:
        """Blocks of cells replaced by their highest one."""
        rows, columns = self.cells.shape
        padded = np.pad(self.cells, ((0, -rows % step_y), (0, -columns % step_x)), mode="edge")
        blocks = padded.reshape(padded.shape[0] // step_y, step_y, padded.shape[1] // step_x, step_x)
        return replace(
            self,
            cells=blocks.max(axis=(1, 3)),
            covered_height=self.covered_height * padded.shape[0] / rows,
            covered_width=self.covered_width * padded.shape[1] / columns,
            inside=None,
        )

    def _sampled(self, height: int, width: int) -> NDArray[np.float32]:
        """Bilinear values at the pixel centres of a `height` x `width` copy of the whole picture."""
        y = (np.arange(height) + 0.5) * self.picture_height / height - 0.5
        x = (np.arange(width) + 0.5) * self.picture_width / width - 0.5
        rows, columns = _span(y, self.top - 0.5, self.height), _span(x, self.left - 0.5, self.width)
        inside = self._interpolated(*self.cell_positions(y[rows], x[columns]))
        if inside.shape == (height, width):
            return inside
        values = np.full((height, width), self.cells.min())
        values[rows, columns] = inside
        return values

    def _interpolated(self, cell_y: NDArray[np.float64], cell_x: NDArray[np.float64]) -> NDArray[np.float32]:
        """Bilinear values at the crossings of such cell positions, given in ascending order.

        Not cv2.resize or cv2.warpAffine: their values change, if only in the last bits, with the part of the picture
        that is asked for, and `find_regions`, which asks for parts only, must see the very values of the whole map.
        """
        values = np.empty((len(cell_y), len(cell_x)), np.float32)
        if not values.size:
            return values
        row, column = cell_y.astype(np.intp), cell_x.astype(np.intp)
        next_row = np.minimum(row + 1, self.cells.shape[0] - 1)
        next_column = np.minimum(column + 1, self.cells.shape[1] - 1)
        below, beyond = (cell_y - row).astype(np.float32), (cell_x - column).astype(np.float32)
        first = row[0]
        needed = self.cells[first : next_row[-1] + 1]
        # take, not indexing: it keeps rows contiguous, and the loop below runs along rows
        wide = np.take(needed, column, axis=1)
        wide += (np.take(needed, next_column, axis=1) - wide) * beyond
        buffer = np.empty((_ROWS_AT_ONCE, len(column)), np.float32)
        for start in range(0, len(row), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            above = values[part]
            step = buffer[: len(above)]
            np.take(wide, row[part] - first, axis=0, out=above, mode="clip")  # with "raise" numpy would copy `out`
            np.take(wide, next_row[part] - first, axis=0, out=step, mode="clip")
            step -= above
            step *= below[part, np.newaxis]
            above += step
        return values


_GEOMETRY = tuple(name for name in ScoreMap.__dataclass_fields__ if name not in ("cells", "_", "inside"))
_WHOLE_NUMBERS = ("picture_height", "picture_width", "top", "left", "height", "width")


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """What a detector finds in one picture: the raw score and the raw map behind it."""

    score: float
    score_map: ScoreMap


@dataclass(frozen=True, slots=True)
class Region:
    """8-connected pixels at or above a threshold: their bounding box in picture pixels, area and highest raw value.

    `strength` is their mean raw value and (`centre_x`, `centre_y`) their centroid in picture pixels. `section` counts
    from 1 and tells whose limits made the part NG (see `ml.region_rules`); None where none did.
    """

    x: int
    y: int
    width: int
    height: int
    area_px: int
    peak: float
    strength: float
    centre_x: float
    centre_y: float
    section: int | None = None


def find_regions(score_map: ScoreMap, threshold: float, min_area_px: int = 1) -> tuple[Region, ...]:
    """Regions of the scored rectangle with raw values >= `threshold` at picture size, highest peak first."""
    return tuple(region for region, _ in _found(score_map, threshold, min_area_px))


def region_outlines(score_map: ScoreMap, threshold: float, min_area_px: int = 1) -> tuple[NDArray[np.int32], ...]:
    """For each region of `find_regions`, in its order, the outer outline: `(points, 2)`, x and y in picture pixels."""
    outlines = []
    for region, pixels in _found(score_map, threshold, min_area_px):
        contours, _ = cv2.findContours(
            pixels.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(region.x, region.y)
        )
        outlines.append(contours[0].reshape(-1, 2))
    return tuple(outlines)


def heat_rgba(normalised: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Colours `(height, width, 4)` RGBA, not premultiplied, for normalised scores `(height, width)`.

    Magma over the fixed `HEAT_RANGE`; transparent at 0 and below, opaque from the threshold (1) on.
    """
    low, high = HEAT_RANGE
    steps = cv2.convertScaleAbs(np.clip(normalised, low, high), alpha=255 / high)
    colours = np.asarray(cv2.LUT(steps, _HEAT))
    return colours.view(np.uint8).reshape(*normalised.shape, 4)


def _heat_table() -> NDArray[np.int32]:
    """The 256 RGBA colours, each packed into one number so that a single look-up fetches all four bytes."""
    steps = np.arange(256, dtype=np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(steps, cv2.COLORMAP_MAGMA), cv2.COLOR_BGR2RGBA).reshape(256, 4)
    colours[:, 3] = np.clip(np.linspace(*HEAT_RANGE, 256), 0, 1) * 255
    return np.ascontiguousarray(colours).view(np.int32).ravel()


_HEAT = _heat_table()


def _found(score_map: ScoreMap, threshold: float, min_area_px: int) -> list[tuple[Region, NDArray[np.bool_]]]:
    found = [pair for pair in _connected(score_map, threshold) if pair[0].area_px >= min_area_px]
    return sorted(found, key=lambda pair: (-pair[0].peak, pair[0].y, pair[0].x))


def _connected(score_map: ScoreMap, threshold: float) -> Iterator[tuple[Region, NDArray[np.bool_]]]:
    """Each region with the mask of its own box, computed only where the map can reach the threshold.

    A pixel lies between four cells and is no higher than the highest of them. So cells that reach the threshold are
    gathered into clusters, far enough apart that no two clusters' pixels touch, and only their boxes are interpolated.
    """
    cells = score_map.cells
    lowest, highest = float(cells.min()), float(cells.max())
    # Rounding may lift a pixel above its cells by some parts in 10 million: a wider net costs nothing.
    net = threshold - 1e-6 * max(-lowest, highest)
    if highest < net:
        return
    hot = (cells >= net).view(np.uint8)
    pitch_y, pitch_x = score_map._cell_pitch_px
    reach = max(1, math.ceil(1 / pitch_y), math.ceil(1 / pitch_x))
    grown = cv2.dilate(hot, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    _, clusters, boxes, _ = cv2.connectedComponentsWithStats(grown, connectivity=8)
    cluster_of_cell = clusters * hot
    picture_y = np.arange(score_map.top, score_map.top + score_map.height)
    picture_x = np.arange(score_map.left, score_map.left + score_map.width)
    cell_y, cell_x = score_map.cell_positions(picture_y, picture_x)
    for cluster, (column, row, columns, rows, _) in enumerate(boxes.tolist()[1:], start=1):
        inside_y = _span(cell_y, row, rows - 1)
        inside_x = _span(cell_x, column, columns - 1)
        values = score_map._interpolated(cell_y[inside_y], cell_x[inside_x])
        corner = score_map.left + inside_x.start, score_map.top + inside_y.start
        for region, pixels, (peak_x, peak_y) in _components(values, threshold, corner):
            # Boxes of two clusters may overlap; a region belongs to the cluster of the cells around its peak.
            near_y, near_x = int(cell_y[inside_y.start + peak_y]), int(cell_x[inside_x.start + peak_x])
            if (cluster_of_cell[near_y : near_y + 2, near_x : near_x + 2] == cluster).any():
                yield region, pixels


def _components(
    values: NDArray[np.float32], threshold: float, corner: tuple[int, int]
) -> Iterator[tuple[Region, NDArray[np.bool_], tuple[int, int]]]:
    """Each 8-connected region of `values`, its pixels in its box, and the place (x, y) among the values of its peak.

    `corner` (x, y) is where in the picture the values begin.
    """
    mask = (values >= threshold).view(np.uint8)
    if not mask.any():  # also where it has no pixels at all: OpenCV crashes on those (opencv/opencv#29854)
        return
    _, labels, boxes, centres = cv2.connectedComponentsWithStats(mask, connectivity=8)
    for label, (x, y, width, height, area) in enumerate(boxes.tolist()[1:], start=1):
        box = slice(y, y + height), slice(x, x + width)
        pixels: NDArray[np.bool_] = labels[box] == label
        _, peak, _, (peak_x, peak_y) = cv2.minMaxLoc(values[box], pixels.view(np.uint8))
        left, top = corner[0] + x, corner[1] + y
        # From the mean place among all values back to the sum, which is a whole number, and to the mean in the box.
        sum_x, sum_y = (round(mean * area) for mean in centres[label].tolist())
        region = Region(
            left,
            top,
            width,
            height,
            area_px=area,
            peak=peak,
            strength=float(np.add.reduce(values[box][pixels], dtype=np.float64)) / area,
            centre_x=left + (sum_x - area * x) / area,
            centre_y=top + (sum_y - area * y) / area,
        )
        yield region, pixels, (x + peak_x, y + peak_y)


def _span(positions: NDArray[np.floating], start: float, length: float) -> slice:
    """Which of the ascending `positions` lie in [start, start + length]."""
    first, end = np.searchsorted(positions, start, "left"), np.searchsorted(positions, start + length, "right")
    return slice(int(first), int(end))
