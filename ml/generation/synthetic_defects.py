"""Defects painted into pictures of good parts, each with the mask of where it is.

cutpaste_patch, cutpaste_scar: a piece of the picture elsewhere, "CutPaste", Li et al., CVPR 2021, arXiv 2104.04015,
section 2.2; its sizes, given for 256 px, grow with the picture's shorter side.
texture_blend: another texture under a thresholded noise mask, "DRAEM", Zavrtanik et al., ICCV 2021, arXiv 2108.07610,
section 3.3: opacity 0.1 to 1. Departures: the texture is a made-up one or the picture's own, turned by half, since no
set of photographs is shipped; the mask's threshold is drawn by the share of the picture that it covers.
scratch, spot, dent: drawn after what they look like on parts; no published source.

Contrasts are meant relative to the picture's own range of values, so that a dull picture gets dull defects.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.errors import ParameterError
from ml.generation.catalogue.synthetic_defects import KINDS, Kind, SyntheticDefectsParameters
from ml.generation.generator import GeneratedPicture, Generator, check_enough, random_of, sources
from ml.generation.textures import perlin, texture
from ml.pictures import Pixels, highest_count
from ml.progress import Cancelled, Progress, never, silent

Values = NDArray[np.float32]
"""(height, width, channels); 0 and 1 are about the picture's darkest and brightest."""

_REFERENCE_PX = 256
_TRIES = 30  # on a white picture most defects cannot be seen: nothing is lighter
_LEAST_CHANGE = 0.03  # mean over the mask, of the picture's range: less would teach that good parts are defective
_FAINTEST = 0.1  # opacity below which a soft edge ends
_LEAST_SPAN = 0.2  # of full scale: the range that a picture of one colour is taken to have
_LARGEST_NOISE_PX = 512  # larger masks and textures are interpolated: they hold no finer detail


@dataclass(frozen=True, slots=True, eq=False)
class _Painted:
    """What lies over the picture and how densely, float32 (height, width), 0 to 1; 0 outside the defect."""

    values: Values
    opacity: NDArray[np.float32]


class SyntheticDefects:
    """Paints one defect of `kinds` into a picture; `strength`, above 0 up to 1, scales how far it stands out."""

    def __init__(self, kinds: Sequence[Kind] = KINDS, strength: float = 1.0) -> None:
        """Raises ParameterError for no or an unknown kind and for a strength outside its range."""
        unknown = [kind for kind in kinds if kind not in KINDS]
        if unknown or not kinds:
            named = f"'{unknown[0]}' is none" if unknown else "none is given"
            raise ParameterError(f"kinds of synthetic defects: {named}; allowed: {', '.join(KINDS)}")
        if not 0 < strength <= 1:
            raise ParameterError(f"strength={strength} of synthetic defects; allowed: above 0 up to 1")
        self.kinds = tuple(kinds)
        self.strength = strength

    def sample(self, picture: NDArray[Any], seed: int) -> GeneratedPicture:
        """A copy of `picture` with one defect, the same for the same seed.

        picture: (height, width) grey or (height, width, 3) RGB; uint8, uint16 (of 8 to 16 bits), or float32 0 to 1.
        The mask is true where it was changed; outside of it every pixel is the original's. What can hardly be seen
        where it came to lie (a plain piece pasted on a plain ground) is drawn again.
        Raises ParameterError for other dtypes and shapes.
        """
        if picture.dtype not in (np.uint8, np.uint16, np.float32) or picture.ndim not in (2, 3) or not picture.size:
            raise ParameterError(f"a picture of {picture.dtype} and shape {picture.shape} cannot get a defect")
        random = np.random.default_rng(seed)
        scale = _Scale.of(picture)
        values = scale.relative(picture)
        kind, pixels, mask = self.kinds[0], picture, np.zeros(picture.shape[:2], bool)
        for _ in range(_TRIES):
            kind = self.kinds[random.integers(len(self.kinds))]
            painted = _PAINTERS[kind](values, random)
            opacity = painted.opacity[..., None] * self.strength
            mask = painted.opacity > 0
            changed = scale.absolute(values + opacity * (painted.values - values), picture)
            pixels = np.where(mask if picture.ndim == 2 else mask[..., None], changed, picture)
            change = np.abs(scale.relative(pixels)[mask] - values[mask])
            if change.size and change.mean() >= _LEAST_CHANGE * self.strength:
                break
        return GeneratedPicture(pixels, mask, kind)


