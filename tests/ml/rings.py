"""Drawn rings on a plain ground, whose every measure is known."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.preprocessing import RingSearch

SEARCH = RingSearch(radius_px=(36, 44), inner=1.0, outer=2.0)


def ring(
    x: float = 120.0,
    y: float = 100.0,
    radius: float = 40.0,
    *,
    height: int = 200,
    width: int = 240,
    noise: float = 3.0,
    seed: int = 0,
) -> NDArray[np.uint8]:
    """A bright ring from `radius` to twice that on dark ground, smooth by a pixel, under noise: `(height, width)`."""
    distance = np.hypot(*np.meshgrid(np.arange(height) - y, np.arange(width) - x, indexing="ij"))
    share = np.clip(distance - radius + 0.5, 0, 1) * np.clip(2 * radius - distance + 0.5, 0, 1)
    grain = np.random.default_rng(seed).normal(0, noise, distance.shape)
    return np.clip(45 + 120 * share + grain, 0, 255).astype(np.uint8)


def as_rgb(grey: NDArray[Any]) -> NDArray[Any]:
    return np.dstack([grey] * 3)
