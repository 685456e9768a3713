"""Defect areas at one fixed threshold: IoU, Dice, and what an operator feels, regions found and false ones. No torch.

Unless they say otherwise measures are pooled: over the pixels of all pictures together, good ones included.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.image_metrics import NotMeasurableError
from ml.pixel_metrics import Regions

REGION_OVERLAP = 0.1
"""Share of a defect region that must be predicted for the region to count as found."""

Mask = NDArray[np.bool_]

NO_MASK = "there is no judged picture with a defect mask"
NO_REGION = "no defect region is large enough to count"
NO_GOOD = "there is no judged good picture"


class PixelAreas:
    """Gathers predicted and true areas, all masks `(height, width)` bool. Measures raise NotMeasurableError."""

    def __init__(self) -> None:
        self._found_px = 0
        self._predicted_px = 0
        self._true_px = 0
        self._iou: list[float] = []
        self._dice: list[float] = []
        self._regions_found: list[bool] = []
        self._false_regions: list[int] = []

    def add_normal(self, predicted: Mask) -> None:
        """Add what was predicted on a good picture. Its IoU is undefined and enters no mean."""
        self._predicted_px += int(np.count_nonzero(predicted))
        labels, _ = cv2.connectedComponents(predicted.astype(np.uint8), connectivity=8)
        self._false_regions.append(labels - 1)

    def add_defective(self, predicted: Mask, mask: Mask, regions: Regions) -> None:
        """Add a picture with a defect; the mask is not empty."""
        found, guessed, true = (int(np.count_nonzero(area)) for area in (predicted & mask, predicted, mask))
        self._found_px += found
        self._predicted_px += guessed
        self._true_px += true
        self._iou.append(found / (guessed + true - found))
        self._dice.append(2 * found / (guessed + true))
        overlap_px = np.bincount(regions.labels[predicted], minlength=len(regions.areas_px) + 1)[1:]
        self._regions_found.extend((overlap_px >= REGION_OVERLAP * regions.areas_px).tolist())

    @property
    def iou(self) -> float:
        """Intersection over union."""
        self._require_mask()
        return self._found_px / (self._predicted_px + self._true_px - self._found_px)

    @property
    def dice(self) -> float:
        """Twice the intersection over the sum of areas: the pixels' F1."""
        self._require_mask()
        return 2 * self._found_px / (self._predicted_px + self._true_px)

    @property
    def precision(self) -> float:
        """Share of the predicted pixels that belong to a defect."""
        self._require_mask()
        if not self._predicted_px:
            raise NotMeasurableError("no pixel reaches the pixel threshold")
        return self._found_px / self._predicted_px

    @property
    def recall(self) -> float:
        """Share of the defect pixels that were predicted."""
        self._require_mask()
        return self._found_px / self._true_px

    @property
    def mean_iou_and_dice(self) -> tuple[float, float]:
        """Means over pictures with a mask instead of pooled."""
        self._require_mask()
        return float(np.mean(self._iou)), float(np.mean(self._dice))

    @property
    def region_recall(self) -> float:
        """Share of defect regions predicted to at least REGION_OVERLAP."""
        if not self._regions_found:
            raise NotMeasurableError(NO_REGION if self._true_px else NO_MASK)
        return float(np.mean(self._regions_found))

    @property
    def false_regions_per_good(self) -> float:
        """Mean number of 8-connected predicted regions on a good picture."""
        if not self._false_regions:
            raise NotMeasurableError(NO_GOOD)
        return float(np.mean(self._false_regions))

    def _require_mask(self) -> None:
        if not self._true_px:
            raise NotMeasurableError(NO_MASK)
