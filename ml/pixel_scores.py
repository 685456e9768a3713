"""Every pixel's score of a labelled test set, gathered map by map for `ml.pixel_metrics`. No torch.

Up to EXACT_PIXELS the scores are kept. Beyond, they go into a histogram of 2**20 bins, whose pixels count as ties: the
AUROC is then off by no more than half the share of pairs that fall into one bin (`error_bound`), AUPRO by no more than
half the sum over bins of the step in overlap times the step in false-positive rate, divided by the limit.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.image_metrics import NotMeasurableError
from ml.pixel_metrics import Aupimo, Floats, Levels, MapValues, Regions, aupimo

EXACT_PIXELS = 100_000_000
"""400 MB, and as much again while they are sorted: five times what scikit-learn would need for a fifth of them."""

HISTOGRAM_BINS = 2**20
_SLICE_PX = 4_000_000  # bounds the float64 working copies of a 100-megapixel map


@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    """Scores of defect-free and of defect pixels, and of each of the latter the share it is of its region."""

    name: str
    is_normal: bool
    clean: MapValues
    defect: MapValues
    shares: Floats


class PixelScores:
    """Gathers pictures; exact up to `exact_pixels`, from there on a histogram."""

    def __init__(self, exact_pixels: int = EXACT_PIXELS) -> None:
        self.pixels = 0
        self.defect_pixels = 0
        self.regions = 0
        self._exact_pixels = exact_pixels
        self._kept: list[_Picture] = []
        self._histogram: _Histogram | None = None

    def add_normal(self, anomaly_map: MapValues) -> None:
        """Add a good picture's map, `(height, width)` float32."""
        self._add(_Picture("", True, anomaly_map.flatten(), np.empty(0, np.float32), np.empty(0)))

    def add_defective(self, name: str, anomaly_map: MapValues, mask: NDArray[np.bool_], regions: Regions) -> None:
        """Add the map of a picture with a defect, its mask, both `(height, width)`, and the mask's regions."""
        shares = np.concatenate(([0.0], 1 / regions.areas_px))[regions.labels[mask]]
        self.regions += len(regions.areas_px)
        self._add(_Picture(name, False, anomaly_map[~mask], anomaly_map[mask], shares))

    @property
    def error_bound(self) -> float:
        """How far the pixel AUROC can be off: 0 while exact."""
        return 0.0 if self._histogram is None else self._histogram.error_bound()

    def levels(self) -> Levels:
        """The table of all pixels so far. Raises NotMeasurableError when one kind of pixel is missing."""
        if self.defect_pixels == 0:
            raise NotMeasurableError("there is no judged picture with a defect mask")
        if self.defect_pixels == self.pixels:
            raise NotMeasurableError("there is no defect-free pixel")
        if self._histogram is not None:
            return self._histogram.levels()
        ascending, inverse = np.unique(np.concatenate([kept.defect for kept in self._kept]), return_inverse=True)
        shares = np.bincount(inverse, weights=np.concatenate([kept.shares for kept in self._kept]))
        clean = np.concatenate([kept.clean for kept in self._kept])
        clean.sort()
        return Levels.from_counts(
            ascending.astype(np.float64),
            np.bincount(inverse),
            shares.astype(np.float64),
            clean.size - np.searchsorted(clean, ascending, "right"),
            clean.size - np.searchsorted(clean, ascending, "left"),
            clean_pixels=clean.size,
        )

    def aupimo(self) -> Aupimo:
        """Raises NotMeasurableError as the function `aupimo` does, and where the pixels are no longer kept."""
        if self._histogram is not None:
            raise NotMeasurableError(
                f"AUPIMO needs every pixel's own score, which are kept up to {self._exact_pixels} pixels, "
                f"and there are {self.pixels}"
            )
        return aupimo(
            [kept.clean for kept in self._kept if kept.is_normal],
            [(kept.name, kept.defect) for kept in self._kept if kept.defect.size],
        )

    def _add(self, picture: _Picture) -> None:
        self.pixels += picture.clean.size + picture.defect.size
        self.defect_pixels += picture.defect.size
        self._kept.append(picture)
        if self._histogram is None and self.pixels > self._exact_pixels:
            self._histogram = _Histogram()
        if self._histogram is not None:
            for kept in self._kept:
                self._histogram.add(kept)
            self._kept = []


class _Histogram:
    """Equal bins over a range that doubles, merging neighbours, whenever a score falls outside."""

    def __init__(self) -> None:
        self._low = 0.0
        self._width = 0.0
        self._clean = np.zeros(HISTOGRAM_BINS, np.int64)
        self._defect = np.zeros(HISTOGRAM_BINS, np.int64)
        self._shares = np.zeros(HISTOGRAM_BINS)

    def add(self, picture: _Picture) -> None:
        for start in range(0, picture.clean.size, _SLICE_PX):
            self._clean += np.bincount(self._bins(picture.clean[start : start + _SLICE_PX]), minlength=HISTOGRAM_BINS)
        for start in range(0, picture.defect.size, _SLICE_PX):
            bins = self._bins(picture.defect[start : start + _SLICE_PX])
            self._defect += np.bincount(bins, minlength=HISTOGRAM_BINS)
            self._shares += np.bincount(bins, picture.shares[start : start + _SLICE_PX], HISTOGRAM_BINS)

    def levels(self) -> Levels:
        filled = np.flatnonzero(self._defect)
        clean_from = np.cumsum(self._clean[::-1])[::-1]
        return Levels.from_counts(
            self._low + filled.astype(np.float64) * (self._width / HISTOGRAM_BINS),
            self._defect[filled],
            self._shares[filled],
            clean_from[filled] - self._clean[filled],
            clean_from[filled],
            clean_pixels=int(clean_from[0]),
        )

    def error_bound(self) -> float:
        pairs = float(self._clean.sum()) * float(self._defect.sum())
        return float(self._clean.astype(np.float64) @ self._defect) / (2 * pairs) if pairs else 0.0

    def _bins(self, scores: MapValues) -> NDArray[np.int64]:
        lowest, highest = float(scores.min()), float(scores.max())
        if self._width == 0:
            self._low = lowest
            self._width = (highest - lowest) or abs(highest) or 1.0
        while lowest < self._low:
            self._low -= self._width
            self._merge(slice(HISTOGRAM_BINS // 2, None))
        while highest >= self._low + self._width:
            self._merge(slice(None, HISTOGRAM_BINS // 2))
        position = (scores.astype(np.float64) - self._low) * (HISTOGRAM_BINS / self._width)
        return np.minimum(position, HISTOGRAM_BINS - 1).astype(np.int64)

    def _merge(self, half: slice) -> None:
        """Double the width: the old bins, two by two, become one half of the new ones."""
        self._width *= 2
        for counts in (self._clean, self._defect, self._shares):
            merged = counts.reshape(-1, 2).sum(axis=1)
            counts[:] = 0
            counts[half] = merged
