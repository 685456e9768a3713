import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ml.quality import LIKENESS_SIDE_PX, measure, thumbnail_of
from tests.ml.small_models import part

WINDOW = (0.0, 255.0)


@pytest.fixture
def sharp() -> NDArray[np.uint8]:
    return part(0, 480, 640, noise=12.0)


def test_that_a_covered_lens_is_dark_and_flat(sharp: NDArray[np.uint8]) -> None:
    covered = measure(np.full_like(sharp, 2), WINDOW)
    assert covered.brightness == pytest.approx(2 / 255)
    assert covered.contrast == pytest.approx(0, abs=1e-6)
    assert covered.focus == 0
    assert measure(sharp, WINDOW).contrast > 0.02


def test_that_brightness_and_contrast_are_mean_and_deviation_within_the_window() -> None:
    halves = np.zeros((64, 64), np.uint8)
    halves[:, 32:] = 200
    quality = measure(halves, (0.0, 200.0))
    assert (quality.brightness, quality.contrast) == pytest.approx((0.5, 0.5))
    clipped = measure(halves, (0.0, 100.0))
    assert clipped.brightness == pytest.approx(0.5)


def test_that_sixteen_bits_measure_as_eight(sharp: NDArray[np.uint8]) -> None:
    eight, sixteen = measure(sharp, WINDOW), measure(sharp.astype(np.uint16) * 257, (0.0, 65535.0))
    assert sixteen.brightness == pytest.approx(eight.brightness, abs=2e-3)
    assert sixteen.focus == pytest.approx(eight.focus, rel=0.1)


def test_that_blur_lowers_focus_and_dim_light_does_not(sharp: NDArray[np.uint8]) -> None:
    focus = measure(sharp, WINDOW).focus
    assert measure(cv2.GaussianBlur(sharp, (0, 0), 3), WINDOW).focus < focus / 5
    dim = (sharp.astype(np.float32) / 2).astype(np.uint8)
    assert measure(dim, WINDOW).focus == pytest.approx(focus, rel=0.1)


def test_that_a_picture_is_like_itself_under_other_light_and_unlike_an_empty_fixture(sharp: NDArray[np.uint8]) -> None:
    reference = thumbnail_of(sharp, WINDOW)
    assert reference.shape == (LIKENESS_SIDE_PX, LIKENESS_SIDE_PX)
    assert reference.dtype == np.float32

    def likeness(pixels: NDArray[np.uint8]) -> float:
        found = measure(pixels, WINDOW, reference).likeness
        assert found is not None
        return found

    assert likeness(sharp) == pytest.approx(1, abs=1e-5)
    assert likeness((sharp * 0.6 + 20).astype(np.uint8)) > 0.99
    assert likeness(np.ascontiguousarray(sharp[::-1, ::-1])) < 0.9
    assert likeness(np.full_like(sharp, 128)) == 0
    assert measure(sharp, WINDOW).likeness is None


@pytest.mark.parametrize("shape", [(32, 32), (33, 5000), (97, 203, 3), (3000, 2000, 3)])
def test_that_every_size_is_measured(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    quality = measure(pixels, WINDOW, np.zeros((LIKENESS_SIDE_PX, LIKENESS_SIDE_PX), np.float32))
    assert np.isfinite([quality.brightness, quality.contrast, quality.focus, quality.likeness]).all()


def test_that_a_grey_picture_measures_as_its_colour_copy() -> None:
    grey = part(0)[..., 0]
    colour = np.repeat(grey[..., np.newaxis], 3, axis=2)
    assert measure(grey, WINDOW).focus == pytest.approx(measure(colour, WINDOW).focus, rel=1e-3)
