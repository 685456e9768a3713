"""From labelled scores to a threshold, and what such a choice is worth on parts that did not make it. No torch.

A part counts once, by its highest score: it is NG where any of its pictures is. Anomaly means score >= threshold,
throughout. Between two neighbouring scores every threshold does the same on these parts; the middle is taken, rounded
to float32, which leaves new parts of either class as much room.

A threshold fits the very parts that it was chosen by. `honest_estimate` therefore chooses on all folds but one and
counts on the remaining one, in turn (stratified K-fold, folds by part).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from ml.calibration import Calibration
from ml.confusion import ConfusionMatrix
from ml.errors import CalibrationError
from ml.score_sheet import ScoredRow
from ml.threshold_choice import ThresholdChoice, ThresholdRule

FEW_DEFECTS: Final = 20
"""Below so many defective parts a labelled choice says little."""

FOLDS: Final = 5

USUAL_ALPHA: Final = 0.01
USUAL_COSTS: Final = (10.0, 1.0)
"""Of a miss and of a false alarm."""
USUAL_RECALL: Final = 0.99

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LabelledParts:
    """Raw scores of good and of defective parts, each the highest of its pictures. `good_names` and `bad_names` tell
    the parts: one that occurs among both (before and after damage) is never split between folds.
    """

    good: Scores
    bad: Scores
    good_names: tuple[str, ...]
    bad_names: tuple[str, ...]

    @classmethod
    def of(cls, calibration: Calibration, rows: Iterable[ScoredRow]) -> Self:
        """The held-out good parts of the calibration and those of the labelled rows that could be scored."""
        good = {f"held-out {number}": score for number, score in enumerate(calibration.part_scores.tolist())}
        bad: dict[str, float] = {}
        for row in rows:
            if row.score is None or row.label == "unsure":
                continue
            parts, name = bad if row.label == "bad" else good, row.part or f"picture {row.name}"
            parts[name] = max(row.score, parts.get(name, row.score))
        return cls(np.array(list(good.values())), np.array(list(bad.values())), tuple(good), tuple(bad))

    def matrix(self, threshold: float) -> ConfusionMatrix:
        """At `threshold`, in parts."""
        false_alarms, found = int((self.good >= threshold).sum()), int((self.bad >= threshold).sum())
        return ConfusionMatrix(tn=len(self.good) - false_alarms, fp=false_alarms, fn=len(self.bad) - found, tp=found)

    def only(self, names: frozenset[str]) -> Self:
        """Of the parts with these names."""
        good, bad = ([name in names for name in all_names] for all_names in (self.good_names, self.bad_names))
        return type(self)(
            self.good[good],
            self.bad[bad],
            tuple(name for name in self.good_names if name in names),
            tuple(name for name in self.bad_names if name in names),
        )


@dataclass(frozen=True, slots=True)
class HonestEstimate:
    """What a rule reaches on parts that did not choose its threshold: counts pooled over the `folds`, and the lowest
    and the highest threshold that a fold chose.
    """

    matrix: ConfusionMatrix
    folds: int
    thresholds: tuple[float, float]


def choose(
    rule: ThresholdRule, calibration: Calibration, parts: LabelledParts, unsure_share: float | None
) -> ThresholdChoice:
    """Carry out any rule but `manual`.

    Raises CalibrationError where a rule needs defective parts and there are none, and like `Calibration.with_alpha`.
    """
    if rule.rule == "false_alarms" and rule.alpha is not None:
        threshold = calibration.with_alpha(rule.alpha).threshold
    else:
        threshold = labelled_threshold(rule, parts, calibration.median)
    return ThresholdChoice(**rule.model_dump(), threshold=threshold, unsure_share=unsure_share)


def labelled_threshold(rule: ThresholdRule, parts: LabelledParts, above: float) -> float:
    """The threshold over `above` that does best by a rule that needs defects; among equals the one that finds more.

    Raises CalibrationError without defective parts, and for the rules that do not choose by them.
    """
    if not len(parts.bad):
        raise CalibrationError(
            "This rule weighs missed defects against false alarms, and there is no test picture of a defective part. "
            "Add some, or choose by the false-alarm rate."
        )
    levels = np.unique(np.concatenate([parts.good, parts.bad]))
    levels = levels[levels > above]
    # Cut k lies below level k; the last one lies above all of them.
    false_alarms = np.append(len(parts.good) - np.searchsorted(np.sort(parts.good), levels, "left"), 0)
    found = np.append(len(parts.bad) - np.searchsorted(np.sort(parts.bad), levels, "left"), 0)
    best = int(np.argmin(_loss(rule, parts, false_alarms, found)))
    lower = above if best == 0 else float(levels[best - 1])
    return _between(lower, None if best == len(levels) else float(levels[best]))


def honest_estimate(
    rule: ThresholdRule, parts: LabelledParts, above: float, folds: int = FOLDS, seed: int = 0
) -> HonestEstimate | None:
    """Choose by all folds but one, count on that one, in turn; None with fewer than two parts of a class."""
    folds = min(folds, len(parts.good), len(parts.bad))
    if folds < 2:
        return None
    dealt = _dealt(parts, folds, seed)
    names = frozenset(dealt)
    matrix, thresholds = ConfusionMatrix(), []
    for number in range(folds):
        held_out = frozenset(name for name, fold in dealt.items() if fold == number)
        learnt_from = parts.only(names - held_out)
        thresholds.append(labelled_threshold(rule, learnt_from, above))
        matrix += parts.only(held_out).matrix(thresholds[-1])
    return HonestEstimate(matrix, len(thresholds), (min(thresholds), max(thresholds)))


def _loss(rule: ThresholdRule, parts: LabelledParts, false_alarms: NDArray[np.int_], found: NDArray[np.int_]) -> Scores:
    """To be as small as possible, per cut."""
    missed = len(parts.bad) - found
    match rule.rule:
        case "cost":
            costs = (rule.cost_miss or 0.0) * missed + (rule.cost_false_alarm or 0.0) * false_alarms
            return np.asarray(costs, dtype=np.float64)
        case "recall":
            # In whole parts: 0.99 of 100 must not fail by a rounding error.
            wanted = np.ceil((rule.recall or 0.0) * len(parts.bad) - 1e-9)
            lacking = np.maximum(wanted - found, 0)
            return np.asarray(lacking * (len(parts.good) + 1) + false_alarms, dtype=np.float64)
        case "f1":
            return np.asarray(-2 * found / (2 * found + false_alarms + missed), dtype=np.float64)
        case "youden":
            # Both rates times both numbers of parts: whole numbers, in which equals are equal.
            return np.asarray(false_alarms * len(parts.bad) - found * len(parts.good), dtype=np.float64)
        case _:
            raise CalibrationError(f"The rule '{rule.rule}' does not choose by labels.")


def _between(lower: float, upper: float | None) -> float:
    """A float32 in (lower, upper], near the middle; just above `lower` where nothing lies higher."""
    if upper is None:
        return float(np.nextafter(np.float32(lower), np.float32(np.inf)))
    middle = float(np.float32(lower + (upper - lower) / 2))
    if middle <= lower:
        middle = float(np.nextafter(np.float32(lower), np.float32(np.inf)))
    return min(middle, upper)


def _dealt(parts: LabelledParts, folds: int, seed: int) -> dict[str, int]:
    """The fold of each part: either class is dealt out evenly, in an order that the seed decides."""
    order = np.random.default_rng(seed)
    fold_of: dict[str, int] = {}
    for names in (parts.bad_names, parts.good_names):
        waiting = [names[index] for index in order.permutation(len(names)) if names[index] not in fold_of]
        fold_of |= {name: place % folds for place, name in enumerate(waiting)}
    return fold_of
