"""Geometry of the report's charts: what the template draws as SVG. Units are those of the chart's own view box."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.comparison.records import PictureScore

ROC_SIDE = 300.0
HISTOGRAM_WIDTH, HISTOGRAM_HEIGHT = 300.0, 96.0
LOW, HIGH, STEP = -0.5, 3.0, 0.1
"""The histogram's axis of normalised scores; what lies beyond is gathered in the outermost bars."""


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Histogram:
    """Shares of good pictures above the middle line, of defective ones below it, both on one scale."""

    good: tuple[Bar, ...]
    defective: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    threshold_x: float
    unsure_x: float | None
    middle_y: float


def roc_points(pictures: Sequence[PictureScore]) -> str | None:
    """The ROC curve as points of an SVG polyline, false-alarm rate to the right, found defects upwards.

    None unless there are pictures of both kinds.
    """
    from sklearn.metrics import roc_curve

    truths = [picture.truth == "anomaly" for picture in pictures]
    if len(set(truths)) < 2:
        return None
    false_alarms, found, _ = roc_curve(truths, [picture.score for picture in pictures])
    return " ".join(f"{x * ROC_SIDE:.1f},{(1 - y) * ROC_SIDE:.1f}" for x, y in zip(false_alarms, found, strict=True))


def operating_point(pictures: Sequence[PictureScore]) -> tuple[float, float] | None:
    """Where the stored threshold lies on the ROC curve; None unless there are pictures of both kinds."""
    called = {
        truth: [picture.verdict == "NG" for picture in pictures if picture.truth == truth]
        for truth in ("normal", "anomaly")
    }
    if not all(called.values()):
        return None
    false_alarms, found = (sum(calls) / len(calls) for calls in called.values())
    return false_alarms * ROC_SIDE, (1 - found) * ROC_SIDE


def histogram(pictures: Sequence[PictureScore], low_normalised: float | None) -> Histogram:
    """Of normalised scores; `low_normalised` is where UNSURE begins."""
    shares = {
        truth: _shares([picture.normalised for picture in pictures if picture.truth == truth])
        for truth in ("normal", "anomaly")
    }
    highest = max((float(share.max()) for share in shares.values()), default=0.0) or 1.0
    middle = HISTOGRAM_HEIGHT / 2
    return Histogram(
        good=_bars(shares["normal"] / highest, middle, upwards=True),
        defective=_bars(shares["anomaly"] / highest, middle, upwards=False),
        ticks=tuple(Tick(_x(value), _label(value)) for value in (0, 1, 2, 3)),
        threshold_x=_x(1.0),
        unsure_x=None if low_normalised is None or low_normalised < LOW else _x(low_normalised),
        middle_y=middle,
    )


def _shares(values: Sequence[float]) -> NDArray[np.float64]:
    bins = round((HIGH - LOW) / STEP)
    # By whole numbers, not by np.histogram: a score of exactly 1 is NG and belongs to the right of the threshold.
    places = [min(max(math.floor((value - LOW) / STEP + 1e-9), 0), bins - 1) for value in values]
    return np.bincount(np.array(places, dtype=np.intp), minlength=bins) / max(len(values), 1)


def _bars(shares: NDArray[np.float64], middle: float, *, upwards: bool) -> tuple[Bar, ...]:
    width = HISTOGRAM_WIDTH / len(shares)
    bars = []
    for place, share in enumerate(shares.tolist()):
        if share > 0:
            height = max(share * (middle - 1), 1.5)  # a single picture among thousands is still seen
            bars.append(Bar(place * width + 0.5, middle - height if upwards else middle, width - 1, height))
    return tuple(bars)


def _x(normalised: float) -> float:
    return (min(normalised, HIGH) - LOW) / (HIGH - LOW) * HISTOGRAM_WIDTH


def _label(value: float) -> str:
    return f"≥ {value:g}" if value >= HIGH else f"{value:g}"
