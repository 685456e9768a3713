"""The ROC and the precision-recall curve of scores, point by point, for drawing. No torch, no scikit-learn."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ml.image_metrics import NotMeasurableError


@dataclass(frozen=True, slots=True, eq=False)
class ScoreCurves:
    """What each distinct score as threshold (anomaly: score >= threshold) would give, from the highest one down.

    All arrays are `(n,)` float64; the first entry is the threshold that nothing reaches (infinity), where the precision
    is taken as 1. `recall` over `false_alarms` is the ROC, `precision` over `recall` the precision-recall curve.
    """

    thresholds: NDArray[np.float64]
    false_alarms: NDArray[np.float64]
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]

    @classmethod
    def of(cls, good: NDArray[np.float64], bad: NDArray[np.float64]) -> Self:
        """Raises NotMeasurableError unless there is a score of either class."""
        if not len(good):
            raise NotMeasurableError("there is no judged good part")
        if not len(bad):
            raise NotMeasurableError("there is no judged part with a defect")
        levels = np.unique(np.concatenate([good, bad]))[::-1]
        called = len(good) - np.searchsorted(np.sort(good), levels, "left")
        found = len(bad) - np.searchsorted(np.sort(bad), levels, "left")
        return cls(
            thresholds=np.append(np.inf, levels),
            false_alarms=np.append(0.0, called / len(good)),
            recall=np.append(0.0, found / len(bad)),
            precision=np.append(1.0, found / (found + called)),
        )

    def threshold_at(self, false_alarms: float, recall: float) -> float:
        """The threshold whose point on the ROC lies nearest to the given one; never the infinite one."""
        distance = np.hypot(self.false_alarms - false_alarms, self.recall - recall)[1:]
        return float(self.thresholds[1 + int(np.argmin(distance))])
