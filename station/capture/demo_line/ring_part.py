"""The demo line's part: a machined valve seat insert, face by face, with its turning marks and engraving.

Lengths are in outer radii of the ring; angles are clockwise in the picture because y points down.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from station.capture.demo_line.lighting import Field, Surface
from station.capture.demo_line.optics import NOISE_SHIFTS

RADIUS_OF_SIDE: Final = 0.405
"""The ring's outer radius as a part of the picture's side."""

BORE_RADIUS: Final = 0.520
FACE_START: Final = 0.735
FACE_END: Final = 0.915
CHAMFER_END: Final = 0.988

# From the bore outwards: start, slope (positive rises outwards), scatter across and along the grooves, albedo.
_FACES: Final = (
    (BORE_RADIUS, 2.60, 0.60, 0.40, 0.55),  # rounded edge at the bore
    (0.530, 1.25, 0.32, 0.17, 0.85),  # throat
    (0.604, 0.68, 0.20, 0.12, 1.12),  # the ground seat itself
    (0.688, 0.27, 0.22, 0.13, 0.90),  # relief
    (FACE_START, 0.00, 0.40, 0.115, 1.00),  # turned face
    (FACE_END, -0.62, 0.24, 0.15, 1.00),  # outer chamfer
    (CHAMFER_END, -1.90, 0.55, 0.35, 0.60),  # rounded rim
)
_PROFILE_STEPS: Final = 4096
_PROFILE_END: Final = 1.1
_EDGE_BLEND: Final = 0.0022
"""How far a broken edge between two faces reaches."""

_TURN_COLUMNS: Final = 2048
_TEXTURE_START: Final = 0.5
_ENGRAVING: Final = "VS 42-07  LOT 318"
_ENGRAVING_ANGLE: Final = 1.66 * np.pi
"""Of its middle: clear of the main highlight, in which frosted metal does not show."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part as it lies under the camera: what differs from part to part and from picture to picture."""

    centre_x: float
    """Of the ring, in picture sides."""
    centre_y: float
    scale: float
    rotation_rad: float
    light_turn_rad: float
    exposure: float
    groove_depth: float
    roughness: float
    texture_row: int
    """Where in the endless turning texture this part begins, so that no two parts show the same grooves."""
    texture_column: int
    noise_row: int
    noise_column: int

    def radius_px(self, size_px: int) -> float:
        return RADIUS_OF_SIDE * self.scale * size_px


