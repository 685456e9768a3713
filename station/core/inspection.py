"""What is known of one inspected part: the values that are stored, and the pictures that go with them."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from ml.maps import Region, ScoreMap
from station.core.frame import Frame, Truth
from station.core.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Inspection:
    """One row of the history. Scores, thresholds and regions are as they were when the part was judged.

    `score`, `threshold` and `threshold_low` are raw; `normalised_score` is 0 at the typical good part and 1 at the
    threshold. All are None for a FAULT. `fault` is the plain text that the operator read.
    """

    id: str
    captured_at: datetime
    serial: str
    recipe: str
    recipe_revision: int
    model_hash: str
    source: str
    operator: str
    verdict: Verdict
    score: float | None
    normalised_score: float | None
    threshold: float | None
    threshold_low: float | None
    regions: tuple[Region, ...]
    latency_ms: float
    fault: str | None
    given_truth: Truth | None
    defect_kind: str | None
    width_px: int | None
    height_px: int | None
    picture_hash: str | None = None
    map_hash: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Inspected:
    """An inspection not yet stored: the values, the frame (None when no picture was had) and the raw score map."""

    inspection: Inspection
    frame: Frame | None
    score_map: ScoreMap | None


Outline = tuple[tuple[float, float], ...]
"""Corners (x, y) of a closed polygon, in pixels of the captured picture; (0, 0) is the picture's corner."""


@dataclass(frozen=True, slots=True, eq=False)
class PartView:
    """What a screen shows of a part: made off the GUI thread, already at display size.

    `picture` is `(h, w, 3)` uint8 RGB; `heat` is `(h, w, 4)` uint8 RGBA or None; one picture pixel is `scale`
    display pixels. `inspection` is None while the part is still being scored: a preview has no verdict. `outlines` has
    one outline for each of the inspection's regions, in their order.
    """

    picture: NDArray[np.uint8]
    heat: NDArray[np.uint8] | None
    scale: float
    inspection: Inspection | None
    outlines: tuple[Outline, ...] = ()
