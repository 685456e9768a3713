"""Measures of how well picture scores tell defective from good pictures. No torch.

`truths` is True for a picture with a defect, `scores` are its scores, higher meaning more anomalous; both `(n,)`. All
functions raise NotMeasurableError unless there is a picture of either class and every score is finite.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ml.confusion import Z_95

Truths = NDArray[np.bool_]
Scores = NDArray[np.float64]


class NotMeasurableError(Exception):
    """A measure does not exist for these pictures; the text is the reason that a report gives for it."""


def _require_ranking(truths: Truths, scores: Scores) -> None:
    if truths.all():
        raise NotMeasurableError("there is no judged good picture")
    if not truths.any():
        raise NotMeasurableError("there is no judged picture with a defect")
    if not np.isfinite(scores).all():
        raise NotMeasurableError("not every score is a finite number")


def auroc(truths: Truths, scores: Scores) -> float:
    """The probability that a defective picture scores higher than a good one, ties counting half."""
    from sklearn.metrics import roc_auc_score

    _require_ranking(truths, scores)
    return float(roc_auc_score(truths, scores))


def auroc_interval(truths: Truths, scores: Scores) -> tuple[float, float]:
    """95 % interval of the AUROC.

    DeLong's variance (Biometrics 1988) on the logit scale. Where that variance says nothing - classes fully separated
    or of one picture - the score interval of Newcombe (Statistics in Medicine 2006, part 2, method 5), which does not
    shrink to a point there.
    """
    area = auroc(truths, scores)
    good, bad = np.sort(scores[~truths]), np.sort(scores[truths])
    if not 0 < area < 1 or min(len(good), len(bad)) < 2:
        return _newcombe_interval(area, len(good), len(bad))
    beaten_by_bad = (np.searchsorted(good, bad, "left") + np.searchsorted(good, bad, "right")) / (2 * len(good))
    beating_good = 1 - (np.searchsorted(bad, good, "left") + np.searchsorted(bad, good, "right")) / (2 * len(bad))
    variance = float(beaten_by_bad.var(ddof=1) / len(bad) + beating_good.var(ddof=1) / len(good))
    logit = math.log(area / (1 - area))
    reach = Z_95 * math.sqrt(variance) / (area * (1 - area))
    return _expit(logit - reach), _expit(logit + reach)


def average_precision(truths: Truths, scores: Scores) -> float:
    """Area under the precision-recall curve as a step-wise sum, without interpolation."""
    from sklearn.metrics import average_precision_score

    _require_ranking(truths, scores)
    return float(average_precision_score(truths, scores))


def f1_max(truths: Truths, scores: Scores) -> tuple[float, float]:
    """The best F1 over all thresholds and the threshold that gives it: an oracle, chosen on these very labels."""
    from sklearn.metrics import precision_recall_curve

    _require_ranking(truths, scores)
    precision, recall, thresholds = precision_recall_curve(truths, scores)
    # The curve's last point (recall 0) has no threshold; 0 where nothing is found is the measure's own definition.
    total = precision[:-1] + recall[:-1]
    f1 = np.divide(2 * precision[:-1] * recall[:-1], total, out=np.zeros_like(total), where=total > 0)
    best = int(np.argmax(f1))
    return float(f1[best]), float(thresholds[best])


def equal_error_rate(truths: Truths, scores: Scores) -> float:
    """The false-alarm rate at which as large a share of defects is missed, on the linearly interpolated ROC curve."""
    from sklearn.metrics import roc_curve

    _require_ranking(truths, scores)
    false_alarms, found, _ = roc_curve(truths, scores, drop_intermediate=False)
    return float(np.interp(0, false_alarms - (1 - found), false_alarms))


def _expit(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value > 0 else math.exp(value) / (1 + math.exp(value))


def _newcombe_interval(area: float, good: int, bad: int) -> tuple[float, float]:
    pairs_per_picture = (good + bad) / 2 - 1

    def is_outside(candidate: float) -> bool:
        factor = 1 + pairs_per_picture * ((1 - candidate) / (2 - candidate) + candidate / (1 + candidate))
        variance = candidate * (1 - candidate) * factor / (good * bad)
        return (area - candidate) ** 2 > Z_95**2 * variance

    low = 0.0 if area == 0 else _boundary(0.0, area, is_outside)
    high = 1.0 if area == 1 else _boundary(1.0, area, is_outside)
    return low, high


def _boundary(outside: float, inside: float, is_outside: Callable[[float], bool]) -> float:
    """Bisection; 60 halvings are more than a float64 resolves."""
    for _ in range(60):
        middle = (outside + inside) / 2
        outside, inside = (middle, inside) if is_outside(middle) else (outside, middle)
    return outside