def draw_part(rng: np.random.Generator) -> Part:
    """Draw one part's pose, light and surface."""
    return Part(
        centre_x=0.5 + rng.uniform(-0.012, 0.012),
        centre_y=0.5 + rng.uniform(-0.012, 0.012),
        scale=rng.uniform(0.985, 1.015),
        rotation_rad=float(np.radians(rng.uniform(-6.0, 6.0))),
        light_turn_rad=float(np.radians(np.clip(rng.normal(0.0, 1.5), -4.0, 4.0))),
        exposure=float(np.clip(rng.normal(1.0, 0.035), 0.90, 1.10)),
        groove_depth=rng.uniform(0.85, 1.15),
        roughness=rng.uniform(0.95, 1.05),
        texture_row=int(rng.integers(0, 4096)),
        texture_column=int(rng.integers(0, _TURN_COLUMNS)),
        noise_row=int(rng.integers(NOISE_SHIFTS)),
        noise_column=int(rng.integers(NOISE_SHIFTS)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Polar:
    """A rectangle of the picture in the part's polar coordinates; fields are `(height, width)`."""

    cos: Field
    sin: Field
    radius: Field
    angle: Field
    """0 to 2 pi, clockwise from the picture's x axis."""

    def at(self, points: NDArray[np.intp]) -> Self:
        """The same at flat indices `points`, in their shape."""
        return type(self)(*(field.reshape(-1)[points] for field in (self.cos, self.sin, self.radius, self.angle)))


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of the picture in pixels; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def area(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def shape(self) -> tuple[int, int]:
        return self.bottom - self.top, self.right - self.left


def polar(part: Part, size_px: int, box: Box) -> Polar:
    radius_px = part.radius_px(size_px)
    x = (np.arange(box.left, box.right, dtype=np.float32) + np.float32(0.5 - part.centre_x * size_px)) / radius_px
    y = (np.arange(box.top, box.bottom, dtype=np.float32) + np.float32(0.5 - part.centre_y * size_px)) / radius_px
    across, down = np.broadcast_to(x, box.shape), np.broadcast_to(y[:, np.newaxis], box.shape)
    radius, angle = cv2.cartToPolar(np.ascontiguousarray(across, np.float32), np.ascontiguousarray(down, np.float32))
    inverse = 1.0 / np.maximum(radius, np.float32(1e-6))
    return Polar(cos=across * inverse, sin=down * inverse, radius=radius, angle=angle)


@lru_cache(maxsize=1)
def _profile() -> Field:
    """`(1, steps, 4)`: slope, scatter across, scatter along and albedo over the radius, edges rounded."""
    radius = np.linspace(0.0, _PROFILE_END, _PROFILE_STEPS)
    face = np.clip(np.searchsorted([start for start, *_ in _FACES], radius, side="right") - 1, 0, None)
    values = np.asarray([figures for _, *figures in _FACES], np.float32)[face]
    step = _PROFILE_END / (_PROFILE_STEPS - 1)
    rounded: Field = cv2.GaussianBlur(
        values[np.newaxis], (0, 1), sigmaX=_EDGE_BLEND / step, borderType=cv2.BORDER_REPLICATE
    )
    return rounded


@lru_cache(maxsize=8)
def _turning_texture(rows: int) -> Field:
    """`(rows, columns, 2)`: slope across the grooves (unit deviation) and a fine stain of the albedo."""
    rng = np.random.default_rng(20_240_131)

    def streaks(sigma_columns: float, sigma_rows: float) -> Field:
        """Noise drawn out along the turn and closed over it; long streaks are drawn on fewer columns."""
        finer = max(1, int(sigma_columns / 8))
        noise = rng.standard_normal((rows, _TURN_COLUMNS // finer), np.float32)
        tiled = np.concatenate([noise, noise, noise], axis=1)
        drawn = cv2.GaussianBlur(tiled, (0, 0), sigmaX=sigma_columns / finer, sigmaY=sigma_rows)
        wide = cv2.resize(drawn, (3 * _TURN_COLUMNS, rows), interpolation=cv2.INTER_LINEAR)
        middle = wide[:, _TURN_COLUMNS : 2 * _TURN_COLUMNS]
        return np.asarray(middle / middle.std(), np.float32)

    full_turns = rng.standard_normal((rows, 1), np.float32)
    feed = np.sin(2 * np.pi * (np.arange(rows)[:, np.newaxis] / 3.3 + np.arange(_TURN_COLUMNS) / _TURN_COLUMNS))
    slope = (
        0.70 * full_turns + 0.30 * feed + 0.45 * streaks(160, 0.4) + 0.35 * streaks(40, 0.4) + 0.25 * streaks(7, 0.4)
    )
    albedo = 0.8 * full_turns + 0.6 * streaks(60, 0.5) + 0.4 * streaks(6, 0.4) + 0.6 * streaks(300, 6.0)
    return np.ascontiguousarray(np.stack([slope, albedo], axis=-1), np.float32)


@lru_cache(maxsize=8)
def _engraving(rows: int) -> Field:
    """`(rows, columns)`, 0 to 1: where the laser has frosted the turned face with the part's marking."""
    scale = 4
    height_px = 120
    (width_px, _), _ = cv2.getTextSize(_ENGRAVING, cv2.FONT_HERSHEY_SIMPLEX, scale, 13)
    text = np.zeros((height_px, width_px), np.uint8)
    cv2.putText(text, _ENGRAVING, (0, height_px - 16), cv2.FONT_HERSHEY_SIMPLEX, scale, 255, 13, cv2.LINE_AA)
    middle = (FACE_START + FACE_END) / 2
    tall = 0.062
    wide = tall * width_px / height_px * 1.05 / middle
    start = int((_ENGRAVING_ANGLE - wide / 2) / (2 * np.pi) * _TURN_COLUMNS)
    strip = np.zeros((rows, _TURN_COLUMNS), np.float32)
    per_row = (1.0 - _TEXTURE_START) / rows
    top = int((middle - tall / 2 - _TEXTURE_START) / per_row)
    size = (max(1, int(wide / (2 * np.pi) * _TURN_COLUMNS)), max(1, int(tall / per_row)))
    small = cv2.resize(text[::-1], size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    strip[top : top + size[1], start : start + size[0]] = small
    return strip


def surface(part: Part, at: Polar, size_px: int, profile_radius: Field | None = None) -> Surface:
    """The part's surface at points `at`, whose fields are two-dimensional.

    `profile_radius` tells points on which another radius's face is found; None is the good part.
    """
    flat = np.zeros_like(at.radius)
    along_profile = (at.radius if profile_radius is None else profile_radius) * np.float32(
        (_PROFILE_STEPS - 1) / _PROFILE_END
    )
    profile = cv2.remap(_profile(), along_profile, flat, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    rows = max(16, round((1.0 - _TEXTURE_START) * RADIUS_OF_SIDE * size_px))
    row = (at.radius - np.float32(_TEXTURE_START)) * np.float32(rows / (1.0 - _TEXTURE_START))
    column = (at.angle - np.float32(part.rotation_rad)) * np.float32(_TURN_COLUMNS / (2 * np.pi))
    texture = cv2.remap(
        _turning_texture(rows),
        column + np.float32(part.texture_column),
        row + np.float32(part.texture_row % rows),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )
    mark = cv2.remap(_engraving(rows), column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    slope, scatter_across, scatter_along, albedo = (profile[..., channel] for channel in range(4))
    grooves = np.float32(0.30 * part.groove_depth) * scatter_across * texture[..., 0]
    return Surface(
        cos=at.cos,
        sin=at.sin,
        slope_across=slope + grooves * (1.0 - mark),
        slope_along=flat,
        scatter_across=scatter_across * np.float32(part.roughness),
        scatter_along=scatter_along * np.float32(part.roughness) + mark * np.float32(0.22),
        albedo=albedo * (1.0 + np.float32(0.045) * texture[..., 1]) * (1.0 - np.float32(0.60) * mark),
    )
