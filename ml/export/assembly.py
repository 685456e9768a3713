"""From the method's cells to score, verdict and map, as a graph: `ml.scoring` and `ml.calibration` in torch."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ml.area_mask import cells_of_area
from ml.artifact import Manifest
from ml.export.geometry import Place
from ml.export.map_steps import blur_matrix, filled, filtered, smoothed
from ml.export.resampling import Taps, sampling
from ml.map_filter import Kernel
from ml.patches import PatchGrid, overlap_matrix
from ml.runtime.scores import Reading
from ml.scoring import TOP_SHARE

_LEAST_WEIGHT = 1e-6
"""Of a patch in the mean: a window has no zeros, and what lies below is rounding."""


class _Axis(NamedTuple):
    """How cells lie along one axis of what is looked at, whose `length` is in px (int64).

    pitch: px of a cell, float64; None where the cells share out the length. shift: how many cells their centres stand
    off. zoom: px per px of an input, float64.
    """

    cells: int
    length: Tensor
    pitch: Tensor | None
    shift: float
    zoom: Tensor

    @property
    def cell_px(self) -> Tensor:
        return self.length.double() / self.cells if self.pitch is None else self.pitch


class _Layout(NamedTuple):
    """What smooths the cells, and what they are drawn from at the picture's size."""

    blur_rows: Tensor
    blur_columns: Tensor
    pixel_rows: Taps
    pixel_columns: Taps

    @classmethod
    def of(cls, rows: _Axis, columns: _Axis, sigma_px: float) -> "_Layout":
        """`sigma_px` is meant in pixels of an input."""
        picture_sigma = sigma_px * torch.sqrt(rows.zoom * columns.zoom)
        return cls(
            blur_rows=blur_matrix(rows.cells, picture_sigma / rows.cell_px),
            blur_columns=blur_matrix(columns.cells, picture_sigma / columns.cell_px),
            pixel_rows=sampling(rows.length, rows.cells, rows.pitch, rows.shift),
            pixel_columns=sampling(columns.length, columns.cells, columns.pitch, columns.shift),
        )


class _Joining(NamedTuple):
    """Weighted overlap-add of patches, `ml.patches.OverlapAdd` as two matrix products.

    places: int64 (all patches of the grid), which of the computed patches is there, or one more where none is: it shows
    nothing of what is looked at. margins: cells at the patches' sides that do not count. weights: what the computed
    ones weigh at each place of the lattice, 0 to 1. pitch_px: height and width of a place.
    """

    grid: PatchGrid
    places: Tensor
    margins: tuple[int, int]
    rows: Tensor
    columns: Tensor
    weights: Tensor
    pitch_px: tuple[float, float]

    @classmethod
    def of(cls, grid: PatchGrid, computed: list[int], cell_shape: tuple[int, int]) -> "_Joining":
        counting = grid.within_margins
        margins = grid.margin * cell_shape[0] // grid.patch_height, grid.margin * cell_shape[1] // grid.patch_width
        high, wide = cell_shape[0] - 2 * margins[0], cell_shape[1] - 2 * margins[1]
        rows, pitch_y = overlap_matrix(grid.height, counting.patch_height, grid.stride, high)
        columns, pitch_x = overlap_matrix(grid.width, counting.patch_width, grid.stride, wide)
        places = torch.full((grid.count,), len(computed))
        places[torch.tensor(computed)] = torch.arange(len(computed))
        known = (places < len(computed)).float().reshape(grid.rows, 1, grid.columns, 1)
        beside = known.expand(-1, high, -1, wide).reshape(grid.rows * high, grid.columns * wide)
        of_rows, of_columns = torch.from_numpy(rows), torch.from_numpy(columns)
        weights = of_rows @ beside @ of_columns.t()
        return cls(grid, places, margins, of_rows, of_columns, weights, (pitch_y, pitch_x))

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows.shape[0], self.columns.shape[0]

    def joined(self, cells: Tensor) -> Tensor:
        """Cells (n, rows, columns) of the computed patches -> the lattice; its lowest value where none of them lies."""
        above, left = self.margins
        counting = cells[:, above : cells.shape[1] - above, left : cells.shape[2] - left]
        everywhere = torch.cat([counting, torch.zeros_like(counting[:1])])[self.places]
        high, wide = counting.shape[1:]
        beside = everywhere.reshape(self.grid.rows, self.grid.columns, high, wide).transpose(1, 2)
        sums = self.rows @ beside.reshape(self.grid.rows * high, self.grid.columns * wide) @ self.columns.t()
        is_covered = self.weights > _LEAST_WEIGHT
        values = sums / torch.where(is_covered, self.weights, torch.ones_like(self.weights))
        return filled(values, is_covered)


