import pytest
import torch
from torch import Tensor

from ml.gaussian import Moments, shrink_to_pooled, whitening
from ml.pooled_gaussians import pooled_gaussians, pooled_gaussians_of

POSITIONS, SIZE = 300, 24  # more positions than are worked on at a time


def _samples(count: int, seed: int = 0) -> Tensor:
    """Features of three decades, in places of different means and spreads."""
    generator = torch.Generator().manual_seed(seed)
    units = torch.logspace(-1.5, 1.5, SIZE)
    mixing = torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(7)) * units
    place = torch.linspace(0.5, 2, POSITIONS)[:, None, None]
    return place * (torch.randn(POSITIONS, count, SIZE, generator=generator) @ mixing + units)


def _by_matrices(samples: Tensor) -> tuple[Tensor, Tensor]:
    """Means (p, d) and transposed whitening matrices (p, d, d)."""
    moments = Moments(POSITIONS, SIZE)
    moments.add(samples)
    return moments.mean, whitening(shrink_to_pooled(moments.covariance(), samples.shape[1])).mT


def _distances(mean: Tensor, unmixing: Tensor, probes: Tensor) -> Tensor:
    centred = probes.transpose(0, 1).double() - mean[:, None]
    return torch.bmm(centred, unmixing).square().sum(2).sqrt().T


def _probes(samples: Tensor) -> Tensor:
    """(n, p, d): learnt ones, others, near the mean and far off."""
    mean = samples.mean(1, keepdim=True)
    others = _samples(3, seed=1)
    near = mean + 0.01 * (others - mean)
    return torch.cat([samples[:, :3], others, near, 100 * others], dim=1).transpose(0, 1)


@pytest.mark.parametrize("count", [2, 9, SIZE + 5])
def test_that_few_samples_give_the_distances_of_the_shrunk_covariances(count: int) -> None:
    samples = _samples(count)
    probes = _probes(samples)
    found = pooled_gaussians(samples).distances(probes.double())
    torch.testing.assert_close(found, _distances(*_by_matrices(samples), probes), rtol=1e-9, atol=1e-9)


def test_that_what_a_model_file_holds_gives_the_same_distances_in_float32() -> None:
    samples = _samples(9)
    mean, unmixing = _by_matrices(samples)
    found = pooled_gaussians_of(mean.float(), unmixing.float(), SIZE // 2)
    assert found is not None
    assert found.directions.shape[1] <= 10
    probes = _probes(samples)
    torch.testing.assert_close(
        found.single().distances(probes).double(), _distances(mean, unmixing, probes), rtol=3e-4, atol=1e-4
    )


def test_that_more_directions_than_are_worth_it_are_not_looked_for() -> None:
    for count in (SIZE // 2 + 5, 3 * SIZE):
        mean, unmixing = _by_matrices(_samples(count))
        assert pooled_gaussians_of(mean.float(), unmixing.float(), SIZE // 2) is None


def test_that_places_which_vary_alike_need_no_directions_of_their_own() -> None:
    unmixing = torch.triu(torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(0)) / SIZE + torch.eye(SIZE))
    everywhere = unmixing.expand(POSITIONS, SIZE, SIZE)
    found = pooled_gaussians_of(torch.zeros(POSITIONS, SIZE), everywhere, SIZE // 2)
    assert found is not None
    assert found.directions.shape[1] == 1
    probes = _samples(2).transpose(0, 1)
    expected = _distances(torch.zeros(POSITIONS, SIZE), everywhere.double(), probes)
    torch.testing.assert_close(found.distances(probes.double()), expected, rtol=1e-4, atol=1e-6)
