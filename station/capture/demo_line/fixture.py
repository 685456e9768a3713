"""What lies below the part: a black anodised plate with a nest for the ring and a clamping screw in its middle.

The fixture never moves: it is drawn once per picture size, and only the light on it changes.
"""

from functools import lru_cache
from typing import Final

import cv2
import numpy as np

from station.capture.demo_line.lighting import Field, Surface, radiance
from station.capture.demo_line.ring_part import RADIUS_OF_SIDE

_OVERSAMPLING: Final = 2
_ANODISED: Final = 0.021
"""Albedo of black anodised aluminium against bright metal."""

# The turned height profile of plate, nest and screw: from radius (in ring radii), slope, albedo.
_RADII: Final = np.asarray(
    [
        (0.000, 0.00, 1.7),
        (0.185, -0.55, 2.6),  # rounded head of the screw
        (0.205, -3.00, 0.30),
        (0.222, 0.00, 1.15),
        (0.400, -0.62, 2.6),  # chamfer of the plug that centres the ring
        (0.418, -3.00, 0.25),
        (0.432, 0.00, 0.55),  # floor of the nest
        (1.085, 3.00, 0.35),  # its wall
        (1.097, 0.62, 2.6),  # and its chamfer
        (1.116, 0.00, 1.00),  # the plate
    ]
)
_HEXAGON: Final = 0.098
_CORNER_SCREW: Final = 1.52
"""Distance of the four corner screws from the middle, in ring radii."""
_CORNER_RADIUS: Final = 0.060


def _hexagon_distance(x: Field, y: Field) -> Field:
    """Distance from the rim of the screw's hexagon in its inner radii, negative inside."""
    sides = [np.abs(x * np.float32(np.cos(turn)) + y * np.float32(np.sin(turn))) for turn in np.radians((10, 70, 130))]
    return np.asarray(np.maximum.reduce(sides) / np.float32(_HEXAGON) - 1.0, np.float32)


@lru_cache(maxsize=8)
def fixture(size_px: int) -> Field:
    """The empty fixture, linear RGB `(size, size, 3)`."""
    fine_px = size_px * _OVERSAMPLING
    steps = ((np.arange(fine_px) + 0.5) / fine_px - 0.5) / RADIUS_OF_SIDE
    x, y = (np.asarray(axis, np.float32) for axis in np.meshgrid(steps, steps))
    radius = np.maximum(np.hypot(x, y), np.float32(1e-6))
    face = np.searchsorted(_RADII[:, 0], radius, side="right") - 1
    slope, albedo = _RADII[face, 1].astype(np.float32), _RADII[face, 2].astype(np.float32)
    for corner_x, corner_y in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        away = np.hypot(x - corner_x * _CORNER_SCREW / np.sqrt(2), y - corner_y * _CORNER_SCREW / np.sqrt(2))
        albedo = np.where(away < _CORNER_RADIUS, 0.20, albedo)
        albedo = np.where(np.abs(away - _CORNER_RADIUS) < 0.006, 1.7, albedo)
    from_hexagon = _hexagon_distance(x, y)
    albedo = np.where(from_hexagon < 0.0, 0.18, albedo)
    albedo = np.where(np.abs(from_hexagon) < 0.035, 1.6, albedo)
    rng = np.random.default_rng(20_240_132)
    blasted = cv2.GaussianBlur(rng.standard_normal((fine_px, fine_px), np.float32), (0, 0), 0.0010 * fine_px)
    cloudy = cv2.GaussianBlur(rng.standard_normal((fine_px // 16, fine_px // 16), np.float32), (0, 0), 3.0)
    cloudy = cv2.resize(cloudy, (fine_px, fine_px), interpolation=cv2.INTER_CUBIC)
    grain = 1.0 + 0.16 * blasted / blasted.std() + 0.08 * cloudy / cloudy.std()
    seen = radiance(
        Surface(
            cos=np.asarray(x / radius, np.float32),
            sin=np.asarray(y / radius, np.float32),
            slope_across=slope,
            slope_along=np.zeros_like(slope),
            scatter_across=np.full_like(slope, 0.62),
            scatter_along=np.full_like(slope, 0.62),
            albedo=(_ANODISED * albedo * grain * (1.0 - 0.13 * (x + y))).astype(np.float32),
        )
    )
    drawn: Field = cv2.resize(seen, (size_px, size_px), interpolation=cv2.INTER_AREA)
    return drawn
