"""CLAHE evens out the lightness alone, and means the same at every bit depth."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ml.contrast import equalised
from ml.preprocessing import Clahe

EIGHT_BIT, DEEP = (0.0, 255.0), (0.0, 65535.0)


def surface(height: int = 160, width: int = 200) -> NDArray[np.uint8]:
    """A fine texture under light that falls off to the right."""
    texture = cv2.GaussianBlur(np.random.default_rng(3).normal(0, 40, (height, width)), (0, 0), 1.5)
    return np.clip(np.linspace(180, 60, width) + texture, 0, 255).astype(np.uint8)


def test_that_light_is_evened_out_and_contrast_raised() -> None:
    pixels = surface()
    even = equalised(pixels, Clahe(), EIGHT_BIT)
    left, right = (even[:, columns].mean() for columns in (slice(0, 40), slice(160, 200)))
    assert abs(left - right) < 0.8 * abs(pixels[:, :40].mean() - pixels[:, 160:].mean())
    assert even[:, 160:].std() > 1.3 * pixels[:, 160:].std()


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_that_a_deeper_picture_is_treated_like_its_8_bit_one(bits: int) -> None:
    pixels = surface()
    top = 2**bits - 1
    deep = equalised(np.round(pixels * (top / 255)).astype(np.uint16), Clahe(), (0.0, float(top)))
    assert deep.dtype == np.uint16
    np.testing.assert_allclose(deep * (255 / top), equalised(pixels, Clahe(), EIGHT_BIT), atol=2.5)


def test_that_deep_colours_are_treated_like_their_8_bit_ones() -> None:
    pixels = np.dstack([surface(), surface()[::-1], 255 - surface()])
    deep = equalised(pixels.astype(np.uint16) * 257, Clahe(), DEEP) / 257
    assert np.abs(deep - equalised(pixels, Clahe(), EIGHT_BIT)).mean() < 2.5, "8-bit CIELAB is coarse itself"


def test_that_steps_finer_than_8_bit_survive() -> None:
    ramp = np.tile(np.linspace(20_000, 20_500, 240), (160, 1)).astype(np.uint16)
    assert len(np.unique(equalised(ramp, Clahe(), DEEP)[80])) > 100


def test_that_hues_stay_and_red_stays_red() -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[..., 0] = 90 + np.arange(64)
    even = equalised(pixels, Clahe(), EIGHT_BIT)
    assert (even[..., 0] > even[..., 2].astype(int) + 40).all(), "OpenCV's order of channels is blue, green, red"
    deep = equalised(pixels.astype(np.uint16) * 257, Clahe(), DEEP)
    assert (deep[..., 0] > deep[..., 2].astype(int) + 40 * 257).all()


def test_that_grey_equals_colour_with_equal_channels() -> None:
    grey = surface()
    colour = equalised(np.dstack([grey] * 3), Clahe(), EIGHT_BIT)
    assert np.ptp(colour.astype(int), axis=2).max() <= 2
    # L is not proportional to grey values: what is equal is the order, not the values.
    order = np.corrcoef(colour[..., 0].ravel(), equalised(grey, Clahe(), EIGHT_BIT).ravel())[0, 1]
    assert order > 0.97


@pytest.mark.parametrize("shape", [(1, 400), (33, 47), (64, 64, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_that_shape_type_and_the_picture_itself_stay(shape: tuple[int, ...], dtype: type) -> None:
    pixels = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    before = pixels.copy()
    pixels.setflags(write=False)
    even = equalised(pixels, Clahe(tiles=4), EIGHT_BIT)
    assert even.shape == shape and even.dtype == dtype
    np.testing.assert_array_equal(pixels, before)
