"""Do the parts lie in the same place in every picture? The first thing to know when a method is chosen. No torch.

Each picture, shrunk to a thumbnail of edges, is compared with the mean of the others: as it lies, and where it fits
best when it is turned and moved. Edges and not greys are compared, so that light and colour do not matter.

- It fits as it lies: the parts are `aligned`.
- It fits clearly better elsewhere: the part is the same and `moved`.
- It fits nowhere: the pictures have no common shape, as those of a surface or of bulk goods: `texture`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.pictures import Pixels

Placement = Literal["aligned", "moved", "texture", "unknown"]
Thumbnail = NDArray[np.float32]

SIDE_PX = 64
ANGLES = 24
SHARED_SHAPE = 0.35
"""Correlation of edges from which two pictures show one shape; unrelated textures stay below 0.2 at this size."""
CLEARLY_BETTER = 1.3
"""So many times better must a picture fit elsewhere before the parts count as moved."""
TYPICAL_SHIFT = 0.03
"""Share of the picture's side; smaller movements stay within the neighbourhood that every method looks at."""
MIN_PICTURES = 3


@dataclass(frozen=True, slots=True)
class Alignment:
    """How the parts lie. Correlations are medians over pictures, between -1 and 1.

    in_place: with the mean of the others, as they lie. best: the same, turned and moved to fit best.
    shift: median movement to the best fit, as a share of the picture's side; rotation_deg: median turn to it, 0 to 180.
    """

    placement: Placement
    in_place: float
    best: float
    shift: float
    rotation_deg: float
    pictures: int


def edge_thumbnail(pixels: Pixels) -> Thumbnail:
    """Edge strength of a picture `(H, W[, 3])`, shrunk to 64 x 64, with mean 0 and length 1."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.ndim == 3 else pixels
    small = cv2.resize(grey, (2 * SIDE_PX, 2 * SIDE_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    edges = cv2.magnitude(cv2.Sobel(small, cv2.CV_32F, 1, 0), cv2.Sobel(small, cv2.CV_32F, 0, 1))
    # The logarithm keeps one bright edge from outweighing the shape of the part.
    return _unit(cv2.resize(np.log1p(edges), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA))


def measure_alignment(thumbnails: Sequence[Thumbnail]) -> Alignment:
    """How the parts of these pictures (`edge_thumbnail` of each) lie; `unknown` for fewer than three."""
    count = len(thumbnails)
    if count < MIN_PICTURES:
        return Alignment("unknown", 0.0, 0.0, 0.0, 0.0, count)
    total = np.sum(np.stack(thumbnails), axis=0)
    in_place, best, shifts, turns = [], [], [], []
    for own in thumbnails:
        fitted = _best_fit(own, thumbnails[0] if own is not thumbnails[0] else thumbnails[1])
        in_place.append(float((own * _unit(total - own)).sum()))
        best.append(max(fitted[0], in_place[-1]))
        shifts.append(fitted[1])
        turns.append(fitted[2])
    lying, fitting = float(np.median(in_place)), float(np.median(best))
    shift, turn = float(np.median(shifts)), float(np.median(turns))
    return Alignment(_placement(lying, fitting, shift, turn), lying, fitting, shift, turn, count)


def _placement(in_place: float, best: float, shift: float, turn: float) -> Placement:
    has_moved = shift > TYPICAL_SHIFT or turn > 0
    if best >= SHARED_SHAPE and best > CLEARLY_BETTER * in_place and has_moved:
        return "moved"
    return "aligned" if in_place >= SHARED_SHAPE else "texture"


def _best_fit(own: Thumbnail, other: Thumbnail) -> tuple[float, float, float]:
    """Best correlation of two thumbnails over turns and cyclic movements, with the movement (share) and turn (deg)."""
    spectrum = np.conj(np.fft.rfft2(other))
    found = (-1.0, 0.0, 0.0)
    for step in range(ANGLES):
        degrees = step * 360 / ANGLES
        fit = np.fft.irfft2(np.fft.rfft2(_turned(own, degrees)) * spectrum, s=own.shape)
        peak = float(fit.max())
        if peak > found[0]:
            y, x = np.unravel_index(int(fit.argmax()), fit.shape)
            down, right = (min(place, SIDE_PX - place) / SIDE_PX for place in (int(y), int(x)))
            found = (peak, math.hypot(down, right), min(degrees, 360 - degrees))
    return found


def _turned(thumbnail: Thumbnail, degrees: float) -> Thumbnail:
    if degrees == 0:
        return thumbnail
    centre = (SIDE_PX - 1) / 2
    matrix = cv2.getRotationMatrix2D((centre, centre), degrees, 1.0)
    return _unit(cv2.warpAffine(thumbnail, matrix, (SIDE_PX, SIDE_PX)))


def _unit(values: NDArray[np.floating]) -> Thumbnail:
    centred = values - values.mean()
    norm = float(np.linalg.norm(centred))
    return np.asarray(centred / norm if norm > 1e-9 else centred, np.float32)
