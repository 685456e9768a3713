"""Where the template lies in a picture."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ml.registration import Registrar, seen_of_picture, to_picture, to_template

HEIGHT, WIDTH = 160, 200


def _artwork(seed: int = 0) -> NDArray[np.float32]:
    """Dark tracks and pads on a bright ground, not blurred."""
    random = np.random.default_rng(seed)
    board = np.full((HEIGHT, WIDTH), 0.9, np.float32)
    for _ in range(14):
        points = random.integers(10, [WIDTH - 10, HEIGHT - 10], (3, 2)).astype(np.int32)
        cv2.polylines(board, [points], False, 0.1, 5)
        cv2.circle(board, (int(points[0, 0]), int(points[0, 1])), 8, 0.1, -1)
    return board


def _moved(board: NDArray[np.float32], degrees: float, scale: float, x: float, y: float) -> tuple[NDArray, NDArray]:
    matrix = np.vstack([cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), degrees, scale), [0.0, 0.0, 1.0]])
    matrix[:2, 2] += x, y
    moved = cv2.warpPerspective(board, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderValue=0.9)
    return moved, matrix


@pytest.mark.parametrize(
    ("degrees", "scale", "x", "y"),
    [(0, 1, 0, 0), (0, 1, 1.5, -0.7), (2, 1.01, -2, 2), (-1.5, 0.99, 3.2, 1), (25, 1, 8, 0), (180, 1, 0, 0)],
)
def test_that_a_moved_part_is_found_to_a_third_of_a_pixel(degrees: float, scale: float, x: float, y: float) -> None:
    board = _artwork()
    picture, truth = _moved(board, degrees, scale, x, y)
    found = Registrar(board, 0.5).register(picture)
    corners = np.array([[[20, 20]], [[WIDTH - 20, 20]], [[WIDTH - 20, HEIGHT - 20]], [[20, HEIGHT - 20]]], np.float64)
    wanted = cv2.perspectiveTransform(corners, truth)
    assert found.is_found
    np.testing.assert_allclose(cv2.perspectiveTransform(corners, found.matrix), wanted, atol=0.34)


def test_that_exposure_and_noise_do_not_move_the_part() -> None:
    board = _artwork()
    noisy = board * 0.7 + 0.1 + np.random.default_rng(1).normal(0, 0.05, board.shape).astype(np.float32)
    found = Registrar(board, 0.5).register(noisy.astype(np.float32))
    assert found.is_found
    np.testing.assert_allclose(found.matrix[:2, 2], 0, atol=0.2)


def test_that_another_part_is_not_found() -> None:
    assert not Registrar(_artwork(0), 0.5).register(_artwork(99)).is_found


def test_that_a_plain_picture_is_not_found_on_a_structured_template_nor_anything_on_a_plain_one() -> None:
    plain = np.full((HEIGHT, WIDTH), 0.5, np.float32)
    assert not Registrar(_artwork(), 0.5).register(plain).is_found
    registrar = Registrar(plain, 0.5)
    assert not registrar.has_structure
    found = registrar.register(_artwork())
    assert not found.is_found
    np.testing.assert_array_equal(found.matrix, np.eye(3))


def test_that_few_features_still_register_by_correlation() -> None:
    """One soft blob: ORB finds next to nothing on it."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    blob = np.exp(-((x - 90) ** 2 + (y - 70) ** 2) / 900).astype(np.float32)
    moved = np.exp(-((x - 93) ** 2 + (y - 68) ** 2) / 900).astype(np.float32)
    found = Registrar(blob, 0.5).register(moved)
    assert found.is_found
    place = cv2.perspectiveTransform(np.array([[[90.0, 70.0]]]), found.matrix)[0, 0]
    np.testing.assert_allclose(place, [93, 68], atol=0.5)


def test_that_values_come_back_to_where_they_were_in_the_picture() -> None:
    picture, matrix = _moved(_artwork(), 3, 1, 4, -3)
    spot = np.zeros_like(picture)
    spot[60:64, 100:104] = 1
    back = to_picture(to_template(spot, picture.shape, matrix), picture.shape, matrix)
    y, x = np.average(np.mgrid[:HEIGHT, :WIDTH].reshape(2, -1), axis=1, weights=back.ravel())
    assert abs(y - 61.5) < 0.1
    assert abs(x - 101.5) < 0.1


def test_that_what_lies_outside_the_picture_is_not_seen() -> None:
    shift = np.array([[1.0, 0, 12], [0, 1, 0], [0, 0, 1]])
    seen = seen_of_picture((HEIGHT, WIDTH), (HEIGHT, WIDTH), shift)
    assert seen[:, : WIDTH - 12].all()
    assert not seen[:, WIDTH - 12 :].any()
    assert to_picture(np.ones((HEIGHT, WIDTH), np.float32), (HEIGHT, WIDTH), shift)[:, :12].max() == 0