class PaintedDefects(Generator):
    """`SyntheticDefects` as a generator: each sample is one of the fitted pictures with one defect."""

    name = "synthetic_defects"

    def __init__(self, parameters: SyntheticDefectsParameters) -> None:
        super().__init__(parameters)
        self._defects = SyntheticDefects(parameters.kinds, parameters.strength)
        self._pictures: Sequence[Pixels] = ()

    def fit(
        self, pictures: Sequence[Pixels], seed: int, progress: Progress = silent, cancelled: Cancelled = never
    ) -> None:
        """Nothing is learnt: the pictures are only kept to be painted into."""
        check_enough(self.name, pictures)
        self._pictures = pictures

    def sample(self, count: int, seed: int) -> Iterator[GeneratedPicture]:
        for number, source in zip(range(count), sources(len(self._pictures), seed), strict=False):
            made = self._defects.sample(self._pictures[source], int(random_of(seed, number).integers(2**63)))
            ys, xs = np.nonzero(made.mask)
            changes = {
                "defect": made.kind,
                "area_px": len(ys),
                "box_px": [int(xs.min()), int(ys.min()), int(np.ptp(xs)) + 1, int(np.ptp(ys)) + 1],
            }
            yield replace(made, source=source, changes=changes)


@dataclass(frozen=True, slots=True)
class _Scale:
    """Counts <-> values relative to the picture's own range, and the highest count that it may hold."""

    low: float
    span: float
    highest: float

    @classmethod
    def of(cls, picture: NDArray[Any]) -> "_Scale":
        low, high = np.percentile(picture, (1, 99)).tolist()
        highest = 1.0 if picture.dtype == np.float32 else float(highest_count(int(picture.max())))
        return cls(low, max(high - low, _LEAST_SPAN * highest), highest)

    def relative(self, picture: NDArray[Any]) -> Values:
        values: Values = (picture.astype(np.float32) - self.low) / self.span
        return np.atleast_3d(values)

    def absolute(self, values: Values, like: NDArray[Any]) -> NDArray[Any]:
        counts = np.clip(values * self.span + self.low, 0, self.highest)
        rounded = counts if like.dtype == np.float32 else np.rint(counts)
        return np.asarray(rounded.astype(like.dtype).reshape(like.shape))


def _cutpaste_patch(values: Values, random: np.random.Generator) -> _Painted:
    """2 to 15 % of the area, sides 1:3.3 to 3.3:1."""
    height, width = values.shape[:2]
    area = random.uniform(0.02, 0.15) * height * width
    ratio = np.exp(random.uniform(-1, 1) * np.log(3.3))
    return _moved_piece(values, min(np.sqrt(area / ratio), height), min(np.sqrt(area * ratio), width), 0.0, random)


def _cutpaste_scar(values: Values, random: np.random.Generator) -> _Painted:
    """2 to 16 px wide, 10 to 25 long, turned by up to 45 degrees."""
    unit = min(values.shape[:2]) / _REFERENCE_PX
    width, length = max(random.uniform(2, 16) * unit, 1), max(random.uniform(10, 25) * unit, 1)
    return _moved_piece(values, length, width, random.uniform(-45, 45), random)


