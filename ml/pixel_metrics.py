"""Measures of how well anomaly maps find defects: AUROC, AP, F1-max and AUPRO over pixels, and AUPIMO. No torch.

All but the last follow from one table (`Levels`, made by `ml.pixel_scores`): at every distinct score of a defect
pixel, how many defect pixels, how much of the defect regions and how many defect-free pixels lie at or above it.
Thresholds between those scores add only defect-free pixels, on which the measures depend linearly or not at all, so
the table gives the exact values without a grid of thresholds, in memory that grows with the defect pixels. The
defect-free ones are sorted once as float32: 4 bytes each, where scikit-learn's curves take some 50.

AUPRO counts the defect-free pixels of all pictures, good ones included, and 8-connected regions of the whole test set
alike, and rescales neither axis. It is not comparable with implementations that leave good pictures out, stretch the
axes or fill holes of masks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.image_metrics import NotMeasurableError

AUPIMO_BOUNDS = (1e-5, 1e-4)
AUPIMO_LEAST_POINTS = 30
AUPIMO_FEW_POINTS = 300

MapValues = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """8-connected regions of a mask: `labels` `(height, width)` int32, 0 outside; `areas_px` of label 1, 2, ..."""

    labels: NDArray[np.int32]
    areas_px: NDArray[np.int64]


def regions_of(mask: NDArray[np.bool_], min_area_px: int = 1) -> Regions:
    """Label a mask's regions; those below `min_area_px` are left out. Holes stay holes."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA].astype(np.int64)
    kept = areas >= min_area_px
    if not kept.all():
        renumbered = np.zeros(count, np.int32)
        renumbered[1:][kept] = np.arange(1, kept.sum() + 1)
        labels = renumbered[labels]
    return Regions(labels, areas[kept])


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """One row per distinct score of a defect pixel, from the highest down; the counts are cumulative.

    `found`: defect pixels at or above it. `overlap`: mean share of a defect region at or above it (None without
    regions). `false_above` and `false_from`: defect-free pixels above it, and at or above it.
    """

    scores: Floats
    found: NDArray[np.int64]
    overlap: Floats | None
    false_above: NDArray[np.int64]
    false_from: NDArray[np.int64]
    defect_pixels: int
    clean_pixels: int

    @classmethod
    def from_counts(
        cls,
        ascending: Floats,
        pixels: NDArray[np.int64],
        shares: Floats,
        false_above: NDArray[np.int64],
        false_from: NDArray[np.int64],
        *,
        clean_pixels: int,
    ) -> Self:
        """From distinct scores in ascending order, the defect pixels and the sum of their shares of a region at each,
        and the defect-free pixels above it and from it on."""
        found = np.cumsum(pixels[::-1])
        overlap = np.cumsum(shares[::-1])
        return cls(
            scores=ascending[::-1],
            found=found,
            overlap=overlap / overlap[-1] if overlap[-1] else None,  # the last is the number of regions
            false_above=false_above[::-1],
            false_from=false_from[::-1],
            defect_pixels=int(found[-1]),
            clean_pixels=clean_pixels,
        )


def pixel_auroc(levels: Levels) -> float:
    """The probability that a defect pixel scores higher than a defect-free one, ties counting half."""
    step = np.diff(levels.found, prepend=0)
    below = levels.clean_pixels - (levels.false_above + levels.false_from) / 2
    return float((step * below).sum() / levels.defect_pixels / levels.clean_pixels)


def pixel_average_precision(levels: Levels) -> float:
    """Step-wise sum of precision over recall, without interpolation."""
    step = np.diff(levels.found, prepend=0)
    precision = levels.found / (levels.found + levels.false_from)
    return float((step * precision).sum() / levels.defect_pixels)


def pixel_f1_max(levels: Levels) -> tuple[float, float]:
    """The best F1 over all thresholds and that threshold: an oracle, chosen on these very masks."""
    f1 = 2 * levels.found / (levels.defect_pixels + levels.found + levels.false_from)
    best = int(np.argmax(f1))
    return float(f1[best]), float(levels.scores[best])


