import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ml.alignment import edge_thumbnail, measure_alignment


def _plate(dx: float = 0, dy: float = 0, degrees: float = 0, noise: int = 0, size: int = 240) -> NDArray[np.uint8]:
    """A plate with two holes and a slot, moved and turned about the middle, under noise of its own."""
    plate = np.full((size, size), 40, np.uint8)
    cv2.rectangle(plate, (60, 80), (180, 160), 200, -1)
    cv2.circle(plate, (85, 100), 10, 40, -1)
    cv2.circle(plate, (150, 135), 14, 40, -1)
    cv2.rectangle(plate, (110, 90), (170, 98), 90, -1)
    matrix = cv2.getRotationMatrix2D((size / 2, size / 2), degrees, 1.0)
    matrix[:, 2] += dx, dy
    moved = cv2.warpAffine(plate, matrix, (size, size), borderValue=40)
    grain = np.random.default_rng(noise).normal(0, 4, moved.shape)
    return np.clip(moved + grain, 0, 255).astype(np.uint8)


def _surface(index: int) -> NDArray[np.uint8]:
    grain = np.random.default_rng(index).normal(128, 40, (240, 240)).astype(np.float32)
    return np.clip(cv2.GaussianBlur(grain, (0, 0), 2) * 3 - 256, 0, 255).astype(np.uint8)


def _placement(pictures: list[NDArray[np.uint8]]) -> str:
    return measure_alignment([edge_thumbnail(pixels) for pixels in pictures]).placement


def test_that_parts_in_a_fixture_are_aligned() -> None:
    random = np.random.default_rng(0)
    assert (
        _placement([_plate(*random.uniform(-2, 2, 2), random.uniform(-1, 1), index) for index in range(12)])
        == "aligned"
    )


def test_that_light_does_not_count_as_movement() -> None:
    assert (
        _placement([(_plate(noise=index) * (0.5 + 0.05 * index)).astype(np.uint8) for index in range(10)]) == "aligned"
    )


def test_that_parts_lying_any_way_have_moved() -> None:
    random = np.random.default_rng(1)
    pictures = [_plate(*random.uniform(-20, 20, 2), random.uniform(0, 360), index) for index in range(12)]
    alignment = measure_alignment([edge_thumbnail(pixels) for pixels in pictures])
    assert alignment.placement == "moved"
    assert alignment.best > alignment.in_place
    assert alignment.rotation_deg > 10


def test_that_parts_on_a_belt_have_moved_without_turning() -> None:
    random = np.random.default_rng(2)
    alignment = measure_alignment(
        [edge_thumbnail(_plate(*random.uniform(-45, 45, 2), 0, index)) for index in range(12)]
    )
    assert (alignment.placement, alignment.rotation_deg) == ("moved", 0.0)
    assert alignment.shift > 0.05


def test_that_a_surface_has_no_place() -> None:
    assert _placement([_surface(index) for index in range(10)]) == "texture"


@pytest.mark.parametrize("pictures", [[], [_plate()], [_plate(), _plate(noise=1)]])
def test_that_two_pictures_do_not_tell(pictures: list[NDArray[np.uint8]]) -> None:
    assert _placement(pictures) == "unknown"


def test_that_blank_and_tiny_pictures_are_measured_without_harm() -> None:
    blank = np.zeros((40, 40, 3), np.uint16)
    assert _placement([blank] * 4) == "texture"
    assert _placement([np.full((1, 300), index, np.uint8) for index in range(4)]) == "texture"
