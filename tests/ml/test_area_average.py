"""Shrinking is OpenCV's mean over areas, at any size, type and number of channels."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.area_average import area_average, area_means


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from([np.uint8, np.uint16]), st.booleans())
def test_that_the_means_are_opencv_s_rounded(
    data: st.DataObject, kind: type[np.unsignedinteger], is_colour: bool
) -> None:
    height, width = data.draw(st.integers(1, 300)), data.draw(st.integers(1, 300))
    small = data.draw(st.integers(1, height)), data.draw(st.integers(1, width))
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    shape = (height, width, 3) if is_colour else (height, width)
    pixels = random.integers(0, np.iinfo(kind).max, shape, kind, endpoint=True)
    expected = cv2.resize(pixels.astype(np.float64), small[::-1], interpolation=cv2.INTER_AREA)
    found = area_average(pixels, *small)
    assert found.dtype == kind
    assert np.abs(found - expected).max() <= 0.5 + 1e-6 * np.iinfo(kind).max


@pytest.mark.parametrize("size", [(256, 256), (354, 512), (200, 300)])
def test_that_hardly_a_count_differs_from_opencv_s(size: tuple[int, int]) -> None:
    """Only where a mean lies half-way between two counts does the order of a sum decide."""
    pixels = np.random.default_rng(0).integers(0, 256, (380, 550, 3), np.uint8)
    expected = cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_AREA)
    assert np.mean(area_average(pixels, *size) != expected) < 1e-4


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 200), st.integers(1, 200), st.data())
def test_that_the_means_of_float_values_are_not_rounded(height: int, width: int, data: st.DataObject) -> None:
    small = data.draw(st.integers(1, height)), data.draw(st.integers(1, width))
    values = np.random.default_rng(0).random((height, width), dtype=np.float32)
    expected = cv2.resize(values, small[::-1], interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(area_means(values, *small), expected, rtol=1e-5)


@pytest.mark.parametrize("count", [0, 1, 254, 255])
def test_that_a_plain_picture_stays_as_it_is(count: int) -> None:
    plain = np.full((380, 550, 3), count, np.uint8)
    assert (area_average(plain, 256, 257) == count).all()


def test_that_a_part_of_a_picture_is_shrunk_where_it_lies() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    part = picture[20:201, 33:333]
    np.testing.assert_array_equal(area_average(part, 64, 96), area_average(part.copy(), 64, 96))
