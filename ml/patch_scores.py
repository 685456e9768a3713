"""Small patches of network inputs: where they lie, which of them show the part, and one map from their scores.

"Patch-wise" methods judge a picture by squares of 16 to 64 px and know nothing of what lies beside one. All of it
happens on tensors, for the inputs of one call together: thousands of patches per picture leave no room for a loop over
them.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ml.patches import PatchGrid
from ml.pictures import LUMA

Recombination = Literal["weighted", "mean", "majority"]

_OTSU_LEVELS = 256
_OTSU_PICTURES = 32


@dataclass(frozen=True)
class PatchLayout:
    """Squares of `patch_px` every `stride_px` over inputs of `height` x `width`, row by row from the top left corner.

    Per axis there are ceil((length - patch) / stride) + 1 (Loupe's `PatchGrid`): the last ones end on the last pixel or
    past it, where they show the input's reflection.
    """

    height: int
    width: int
    patch_px: int
    stride_px: int

    @cached_property
    def grid(self) -> PatchGrid:
        """Raises ValueError where the stride would leave pixels out."""
        return PatchGrid.plan(self.height, self.width, self.patch_px, self.patch_px, self.stride_px)

    @property
    def count(self) -> int:
        """Patches per input."""
        return self.grid.count

    @cached_property
    def unit_px(self) -> int:
        """Side of a map's cells: the coarsest that patches, strides and both sides of the input are multiples of."""
        return math.gcd(self.patch_px, self.stride_px, self.height, self.width)

    @cached_property
    def rows(self) -> Tensor:
        """The input's row that each row of what the patches cover shows, int64."""
        return reflected(torch.arange(self.grid.covered_height), self.height)

    @cached_property
    def columns(self) -> Tensor:
        return reflected(torch.arange(self.grid.covered_width), self.width)

    def patches(self, inputs: Tensor, chosen: Tensor) -> Tensor:
        """Those patches of inputs (n, C, height, width) that `chosen`, int64 (k,), counts out: (k, C, patch, patch).

        Patch p of input i is i * count + p. Each call copies what it gives and, where the grid reaches past the inputs,
        the inputs; `covered` spares the latter.
        """
        windows = self.covered(inputs).unfold(2, self.patch_px, self.stride_px)
        windows = windows.unfold(3, self.patch_px, self.stride_px)
        row, column = chosen % self.count // self.grid.columns, chosen % self.grid.columns
        return windows[chosen // self.count, :, row, column]

    def in_rows(self, covered: Tensor, first: int, last: int) -> Tensor:
        """The patches of rows `first` to `last` - 1 of the grid, input by input: (n * their count, C, patch, patch).

        covered: what the method of that name gives. In operations that can be traced.
        """
        channels, side, columns = int(covered.shape[1]), self.patch_px, self.grid.columns  # numbers in a graph, too
        stripes = covered.index_select(2, _places(first, last, self.stride_px, side))
        # Blocks of pixels that patches begin and end with: ONNX Runtime copies one pixel no faster than a whole block.
        block = math.gcd(side, self.stride_px)
        blocks = stripes.reshape(-1, channels, (last - first) * side, self.grid.covered_width // block, block)
        cut = blocks.index_select(3, _places(0, columns, self.stride_px // block, side // block))
        apart = cut.reshape(-1, channels, last - first, side, columns, side)
        return apart.permute(0, 2, 4, 1, 3, 5).reshape(-1, channels, side, side)

    def covered(self, inputs: Tensor) -> Tensor:
        """The inputs with their reflection, as far as the patches reach; what is as large already is given as it is."""
        height, width = inputs.shape[-2:]
        if height == self.grid.covered_height and width == self.grid.covered_width:
            return inputs
        rows, columns = self.rows.to(inputs.device), self.columns.to(inputs.device)
        return inputs.index_select(-2, rows).index_select(-1, columns)

    def shown(self, covered: Tensor, window: "GreyWindow") -> Tensor:
        """Which patches of what `covered` gave show the part, as `GreyWindow.accepts` says: bool (n, count).

        A median lies above a limit where more than half of the pixels do: shares are found for all patches at once.
        """
        greys = grey(covered)[:, None]
        lighter, darker = (
            functional.avg_pool2d(pixels.float(), self.patch_px, self.stride_px).flatten(1)  # exact: powers of two
            for pixels in (greys > window.low, greys < window.high)
        )
        return (lighter > 0.5) & (darker >= 0.5)  # of an even number of values torch takes the lower median

    def map_of(
        self,
        scores: Tensor,
        accepted: Tensor,
        recombination: Recombination,
        threshold: float,
        # A constant score must come out constant. ONNX Runtime adds up patches in single precision alone.
        precision: torch.dtype = torch.float64,
    ) -> Tensor:
        """Scores and bool of patches (n, count) -> float32 cells (n, height / unit_px, width / unit_px).

        Each cell is the average of the scores of the accepted patches that hold it, by overlap-add: weighted by a
        raised cosine over the patch, plainly (`mean`), or the share of them whose score is at least `threshold`
        (`majority`). A patch that is not accepted takes no part. What no accepted patch holds gets the lowest value.
        Raises ValueError for an input none of whose patches is accepted.
        """
        if not accepted.any(1).all():
            raise ValueError("an input without any accepted patch has no map")
        if recombination == "majority":
            scores = (scores >= threshold).to(scores.dtype)
        along = self._window(recombination).to(scores.device, precision)
        weights = self._added(accepted.to(precision), along)
        sums = self._added(torch.where(accepted, scores.to(precision), 0), along)
        values = torch.where(weights > 0, sums / weights, math.inf)
        lowest = values.amin((1, 2), keepdim=True)
        return torch.where(weights > 0, values, lowest).float()

    def _window(self, recombination: Recombination) -> Tensor:
        """A patch's weights along either axis, float64."""
        places = self.patch_px // self.unit_px
        if recombination != "weighted":
            return torch.ones(places, dtype=torch.float64)
        # Sampled at the cells' middles, so that no weight is zero: what one patch alone holds keeps its score.
        middles = (np.arange(places) + 0.5) / places
        return torch.from_numpy(np.sin(np.pi * middles) ** 2)

    def _added(self, values: Tensor, along: Tensor) -> Tensor:
        """A window per patch, times its value (n, count), and added up: (n, rows, columns) of cells.

        along: the window's weights along either axis.
        """
        step = self.stride_px // self.unit_px
        added = values.reshape(-1, 1, self.grid.rows, self.grid.columns)
        added = functional.conv_transpose2d(added, along[None, None, :, None], stride=(step, 1))
        added = functional.conv_transpose2d(added, along[None, None, None, :], stride=(1, step))
        return added[:, 0, : self.height // self.unit_px, : self.width // self.unit_px]


def _places(first: int, last: int, stride: int, length: int) -> Tensor:
    """int64: what the intervals `first` to `last` - 1 of that length hold, one behind the other."""
    starts = np.arange(first, last)[:, np.newaxis] * stride
    return torch.from_numpy((starts + np.arange(length)).ravel())


@dataclass(frozen=True, slots=True)
class GreyWindow:
    """A patch shows the part where `low` < its median grey < `high`; values are those of network inputs, -1 to 1."""

    low: float
    high: float

    @classmethod
    def everything(cls) -> Self:
        return cls(-2.0, 2.0)

    @classmethod
    def of(cls, stored: Tensor) -> Self:
        """What `tensor` gave."""
        return cls(*stored.tolist())

    def tensor(self) -> Tensor:
        """float32 (2,)."""
        return torch.tensor([self.low, self.high])

    @property
    def accepts_everything(self) -> bool:
        return self.low < -1 and self.high > 1

    def accepts(self, patches: Tensor) -> Tensor:
        """bool (n,) of patches (n, 3, patch, patch)."""
        medians = grey(patches).flatten(1).median(1).values
        return (medians > self.low) & (medians < self.high)


def otsu_window(pictures: list[Tensor]) -> GreyWindow:
    """The side of Otsu's threshold on which the part lies, of good pictures (n, 3, height, width) from -1 to 1.

    One threshold for all pictures (Otsu, "A Threshold Selection Method from Gray-Level Histograms", IEEE Transactions
    on Systems, Man, and Cybernetics 9(1), 1979), so that what counts as background depends neither on a defect nor on
    where a picture was cut. Background is the side that most of the outermost pixels are on.
    """
    greys = [grey(picture) for picture in pictures[:: -(-len(pictures) // _OTSU_PICTURES)]]
    counts = torch.stack([torch.histc(one.float(), _OTSU_LEVELS, -1, 1) for one in greys]).sum(0).double()
    middles = (torch.arange(_OTSU_LEVELS, dtype=torch.float64) + 0.5) * 2 / _OTSU_LEVELS - 1
    below, total = counts.cumsum(0)[:-1], counts.sum()
    sums = (counts * middles).cumsum(0)
    gap = sums[:-1] / below.clamp(min=1) - (sums[-1] - sums[:-1]) / (total - below).clamp(min=1)
    between = below * (total - below) * gap.square()
    # Every threshold within a gap of the histogram parts it alike: its middle leaves both sides as much room.
    best = (between >= between.max() * (1 - 1e-12)).nonzero().double().mean()
    threshold = float((best + 1) * 2 / _OTSU_LEVELS - 1)
    outline = torch.cat([side.flatten() for one in greys for side in (one[:, [0, -1]], one[:, :, [0, -1]])])
    is_bright_background = float((outline > threshold).float().mean()) > 0.5
    return GreyWindow(-2.0, threshold) if is_bright_background else GreyWindow(threshold, 2.0)


def grey(pictures: Tensor) -> Tensor:
    """RGB (n, 3, height, width) -> luma (n, height, width)."""
    red, green, blue = pictures.unbind(1)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def reflected(positions: Tensor, length: int) -> Tensor:
    """int64 positions before the first and past the last of `length`, mirrored at them over and over: -1 is 1."""
    if length == 1:
        return torch.zeros_like(positions)
    period = 2 * length - 2
    within = positions % period
    return torch.minimum(within, period - within)
