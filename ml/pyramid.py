"""Feature maps of several strides brought onto one grid.

Every step is linear along one axis, so neighbourhood mean and resampling are one small matrix per axis, made once.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ml.backbones import FeatureExtractor
from ml.errors import ParameterError


class Pyramid:
    """Resamples the maps of an extractor for inputs of one size onto a grid of `grid_stride` pixels.

    A finer map is averaged, a deeper one interpolated, with triangular weights as wide as the coarser pitch; the
    maps' own offsets are made up for. `neighbourhood` odd: first the mean over that many cells a side, with zeros
    outside the map. That damps the outermost cells, which see the network's own padding and vary most among good
    parts: leaving the zeros out of the mean cost a tenth of the image AUROC where a part fills the picture.

    Of an input with a `margin` (`ml.preprocessing`) only the cells within it are made: what is learnt and compared.
    rows, columns: of those. offset_px: of the cells against an even grid over the input.
    """

    def __init__(
        self,
        extractor: FeatureExtractor,
        input_size: tuple[int, int],
        grid_stride: int,
        neighbourhood: int = 1,
        margin: int = 0,
    ) -> None:
        """Raises ParameterError when the input's sides are no multiples of the deepest stride and of the grid's."""
        strides, offsets = extractor.strides, dict(zip(extractor.strides, extractor.offsets_px, strict=True))
        unit = max(*strides, grid_stride)
        if any(side % unit for side in input_size):
            nearest = "x".join(str(max(round(side / unit), 1) * unit) for side in reversed(input_size))
            raise ParameterError(
                f"the network's input is {input_size[1]}x{input_size[0]} px; its sides must be multiples of {unit}, "
                f"for example {nearest}"
            )
        self._margin_cells = margin // grid_stride
        self.rows, self.columns = (side // grid_stride - 2 * self._margin_cells for side in input_size)
        # The grid is that of the map that lies on it, so that this map, the sharpest as a rule, is not blurred.
        self.offset_px = offsets.get(grid_stride, 0.0)
        target = (grid_stride, self.offset_px)
        self._axes = [
            [
                _resampling(side, (stride, offsets[stride]), target, neighbourhood, self._margin_cells)
                for side in input_size
            ]
            for stride in strides
        ]

    def resample(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps (n, C, rows, columns) of each stride -> the same channels on the grid, stored channels-last."""
        with torch.autocast(maps[0].device.type, enabled=False):  # distances need more digits than half precision has
            return [_apply(features.float(), *axes) for features, axes in zip(maps, self._axes, strict=True)]

    def within_margin(self, cells: Tensor) -> Tensor:
        """Cells (..., rows, columns) of a whole input, without those of its margin."""
        first = self._margin_cells
        return cells[..., first : first + self.rows, first : first + self.columns] if first else cells

    def with_margin(self, cells: Tensor) -> Tensor:
        """Cells (n, rows, columns) as those of a whole input: around them, where none count, the outermost repeated."""
        return functional.pad(cells, [self._margin_cells] * 4, mode="replicate") if self._margin_cells else cells

    def to(self, device: torch.device | str) -> None:
        """Move the matrices to `device`."""
        self._axes = [[None if matrix is None else matrix.to(device) for matrix in axes] for axes in self._axes]


def _resampling(
    side: int, source: tuple[int, float], target: tuple[int, float], neighbourhood: int, margin_cells: int
) -> Tensor | None:
    """Matrix float32 (target cells within the margin, source cells) of one axis; None where it would change nothing."""
    if source == target and neighbourhood == 1 and not margin_cells:
        return None
    (stride, offset), (grid_stride, grid_offset) = source, target
    cells = (torch.arange(side // stride, dtype=torch.float64) + 0.5) * stride + offset
    wanted = (torch.arange(side // grid_stride, dtype=torch.float64) + 0.5) * grid_stride + grid_offset
    wanted = wanted.clamp(cells[0], cells[-1])  # beyond the outermost cells their value is repeated
    weights = (1 - (wanted[:, None] - cells).abs() / max(stride, grid_stride)).clamp(min=0)
    box = ((cells[:, None] - cells).abs() < stride * neighbourhood / 2).double()
    weights = (weights / weights.sum(1, keepdim=True)) @ (box / neighbourhood)
    return weights[margin_cells : len(weights) - margin_cells].float().contiguous()


def _apply(features: Tensor, vertical: Tensor | None, horizontal: Tensor | None) -> Tensor:
    cells = features.permute(0, 2, 3, 1).contiguous()
    if horizontal is not None:
        cells = horizontal @ cells
    if vertical is not None:
        rows, columns, channels = (int(length) for length in cells.shape[1:])  # numbers in a traced graph too
        count = -1 if channels else len(cells)  # of nothing, it cannot be concluded
        cells = vertical @ cells.reshape(count, rows, columns * channels)
        cells = cells.reshape(count, len(vertical), columns, channels)
    return cells.permute(0, 3, 1, 2)
