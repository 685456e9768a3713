"""Good pictures under other light, in other colours, less sharp or noisier, as far as good pictures differ in these.

How each fitted picture looks is measured (`ml.generation.looks`); the principal components of these figures span the
ellipsoid in which the good pictures lie. A sample is one of them, its look changed by a vector drawn evenly from that
ellipsoid. Where the changed look would lie outside what the good pictures show in any single figure, the change is
shortened until it does not: looks go together in ways that no ellipsoid knows, and a sample must not have a colour that
no good part has. What is shown stays where it is, and the change is shortened too where much of the structure would be
lost in blur or noise.

No single paper: the moments are moved as by Reinhard et al. (see `ml.generation.looks`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from ml.generation.catalogue.appearance import AppearanceParameters
from ml.generation.generator import GeneratedPicture, Generator, check_enough, check_wanted, random_of, sources
from ml.generation.looks import (
    CHANNELS,
    CHROMA,
    HAS_ZERO,
    SEEN,
    LabPicture,
    Look,
    LookChange,
    Vector,
    to_lab,
)
from ml.generation.structure import gradient_correlation
from ml.pictures import Pixels
from ml.progress import Cancelled, Progress, never, silent

LEAST_STRUCTURE = 0.92
"""Correlation of a sample's gradients with those of its source; a little above what is promised, 0.9."""
TOLERANCE = 0.02
"""Share of a figure's range by which a sample may lie outside of it: measuring is no more exact."""

_SHORTENED = (1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.08)
"""Parts of the change as drawn that are tried, until the look is one that good pictures have."""
_LEAST_DEVIATION = 1e-6  # figures that differ by less do not differ
_LEAST_SINGULAR = 1e-6
_ONE_PICTURE_LOOK = LookChange(
    colour=np.array([1.0, 0.5, 0.5, 0.4, 0.2, 0.2]), light=np.full(16, 0.015), blur_px=0.15, noise=0.1
)
_ONE_PICTURE_REACH = 2.0
"""One picture is taken to stand for looks so many of these standard deviations around it: about what an exposure
control and a lens leave open."""


@dataclass(frozen=True, slots=True, eq=False)
class LookSpace:
    """The looks that good pictures have.

    lowest, highest, mean: of `Look.everything`. axes: (components, figures of `Look.changeable`), each as long as one
    standard deviation of the pictures along it. reach: of how many of these the outermost picture lies from the mean.
    """

    mean: Vector
    lowest: Vector
    highest: Vector
    axes: Vector
    reach: float

    @classmethod
    def spanned_by(cls, looks: Sequence[Look]) -> Self:
        """By two pictures or more, or around a single one."""
        if len(looks) == 1:
            return cls._around(looks[0])
        everything = np.stack([look.everything for look in looks])
        figures = np.stack([look.changeable for look in looks])
        scale = np.maximum(figures.std(axis=0), _LEAST_DEVIATION)
        standardised = (figures - figures.mean(axis=0)) / scale
        _, singular, directions = np.linalg.svd(standardised / np.sqrt(len(looks)), full_matrices=False)
        kept = singular > _LEAST_SINGULAR
        places = standardised @ directions[kept].T / singular[kept]
        return cls(
            mean=everything.mean(axis=0),
            lowest=everything.min(axis=0),
            highest=everything.max(axis=0),
            axes=singular[kept, None] * directions[kept] * scale,
            reach=float(np.linalg.norm(places, axis=1).max()),
        )

    @classmethod
    def _around(cls, look: Look) -> Self:
        deviations = _ONE_PICTURE_LOOK.vector
        margins = np.full(len(look.everything), 2 * _ONE_PICTURE_REACH * deviations[0])
        margins[: len(deviations)] = _ONE_PICTURE_REACH * deviations
        return cls(
            mean=look.everything,
            lowest=look.everything - margins,
            highest=look.everything + margins,
            axes=np.diag(deviations),
            reach=float(np.sqrt(len(deviations))),
        )

    def drawn(self, random: np.random.Generator) -> Vector:
        """A way from the mean to a point of the ellipsoid, each point of it as likely as any other."""
        components = len(self.axes)
        direction = random.standard_normal(components)
        length = random.random() ** (1 / max(components, 1)) * self.reach / max(np.linalg.norm(direction), 1e-12)
        return np.asarray((direction * length) @ self.axes)

    def widened(self, strength: float) -> Self:
        """The same, `strength` times as wide around the mean.

        Figures that have a zero fall by no more than that factor, or dark parts would be taken to allow black ones.
        """
        lowest = self.mean + strength * (self.lowest - self.mean)
        return replace(
            self,
            lowest=np.where(HAS_ZERO, np.maximum(lowest, self.lowest / strength), lowest) if strength > 1 else lowest,
            highest=self.mean + strength * (self.highest - self.mean),
            reach=self.reach * strength,
        )

    def within(self, source: Look, way: Vector) -> Vector:
        """So much of the way from `source` that no figure leaves the range of the good pictures."""
        figures, count = source.changeable, len(way)
        return np.asarray(np.clip(figures + way, self.lowest[:count], self.highest[:count]) - figures)

    def holds(self, look: Look, source: Look) -> bool:
        """Whether every figure of `look` is one that good pictures have, or lies between them and its source's.

        What cannot be seen does not count (`ml.generation.looks.SEEN`), nor what lies within the measurement's error.
        """
        figures, own = look.everything, source.everything
        low, high = np.minimum(self.lowest, own), np.maximum(self.highest, own)
        slack = np.maximum(TOLERANCE * (high - low), SEEN)
        return bool(np.all((figures >= low - slack) & (figures <= high + slack)))


