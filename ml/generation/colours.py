"""The colours of pictures in a few figures, and how far good pictures differ in them. No torch.

Opponent colours: brightness, red against blue, green against both; an orthonormal turn of RGB, so that a cast and a
change of brightness are bounded apart, and what lies between two pictures lies between them in each figure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ml.generation.value_window import Values

Figures = NDArray[np.float64]
"""(6,): mean of each opponent channel, then standard deviation of each."""

TO_OPPONENT = np.array(
    [[3**-0.5, 3**-0.5, 3**-0.5], [2**-0.5, 0, -(2**-0.5)], [6**-0.5, -2 * 6**-0.5, 6**-0.5]], np.float32
)
_LEAST_DEVIATION = 1e-3  # of the window: a plain picture has no contrast that could be scaled
_CLIPPED_SHARE = 0.05  # of the window, next to black and to white
_SLACK = 0.004  # of the window: what the eye does not see, and keeps a smooth picture smooth
_HALF_A_COUNT = 0.5 / 255
_USUAL_DEVIATIONS = 2.5  # how far from its picture's mean a pixel lies at most, nearly always


def figures(values: Values) -> Figures:
    """Mean and deviation of a picture's opponent colours."""
    mean, deviation = cv2.meanStdDev(cv2.transform(values, TO_OPPONENT))
    return np.concatenate([mean.ravel(), deviation.ravel()])


def within_palette(changed: Values, source: Values) -> Values:
    """`changed`, each pixel of which is drawn to the colour of `source` that is nearest to it, but for a little.

    A network that has learnt for minutes mixes colours that the picture has nowhere; on a part they would be stains.
    """
    palette = source.reshape(-1, 3)
    _, nearest = cKDTree(palette).query(changed.reshape(-1, 3))
    known = palette[nearest].reshape(changed.shape)
    return np.asarray(known + np.clip(changed - known, -_SLACK, _SLACK), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class ColourSpan:
    """What the figures of good pictures reach from and to: (6,) each."""

    low: Figures
    high: Figures

    @classmethod
    def of(cls, pictures: Sequence[Figures], reach: float = 1.0) -> "ColourSpan":
        """The span of `pictures`; `reach` scales it about its middle."""
        low, high = np.min(pictures, axis=0), np.max(pictures, axis=0)
        middle, half = (low + high) / 2, (high - low) / 2 * reach
        return cls(middle - half, middle + half)

    @property
    def largest_change(self) -> NDArray[np.float32]:
        """(3,): what moving a picture's mean and deviation from one end to the other changes a pixel by at most."""
        width = self.high - self.low
        return np.asarray(width[:3] + _USUAL_DEVIATIONS * width[3:], np.float32)

    def bounded(self, changed: Values, source: Values) -> Values:
        """`changed`, no pixel of which is further from `source` than `largest_change`, with figures inside the span.

        What is black or clipped to white in `source` stays so: it says nothing of the light, and a grey ground where
        all good pictures have a white one is no look of theirs. A source outside of the span may stay where it is.
        """
        before, limit = cv2.transform(source, TO_OPPONENT), self.largest_change
        after = before + np.clip(cv2.transform(changed, TO_OPPONENT) - before, -limit, limit)
        mean, deviation = (part.ravel() for part in cv2.meanStdDev(after))
        wanted = np.clip(np.concatenate([mean, deviation]), *self._around(source))
        gain = np.where(deviation > _LEAST_DEVIATION, wanted[3:] / np.maximum(deviation, _LEAST_DEVIATION), 1.0)
        moved = ((after - mean) * np.maximum(gain, 0) + wanted[:3]).astype(np.float32)
        change = cv2.transform(moved - before, np.ascontiguousarray(TO_OPPONENT.T))
        brightest = source.max(axis=2, keepdims=True)
        return np.asarray(source + change * np.clip(np.minimum(brightest, 1 - brightest) / _CLIPPED_SHARE, 0, 1))

    def holds(self, changed: Values, source: Values) -> bool:
        """Whether `changed` has figures inside the span, or no further outside than `source` has, to half a count."""
        found, (low, high) = figures(changed), self._around(source)
        return bool((found >= low - _HALF_A_COUNT).all() and (found <= high + _HALF_A_COUNT).all())

    def _around(self, source: Values) -> tuple[Figures, Figures]:
        own = figures(source)
        return np.minimum(self.low, own), np.maximum(self.high, own)
