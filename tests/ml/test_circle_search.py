"""A round part is found to a fraction of a pixel in any kind of picture, or not at all."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ml.circle_search import Circle, find_circle, striking_circles, usual_range
from ml.errors import PartNotFoundError
from ml.preprocessing import RingSearch
from tests.ml.rings import SEARCH, as_rgb, ring

EIGHT_BIT, DEEP = (0.0, 255.0), (0.0, 65535.0)


def error_px(found: Circle, x: float, y: float, radius: float) -> float:
    return max(float(np.hypot(found.x - x, found.y - y)), abs(found.radius - radius))


@pytest.mark.parametrize(("x", "y", "radius"), [(120, 100, 40), (104.3, 96.8, 37.4), (131.6, 107.1, 43.2)])
@pytest.mark.parametrize("noise", [0.0, 6.0])
def test_that_a_circle_is_found_to_half_a_pixel(x: float, y: float, radius: float, noise: float) -> None:
    assert error_px(find_circle(ring(x, y, radius, noise=noise), SEARCH, EIGHT_BIT), x, y, radius) < 0.5


@pytest.mark.parametrize(
    ("kind", "window"),
    [(as_rgb, EIGHT_BIT), (lambda grey: grey.astype(np.uint16) * 257, DEEP), (lambda grey: grey // 2 + 60, (60, 187))],
    ids=["colour", "16 bit", "narrow window"],
)
def test_that_neither_colour_nor_depth_moves_it(
    kind: Callable[[NDArray[Any]], NDArray[Any]], window: tuple[float, float]
) -> None:
    pixels = ring(101.7, 98.4, 39.2)
    assert error_px(find_circle(kind(pixels), SEARCH, window), 101.7, 98.4, 39.2) < 0.5


@pytest.mark.parametrize("gone", [0.25, 0.4])
def test_that_a_circle_of_which_a_part_is_hidden_stays_where_it_is(gone: float) -> None:
    pixels = ring()
    angle = np.arctan2(*np.meshgrid(np.arange(200) - 100.0, np.arange(240) - 120.0, indexing="ij")) / (2 * np.pi)
    pixels[(angle % 1) < gone] = 45
    assert error_px(find_circle(pixels, SEARCH, EIGHT_BIT), 120, 100, 40) < 0.5


def _noise(seed: int, sigma: float) -> NDArray[np.uint8]:
    grain = np.random.default_rng(seed).integers(0, 256, (200, 240)).astype(np.float32)
    smooth = cv2.GaussianBlur(grain, (0, 0), sigma)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize(
    "pixels",
    [np.full((200, 240), 90, np.uint8), *(_noise(seed, 0.3 + seed) for seed in range(4)), ring(radius=60.0, y=100)],
    ids=["blank", *(f"noise {seed}" for seed in range(4)), "another radius"],
)
def test_that_what_is_no_such_circle_is_not_found(pixels: NDArray[np.uint8]) -> None:
    with pytest.raises(PartNotFoundError, match="36 to 44 px radius in the picture of 240 x 200"):
        find_circle(pixels, SEARCH, EIGHT_BIT)


def test_that_a_picture_smaller_than_the_circle_holds_none() -> None:
    with pytest.raises(PartNotFoundError):
        find_circle(np.zeros((40, 40), np.uint8), SEARCH, EIGHT_BIT)


def test_that_circles_that_few_pictures_share_give_no_radius() -> None:
    alone = [[(Circle(50, 50, radius), 1.0)] for radius in (20.0, 30.0, 40.0, 50.0, 60.0)]
    assert usual_range(alone) is None
    assert usual_range([[], [], []]) is None
    half = alone + [[(Circle(50, 50, 41.0), 0.5)] for _ in range(5)]
    assert usual_range(half) == pytest.approx((40 * 0.97, 41 * 1.03))


def test_that_an_edge_that_never_moves_is_the_fixture_s() -> None:
    """A darker, steeper circle at the same place in every picture, beside parts that are put down anew."""
    pictures = []
    for index in range(4):
        pixels = ring(120 + 2.0 * index, 101 - 1.5 * index, seed=index)
        distance = np.hypot(*np.meshgrid(np.arange(200) - 100.0, np.arange(240) - 121.0, indexing="ij"))
        pixels[distance < 20] = 220
        pictures.append(striking_circles(pixels, RingSearch(outer=1.8), EIGHT_BIT))
    low, high = usual_range(pictures) or (0.0, 0.0)
    assert 36 < low < 40 < high < 44
