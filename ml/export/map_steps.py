"""What is done to the cells of a map before the score is taken, as a graph: `ml.map_filter` and `ScoreMap.smoothed`."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ml.map_filter import LEAST_WEIGHT, Kernel

_REFLECTIONS = 4
"""How often a kernel may reach over the map's ends: its radius may be so many times the map's length."""


def filled(cells: Tensor, inside: Tensor | None) -> Tensor:
    """Cells (rows, columns); those that are not looked at hold the lowest of the others."""
    if inside is None:
        return cells
    lowest = torch.where(inside, cells, torch.full_like(cells, torch.inf)).min()
    return torch.where(inside, cells, lowest)


def filtered(cells: Tensor, kernel: Kernel, inside: Tensor | None) -> Tensor:
    """The learned filter's weighted means; a cell stays as it is where hardly any of the kernel lies on others."""
    if inside is None:
        return _convolved(cells, kernel)
    lowest, weights = cells.min(), _convolved(inside.float(), kernel)
    raised = cells - lowest
    is_known = weights > LEAST_WEIGHT
    means = _convolved(raised, kernel) / torch.where(is_known, weights, torch.ones_like(weights))
    return filled(torch.where(is_known, means, raised) + lowest, inside)


def smoothed(cells: Tensor, blur_rows: Tensor, blur_columns: Tensor, inside: Tensor | None) -> Tensor:
    """`blur_rows` @ cells @ `blur_columns` transposed, where cells that are not looked at have no weight."""
    if inside is None:
        return blur_rows @ cells @ blur_columns.t()
    lowest, weights = cells.min(), blur_rows @ inside.float() @ blur_columns.t()
    smooth = blur_rows @ (cells - lowest) @ blur_columns.t()
    return filled(smooth / torch.where(inside, weights, torch.ones_like(weights)) + lowest, inside)


def blur_matrix(cells: int, sigma: Tensor) -> Tensor:
    """float32 (cells, cells): a Gaussian of `sigma` cells (float64 scalar), cut at 4 sigma, reflected at both ends."""
    held = sigma.clamp(min=1e-6)
    reach = torch.floor(4 * held + 0.5)
    position = torch.arange(cells).double()
    turns = 2 * cells * torch.arange(-_REFLECTIONS // 2, _REFLECTIONS // 2 + 1).double()
    mirrored = torch.stack([position, -1 - position])[:, None] + turns[:, None]  # (2, turns, cells)
    distance = (position[:, None, None, None] - mirrored).abs()
    weights = torch.exp(-((distance / held) ** 2) / 2)
    total = torch.where(distance <= reach, weights, torch.zeros_like(weights)).sum((1, 2))
    return (total / total.sum(1, keepdim=True)).float()


def _convolved(cells: Tensor, kernel: Kernel) -> Tensor:
    """Correlation with the kernel; the border is reflected, its cells repeated."""
    reach = kernel.shape[0] // 2
    rows, columns = (torch.from_numpy(np.pad(np.arange(length), reach, mode="symmetric")) for length in cells.shape)
    padded = cells[rows][:, columns]
    return functional.conv2d(padded[None, None], torch.from_numpy(kernel)[None, None])[0, 0]
