"""Conv-Processing: a small filter for anomaly maps, learnt from a few maps with the masks of their defects. No torch.

Source: D. Moltisanti's master thesis, Politecnico di Milano (patch-wise GANomaly on steel sheets), there after the
anomaly map as "Conv-Processing": one convolution k x k, 1 -> 1 channel, with a sigmoid, trained by binary cross-entropy
on pairs of a raw map and a mask. It learns how far, and in which direction, defects reach over cells, which a mean over
3 x 3 cells does not know.

Departures. One convolution with a sigmoid under cross-entropy is a logistic regression on the cells around each cell:
a convex problem, solved exactly instead of by gradient steps, so that there is no learning rate and no chance in it.
Weights are not negative: more anomaly around a cell never makes it less anomalous. From painted defects, which come in
all directions, no direction is learnt. Defect cells and others count half each, however few are defective. Bias, gain
and sigmoid only serve the learning: they rise with what the kernel gives and rank nothing anew, so the kernel alone is
kept, scaled to the sum 1. A filtered map is then a weighted mean of raw scores and keeps their scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ml.errors import ModelFileError, TrainingError
from ml.job import FILTER_SIDES
from ml.maps import ScoreMap

MAP_FILTER: Final = "map_filter"
"""The kernel's name among the tensors of a model file."""

MOST_CELLS = 200_000
"""Of either kind, shared by the maps: a kernel has 49 weights at most."""

RIDGE = 1e-2
"""Keeps the weights finite where a map tells the defects without fault; where cells tell the same it shares evenly."""

LEAST_WEIGHT = 0.1

Kernel = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class MarkedMap:
    """Raw scores, float32 (rows, columns), and bool of the same shape: true in a cell that holds any defect pixel.

    inside: the cells that are looked at, as in `ScoreMap`; None: all.
    """

    cells: NDArray[np.float32]
    marked: NDArray[np.bool_]
    inside: NDArray[np.bool_] | None = None


def learn_filter(maps: Sequence[MarkedMap], side: int, *, is_directed: bool = True) -> Kernel:
    """The kernel (side, side) float32, weights from 0 up with the sum 1, that tells marked cells from the others best.

    `is_directed`: whether defects may run in a direction of their own. Where they come in all, cells equally far from
    the middle weigh the same: the directions of those that were seen are chance.
    The same maps give the same kernel. Raises TrainingError where no kernel can tell them: no cell is marked, all are,
    or scores are nowhere higher on the defects.
    """
    from scipy.optimize import minimize  # a third of a second to import, and nothing but training needs it

    if side not in FILTER_SIDES:
        raise ValueError(f"a kernel of {side} x {side} cells; allowed: {', '.join(map(str, FILTER_SIDES))}")
    windows, is_defect = _examples(maps, side)
    if not is_defect.any() or is_defect.all():
        raise TrainingError(
            "The map filter needs maps with cells on a defect and cells beside it, and the masks leave no "
            f"{'other cell' if is_defect.any() else 'cell on a defect'}. Check the masks, or leave the filter out."
        )
    scale = float(windows.std())
    standardised = (windows - windows.mean()) / (scale or 1.0)
    free = np.eye(side**2) if is_directed else _rings(side)
    found = minimize(
        _loss,
        np.append(free.mean(axis=0), 0.0),
        args=(standardised @ free, np.where(is_defect, 1.0, -1.0), _shares(is_defect)),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None)] * free.shape[1] + [(None, None)],
    )
    weights = (free @ found.x[:-1]).reshape(side, side)
    if scale == 0 or weights.sum() <= 0:
        raise TrainingError(
            "The map filter cannot be learnt: the model's scores are nowhere higher on the marked defects than beside "
            "them. Leave the filter out (--conv-processing), check the masks, or choose another method."
        )
    return np.asarray(weights / weights.sum(), np.float32)


