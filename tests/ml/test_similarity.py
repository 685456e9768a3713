import numpy as np
import pytest
import torch
from scipy.ndimage import median_filter
from torch import Tensor

from ml.similarity import (
    GMS_CONSTANT,
    SSIM_CONSTANTS,
    gradient_magnitude,
    gradient_pyramid,
    gradient_similarities,
    median_3x3,
    structural_similarity,
)


def _pictures(count: int = 1, channels: int = 3, height: int = 24, width: int = 32, seed: int = 0) -> Tensor:
    return torch.rand(count, channels, height, width, generator=torch.Generator().manual_seed(seed))


def test_that_the_median_is_scipys_up_to_the_border() -> None:
    grey = _pictures(channels=1)
    expected = median_filter(grey[0, 0].numpy(), size=3, mode="nearest")
    np.testing.assert_array_equal(median_3x3(grey)[0, 0].numpy(), expected)


def test_that_a_full_step_has_the_gradient_1_on_both_of_its_sides_and_none_at_the_border() -> None:
    step = torch.zeros(1, 1, 8, 8)
    step[..., 4:] = 1
    expected = torch.zeros(8, 8)
    expected[:, 3:5] = 1
    torch.testing.assert_close(gradient_magnitude(step)[0, 0], expected, atol=2e-6, rtol=0)
    torch.testing.assert_close(gradient_magnitude(step.mT)[0, 0], expected.mT, atol=2e-6, rtol=0)


def test_that_the_gradient_has_a_slope_where_a_picture_is_flat() -> None:
    flat = torch.full((1, 3, 16, 16), 0.5, requires_grad=True)
    total = torch.stack([gradients.sum() for gradients in gradient_pyramid(flat)]).sum()
    assert flat.grad is None
    total.backward()
    assert flat.grad is not None
    assert torch.isfinite(flat.grad).all()


def test_that_gradient_similarity_equals_the_hand_computed_value() -> None:
    """Two ramps: 0.1 and 0.3 per pixel, so gradients of 0.2 and 0.6 over two pixels."""
    ramp = torch.arange(4.0).expand(1, 1, 4, 4)
    similarity = gradient_similarities([gradient_magnitude(0.1 * ramp)], [gradient_magnitude(0.3 * ramp)])[0]
    expected = (2 * 0.2 * 0.6 + GMS_CONSTANT) / (0.2**2 + 0.6**2 + GMS_CONSTANT)
    assert similarity[0, 0, 1, 1].item() == pytest.approx(expected, abs=1e-5)


def test_that_each_scale_halves_the_median_filtered_grey_picture() -> None:
    pictures = _pictures(2)
    pyramid = gradient_pyramid(pictures)
    assert [tuple(gradients.shape) for gradients in pyramid] == [
        (2, 1, 24, 32),
        (2, 1, 12, 16),
        (2, 1, 6, 8),
        (2, 1, 3, 4),
    ]
    grey = median_3x3(pictures.mean(1, keepdim=True))
    halved = grey.reshape(2, 1, 12, 2, 16, 2).mean((3, 5))
    torch.testing.assert_close(pyramid[1], gradient_magnitude(halved))


def test_that_equal_pictures_are_alike_everywhere() -> None:
    pictures = _pictures(2)
    torch.testing.assert_close(structural_similarity(pictures, pictures), torch.ones_like(pictures))
    for similarity in gradient_similarities(gradient_pyramid(pictures), gradient_pyramid(pictures)):
        torch.testing.assert_close(similarity, torch.ones_like(similarity))


def test_that_structural_similarity_equals_the_hand_computed_value() -> None:
    """At one pixel, with the 11 x 11 window written out in float64."""
    first, second = _pictures(seed=1), _pictures(seed=2)
    steps = np.arange(-5, 6)
    weights = np.exp(-(steps[:, None] ** 2 + steps**2) / (2 * 1.5**2))
    weights /= weights.sum()
    one, other = (picture[0, 1, 5:16, 8:19].double().numpy() for picture in (first, second))  # around (10, 13)
    mean_1, mean_2 = (weights * one).sum(), (weights * other).sum()
    variance_1, variance_2 = (weights * (one - mean_1) ** 2).sum(), (weights * (other - mean_2) ** 2).sum()
    covariance = (weights * (one - mean_1) * (other - mean_2)).sum()
    c1, c2 = SSIM_CONSTANTS
    expected = (2 * mean_1 * mean_2 + c1) * (2 * covariance + c2)
    expected /= (mean_1**2 + mean_2**2 + c1) * (variance_1 + variance_2 + c2)
    similarity = structural_similarity(first, second)
    assert similarity.shape == first.shape
    assert similarity[0, 1, 10, 13].item() == pytest.approx(expected, abs=1e-4)