class Appearance(Generator):
    """Holds the pictures and the space of their looks; nothing is trained."""

    name = "appearance"

    def __init__(self, parameters: AppearanceParameters) -> None:
        super().__init__(parameters)
        self._strength = parameters.strength
        self._varied = LookChange(
            colour=np.full(2 * len(CHANNELS), float(parameters.colour)),
            light=np.full(16, float(parameters.illumination)),
            blur_px=float(parameters.sharpness),
            noise=float(parameters.sharpness),
        ).vector
        self._pictures: Sequence[Pixels] = ()
        self._space: LookSpace | None = None
        self._highest = 0

    def fit(
        self, pictures: Sequence[Pixels], seed: int, progress: Progress = silent, cancelled: Cancelled = never
    ) -> None:
        """Measure the pictures. One alone spans nothing: a small range around it is taken, and `note` says so."""
        check_enough(self.name, pictures)
        looks, self._highest = [], 0
        for index in range(len(pictures)):
            check_wanted(cancelled)
            progress("Measuring the good pictures", index, len(pictures))
            pixels = pictures[index]
            if pixels.dtype == np.uint16:
                self._highest = max(self._highest, 2 ** max(8, int(pixels.max()).bit_length()) - 1)
            looks.append(Look.of(to_lab(pixels, self._white(pixels))))
        self._pictures, self._space = pictures, LookSpace.spanned_by(looks).widened(self._strength)
        self.note = "" if len(looks) > 1 else "One picture tells nothing of others: a small range around it was taken."

    def sample(self, count: int, seed: int) -> Iterator[GeneratedPicture]:
        for number, source in zip(range(count), sources(len(self._pictures), seed), strict=False):
            pixels, changes = self._changed(self._pictures[source], random_of(seed, number))
            mask = np.zeros(pixels.shape[:2], bool)
            yield GeneratedPicture(pixels, mask, "appearance", source, changes)

    def _changed(self, pixels: Pixels, random: np.random.Generator) -> tuple[Pixels, dict[str, Any]]:
        """`pixels` with another look, and how far it changed; as they are where good pictures do not differ."""
        if self._space is None:
            raise RuntimeError("fit comes before sample")
        white = self._white(pixels)
        picture = LabPicture(pixels, white)
        own = Look.of(picture.lab)
        way = self._space.within(own, self._space.drawn(random)) * self._varied
        if pixels.ndim == 2:
            way[CHROMA] = 0.0  # it has none, though others may
        for part in _SHORTENED:
            changed, changes = LookChange.of(way * part).applied(picture.lab, own, random)
            made = picture.changed_to(changed)
            is_known = self._space.holds(Look.of(to_lab(made, white)), own)
            if is_known and gradient_correlation(pixels, made) >= LEAST_STRUCTURE:
                return made, changes
        return pixels, {}

    def _white(self, pixels: Pixels) -> int:
        """The count that is white: cameras of 10 to 14 bits leave the rest of 16 unused."""
        return 255 if pixels.dtype == np.uint8 else self._highest
