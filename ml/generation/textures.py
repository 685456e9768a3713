"""Procedural textures: made-up pictures that show nothing of the part, where a paper asks for natural photographs.

EfficientAD (arXiv 2303.14535, section 3.2) draws its penalty pictures from ImageNet, which a station does not have.
What matters of them is variety: smooth and rough, regular and irregular, edges and corners of all directions, colour
and grey. Each texture is a grey field, coloured by a random palette; two of them are joined along a random border.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

GREY_SHARE = 0.3
"""Share of the pictures without colour, as in the published code for EfficientAD's penalty."""

Picture = NDArray[np.float32]


def texture(height: int, width: int, seed: int) -> Picture:
    """A made-up picture, (height, width, 3) float32 RGB in [0, 1]; the same seed gives the same one."""
    random = np.random.default_rng(seed)
    first, second = (_coloured(_field(height, width, random), random) for _ in range(2))
    border = perlin(height, width, random.uniform(1, 4), random)
    # From a hard edge to a gradual change
    share = np.clip(0.5 + border * 10 ** random.uniform(-0.3, 1.7), 0, 1)[..., None]
    picture = first * share + second * (1 - share)
    if random.random() < GREY_SHARE:
        picture = np.broadcast_to(picture.mean(axis=2, keepdims=True), picture.shape)
    return np.ascontiguousarray(picture, np.float32)


def perlin(height: int, width: int, cells: float, random: np.random.Generator) -> Picture:
    """Gradient noise, (height, width) float32, about [-0.7, 0.7], `cells` bumps along the longer side.

    Source: K. Perlin, "Improving noise", SIGGRAPH 2002: random unit gradients on a lattice, their ramps blended by
    6t^5 - 15t^4 + 10t^3. The lattice's phase is random.
    """
    pitch = max(height, width) / cells
    y, x = (np.arange(side, dtype=np.float32) / pitch + random.random(dtype=np.float32) for side in (height, width))
    top, left = y.astype(np.intp), x.astype(np.intp)
    down, right = (y - top)[:, None], (x - left)[None, :]
    angles = random.uniform(0, 2 * np.pi, (top[-1] + 2, left[-1] + 2)).astype(np.float32)
    gradient_y, gradient_x = np.sin(angles), np.cos(angles)

    def ramp(below: int, beside: int) -> Picture:
        corner = np.ix_(top + below, left + beside)
        return np.asarray(gradient_y[corner] * (down - below) + gradient_x[corner] * (right - beside), np.float32)

    blend_y, blend_x = (t**3 * (t * (6 * t - 15) + 10) for t in (down, right))
    upper = ramp(0, 0) * (1 - blend_x) + ramp(0, 1) * blend_x
    lower = ramp(1, 0) * (1 - blend_x) + ramp(1, 1) * blend_x
    return np.asarray(upper * (1 - blend_y) + lower * blend_y, np.float32)


def _clouds(height: int, width: int, random: np.random.Generator) -> Picture:
    """Octaves of gradient noise, each twice as fine and weaker by a random factor: clouds to gravel."""
    cells, fading = random.uniform(1, 8), random.uniform(0.3, 0.9)
    octaves = (perlin(height, width, cells * 2**octave, random) * fading**octave for octave in range(3))
    return np.asarray(sum(octaves), np.float32)


def _noise(height: int, width: int, random: np.random.Generator) -> Picture:
    """Noise, smoothed more along one axis than along the other: grain to brushed metal."""
    values = random.standard_normal((height, width), np.float32)
    sigmas = np.exp(random.uniform(-1, 1.5, 2))
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigmaX=sigmas[0], sigmaY=sigmas[1]), np.float32)


def _stripes(height: int, width: int, random: np.random.Generator) -> Picture:
    """Parallel waves or bars of any direction, now and then crossed by others, bent by noise."""
    values = np.ones((height, width), np.float32)
    bend = perlin(height, width, random.uniform(1, 4), random) * random.uniform(0, 6)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    for _ in range(random.integers(1, 3)):
        angle, period_px = random.uniform(0, np.pi), 2 ** random.uniform(2, 6)
        wave = np.sin((y * np.sin(angle) + x * np.cos(angle)) * np.float32(2 * np.pi / period_px) + bend)
        values = values * np.tanh(wave * random.uniform(0.5, 8))
    return values.astype(np.float32)


def _blobs(height: int, width: int, random: np.random.Generator) -> Picture:
    """Ellipses and polygons of all sizes over one another, each of one brightness."""
    values = np.zeros((height, width), np.float32)
    largest = max(height, width) / 3
    for _ in range(random.integers(10, 60)):
        centre = random.uniform((0, 0), (width, height))
        size = largest ** random.uniform(0.2, 1, 2)
        angles = np.sort(random.uniform(0, 2 * np.pi, random.integers(3, 7)))
        if random.random() < 0.5:
            angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        corners = centre + np.stack([np.cos(angles), np.sin(angles)], axis=1) * size
        cv2.fillPoly(values, [np.rint(corners).astype(np.int32)], random.uniform(-1, 1), cv2.LINE_8)
    return values


_FIELDS: tuple[Callable[[int, int, np.random.Generator], Picture], ...] = (_clouds, _noise, _stripes, _blobs)


def _field(height: int, width: int, random: np.random.Generator) -> Picture:
    """A grey field, (height, width) in [0, 1]: one kind, roughened by a second one."""
    first, second = random.choice(len(_FIELDS), 2)
    values = _FIELDS[first](height, width, random)
    values = values / max(float(values.std()), 1e-6)
    rough = _FIELDS[second](height, width, random)
    values = values + random.uniform(0, 0.5) * rough / max(float(rough.std()), 1e-6)
    return np.asarray(1 / (1 + np.exp(-values)), np.float32)


def _coloured(field: Picture, random: np.random.Generator) -> Picture:
    """Each grey value between two random colours takes its place on the way from one through a third to the other."""
    palette = random.random((3, 3)).astype(np.float32)
    places = np.linspace(0, 1, 3)
    return np.stack([np.interp(field, places, palette[:, channel]) for channel in range(3)], axis=2).astype(np.float32)
