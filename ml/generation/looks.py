"""How a picture looks apart from what it shows: colour, light, sharpness and noise, measured and changed. No torch.

Measured in CIE LAB (lightness 0 to 100), grey pictures as their lightness alone:

- mean and standard deviation per channel: Reinhard et al., "Color transfer between images", IEEE CG&A 21(5), 2001,
  who move them from one picture to another (in l-alpha-beta, LAB's predecessor for this purpose);
- light: the logarithm of the lightness in 4 x 4 fields against the picture's mean;
- blur, the Gaussian that would turn steps into the strongest edges: Zhuo and Sim, "Defocus map estimation from a single
  image", Pattern Recognition 44(9), 2011, equation 6, its median over the strongest twentieth of the gradients;
- noise: Donoho and Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 81(3), 1994, section 4.2,
  the median of the finest diagonal Haar coefficients over 0.6745.

Changes move pixels nowhere: channels are shifted and scaled, the light is multiplied by a smooth field, a picture is
only ever blurred or noised further, for what is blurred away or drowned cannot be had back.
"""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.pictures import Pixels

FIELDS = 4
"""The light is measured in so many fields a side."""
CHANNELS = ("lightness", "green_red", "blue_yellow")

CHROMA = np.array([1, 2, 4, 5])
"""Places of the means and deviations of colour in a vector of figures."""

_LEAST_LIGHTNESS = 2.0  # added below the logarithm: black fields have no ratio
_LEAST_SPREAD = 0.5  # a channel of one value is not blown up
_REBLUR_PX = 1.0
_SOBEL_VARIANCE = 0.56  # the gradient's own blur, measured on ideal steps
_EDGE_SHARE = 0.05
_LEAST_EDGE = 1.0  # lightness per pixel; below it there is no edge to measure blur at
_MAD_TO_SIGMA = 0.6745
_SAMPLED_PIXELS = 10_000
_QUANTILES = (0.01, 0.1, 0.5, 0.9, 0.99)
_LEAST_BLUR_PX = 0.2  # a Gaussian below this is the identity on a pixel grid
_CLIPPED_SHARE = 0.05  # of the range of counts, next to black and to white
HAS_ZERO = np.concatenate(
    [[1, 0, 0, 1, 1, 1], np.zeros(FIELDS**2), [1, 1], np.tile([1, 0, 0], len(_QUANTILES))]
).astype(bool)
"""Figures of `Look.everything` that cannot fall below 0: lightness, spreads, blur and noise."""
SEEN = np.concatenate([np.full(6, 0.5), np.full(FIELDS**2, 0.01), [0.05, 0.05], np.full(3 * len(_QUANTILES), 0.5)])
"""Smaller differences of the figures of `Look.everything` are not seen: half a step of LAB, a hundredth of light."""

Lab = NDArray[np.float32]
"""(height, width, 3) float32: lightness 0 to 100, green-red and blue-yellow about -100 to 100."""
Vector = NDArray[np.float64]


def to_lab(pixels: Pixels, highest: int) -> Lab:
    """CIE LAB of `pixels`, whose count `highest` is white."""
    values = pixels.astype(np.float32) / np.float32(highest)
    return np.asarray(cv2.cvtColor(values if values.ndim == 3 else np.dstack([values] * 3), cv2.COLOR_RGB2LAB))


