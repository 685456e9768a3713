"""A graph resizes as `ml.images` does, to the count."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ml.export.resampling import Resize, sampling
from ml.images import prepare
from ml.maps import ScoreMap
from ml.pictures import Pixels
from ml.preprocessing import Preprocessing

SIDE = 64
SIZES = [(64, 64), (128, 128), (96, 128), (160, 128), (192, 256), (100, 77), (301, 200), (40, 40), (50, 200), (64, 32)]


def noise(height: int, width: int, bits: int, *, is_grey: bool = False) -> Pixels:
    shape = (height, width) if is_grey else (height, width, 3)
    random = np.random.default_rng(height + width)
    return random.integers(0, 256, shape, np.uint8) if bits == 8 else random.integers(0, 4096, shape, np.uint16)


def counts_of(pixels: Pixels, bits: int) -> NDArray[np.float32]:
    """What the network would see, in counts: a window and standardisation that change nothing."""
    preprocessing = Preprocessing(
        geometry="whole",
        input_height=SIDE,
        input_width=SIDE,
        window_low=0,
        window_high=2.0**bits,
        mean=(0, 0, 0),
        std=(1, 1, 1),
    )
    counts: NDArray[np.float32] = np.round(prepare(pixels, preprocessing).inputs(0, 1)[0] * 2**bits)
    return counts


@pytest.mark.parametrize("size", SIZES)
def test_that_8_bit_pictures_are_resized_to_the_count(size: tuple[int, int]) -> None:
    pixels = noise(*size, 8)
    resize = Resize.plan(torch.tensor(size[0]), torch.tensor(size[1]), SIDE, SIDE, 8)
    assert np.array_equal(resize.of(torch.from_numpy(pixels)).permute(2, 0, 1).numpy(), counts_of(pixels, 8))


@pytest.mark.parametrize("size", SIZES)
def test_that_deep_pictures_are_resized_within_one_count_and_seldom_otherwise(size: tuple[int, int]) -> None:
    pixels = noise(*size, 16)
    resize = Resize.plan(torch.tensor(size[0]), torch.tensor(size[1]), SIDE, SIDE, 16)
    away = np.abs(resize.of(torch.from_numpy(pixels)).permute(2, 0, 1).numpy() - counts_of(pixels, 16))
    assert away.max() <= 1
    assert (away > 0).mean() < 0.005


@pytest.mark.parametrize(("cells", "height", "offset"), [(8, 100, 0.0), (8, 5, 0.0), (5, 64, 2.5), (1, 40, 0.0)])
def test_that_maps_are_drawn_as_score_maps_are(cells: int, height: int, offset: float) -> None:
    values = np.random.default_rng(0).random((cells, 1), np.float32)
    expected = ScoreMap(
        values, height, 4, height=height, width=4, covered_height=height, covered_width=4, offset_y=offset
    )
    taps = sampling(torch.tensor(height), cells, None, offset * cells / height)
    assert np.allclose(taps.sums(torch.tensor(values))[:, 0].numpy(), expected.at_picture_size()[:, 0], atol=1e-6)
