import numpy as np
import pytest

from ml.rotations import rotated


def test_that_four_turns_are_quarter_turns() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (9, 9, 3), dtype=np.uint8)
    turns = list(rotated(pixels, 4))
    assert len(turns) == 3
    for quarters, turned in enumerate(turns, start=1):
        assert np.array_equal(turned, np.rot90(pixels, quarters))


@pytest.mark.parametrize("shape", [(20, 31), (20, 31, 3), (1, 500)])
def test_that_turns_keep_frame_and_type_and_bring_in_no_black(shape: tuple[int, ...]) -> None:
    pixels = np.full(shape, 4000, np.uint16)
    for turned in rotated(pixels, 5):
        assert turned.shape == shape
        assert turned.dtype == np.uint16
        assert (turned == 4000).all()


def test_that_one_turn_is_the_picture_alone() -> None:
    assert list(rotated(np.zeros((8, 8), np.uint8), 1)) == []
