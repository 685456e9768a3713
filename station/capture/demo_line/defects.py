"""The demo line's defects: each kind changes the part's height, finish, colour or outline, and says where.

A blemish is placed on the part (lengths in outer radii of the ring) and evaluated on any pixel grid, so that the same
defect shows at every picture size. `severity` runs from 0 (subtle, yet visible to a person) to 1 (gross).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from station.capture.demo_line.lighting import Field
from station.capture.demo_line.ring_part import (
    BORE_RADIUS,
    CHAMFER_END,
    FACE_END,
    FACE_START,
    Polar,
)

DefectKind = Literal["scratch", "dent", "stain", "chip", "missing_chamfer"]
DEFECT_KINDS: Final[tuple[DefectKind, ...]] = get_args(DefectKind)


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What a blemish does to the surface, pixel by pixel; fields are `(height, width)`, None where nothing changes."""

    mask: NDArray[np.bool_]
    profile_radius: Field | None = None
    """The radius whose face is found here: differs from the true one where a face is missing."""
    height: Field | None = None
    """Added to the surface, in ring radii."""
    frosting: Field | None = None
    """0 keeps the turned finish, 1 is bare broken or scored metal that scatters alike in all directions."""
    film: Field | None = None
    """How thick a stain lies on the metal; negative where the metal is brighter than before."""
    absorbed: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """What a film of 1 takes of red, green and blue."""
    gone: Field | None = None
    """1 where there is no metal any more."""

    def touched(self, at: Polar) -> NDArray[np.bool_]:
        """The pixels at which the surface is not the good part's."""
        touched = self.mask.copy()
        for field in (self.height, self.frosting, self.film, self.gone):
            if field is not None:
                touched |= field != 0
        if self.profile_radius is not None:
            touched |= self.profile_radius != at.radius
        return touched


@dataclass(frozen=True, slots=True)
class Blemish:
    """One defect on one part. The circle of `reach` around (`centre_x`, `centre_y`) holds all of it."""

    kind: DefectKind
    centre_x: float
    centre_y: float
    reach: float
    change: Callable[[Polar, float], Change]
    """Evaluates the blemish at points, given the ring's radius in pixels."""


def draw_blemish(kind: DefectKind, severity: float, rng: np.random.Generator) -> Blemish:
    """Draw place and shape of one defect."""
    return _DRAW[kind](severity, rng)


def _place(radius: float, angle: float) -> tuple[float, float]:
    return radius * float(np.cos(angle)), radius * float(np.sin(angle))


def _smooth_step(low: float, high: float, values: Field) -> Field:
    t = np.clip((values - np.float32(low)) / np.float32(high - low), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)


def _draw_noise(rng: np.random.Generator, nodes: int) -> Field:
    """Values of smooth noise at `nodes` x `nodes` nodes, unit deviation; smoothed, or its grid would show."""
    smooth = cv2.GaussianBlur(rng.standard_normal((nodes, nodes)).astype(np.float32), (0, 0), 1.2)
    return np.asarray(smooth / smooth.std(), np.float32)


