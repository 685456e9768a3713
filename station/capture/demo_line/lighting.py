"""How machined metal looks under the demo line's lamps: radiance as a function of the surface's slope.

A machined surface is a field of micro-mirrors whose slopes scatter widely across the grooves and narrowly along
them; a lamp is seen wherever the slope that would mirror it into the lens lies within that scatter. This is the
anisotropic lobe of Ward, "Measuring and Modeling Anisotropic Reflection", SIGGRAPH 1992, written in slope space and
without its masking terms, which matter only at grazing angles. Slopes are rise over run, radiance is linear RGB.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Lamp:
    """A lamp at infinity. `azimuth_deg` is the direction to it in the picture: x right, y down."""

    azimuth_deg: float
    elevation_deg: float
    radiance: tuple[float, float, float]

    @property
    def mirror_slope(self) -> float:
        """The slope of the surface that mirrors the lamp into a lens straight above."""
        return float(np.tan(np.radians(90.0 - self.elevation_deg) / 2))


LAMPS: Final = (
    Lamp(-128.0, 54.0, (1.46, 1.42, 1.35)),
    Lamp(44.0, 42.0, (0.40, 0.44, 0.50)),
    Lamp(-40.0, 20.0, (0.80, 0.81, 0.84)),
    Lamp(158.0, 18.0, (0.55, 0.57, 0.60)),
)
HOOD: Final = (0.105, 0.109, 0.116)
"""The diffuse hood above everything, as a level surface mirrors it."""
RING_LIGHT: Final = (0.225, 0.232, 0.245)
"""The low ring light, alike from all sides: it makes every face that is inclined by about 34 degrees bright."""
_RING_LIGHT_SLOPE: Final = 0.66
_RING_LIGHT_WIDTH: Final = 0.24
_COLOURS: Final = np.asarray([HOOD, RING_LIGHT, *(lamp.radiance for lamp in LAMPS)], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """A surface, point by point; all fields have one shape.

    `slope_across` is across the grooves (radially outwards), `slope_along` along them (clockwise); `cos` and `sin`
    belong to the direction of `slope_across`. Negative slopes go down, hence look, outwards.
    """

    cos: Field
    sin: Field
    slope_across: Field
    slope_along: Field
    scatter_across: Field
    scatter_along: Field
    albedo: Field


def radiance(surface: Surface, turn_rad: float = 0.0) -> Field:
    """Linear RGB `(..., 3)` seen from straight above; `turn_rad` turns all lamps about the optical axis."""
    steepness = surface.slope_across**2 + surface.slope_along**2
    seen = np.empty((len(_COLOURS), *surface.albedo.shape), np.float32)
    seen[0] = 1.0 / (1.0 + 1.6 * steepness)
    seen[1] = np.exp(-(((np.sqrt(steepness) - _RING_LIGHT_SLOPE) / _RING_LIGHT_WIDTH) ** 2))
    per_across, per_along = 1.0 / surface.scatter_across, 1.0 / surface.scatter_along
    for lobe, lamp in zip(seen[2:], LAMPS, strict=True):
        azimuth = np.radians(lamp.azimuth_deg) + turn_rad
        to_x, to_y = np.float32(lamp.mirror_slope * np.cos(azimuth)), np.float32(lamp.mirror_slope * np.sin(azimuth))
        across = (surface.slope_across + to_x * surface.cos + to_y * surface.sin) * per_across
        along = (surface.slope_along - to_x * surface.sin + to_y * surface.cos) * per_along
        np.exp(-(across * across) - along * along, out=lobe)
    seen *= surface.albedo
    mixed = seen.reshape(len(_COLOURS), -1).T @ _COLOURS
    return mixed.reshape(*surface.albedo.shape, 3)
