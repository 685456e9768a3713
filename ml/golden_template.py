"""One good picture, and by how much another leaves the tolerance around it. No torch.

Pictures are planes `(channels, height, width)` float32 between 0 and 1, channels 1 (grey) or 3 (RGB).
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.catalogue.template import TemplateParameters
from ml.registration import Plane, Registrar, Registration, seen_of_picture, to_picture, to_template

UNREGISTERED = 1e6
"""Added to the map of a part that was not found; a registered part stays below 1 / noise, 200 at most."""
GAINS = (0.8, 1.25)
"""Exposure that may be taken out; beyond that a difference in brightness is one of the part."""
EXPOSURE_STEP_PX = 3
"""Every third row and column tell the exposure as well as all."""
OUTLYING = 2.0
"""Times the median difference: what differs more is left out where the exposure is estimated."""

Planes = NDArray[np.float32]


def grey(picture: Planes) -> Plane:
    """The mean of the channels: `(height, width)`."""
    mean: Plane = picture.mean(axis=0)
    return mean


def to_planes(values: NDArray[Any]) -> Planes:
    """Three equal channels, as a grey picture stands in the network's input, become one."""
    is_grey = np.array_equal(values[0], values[1]) and np.array_equal(values[0], values[2])
    return np.ascontiguousarray(values[:1] if is_grey else values, np.float32)


def in_channels(picture: Planes, channels: int) -> Planes:
    """A grey picture in so many equal channels; one in colour as it is."""
    return np.repeat(picture, channels, axis=0) if len(picture) < channels else picture


class GoldenTemplate:
    """A template `planes`, the learnt `variation` `(height, width)` of each pixel, and where pictures are registered.

    `registers` False: pictures are compared where they lie, since registration finds nothing on such parts.
    """

    def __init__(self, planes: Planes, variation: Plane, registers: bool, parameters: TemplateParameters) -> None:
        self.planes = planes
        self.variation = variation
        self.registers = registers
        self._parameters = parameters
        self._registrar = Registrar(grey(planes), parameters.min_correlation)
        self._low, self._high = self._range_of(planes)
        contrast = (self._high - self._low).max(axis=0)
        self._tolerance = parameters.edge_contrast * contrast

    def register(self, picture: Planes) -> Registration:
        """Where the template lies in `picture`, of the same height and width."""
        return self._registrar.register(grey(picture))

    def cells(self, picture: Planes) -> Plane:
        """The map of `picture`, in its own frame: `(height, width)`, 0 where all is within the tolerance.

        In units of noise and learnt variation; UNREGISTERED is added everywhere where the part was not found.
        """
        registration = self.register(picture) if self.registers else None
        matrix = np.eye(3) if registration is None else registration.matrix
        unit = np.float32(self._parameters.noise) + self.variation
        found = to_picture(self.differences(picture, matrix) / unit, picture.shape[1:], matrix)
        if registration is not None and not registration.is_found:
            found += np.float32(UNREGISTERED)
        return found

    def differences(self, picture: Planes, matrix: NDArray[np.float64]) -> Plane:
        """What leaves the tolerance, largest over channels, in the template's frame: `(height, width)`, 0 to 1."""
        shape = self.variation.shape
        seen = seen_of_picture(picture.shape[1:], shape, matrix)
        largest = np.zeros(shape, np.float32)
        if not seen.any():
            return largest
        channels = max(len(picture), len(self.planes))
        template, low, high = (in_channels(part, channels) for part in (self.planes, self._low, self._high))
        brought = np.stack([to_template(plane, shape, matrix) for plane in in_channels(picture, channels)])
        if self._parameters.equalise:
            brought = _equalised(brought, template, seen)
        # What is not seen is taken for as it should be: the range of the picture around it must not end in nothing.
        brought = np.where(seen, brought, template)
        own_low, own_high = self._range_of(brought)
        for outside in (brought - high, low - brought, template - own_high, own_low - template):
            np.maximum(largest, outside.max(axis=0), out=largest)
        beyond: Plane = np.maximum(largest - self._tolerance, 0)
        return beyond

    def _range_of(self, planes: Planes) -> tuple[Planes, Planes]:
        """Lowest and highest value within `edge_px` of each pixel."""
        side = 2 * self._parameters.edge_px + 1
        around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        return np.stack([cv2.erode(plane, around) for plane in planes]), np.stack(
            [cv2.dilate(plane, around) for plane in planes]
        )


def _equalised(picture: Planes, template: Planes, seen: NDArray[np.bool_]) -> Planes:
    """One gain and one offset for all channels, by least squares, twice: the second time without what differs most.

    A change of colour stays, and so does what a gain within GAINS does not explain.
    """
    step = np.s_[:, ::EXPOSURE_STEP_PX, ::EXPOSURE_STEP_PX]
    thinned = seen[step[1:]]
    own, wanted = picture[step][:, thinned], template[step][:, thinned]
    kept = np.ones(own.shape, bool)
    gain, offset = 1.0, 0.0
    for _ in range(2):
        x, y = own[kept], wanted[kept]
        spread = float(x.var())
        if spread < 1e-6:
            break
        gain = float(np.clip(((x - x.mean()) * (y - y.mean())).mean() / spread, *GAINS))
        offset = float(y.mean() - gain * x.mean())
        rest = np.abs(gain * own + offset - wanted)
        kept = rest <= max(OUTLYING * float(np.median(rest)), 1e-3)
    equalised: Planes = picture * np.float32(gain) + np.float32(offset)
    return equalised