def filtered(score_map: ScoreMap, kernel: Kernel | None) -> ScoreMap:
    """The map with each cell replaced by the kernel's weighted mean around it; borders are reflected.

    Cells that are not looked at have no weight; where hardly any of the kernel lies on others, a cell stays as it is.
    """
    if kernel is None:
        return score_map
    if score_map.inside is None:
        return replace(score_map, cells=_applied(kernel, score_map.cells))
    lowest = score_map.cells.min()
    raised = score_map.cells - lowest  # 0 where not looked at
    weights = _applied(kernel, score_map.inside.astype(np.float32))
    means = np.divide(_applied(kernel, raised), weights, out=raised, where=weights > LEAST_WEIGHT)
    return replace(score_map, cells=means + lowest)


def checked_filter(kernel: NDArray[Any]) -> Kernel:
    """The kernel of a model file. Raises ModelFileError unless it is one that `learn_filter` can give."""
    is_kernel = kernel.dtype == np.float32 and kernel.ndim == 2 and kernel.shape[0] == kernel.shape[1] in FILTER_SIDES
    if not (is_kernel and (kernel >= 0).all() and abs(float(kernel.sum()) - 1) < 1e-3):
        raise ModelFileError(f"its map filter {kernel.dtype} {kernel.shape} is none")
    return kernel


def _applied(kernel: Kernel, cells: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.filter2D(cells, cv2.CV_32F, kernel, borderType=cv2.BORDER_REFLECT), np.float32)


def _examples(maps: Sequence[MarkedMap], side: int) -> tuple[Floats, NDArray[np.bool_]]:
    """The cells around each cell (n, side * side), and whether that is on a defect; both kinds evenly from all maps."""
    quota = max(MOST_CELLS // max(len(maps), 1), 1)
    windows, is_defect = [np.empty((0, side**2))], [np.empty(0, bool)]
    for one in maps:
        reach = side // 2
        padded = cv2.copyMakeBorder(one.cells, reach, reach, reach, reach, borderType=cv2.BORDER_REFLECT)
        around = sliding_window_view(padded, (side, side))
        for kind in (True, False):
            wanted = one.marked == kind
            rows, columns = np.nonzero(wanted if one.inside is None else wanted & one.inside)
            chosen = np.linspace(0, len(rows) - 1, min(quota, len(rows))).astype(np.intp)
            windows.append(around[rows[chosen], columns[chosen]].reshape(-1, side**2).astype(np.float64))
            is_defect.append(np.full(len(chosen), kind))
    return np.concatenate(windows), np.concatenate(is_defect)


def _rings(side: int) -> Floats:
    """Kernels (side * side, rings) that are one where a cell lies in a ring, each divided by its length."""
    from_middle = np.square(np.arange(side) - side // 2)
    distances = np.add.outer(from_middle, from_middle).reshape(-1, 1)
    members = (distances == np.unique(distances)).astype(np.float64)
    rings: Floats = members / np.sqrt(members.sum(axis=0))
    return rings


def _shares(is_defect: NDArray[np.bool_]) -> Floats:
    """What each example weighs: both kinds half, one in all."""
    defects = int(np.count_nonzero(is_defect))
    shares: Floats = np.where(is_defect, 0.5 / defects, 0.5 / (len(is_defect) - defects))
    return shares


def _loss(unknowns: Floats, windows: Floats, truth: Floats, shares: Floats) -> tuple[float, Floats]:
    """Cross-entropy, and its gradient, of `unknowns`: the kernel's weights and, last, the bias. `truth` is 1 or -1."""
    from scipy.special import expit

    weights, bias = unknowns[:-1], unknowns[-1]
    margins = truth * (windows @ weights + bias)
    loss = float(shares @ np.logaddexp(0, -margins)) + RIDGE / 2 * float(weights @ weights)
    slopes = -truth * shares * expit(-margins)
    return loss, np.append(windows.T @ slopes + RIDGE * weights, slopes.sum())
