"""Drawn pictures with several parts on them, whose every place and angle is known."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.part_pictures import Pose, template_of
from ml.part_search import PartSearch

Place = tuple[float, float, float]
"""Centre x, y in px and angle in degrees."""

PART_WIDTH, PART_HEIGHT = 96, 64
HEIGHT, WIDTH = 220, 280

THREE: Sequence[Place] = ((70, 60, -9), (190, 75, 6), (120, 160, 12))


def drawn_part(width: int = PART_WIDTH, height: int = PART_HEIGHT) -> NDArray[np.float32]:
    """A plate with two bores and a slot, nothing about it symmetric: `(height, width)`."""
    part = np.full((height, width), 90, np.float32)
    edge = height // 10
    cv2.rectangle(part, (edge, edge), (width - 1 - edge, height - 1 - edge), 170, -1)
    cv2.circle(part, (width // 3, height // 2), height // 6, 60, -1, cv2.LINE_AA)
    cv2.circle(part, (3 * width // 4, height // 3), height // 10, 220, -1, cv2.LINE_AA)
    cv2.line(part, (width // 2, 8 * height // 10), (8 * width // 10, 7 * height // 10), 40, 3, cv2.LINE_AA)
    return part


def to_picture(place: Place, width: int = PART_WIDTH, height: int = PART_HEIGHT) -> NDArray[np.float64]:
    """2 x 3: from pixels of the drawn part to those of the picture, independently of `ml.part_pictures`."""
    x, y, angle = place
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -angle, 1.0)
    matrix[:, 2] += np.array([x - (width - 1) / 2, y - (height - 1) / 2])
    return np.asarray(matrix, np.float64)


def scene(
    places: Sequence[Place],
    *,
    part: NDArray[np.float32] | None = None,
    size: tuple[int, int] = (HEIGHT, WIDTH),
    noise: float = 4.0,
    seed: int = 0,
) -> NDArray[np.uint8]:
    """Parts on a cloudy ground under noise: `(height, width)`."""
    height, width = size
    part = drawn_part() if part is None else part
    rng = np.random.default_rng(seed)
    ground = cv2.resize(rng.uniform(70, 110, (height // 20, width // 20)).astype(np.float32), (width, height))
    for place in places:
        matrix = to_picture(place, part.shape[1], part.shape[0])
        flags = {"flags": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_CONSTANT}
        drawn = cv2.warpAffine(part, matrix, (width, height), **flags)
        share = cv2.warpAffine(np.ones_like(part), matrix, (width, height), **flags)
        ground = ground * (1 - share) + drawn
    return np.clip(ground + rng.normal(0, noise, size), 0, 255).astype(np.uint8)


def search(part: NDArray[np.float32] | None = None, **settings: Any) -> PartSearch:
    """For parts as `scene` draws them, with a template cut out of one."""
    part = drawn_part() if part is None else part
    height, width = part.shape
    middle = 2 * width, 2 * height
    pixels = scene(
        [(middle[0] + (width - 1) / 2, middle[1] + (height - 1) / 2, 0)], part=part, size=(5 * height, 5 * width)
    )
    return template_of(pixels, (*middle, width, height), **settings)


def as_place(pose: Pose) -> Place:
    return pose.x, pose.y, pose.angle_deg
