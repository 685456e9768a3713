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
from ml.runtime.made_pictures import captured, edges, made

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
    # A difference that is no number is none to accept.
    if not (found.score <= LARGEST_DIFFERENCE and found.map <= LARGEST_DIFFERENCE):
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
    preprocessing = manifest.preprocessing

    def counts(values: NDArray[np.float64]) -> Pixels:
        return captured(values, preprocessing, manifest.reference)

    yield from map(counts, made(height, width))
    if thumbnail is not None:
        colours = thumbnail if thumbnail.ndim == 3 else np.repeat(thumbnail[..., None], 3, axis=2)
        enlarged = cv2.resize(colours, (width, height), interpolation=cv2.INTER_LINEAR)
        yield counts(enlarged / 255.0)
    if place.only_size is None and place.crop is None:
        least, most = preprocessing.input_height // 2, preprocessing.input_width * 2 + 1
        yield counts(edges(max(least, 32), preprocessing.input_width + 7))
        yield counts(edges(preprocessing.input_height * 3 // 2 + 1, most))