class Assembly(nn.Module):
    """`cells` (n, rows, columns) of the n inputs, `size` int64 (2) of the picture and, where the method gives some,
    `scores` (n) -> `score` float32 (), `verdict` int64 () and `map` float32 (height, width).

    score, map: normalised, 0 = the typical good part, 1 = the threshold. verdict: 0 OK, 1 UNSURE, 2 NG.
    """

    def __init__(
        self, manifest: Manifest, place: Place, reading: Reading, cell_shape: tuple[int, int], kernel: Kernel | None
    ) -> None:
        super().__init__()
        self._manifest, self._place, self._reading, self._kernel = manifest, place, reading, kernel
        self._cell_shape = cell_shape
        self._joining = None if place.grid is None else _Joining.of(place.grid, place.inputs, cell_shape)
        self._layout: _Layout | None = None
        self._inside: Tensor | None = None
        if place.crop is None:
            return
        axes = self._axes(torch.tensor(place.crop[3]), torch.tensor(place.crop[2]))
        self._layout = _Layout.of(*axes, reading.sigma_px)
        if manifest.preprocessing.area is not None:
            rows, columns = axes
            inside = cells_of_area(
                manifest.preprocessing.area,
                place.crop,
                (rows.cells, columns.cells),
                (rows.cells * float(rows.cell_px), columns.cells * float(columns.cell_px)),
                (rows.shift * float(rows.cell_px), columns.shift * float(columns.cell_px)),
            )
            self._inside = torch.tensor(inside)

    def forward(self, cells: Tensor, size: Tensor, scores: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        raw = filled(self._joined(cells), self._inside)
        if self._kernel is not None:
            raw = filtered(raw, self._kernel, self._inside)
        layout = self._layout or _Layout.of(*self._axes(size[0], size[1]), self._reading.sigma_px)
        smooth = smoothed(raw, layout.blur_rows, layout.blur_columns, self._inside)
        score = self._reduced(raw, smooth) if scores is None else scores.max()
        # A score that is no number must not pass for a good one, and the highest of several may leave it out.
        given = cells.flatten() if scores is None else torch.cat([cells.flatten(), scores.flatten()])
        is_broken = (torch.isnan(given) | torch.isinf(given)).any()
        score = torch.where(is_broken, torch.full_like(score, torch.nan), score)
        calibration = self._manifest.calibration
        normalised = 1 + (score - calibration.threshold) / (calibration.threshold - calibration.median)
        return normalised, self._verdict(score), self._at_picture_size(smooth, layout, size)

    def _joined(self, cells: Tensor) -> Tensor:
        """One grid of cells over all that is looked at."""
        if self._joining is None:
            return cells.reshape(self._cell_shape)
        return self._joining.joined(cells.reshape(-1, *self._cell_shape))

    def _axes(self, height: Tensor, width: Tensor) -> tuple[_Axis, _Axis]:
        """Of a region of `height` x `width` px, int64 scalars."""
        input_size = self._manifest.preprocessing.input_height, self._manifest.preprocessing.input_width
        one = torch.ones((), dtype=torch.float64)
        axes = []
        for axis, length in enumerate((height, width)):
            cells, offset = self._cell_shape[axis], self._reading.offset_px[axis]
            if self._joining is None:
                zoom = length.double() / input_size[axis]
                axes.append(_Axis(cells, length, None, offset * cells / input_size[axis], zoom))
            else:
                pitch = self._joining.pitch_px[axis]
                axes.append(_Axis(self._joining.shape[axis], length, pitch * one, offset / pitch, one))
        return axes[0], axes[1]

    def _reduced(self, raw: Tensor, smooth: Tensor) -> Tensor:
        if self._reading.score_rule == "max_smoothed":
            return smooth.max()
        if self._reading.score_rule == "max_raw":
            return raw.max()
        inside = torch.ones(raw.shape, dtype=torch.bool) if self._inside is None else self._inside
        places = inside.flatten().nonzero()[:, 0]
        count = max(1, round(TOP_SHARE * len(places)))
        return raw.flatten()[places].topk(count).values.mean()

    def _verdict(self, score: Tensor) -> Tensor:
        """What is not below a threshold is above it, a score that is no number included. Thresholds are float32."""
        calibration = self._manifest.calibration
        low = calibration.threshold if calibration.threshold_low is None else calibration.threshold_low
        return 2 - (score < calibration.threshold).long() - (score < low).long()

    def _at_picture_size(self, smooth: Tensor, layout: _Layout, size: Tensor) -> Tensor:
        calibration = self._manifest.calibration
        scale = 1 / (calibration.pixel_threshold - calibration.pixel_median)
        cells = 1 + (smooth - calibration.pixel_threshold) * scale
        seen = layout.pixel_columns.sums(layout.pixel_rows.sums(cells).t()).t()
        crop = self._place.crop
        if crop is None or (crop[3], crop[2]) == self._place.only_size:
            return seen
        left, top, width, height = crop
        beyond = [left, size[1] - (left + width), top, size[0] - (top + height)]
        lowest = cells.min()
        return functional.pad(seen - lowest, beyond) + lowest  # type: ignore[arg-type]  # traced sizes