def _moved_piece(
    values: Values, height: float, width: float, angle_degrees: float, random: np.random.Generator
) -> _Painted:
    """A rectangle from elsewhere, turned, a little lighter or darker (the paper's colour jitter of 0.1)."""
    source, target = _place(values, random), _place(values, random)
    turn = cv2.getRotationMatrix2D(source, angle_degrees, 1.0)
    turn[:, 2] += np.subtract(target, source)
    rows, columns = values.shape[:2]
    piece = cv2.warpAffine(values, turn, (columns, rows), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    jitter = random.uniform(0.9, 1.1, values.shape[2]) * piece.reshape(values.shape) + random.uniform(-0.1, 0.1)
    opacity = np.zeros((rows, columns), np.float32)
    corners = cv2.boxPoints((target, (max(width - 1, 0), max(height - 1, 0)), -angle_degrees))
    cv2.fillConvexPoly(opacity, np.rint(corners).astype(np.int32), 1.0)
    return _Painted(jitter.astype(np.float32), opacity)


def _texture_blend(values: Values, random: np.random.Generator) -> _Painted:
    """Over 0.5 to 15 % of the area, in 2 to 32 pieces a side as in DRAEM."""
    height, width, channels = values.shape
    small = min(height, _LARGEST_NOISE_PX), min(width, _LARGEST_NOISE_PX)
    noise = perlin(*small, float(2 ** random.integers(1, 6)), random)
    share = np.exp(random.uniform(np.log(0.005), np.log(0.15)))
    covered = cv2.resize(noise, (width, height)).reshape(height, width) > np.quantile(noise, 1 - share)
    if random.random() < 0.5:
        other = values[::-1, ::-1]
    else:
        foreign = cv2.resize(texture(*small, int(random.integers(2**31))), (width, height)).reshape(height, width, 3)
        other = foreign if channels == 3 else foreign.mean(axis=2, keepdims=True)
    return _Painted(other, covered * np.float32(random.uniform(0.1, 1.0)))


def _scratch(values: Values, random: np.random.Generator) -> _Painted:
    """A bent line across 0.2 to 0.8 of the shorter side with a Gaussian profile, lighter or darker."""
    height, width = values.shape[:2]
    side = min(height, width)
    start = np.array(_place(values, random))
    angle, length = random.uniform(0, 2 * np.pi), random.uniform(0.2, 0.8) * side
    along = np.array([np.cos(angle), np.sin(angle)]) * length
    bend = np.array([-along[1], along[0]]) * random.uniform(-0.15, 0.15)
    way = np.linspace(0, 1, 24)[:, None]
    curve = start + way * along + 4 * way * (1 - way) * bend
    ground = np.full((height, width), 255, np.uint8)
    cv2.polylines(ground, [np.rint(curve).astype(np.int32)], isClosed=False, color=0)
    distance = cv2.distanceTransform(ground, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    sigma = max(random.uniform(0.4, 1.5) * side / _REFERENCE_PX, 0.5)
    return _Painted(_shifted(values, random), _soft(np.exp(-((distance / sigma) ** 2) / 2)))


def _spot(values: Values, random: np.random.Generator) -> _Painted:
    """An ellipse with a wavy, soft edge, radii 0.01 to 0.06 of the shorter side, lighter, darker or coloured."""
    height, width = values.shape[:2]
    across, down = _from(_place(values, random), height, width)
    angle = random.uniform(0, np.pi)
    radii = np.maximum(random.uniform(0.01, 0.06, 2) * min(height, width), 1.0)
    first = (across * np.cos(angle) + down * np.sin(angle)) / radii[0]
    second = (down * np.cos(angle) - across * np.sin(angle)) / radii[1]
    wave = 0.2 * np.sin(random.integers(2, 6) * np.arctan2(second, first) + random.uniform(0, 2 * np.pi))
    return _Painted(_shifted(values, random), _soft(np.clip(3 * (1 + wave - np.hypot(first, second)), 0, 1)))


def _dent(values: Values, random: np.random.Generator) -> _Painted:
    """A bump or hollow of radius 0.04 to 0.12 of the shorter side: what lies on it is drawn in or out, one flank is lit
    and the other in shade."""
    height, width = values.shape[:2]
    centre = _place(values, random)
    radius = max(random.uniform(0.04, 0.12) * min(height, width), 2.0)
    across, down = _from(centre, height, width)
    bump = np.exp(-2 * (across**2 + down**2) / radius**2)
    pull = random.uniform(0.3, 0.6) * random.choice((-1, 1)) * bump
    warped = cv2.remap(
        values,
        (centre[0] + across * (1 + pull)).astype(np.float32),
        (centre[1] + down * (1 + pull)).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    ).reshape(values.shape)
    light = random.uniform(0, 2 * np.pi)
    flank = (across * np.cos(light) + down * np.sin(light)) * bump * 2 * np.exp(0.5) / radius  # -1 to 1
    shaded = warped + (random.uniform(0.15, 0.5) * flank)[..., None]
    return _Painted(shaded.astype(np.float32), _soft(np.clip(2 * (1 - np.hypot(across, down) / radius), 0, 1)))


_PAINTERS: dict[Kind, Callable[[Values, np.random.Generator], _Painted]] = {
    "cutpaste_patch": _cutpaste_patch,
    "cutpaste_scar": _cutpaste_scar,
    "texture_blend": _texture_blend,
    "scratch": _scratch,
    "spot": _spot,
    "dent": _dent,
}


def _place(values: Values, random: np.random.Generator) -> tuple[float, float]:
    """A pixel, as (x, y)."""
    height, width = values.shape[:2]
    return float(random.integers(width)), float(random.integers(height))


def _from(centre: tuple[float, float], height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How far each pixel lies right of and below `centre`, float32 (height, width) both."""
    across = np.arange(width, dtype=np.float32) - np.float32(centre[0])
    down = np.arange(height, dtype=np.float32) - np.float32(centre[1])
    return np.broadcast_to(across, (height, width)), np.broadcast_to(down[:, None], (height, width))


def _shifted(values: Values, random: np.random.Generator) -> Values:
    """The picture 0.25 to 0.7 of its range lighter or darker, a little differently per channel."""
    shift = random.choice((-1, 1)) * random.uniform(0.25, 0.7) * random.uniform(0.7, 1.0, values.shape[2])
    return np.asarray(values + shift, np.float32)


def _soft(opacity: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """The same without its faint outskirts, so that the mask ends where the eye sees it end."""
    return np.where(opacity >= _FAINTEST, opacity, 0).astype(np.float32)
