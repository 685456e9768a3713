"""The one good picture that a threshold rests on, where it stands apart from all others. No Qt, no torch.

Where good parts are few the threshold is never below the largest held-out score, so that one odd picture among them (a
blurred one, a defect that nobody saw) can raise it until defects pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ml.artifact import Manifest
from ml.calibration import calibrate
from ml.errors import CalibrationError

STANDS_APART: Final = 0.6
"""Without the picture the threshold would be below this, on the scale where it is 1 and the typical good part 0. Of
sets drawn at random from a log-normal distribution (spread 0.05 to 0.2, 20 to 120 parts) it is told of about one in
fifteen or fewer."""


@dataclass(frozen=True, slots=True)
class OddGood:
    """`name` of a good picture, as in the model's data; `threshold_without` on the scale of the trained model."""

    name: str
    threshold_without: float


def odd_good(manifest: Manifest) -> OddGood | None:
    """The held-out good picture without which the threshold of a model would be much lower; None where there is none.

    The model itself is taken as it is. Not told for thresholds of several batches, or from changed copies.
    """
    calibration = manifest.calibration
    names = _calibrated(manifest)
    if calibration.batches or len(names) != len(calibration.scores):
        return None
    scores = np.asarray(calibration.scores)
    largest = int(scores.argmax())
    part = calibration.groups[largest]
    others = [place for place, group in enumerate(calibration.groups) if group != part]
    try:
        without = calibrate(
            [calibration.scores[place] for place in others],
            [calibration.map_maxima[place] for place in others],
            [str(calibration.groups[place]) for place in others],
            alpha=calibration.alpha,
            source=calibration.source,
            band_factor=None,
        )
    except CalibrationError:  # too few parts are left to tell
        return None
    threshold = calibration.normalise(without.threshold)
    return OddGood(names[largest], threshold) if threshold < STANDS_APART else None


def _calibrated(manifest: Manifest) -> Sequence[str]:
    """The names of the pictures whose scores gave the threshold, in the order of the scores."""
    data = manifest.data
    match manifest.calibration.source:
        case "hold-out":
            return data.held_out
        case "5-fold" | "leave-one-out":
            generated = set(data.generated)
            return [name for name, _ in data.files if name not in generated]
    return ()