def aupro(levels: Levels, limit: float) -> float:
    """Area under the per-region overlap against the false-positive rate up to `limit`, divided by `limit`.

    Bergmann et al., IJCV 2021 (MVTec AD), section 4.1. Ties are one step, the curve begins at (0, 0) and is
    interpolated linearly at the limit: a constant map gives limit / 2, a perfect one 1. Raises NotMeasurableError
    without regions.
    """
    if levels.overlap is None:
        raise NotMeasurableError("no defect region is large enough to count")
    before = np.concatenate(([0.0], levels.overlap[:-1]))
    rate = np.stack((levels.false_above, levels.false_from), axis=1).reshape(-1) / levels.clean_pixels
    overlap = np.stack((before, levels.overlap), axis=1).reshape(-1)
    # From the lowest defect pixel on every region is covered.
    rate, overlap = np.concatenate(([0.0], rate, [1.0])), np.concatenate(([0.0], overlap, overlap[-1:]))
    inside = int(np.searchsorted(rate, limit, "right"))
    at_limit = np.interp(limit, rate[inside - 1 : inside + 1], overlap[inside - 1 : inside + 1])
    rate = np.concatenate((rate[:inside], [limit]))
    overlap = np.concatenate((overlap[:inside], [at_limit]))
    return float(np.trapezoid(overlap, rate) / limit)


@dataclass(frozen=True, slots=True)
class Aupimo:
    """AUPIMO of each picture with a defect, in the order given, from `points` integration points."""

    per_picture: tuple[tuple[str, float], ...]
    points: int

    @property
    def mean(self) -> float:
        return float(np.mean([value for _, value in self.per_picture]))

    @property
    def median(self) -> float:
        return float(np.median([value for _, value in self.per_picture]))


def aupimo(normal_maps: Sequence[MapValues], defects: Sequence[tuple[str, MapValues]]) -> Aupimo:
    """Per-image overlap (Bertoldo et al., BMVC 2024, arXiv 2401.01984) from all values of each normal map, and the
    map's values on the mask of each named picture with a defect.

    The false-positive rate F is the mean over normal pictures of their share of pixels at or above the threshold.
    AUPIMO is the mean recall of the mask's pixels over ln F between 1e-5 and 1e-4. Departure: the thresholds are the
    normal pixels' own scores instead of 300,000 equidistant ones, which makes it exact; where no F as small as 1e-5
    occurs, the curve begins there with the recall above all normal pixels.

    Raises NotMeasurableError below 30 integration points; below 300 the value is coarse.
    """
    low, high = AUPIMO_BOUNDS
    if not normal_maps:
        raise NotMeasurableError("there is no judged good picture")
    if not defects:
        raise NotMeasurableError("there is no judged picture with a defect mask")
    thresholds, rates = _top_of_normals(normal_maps, high)
    points = int(np.count_nonzero((rates >= low) & (rates <= high)))
    if points < AUPIMO_LEAST_POINTS:
        raise NotMeasurableError(
            f"the good pictures' pixels give {points} thresholds with a false-positive rate between 1e-5 and 1e-4; "
            f"AUPIMO needs {AUPIMO_LEAST_POINTS} (more or larger good pictures)"
        )
    grid = np.log(np.concatenate(([low], rates[(rates > low) & (rates < high)], [high])))
    values = []
    for name, scores in defects:
        ascending = np.sort(scores)
        recall = 1 - np.searchsorted(ascending, thresholds, "left") / len(ascending)
        beyond = 1 - float(np.searchsorted(ascending, thresholds[0], "right")) / len(ascending)
        curve = np.interp(grid, np.log(rates), recall, left=beyond)
        values.append((name, min(1.0, float(np.trapezoid(curve, grid)) / math.log(high / low))))
    return Aupimo(tuple(values), points)


def _top_of_normals(normal_maps: Sequence[MapValues], high: float) -> tuple[MapValues, Floats]:
    """The distinct scores of normal pixels from the highest down to the first whose rate is at least `high`, and
    their rates. Only as much of each picture is sorted as can matter."""
    count = len(normal_maps)
    tops, weights, floor = [], [], np.float32(-np.inf)
    for values in normal_maps:
        size = min(values.size, int(high * count * values.size) + 2)
        top = np.partition(values.reshape(-1), values.size - size)[values.size - size :]
        if size < values.size:
            floor = max(floor, top.min())
        tops.append(top)
        weights.append(np.full(size, 1 / (count * values.size)))
    scores, inverse = np.unique(np.concatenate(tops), return_inverse=True)
    rates: Floats = np.cumsum(np.bincount(inverse, weights=np.concatenate(weights))[::-1], dtype=np.float64)
    thresholds = scores[::-1]
    known = int(np.count_nonzero(thresholds >= floor))
    wanted = min(known, int(np.searchsorted(rates[:known], high, "left")) + 1)
    return thresholds[:wanted], rates[:wanted]
