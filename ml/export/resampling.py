"""What `ml.images` and OpenCV do when they resize, in operations that an ONNX graph has: both ways are separable.

Each row, and each column, of the result is a weighted sum of a few of the source: `Taps` say of which and how much.
Sizes are int64 scalars, so that a graph can compute them from the picture that it is given.
"""

from typing import NamedTuple

import torch
from torch import Tensor

_LEAST_OVERLAP = 1e-3
"""Share of a pixel below which OpenCV leaves it out."""

_STEPS = 2048
"""OpenCV interpolates 8-bit pictures in whole numbers: weights are so many parts of one."""


class Taps(NamedTuple):
    """indices: int64 (length, k), places of the source; weights: float32 (length, k)."""

    indices: Tensor
    weights: Tensor

    def product(self, values: Tensor) -> Tensor:
        """(source length, m) float32 -> (length, m), by matrix products, which round once per multiply and add."""
        # Every weight twice: of a single row ONNX Runtime makes no matrix product, and rounds otherwise.
        twice = torch.stack([self.weights, self.weights], dim=1)
        return torch.bmm(twice, values[self.indices])[:, 0]

    def sums(self, values: Tensor) -> Tensor:
        """The same, each product rounded before it is added."""
        return (self.weights[..., None] * values[self.indices]).sum(1)


class Resize(NamedTuple):
    """`ml.images` resizes so: averaging along axes that shrink, then interpolating along those that grow, with whole
    counts after either.

    Means that lie halfway between two counts fall to the same side as there, or a sensitive model would tell: sums are
    made in the order, and rounded in the way, of `ml.area_average` and of OpenCV. Equal to the count for 8 bits; for 16
    some in a thousand pixels that grow differ by one.

    scale: float32 scalar, applied after averaging. rounds_up: bool scalar, whether halves then go up, or to even.
    """

    rows: Taps
    columns: Taps
    scale: Tensor
    rounds_up: Tensor
    grown_rows: Taps
    grown_columns: Taps
    in_whole_numbers: bool

    @classmethod
    def plan(cls, height: Tensor, width: Tensor, new_height: int, new_width: int, bits: int) -> "Resize":
        """For a picture of 8 or 16 `bits` per value."""
        least_height, least_width = torch.clamp(height, max=new_height), torch.clamp(width, max=new_width)
        scale_y, scale_x = height.double() / least_height, width.double() / least_width
        # Whole numbers of pixels are added up first and divided once: where the halves go depends on it.
        is_whole = (scale_y == scale_y.round()) & (scale_x == scale_x.round())
        one = torch.ones((), dtype=torch.float64)
        return cls(
            rows=_averaging(height, least_height, scale_y, torch.where(is_whole, one, scale_y)),
            columns=_averaging(width, least_width, scale_x, torch.where(is_whole, one, scale_x)),
            scale=torch.where(is_whole, 1 / (scale_y * scale_x), one).float(),
            rounds_up=(scale_y == 2) & (scale_x == 2),
            grown_rows=_interpolating(least_height, new_height, in_steps=bits == 8),
            grown_columns=_interpolating(least_width, new_width, in_steps=bits == 8),
            in_whole_numbers=bits == 8,
        )

    def of(self, counts: Tensor) -> Tensor:
        """Counts (height, width, channels) of any type -> float32 (new height, new width, channels)."""
        channels = counts.shape[2]
        by_row = self.rows.product(counts.flatten(1).float())
        averaged = self.columns.sums(_turned(by_row, channels)) * self.scale
        shrunk = torch.where(self.rounds_up, torch.floor(averaged + 0.5), averaged.round())
        by_row = _turned(self.grown_columns.sums(shrunk), channels)
        grown = self._grown_in_whole_numbers(by_row) if self.in_whole_numbers else self.grown_rows.sums(by_row).round()
        return grown.reshape(grown.shape[0], -1, channels)

    def _grown_in_whole_numbers(self, values: Tensor) -> Tensor:
        """Rows of `values` in 1/2048 counts, as OpenCV's vector code does it: each product is cut off by itself."""
        products = torch.floor(values / 16)[self.grown_rows.indices] * self.grown_rows.weights[..., None]
        return torch.floor((torch.floor(products / (32 * _STEPS)).sum(1) + 2) / 4)


def sampling(length: Tensor, samples: int, pitch: Tensor | None, shift: float | Tensor) -> Taps:
    """Linear interpolation between `samples` at the middles of `length` pixels; the outermost go on forever.

    Sample i lies at pixel `(i + 0.5) * pitch - 0.5`, moved by `shift` samples; pitch: float64; None: length / samples.
    """
    pixels = 2 * _upto(length) + 1
    if pitch is None:
        whole, share = _divided(pixels * samples, 2 * length)
    else:
        exact = pixels.double() / (2 * pitch)
        whole, share = exact.floor().long(), exact - exact.floor()
    beyond = share - 0.5 - shift
    first = whole + beyond.floor().long()
    weight = (beyond - beyond.floor()).float()
    indices = torch.stack([first, first + 1], dim=1).clamp(0, samples - 1)
    return Taps(indices, torch.stack([1 - weight, weight], dim=1))


def _averaging(old: Tensor, new: Tensor, scale: Tensor, divisor: Tensor) -> Taps:
    first, start = _divided(_upto(new) * old, new)
    step = _upto(scale.ceil().long() + 1)
    end = start[:, None] + scale
    overlap = torch.minimum(step + 1.0, end) - torch.maximum(step.double(), start[:, None])
    weights = torch.where(overlap > _LEAST_OVERLAP, overlap, torch.zeros_like(overlap)) / divisor
    return Taps(torch.minimum(first[:, None] + step, old - 1), weights.float())


def _interpolating(old: Tensor, new: int, *, in_steps: bool) -> Taps:
    whole, share = _divided((2 * torch.arange(new) + 1) * old, torch.tensor(2 * new))
    is_before = share < 0.5
    first = torch.where(is_before, whole - 1, whole)
    weight = torch.where(is_before, share + 0.5, share - 0.5)
    weights = torch.stack([1 - weight, weight], dim=1)
    # Beyond the ends both are the outermost pixel: OpenCV cuts off either product there too.
    indices = torch.stack([first, first + 1], dim=1).clamp(min=0)
    return Taps(torch.minimum(indices, old - 1), (weights * _STEPS).round().float() if in_steps else weights.float())


def _divided(counts: Tensor, by: Tensor) -> tuple[Tensor, Tensor]:
    """Quotient, int64, and the rest as a share of one, float64: exact where a runtime knows single precision only."""
    whole = torch.div(counts, by, rounding_mode="trunc")
    return whole, (counts - whole * by).double() / by


def _turned(values: Tensor, channels: int) -> Tensor:
    """(a, b * channels) -> (b, a * channels)."""
    return values.reshape(values.shape[0], -1, channels).transpose(0, 1).flatten(1)


def _upto(length: Tensor) -> Tensor:
    counted: Tensor = torch.arange(length)  # type: ignore[call-overload]  # a number in a graph
    return counted
