import numpy as np
import pytest
import torch
from sklearn.covariance import ledoit_wolf_shrinkage as sklearn_ledoit_wolf
from sklearn.covariance import oas as sklearn_oas
from torch import Tensor

from ml.gaussian import Moments, ledoit_wolf_shrinkage, oas_shrinkage, shrink, shrink_to_pooled, whitening


def _samples(positions: int = 3, count: int = 12, size: int = 20, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(positions, size, size, generator=generator) * torch.logspace(-1, 1, size)
    return torch.randn(positions, count, size, generator=generator) @ mixing + 7


def _moments(samples: Tensor, chunk: int = 5) -> Moments:
    moments = Moments(samples.shape[0], samples.shape[2], with_fourth=True)
    for part in samples.split(chunk, dim=1):
        moments.add(part)
    return moments


def test_that_streamed_moments_equal_numpys() -> None:
    samples = _samples()
    moments = _moments(samples)
    for position, rows in enumerate(samples.double().numpy()):
        np.testing.assert_allclose(moments.mean[position], rows.mean(0))
        np.testing.assert_allclose(moments.covariance()[position], np.cov(rows.T, bias=True), atol=1e-9)
        fourth = (((rows - rows.mean(0)) ** 2).sum(1) ** 2).sum()
        assert float(moments.centred_fourth()[position]) == pytest.approx(fourth, rel=1e-8)


@pytest.mark.parametrize("count", [2, 12, 200])
def test_that_shrinkage_shares_equal_scikit_learns(count: int) -> None:
    samples = _samples(count=count)
    moments = _moments(samples)
    covariance = moments.covariance()
    oas = oas_shrinkage(covariance, count)
    ledoit_wolf = ledoit_wolf_shrinkage(covariance, count, moments.centred_fourth())
    for position, rows in enumerate(samples.double().numpy()):
        shrunk, share = sklearn_oas(rows)
        assert float(oas[position]) == pytest.approx(share)
        np.testing.assert_allclose(shrink(covariance, oas)[position], shrunk, rtol=1e-6, atol=1e-9)
        assert float(ledoit_wolf[position]) == pytest.approx(sklearn_ledoit_wolf(rows), rel=1e-6)


def test_that_shrinking_to_the_pooled_covariance_knows_no_units() -> None:
    samples = _samples(positions=40, count=10)
    units = torch.logspace(-2, 2, samples.shape[2])
    plain = shrink_to_pooled(_moments(samples).covariance(), 10)
    scaled = shrink_to_pooled(_moments(samples * units).covariance(), 10)
    torch.testing.assert_close(scaled / units.double() / units.double()[:, None], plain, rtol=0.01, atol=1e-3)


def test_that_few_samples_are_shrunk_more_than_many() -> None:
    def pull(count: int) -> float:
        covariance = _moments(_samples(positions=60, count=count, size=8)).covariance()
        moved = (shrink_to_pooled(covariance, count) - covariance).norm()
        return float(moved / (covariance - covariance.mean(0)).norm())

    assert 1 >= pull(4) > pull(20) > pull(500) > 0


def test_that_a_single_position_is_its_own_pool() -> None:
    covariance = _moments(_samples(positions=1, count=100)).covariance()
    torch.testing.assert_close(shrink_to_pooled(covariance, 100), covariance, rtol=1e-4, atol=1e-2)


def test_that_whitening_gives_the_mahalanobis_distance() -> None:
    covariance = shrink_to_pooled(_moments(_samples()).covariance(), 12)
    difference = _samples(seed=9)[:, 0].double()
    whitened = torch.bmm(whitening(covariance), difference[:, :, None]).norm(dim=(1, 2))
    for position in range(3):
        inverse = np.linalg.inv(covariance[position].numpy())
        expected = float(difference[position].numpy() @ inverse @ difference[position].numpy()) ** 0.5
        assert float(whitened[position]) == pytest.approx(expected, rel=1e-6)