def _noise(values: Field, across: Field, down: Field) -> Field:
    """Noise over the square -1..1, interpolated between its nodes."""
    to_node = np.float32((values.shape[0] - 1) / 2)
    between: Field = cv2.remap(
        values, (across + 1) * to_node, (down + 1) * to_node, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    return between


def _on_ring(at: Polar) -> NDArray[np.bool_]:
    return (at.radius > BORE_RADIUS) & (at.radius < 1.0)


def _local(at: Polar, centre_x: float, centre_y: float, reach: float) -> tuple[Field, Field]:
    """Coordinates that run from -1 to 1 over the blemish."""
    scale = np.float32(1.0 / reach)
    return (at.radius * at.cos - np.float32(centre_x)) * scale, (at.radius * at.sin - np.float32(centre_y)) * scale


def _draw_scratch(severity: float, rng: np.random.Generator) -> Blemish:
    radius, angle = rng.uniform(0.64, 0.92), rng.uniform(0, 2 * np.pi)
    length = rng.uniform(0.17, 0.24) + 0.24 * severity
    heading = angle + rng.choice([-1.0, 1.0]) * np.radians(rng.uniform(5, 65))  # across the grooves, not along them
    bend = rng.normal(0.0, 0.5)
    width = 0.0036 + 0.0034 * severity
    pressure = np.interp(np.linspace(0, 1, 60), np.linspace(0, 1, 9), rng.uniform(0.55, 1.0, 9))
    pressure *= np.sqrt(np.sin(np.linspace(0.06, np.pi - 0.06, 60)))
    centre_x, centre_y = _place(radius, angle)
    reach = 0.55 * length + 0.03
    steps = np.linspace(-0.5, 0.5, 61)
    turn = heading + bend * steps
    path = np.stack([np.cumsum(np.cos(turn)), np.cumsum(np.sin(turn))], axis=1) * length / 61
    path += np.asarray([centre_x, centre_y]) - path.mean(axis=0)

    def change(at: Polar, radius_px: float) -> Change:
        trace = _trace(at, path, pressure, max(width * radius_px, 1.2), radius_px)
        return Change(
            mask=(trace > 0.25) & _on_ring(at),
            height=trace * np.float32(-(0.30 + 0.55 * severity) * max(width, 1.2 / radius_px)),
            frosting=trace * np.float32(0.55 + 0.3 * severity),
            film=trace * np.float32(-0.30 - 0.22 * severity),
            absorbed=(1.0, 1.0, 1.0),
        )

    return Blemish("scratch", centre_x, centre_y, reach, change)


def _trace(
    at: Polar, path: NDArray[np.float64], pressure: NDArray[np.float64], width_px: float, radius_px: float
) -> Field:
    """The scored line, 0 to 1 by pressure, drawn four times finer than the grid and averaged down."""
    finer = 4
    height, width = at.radius.shape
    left, top = float(at.radius[0, 0] * at.cos[0, 0]), float(at.radius[0, 0] * at.sin[0, 0])
    corners = ((path - np.asarray([left, top])) * radius_px + 0.5) * finer - 0.5
    fine = np.zeros((height * finer, width * finer), np.uint8)
    points = np.round(corners * 16).astype(np.int32)
    thickness = max(1, round(width_px * finer))
    for start, end, strength in zip(points[:-1], points[1:], pressure, strict=True):
        cv2.line(fine, start.tolist(), end.tolist(), int(255 * strength), thickness, cv2.LINE_8, 4)
    coverage = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    trace: Field = cv2.GaussianBlur(coverage, (0, 0), 0.5)
    return trace


def _draw_dent(severity: float, rng: np.random.Generator) -> Blemish:
    radius, angle = rng.uniform(0.65, 0.93), rng.uniform(0, 2 * np.pi)
    size = 0.026 + 0.034 * severity + rng.uniform(0.0, 0.008)
    stretch, turn = rng.uniform(0.7, 1.0), rng.uniform(0, np.pi)
    steepness = 0.55 + 0.75 * severity
    uneven = _draw_noise(rng, 13)
    centre_x, centre_y = _place(radius, angle)
    reach = 2.8 * size

    def change(at: Polar, radius_px: float) -> Change:
        across, down = _local(at, centre_x, centre_y, reach)
        along = (across * np.float32(np.cos(turn)) + down * np.float32(np.sin(turn))) * 2.8
        aside = (down * np.float32(np.cos(turn)) - across * np.float32(np.sin(turn))) * np.float32(2.8 / stretch)
        square = (along**2 + aside**2) * (1.0 + 0.06 * _noise(uneven, across, down))
        bowl = np.exp(-square)
        thrown_up = 0.13 * np.exp(-((np.sqrt(np.maximum(square, 0.0)) - 1.6) ** 2) / 0.16)
        is_far = square > 2.6**2
        return Change(
            mask=(square < 2.0**2) & _on_ring(at),
            height=np.where(is_far, 0.0, (thrown_up - bowl) * (steepness * size)).astype(np.float32),
            frosting=np.where(is_far, 0.0, 0.40 * bowl).astype(np.float32),
        )

    return Blemish("dent", centre_x, centre_y, reach, change)


# Rust, burnt oil and tempering blue: what each takes of red, green and blue.
_STAINS: Final = ((0.46, 0.66, 0.86), (0.60, 0.72, 0.80), (0.72, 0.66, 0.48))


def _draw_stain(severity: float, rng: np.random.Generator) -> Blemish:
    radius, angle = rng.uniform(0.64, 0.92), rng.uniform(0, 2 * np.pi)
    reach = 0.085 + 0.085 * severity + rng.uniform(0.0, 0.02)
    coarse, fine = _draw_noise(rng, 13), _draw_noise(rng, 33)
    absorbed = _STAINS[int(rng.integers(len(_STAINS)))]
    strength = 0.62 + 0.36 * severity
    centre_x, centre_y = _place(radius, angle)

    def change(at: Polar, radius_px: float) -> Change:
        across, down = _local(at, centre_x, centre_y, reach)
        outline = np.hypot(across, down) * 1.2 + 0.11 * _noise(coarse, across, down)
        outline += 0.02 * _noise(fine, across, down)
        wet = 1.0 - _smooth_step(0.66, 0.76, outline)
        dried_edge = np.exp(-(((outline - 0.66) / 0.06) ** 2))
        spread = (wet * (0.70 + 0.09 * _noise(coarse, down, across)) + 0.34 * dried_edge) * strength
        film = np.where(outline < 1.0, np.clip(spread, 0.0, 1.1), 0.0).astype(np.float32)
        return Change(mask=(film > 0.15) & _on_ring(at), frosting=0.22 * wet, film=film, absorbed=absorbed)

    return Blemish("stain", centre_x, centre_y, reach, change)


def _draw_chip(severity: float, rng: np.random.Generator) -> Blemish:
    angle = rng.uniform(0, 2 * np.pi)
    at_rim = bool(rng.uniform() < 0.65)
    outwards = 1.0 if at_rim else -1.0
    size = 0.050 + 0.070 * severity + rng.uniform(0.0, 0.010)
    stretch = rng.uniform(1.0, 1.5)
    coarse, grains = _draw_noise(rng, 13), _draw_noise(rng, 41)
    edge = 1.0 if at_rim else BORE_RADIUS
    centre_x, centre_y = _place(edge, angle)
    reach = 1.5 * size * stretch

    def change(at: Polar, radius_px: float) -> Change:
        x, y = at.radius * at.cos - np.float32(centre_x), at.radius * at.sin - np.float32(centre_y)
        inwards = -outwards * (x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))) / np.float32(size)
        aside = (y * np.float32(np.cos(angle)) - x * np.float32(np.sin(angle))) / np.float32(size * stretch)
        across, down = _local(at, centre_x, centre_y, reach)
        rough = np.clip(_noise(coarse, across, down), -1.5, 1.5)
        grain = _noise(grains, across, down)
        distance = np.hypot(inwards, aside) * (1.0 + 0.10 * rough + 0.03 * grain)
        broken = 1.0 - _smooth_step(0.93, 1.0, distance)
        to_bite = np.hypot(inwards * 1.45, aside * 1.18) + 0.10 * rough + 0.03 * grain - 0.88
        bite = 1.0 - np.clip(to_bite * np.float32(0.7 * size * radius_px) + 0.5, 0.0, 1.0)
        depth = 0.62 * np.minimum(distance - 1.0, 0.0) + 0.060 * rough + 0.026 * grain
        return Change(
            mask=((broken > 0.3) | (bite > 0.5)) & _on_ring(at),
            profile_radius=np.where(broken > 0, np.float32((FACE_START + FACE_END) / 2), at.radius).astype(np.float32),
            height=(broken * depth * size).astype(np.float32),
            frosting=broken,
            film=broken * (0.42 - 0.14 * grain),
            absorbed=(1.0, 1.0, 1.0),
            gone=bite.astype(np.float32),
        )

    return Blemish("chip", centre_x, centre_y, reach, change)


