"""An export held against the detector in torch, on fixed pictures: nothing is written that was not checked here.

Differences are shares of the score range, as in `ml.runtime.agreement`.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.artifact import Manifest
from ml.detector import Detector
from ml.errors import ExportError
from ml.export.geometry import Place
from ml.pictures import Pixels
from ml.runtime.agreement import LARGEST_DIFFERENCE, share_of_range

VERDICTS = ("OK", "UNSURE", "NG")
"""What the graph's output `verdict` counts."""


class Judged(NamedTuple):
    """What an exported graph makes of a picture, see `ml.export.assembly`."""

    score: float
    verdict: int
    map: NDArray[np.float32]


class Difference(NamedTuple):
    """Of the normalised score and map, the largest of `pictures` pictures. flips: pictures judged otherwise."""

    pictures: int
    score: float
    map: float
    flips: int


def checked_difference(
    detector: Detector, export: Callable[[Pixels], Judged], pictures: Iterable[Pixels]
) -> Difference:
    """Raises ExportError where the export differs by more than LARGEST_DIFFERENCE."""
    calibration = detector.manifest.calibration
    scores, maps, flips = [], [], 0
    for pixels in pictures:
        detection, judged = detector.score(pixels), export(pixels)
        expected = calibration.normalise_map(detection.score_map.at_picture_size())
        if judged.map.shape != expected.shape:
            raise ExportError(f"The export gives a map of the shape {judged.map.shape} instead of {expected.shape}.")
        score = calibration.normalise(detection.score)
        scores.append(share_of_range(score, judged.score))
        maps.append(share_of_range(expected, judged.map))
        flips += calibration.judge(detection.score) != VERDICTS[judged.verdict]
    found = Difference(len(scores), float(np.max(scores)), float(np.max(maps)), flips)  # nan stays nan
    if not (
        found.score <= LARGEST_DIFFERENCE and found.map <= LARGEST_DIFFERENCE
    ):  # a difference that is no number is none to accept
        raise ExportError(
            f"The export of '{detector.manifest.name}' differs from the model by {found.score:.2g} of the score range "
            f"in the score and {found.map:.2g} in the map ({flips} of {found.pictures} verdicts); at most "
            f"{LARGEST_DIFFERENCE:g} is allowed, and nothing was written. Judge with `loupe inspect --json` instead."
        )
    return found


def trial_pictures(manifest: Manifest, place: Place, thumbnail: NDArray[np.uint8] | None) -> Iterator[Pixels]:
    """Fixed pictures as the model takes them: blank, a slope, noise, edges and, enlarged, the thumbnail; where it takes
    any size, some that are smaller and larger than usual too.
    """
    height, width = place.only_size or place.usual_size
    usual = [_blank, _slope, _noise, _edges]
    for values in usual:
        yield _counts(values(height, width), manifest, place)
    if thumbnail is not None:
        colours = thumbnail if thumbnail.ndim == 3 else np.repeat(thumbnail[..., None], 3, axis=2)
        enlarged = cv2.resize(colours, (width, height), interpolation=cv2.INTER_LINEAR)
        yield _counts(enlarged / 255.0, manifest, place)
    if place.only_size is None and place.crop is None:
        preprocessing = manifest.preprocessing
        least, most = preprocessing.input_height // 2, preprocessing.input_width * 2 + 1
        yield _counts(_edges(max(least, 32), preprocessing.input_width + 7), manifest, place)
        yield _counts(_edges(preprocessing.input_height * 3 // 2 + 1, most), manifest, place)


def _blank(height: int, width: int) -> NDArray[np.float64]:
    return np.zeros((height, width, 3))


def _slope(height: int, width: int) -> NDArray[np.float64]:
    down, right = np.linspace(0, 1, height)[:, np.newaxis], np.linspace(0, 1, width)
    return np.stack(np.broadcast_arrays(down, right, (down + right) / 2), axis=2)


def _noise(height: int, width: int) -> NDArray[np.float64]:
    return np.random.default_rng(0).random((height, width, 3))


def _edges(height: int, width: int) -> NDArray[np.float64]:
    squares = np.random.default_rng(1).random((7, 9, 3))
    sharp = cv2.resize(squares, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(0.9 * sharp + 0.1 * _noise(height, width))


def _counts(values: NDArray[np.float64], manifest: Manifest, place: Place) -> Pixels:
    """RGB values 0 to 1 as counts over the model's value window."""
    low, high = manifest.preprocessing.window_low, manifest.preprocessing.window_high
    counts = np.clip(np.round(low + values * (high - low)), 0, 2**manifest.reference.bit_depth - 1)
    one = counts[..., 1] if place.channels == 1 else counts
    return one.astype(np.uint8) if place.bits == 8 else one.astype(np.uint16)
