import numpy as np
import pytest

from ml.generation.textures import GREY_SHARE, perlin, texture


@pytest.mark.parametrize(("height", "width"), [(169, 169), (1, 40), (97, 33)])
def test_that_a_texture_is_a_picture_of_the_size_asked_for(height: int, width: int) -> None:
    for seed in range(12):
        picture = texture(height, width, seed)
        assert picture.shape == (height, width, 3)
        assert picture.dtype == np.float32
        assert np.isfinite(picture).all()
        assert 0 <= picture.min() <= picture.max() <= 1


def test_that_the_same_seed_gives_the_same_texture_and_another_one_another() -> None:
    assert np.array_equal(texture(64, 80, 3), texture(64, 80, 3))
    assert not np.array_equal(texture(64, 80, 3), texture(64, 80, 4))


def test_that_some_textures_are_grey_and_none_is_plain() -> None:
    pictures = [texture(64, 64, seed) for seed in range(80)]
    grey = [np.ptp(picture, axis=2).max() < 1e-6 for picture in pictures]
    assert abs(np.mean(grey) - GREY_SHARE) < 0.15
    assert min(picture.std(axis=(0, 1)).max() for picture in pictures) > 0.005


def test_that_textures_differ_in_fineness() -> None:
    """From the share of the variance that lies between neighbours: noise has twice it, a gradient next to none."""
    rough = [
        float(np.diff(picture.mean(2), axis=1).var() / picture.mean(2).var())
        for picture in (texture(64, 64, seed) for seed in range(60))
    ]
    assert np.quantile(rough, 0.1) < 0.2
    assert np.quantile(rough, 0.9) > 0.5


def test_that_gradient_noise_is_smooth_and_vanishes_on_its_lattice() -> None:
    values = perlin(80, 120, 4, np.random.default_rng(0))
    assert values.shape == (80, 120)
    assert np.abs(values).max() < 1
    assert np.abs(np.diff(values, axis=0)).max() < 0.1  # a bump is 30 px wide
    assert abs(values.mean()) < 0.15