def _draw_missing_chamfer(severity: float, rng: np.random.Generator) -> Blemish:
    """The chamfering tool ran out of centre: the chamfer narrows and is missing over a part of the turn."""
    middle = rng.uniform(0, 2 * np.pi)
    half_width = np.radians(16.0 + 34.0 * severity + rng.uniform(0.0, 6.0))
    fade = half_width * rng.uniform(0.35, 0.6)
    radius = (FACE_END + CHAMFER_END) / 2
    chord = float(np.sin(min(half_width + fade, np.pi / 2)))
    sagitta = 1.0 - float(np.cos(half_width + fade))
    centre_x, centre_y = _place(radius - sagitta / 2, middle)

    def change(at: Polar, radius_px: float) -> Change:
        away = np.abs(
            np.mod(at.angle - np.float32(middle) + np.float32(np.pi), np.float32(2 * np.pi)) - np.float32(np.pi)
        )
        lost = 1.0 - _smooth_step(half_width - fade, half_width + fade, away)
        edge = np.float32(FACE_END) + lost * np.float32(1.0 - FACE_END)
        flat_here = (at.radius > FACE_END) & (at.radius < edge)
        mirrored = np.where(flat_here, np.float32(2 * FACE_END) - at.radius, at.radius)
        return Change(
            mask=flat_here & (lost > 0.08) & (at.radius < 1.0),
            profile_radius=mirrored.astype(np.float32),
        )

    return Blemish("missing_chamfer", centre_x, centre_y, chord + 0.08, change)


_DRAW: Final[dict[DefectKind, Callable[[float, np.random.Generator], Blemish]]] = {
    "scratch": _draw_scratch,
    "dent": _draw_dent,
    "stain": _draw_stain,
    "chip": _draw_chip,
    "missing_chamfer": _draw_missing_chamfer,
}