class LabPicture:
    """`pixels`, whose count `highest` is white, in LAB, and back once that is changed.

    Only the difference goes back through the conversion: what is not changed comes back exactly. What is black or
    clipped to white stays so, for it says nothing of the light: a bright ground shows no cast that parts on it have.
    """

    def __init__(self, pixels: Pixels, highest: int) -> None:
        self.lab = to_lab(pixels, highest)
        self._pixels, self._highest = pixels, np.float32(highest)
        self._rgb = cv2.cvtColor(self.lab, cv2.COLOR_LAB2RGB)
        brightest = pixels if pixels.ndim == 2 else np.maximum(np.maximum(*cv2.split(pixels)[:2]), pixels[..., 2])
        share = brightest.astype(np.float32) / self._highest
        self._change_share = np.clip(np.minimum(share, 1 - share) / _CLIPPED_SHARE, 0, 1) * self._highest

    def changed_to(self, lab: Lab) -> Pixels:
        """The pixels with another LAB: same shape and dtype, 0 to `highest`."""
        change = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB) - self._rgb
        if self._pixels.ndim == 2:
            counts = self._pixels + change[..., 0] * self._change_share
        else:
            counts = self._pixels + change * self._change_share[..., None]
        changed: Pixels = np.clip(np.rint(counts, out=counts), 0, self._highest, out=counts).astype(self._pixels.dtype)
        return changed


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One picture's look. `colour`: means, then standard deviations of the channels. `light`: (16,), log ratios.

    `blur_px` is 0 where the picture has no edges; `noise` is in steps of lightness. `quantiles` of each channel
    are not changed by themselves: they tell whether a change stays plausible.
    """

    colour: Vector
    light: Vector
    blur_px: float
    noise: float
    quantiles: Vector

    @classmethod
    def of(cls, lab: Lab) -> Self:
        flat = lab.reshape(-1, 3)
        means, deviations = cv2.meanStdDev(lab)
        lightness = np.ascontiguousarray(lab[..., 0])
        fields = cv2.resize(lightness, (FIELDS, FIELDS), interpolation=cv2.INTER_AREA).astype(np.float64)
        sampled = flat[:: max(1, len(flat) // _SAMPLED_PIXELS)]
        return cls(
            colour=np.concatenate([means.ravel(), deviations.ravel()]),
            light=(np.log(fields + _LEAST_LIGHTNESS) - np.log(means[0] + _LEAST_LIGHTNESS)).ravel(),
            blur_px=blur_of(lightness),
            noise=noise_of(lightness),
            quantiles=np.quantile(sampled, _QUANTILES, axis=0).astype(np.float64).ravel(),
        )

    @property
    def changeable(self) -> Vector:
        """What a `LookChange` changes, in its order."""
        return np.concatenate([self.colour, self.light, [self.blur_px, self.noise]])

    @property
    def everything(self) -> Vector:
        return np.concatenate([self.changeable, self.quantiles])


@dataclass(frozen=True, slots=True, eq=False)
class LookChange:
    """By how much a picture's look is to differ from what it is; the fields are those of `Look`."""

    colour: Vector
    light: Vector
    blur_px: float
    noise: float

    @property
    def vector(self) -> Vector:
        return np.concatenate([self.colour, self.light, [self.blur_px, self.noise]])

    @classmethod
    def of(cls, vector: Vector) -> Self:
        colours = 2 * len(CHANNELS)
        return cls(vector[:colours], vector[colours:-2], float(vector[-2]), float(vector[-1]))

    def applied(self, lab: Lab, look: Look, random: np.random.Generator) -> tuple[Lab, dict[str, float]]:
        """`lab`, whose look is `look`, changed; and what was done in figures for people.

        In the order of a camera: blur comes from its lens, then light and colour, then the noise of its sensor.
        """
        count = len(CHANNELS)
        blur_px = _added(look.blur_px, look.blur_px + self.blur_px) if look.blur_px > 0 else 0.0
        if blur_px < _LEAST_BLUR_PX:
            blur_px, changed = 0.0, lab
        else:
            changed = cv2.GaussianBlur(lab, (0, 0), blur_px, borderType=cv2.BORDER_REFLECT_101)
        means, spreads = look.colour[:count], look.colour[count:]
        gains = (np.maximum(spreads + self.colour[count:], 0) + _LEAST_SPREAD) / (spreads + _LEAST_SPREAD)
        shifts = means + self.colour[:count] - means * gains
        changed = changed * gains.astype(np.float32) + shifts.astype(np.float32)
        fields = self.light.astype(np.float32).reshape(FIELDS, FIELDS)
        light = np.exp(cv2.resize(fields, lab.shape[1::-1], interpolation=cv2.INTER_CUBIC))
        changed[..., 0] *= light
        noise = 0.0
        if self.noise > 0:
            noise = _added(noise_of(changed[..., 0]), look.noise + self.noise)
            changed[..., 0] += np.float32(noise) * random.standard_normal(lab.shape[:2], dtype=np.float32)
        told = {name: self.colour[index] for index, name in enumerate(CHANNELS)}
        told |= {"contrast": gains[0], "light_low": light.min(), "light_high": light.max()}
        told |= {"blur_px": blur_px, "noise": noise}
        return changed, {name: round(float(value), 3) for name, value in told.items()}


def blur_of(lightness: NDArray[np.float32]) -> float:
    """Blur of the strongest edges, as the sigma of a Gaussian in pixels; 0 where there are no edges."""
    sharp = _gradient(lightness)
    every = max(1, sharp.size // _SAMPLED_PIXELS)
    least = max(float(np.quantile(sharp.ravel()[::every], 1 - _EDGE_SHARE)), _LEAST_EDGE)
    edges = (sharp >= least) & (sharp >= cv2.dilate(sharp, np.ones((3, 3), np.uint8)))  # beside an edge it is flatter
    if not edges.any():
        return 0.0
    reblurred = cv2.GaussianBlur(lightness, (0, 0), _REBLUR_PX, borderType=cv2.BORDER_REFLECT_101)
    ratio = float(np.median(sharp[edges] / np.maximum(_gradient(reblurred)[edges], 1e-6)))
    variance = _REBLUR_PX**2 / (max(ratio, 1.01) ** 2 - 1) - _SOBEL_VARIANCE
    return float(np.sqrt(max(variance, _LEAST_BLUR_PX**2)))


def noise_of(lightness: NDArray[np.float32]) -> float:
    """Standard deviation of the noise, whatever is shown."""
    rows, columns = (side // 2 * 2 for side in lightness.shape)
    even = lightness[:rows, :columns]
    diagonal = (even[::2, ::2] - even[::2, 1::2] - even[1::2, ::2] + even[1::2, 1::2]) / 2
    return float(np.median(np.abs(diagonal))) / _MAD_TO_SIGMA if diagonal.size else 0.0


def _gradient(values: NDArray[np.float32]) -> NDArray[np.float32]:
    scale = 1 / 8  # Sobel's weights add up to 8 per pixel of way
    across = cv2.Sobel(values, cv2.CV_32F, 1, 0, scale=scale)
    return np.asarray(cv2.magnitude(across, cv2.Sobel(values, cv2.CV_32F, 0, 1, scale=scale)), np.float32)


def _added(there: float, wanted: float) -> float:
    """What must come on top of a spread, so that it becomes the wanted one: variances add up."""
    return float(np.sqrt(max(wanted**2 - there**2, 0.0)))
