"""Proposals for the area: a part that a person would outline is outlined about so."""

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ml.area_proposal import by_circle, by_grabcut, by_ring, by_threshold
from ml.errors import PartNotFoundError, PictureError
from ml.inspection_area import Shape, mask_of
from tests.ml.rings import ring

KINDS = [(np.uint8, 1, 1), (np.uint8, 3, 1), (np.uint16, 1, 16), (np.uint16, 3, 200)]
"""Type, channels, and counts per count of 8 bits."""

kinds = pytest.mark.parametrize(("dtype", "channels", "gain"), KINDS)


def picture(part: int, ground: int, dtype: Any = np.uint8, channels: int = 1, gain: int = 1) -> NDArray[Any]:
    """A plate with a hole, 480 x 360 px, under noise."""
    pixels = np.full((360, 480), ground, np.float32)
    cv2.fillPoly(pixels, [np.array([(100, 80), (380, 60), (400, 250), (120, 300)])], part)
    cv2.circle(pixels, (250, 170), 30, ground, -1)
    pixels += np.random.default_rng(0).normal(0, 6, pixels.shape)
    counts = (np.clip(pixels, 0, 255) * gain).astype(dtype)
    return counts if channels == 1 else np.dstack([counts] * 3)


def overlap(shape: Shape) -> float:
    """Intersection by union of the proposal and the filled plate."""
    truth = np.zeros((360, 480), np.uint8)
    cv2.fillPoly(truth, [np.array([(100, 80), (380, 60), (400, 250), (120, 300)])], 1)
    found = mask_of(shape, 360, 480)
    return float((found & (truth > 0)).sum() / (found | (truth > 0)).sum())


@kinds
@pytest.mark.parametrize(("part", "ground"), [(190, 60), (50, 170)])
def test_that_a_bright_or_dark_part_is_outlined_by_a_few_corners(
    part: int, ground: int, dtype: Any, channels: int, gain: int
) -> None:
    polygon = by_threshold(picture(part, ground, dtype, channels, gain))
    assert overlap(polygon) > 0.97
    assert 4 <= len(polygon.points) <= 12


def test_that_the_largest_of_several_blobs_is_outlined() -> None:
    pixels = np.full((300, 500), 60, np.uint8)
    for x, radius in ((80, 40), (240, 50), (400, 30)):
        cv2.circle(pixels, (x, 150), radius, 200, -1)
    mask = mask_of(by_threshold(pixels), 300, 500)
    assert mask.sum() == pytest.approx(np.pi * 50**2, rel=0.05)
    assert mask[150, 240]


@kinds
def test_that_grabcut_outlines_what_is_in_the_box(dtype: Any, channels: int, gain: int) -> None:
    pixels = picture(150, 90, dtype, channels, gain)
    polygon = by_grabcut(pixels, (80, 40, 340, 280))
    assert overlap(polygon) > 0.9
    cv2.setRNGSeed(77)
    assert by_grabcut(pixels, (80, 40, 340, 280)) == polygon


def test_that_a_round_part_is_found_by_its_circles() -> None:
    pixels = ring(121.0, 98.0)
    disc = by_circle(pixels)
    assert np.hypot(disc.centre_x - 121.5, disc.centre_y - 98.5) < 1
    assert min(abs(disc.radius_x - radius) for radius in (40, 80)) < 1.5
    annulus = by_ring(pixels)
    assert (annulus.inner, annulus.outer) == pytest.approx((40, 80), abs=1.5)


def test_that_where_nothing_stands_out_it_is_said() -> None:
    plain = np.clip(np.random.default_rng(0).normal(120, 3, (200, 240)), 0, 255).astype(np.uint8)
    flat = np.full((200, 240), 7, np.uint8)
    for pixels in (plain, flat):
        with pytest.raises(PartNotFoundError, match="stands out"):
            by_threshold(pixels)
        with pytest.raises(PartNotFoundError, match="circle"):
            by_circle(pixels)
    with pytest.raises(PictureError, match="whole picture"):
        by_grabcut(plain, (-10, -10, 400, 400))
    with pytest.raises(PictureError, match="too little"):
        by_grabcut(plain, (230, 10, 1, 50))
