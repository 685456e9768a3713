"""What a comparison keeps of the test pictures: scores, and the worst ones small enough for a report."""

from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml.comparison.records import PictureScore, ShownPicture
from ml.dataset import Truth
from ml.evaluation import ScoredPicture
from ml.maps import heat_rgba
from ml.pictures import Pixels

SIDE_PX = 200
COLOURS = 256  # of a thumbnail's palette: a third of the bytes of full colour
HEAT_OPACITY = 0.6
OUTLINE_RGB = (0, 190, 230)

Rgb = NDArray[np.uint8]


def shown(scored: ScoredPicture, score: PictureScore, window: tuple[float, float]) -> ShownPicture:
    """The picture and its heat map on the fixed scale; the true defect is outlined in both."""
    plain = _shrunken(scored.pixels, window)
    height, width = plain.shape[:2]
    heat = heat_rgba(scored.calibration.normalise_map(scored.detection.score_map.at_size(height, width)))
    share = heat[..., 3:].astype(np.float32) / 255 * HEAT_OPACITY
    overlay = (plain * (1 - share) + heat[..., :3] * share).round().astype(np.uint8)
    for image in (plain, overlay):
        _outline(image, scored.mask)
    return ShownPicture(
        picture=score, width_px=width, height_px=height, plain_png=_encoded(plain), heat_png=_encoded(overlay)
    )


@dataclass(frozen=True, slots=True)
class _Kept:
    ranks: float
    picture: ShownPicture


class KeptPictures:
    """What is kept of an evaluation: every picture's score, and thumbnails of those that the model is most wrong about:
    `count` defective ones with the lowest scores, and as many good ones with the highest.
    """

    def __init__(self, window: tuple[float, float], count: int) -> None:
        """`window`: the pixel values that are shown black and white."""
        self.scores: list[PictureScore] = []
        self._window = window
        self._count = count
        self._kept: dict[Truth, list[_Kept]] = {"normal": [], "anomaly": []}

    def add(self, scored: ScoredPicture) -> None:
        """Take a picture; thumbnails are only made of one that ranks among the extremes so far."""
        raw = scored.detection.score
        score = PictureScore(
            name=scored.name,
            truth=scored.labelled.truth,
            kind=scored.labelled.kind,
            score=raw,
            normalised=scored.calibration.normalise(raw),
            verdict=scored.judgement.verdict,
        )
        self.scores.append(score)
        ranks = score.normalised if score.truth == "anomaly" else -score.normalised
        kept = self._kept[score.truth]
        if len(kept) == self._count and ranks >= kept[-1].ranks:
            return
        kept.append(_Kept(ranks, shown(scored, score, self._window)))
        kept.sort(key=lambda each: each.ranks)
        del kept[self._count :]

    def extremes(self, truth: Truth) -> tuple[ShownPicture, ...]:
        """The most extreme one first."""
        return tuple(each.picture for each in self._kept[truth])


def _shrunken(pixels: Pixels, window: tuple[float, float]) -> Rgb:
    """`(h, w, 3)` uint8 RGB within SIDE_PX, the value window's ends being black and white."""
    height, width = pixels.shape[:2]
    shrink = min(1.0, SIDE_PX / max(height, width))
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    low, high = window
    scaled = np.clip((small - low) * (255 / (high - low)), 0, 255).round().astype(np.uint8)
    return np.ascontiguousarray(scaled if scaled.ndim == 3 else cv2.cvtColor(scaled, cv2.COLOR_GRAY2RGB))


def _outline(image: Rgb, mask: NDArray[np.bool_] | None) -> None:
    if mask is None:
        return
    height, width = image.shape[:2]
    # Any share of a small pixel counts: a scratch of one pixel must not vanish by shrinking.
    small = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) > 0
    contours, _ = cv2.findContours(small.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(image, contours, -1, OUTLINE_RGB, 1)


def _encoded(image: Rgb) -> str:
    """PNG in base64. "Maximum coverage" keeps rare colours within 14 of 255, and a hot spot of the map is rare; the
    median cut is off by up to 47 there (measured on cookie, aliens and demo parts)."""
    palette = Image.fromarray(image).quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    data = BytesIO()
    palette.save(data, "PNG", optimize=True)
    return b64encode(data.getvalue()).decode()
