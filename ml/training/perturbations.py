"""Slightly changed copies of a good picture: how else it might have been taken. No torch.

They stand in for further good parts where there are only one or two pictures, and they are all that a threshold can be
made from then: what else good parts differ in is not known.

The ranges of shift, turn and scale are those within which a part in a fixture lies; methods that register pictures
take these out again. The waviness is of a pixel or two: how far edges of the same drawing run beside each other
on two parts, after printing, etching or moulding. The appearance stays within what an exposure control leaves.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.pictures import Pixels

SHIFT_PX = 2.0
TURN_DEG = 2.0
SCALE = 0.01
WAVE_PX = 1.5
WAVE_LENGTH_PX = 12.0
GAIN = 0.1
OFFSET = 0.03
GAMMA = 0.1
BLUR_SIGMA_PX = 0.7
NOISE = 0.02

Values = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Perturbation:
    """How one copy differs. Lengths in pixels, `gain`, `offset`, `noise` against the whole value range."""

    shift_px: tuple[float, float]
    turn_deg: float
    scale: float
    wave_px: float
    gain: float
    offset: float
    gamma: float
    blur_sigma_px: float
    noise: float
    seed: int

    @classmethod
    def drawn(cls, random: np.random.Generator) -> Self:
        """Evenly from the ranges of this module."""
        return cls(
            shift_px=(random.uniform(-SHIFT_PX, SHIFT_PX), random.uniform(-SHIFT_PX, SHIFT_PX)),
            turn_deg=random.uniform(-TURN_DEG, TURN_DEG),
            scale=1 + random.uniform(-SCALE, SCALE),
            wave_px=random.uniform(0, WAVE_PX),
            gain=1 + random.uniform(-GAIN, GAIN),
            offset=random.uniform(-OFFSET, OFFSET),
            gamma=1 + random.uniform(-GAMMA, GAMMA),
            blur_sigma_px=random.uniform(0, BLUR_SIGMA_PX),
            noise=random.uniform(0, NOISE),
            seed=int(random.integers(2**32)),
        )

    def of(self, values: Values) -> Values:
        """The copy of `(H, W)` or `(H, W, 3)` float32 values between 0 and 1, of the same shape and range.

        What comes into view at the border is the picture's own reflection.
        """
        random = np.random.default_rng(self.seed)
        x, y = self._sources(values.shape[0], values.shape[1], random)
        moved = cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        if self.blur_sigma_px > 0:
            moved = cv2.GaussianBlur(moved, (0, 0), max(self.blur_sigma_px, 0.1), borderType=cv2.BORDER_REFLECT_101)
        changed = np.clip(moved, 0, 1) ** np.float32(self.gamma) * np.float32(self.gain) + np.float32(self.offset)
        grain = random.standard_normal(changed.shape, dtype=np.float32) * np.float32(self.noise)
        copy: Values = np.clip(changed + grain, 0, 1)
        return copy

    def _sources(self, height: int, width: int, random: np.random.Generator) -> tuple[Values, Values]:
        """From where each pixel of the copy is taken."""
        centre = (width - 1) / 2, (height - 1) / 2
        affine = cv2.getRotationMatrix2D(centre, self.turn_deg, self.scale)
        affine[:, 2] += self.shift_px
        columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        x = affine[0, 0] * columns + affine[0, 1] * rows + affine[0, 2]
        y = affine[1, 0] * columns + affine[1, 1] * rows + affine[1, 2]
        waves = [_wave(height, width, self.wave_px, random) for _ in range(2)]
        return (x + waves[0]).astype(np.float32), (y + waves[1]).astype(np.float32)


def perturbed(pixels: Pixels, count: int, seed: int) -> Iterator[Pixels]:
    """`count` changed copies of `(H, W)` or `(H, W, 3)` RGB pixels, uint8 or uint16, of the same shape and type.

    The brightest count of the picture is taken for the end of its value range: a 12-bit picture in 16-bit counts keeps
    within 12 bits. The same seed gives the same copies.
    """
    highest = 255 if pixels.dtype == np.uint8 else 2 ** max(8, int(pixels.max()).bit_length()) - 1
    random = np.random.default_rng(seed)
    values = pixels.astype(np.float32) / np.float32(highest)
    for _ in range(count):
        copy = Perturbation.drawn(random).of(values)
        counts = np.round(copy * highest)
        yield counts.astype(np.uint8) if pixels.dtype == np.uint8 else counts.astype(np.uint16)


def _wave(height: int, width: int, amplitude_px: float, random: np.random.Generator) -> Values:
    """A smooth random displacement whose largest values are about `amplitude_px`: `(height, width)` float32."""
    rows, columns = (max(2, round(side / WAVE_LENGTH_PX)) for side in (height, width))
    knots = random.uniform(-amplitude_px, amplitude_px, (rows, columns)).astype(np.float32)
    wave: Values = cv2.resize(knots, (width, height), interpolation=cv2.INTER_CUBIC)
    return wave
